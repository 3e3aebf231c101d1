// Printing of tensors: expected texts were printed by PyTorch 1.13 (names changed to this project's).
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { DType } from "../src/core/dtype.ts";
import { formatTensor, type PrintOptions } from "../src/print.ts";

const range = (n: number, f: (i: number) => number = (i) => i): number[] => Array.from({ length: n }, (_, i) => f(i));

function prints(
  expected: string,
  shape: number[],
  data: number[],
  dtype: DType = "float32",
  options: PrintOptions = {},
) {
  const values = dtype === "float32" ? Float32Array.from(data) : Int32Array.from(data);
  assert.is(formatTensor(shape, dtype, values, options), expected);
}

test("scalars, integers and plain decimals", () => {
  prints("tensor(3.1416)", [], [Math.PI]);
  prints("tensor(2.)", [], [2]);
  prints("tensor([0.])", [1], [0]);
  prints("tensor([-0., 1.])", [2], [-0, 1]);
  prints("tensor([ 1.0000, -2.5000])", [2], [1, -2.5]);
  prints("tensor([[1., 2.],\n        [3., 4.]])", [2, 2], [1, 2, 3, 4]);
  prints("tensor(7)", [], [7], "int32");
  prints("tensor([  1, -20, 300])", [3], [1, -20, 300], "int32");
  prints("tensor([ True, False])", [2], [1, 0], "bool");
});

test("ties go to the even digit", () => {
  prints("tensor([0.0312, 0.0938])", [2], [0.03125, 0.09375]);
  prints("tensor([1.0000e+05, 5.0000e-01])", [2], [100005, 0.5]);
  prints("tensor([1.0002e+05, 5.0000e-01])", [2], [100015, 0.5]);
});

test("scientific form beyond three decades, above 1e8 and below 1e-4", () => {
  prints("tensor([1.0000e-05])", [1], [1e-5]);
  prints("tensor([1.0000e-03, 1.5000e+00])", [2], [1e-3, 1.5]);
  prints("tensor([1.0000e+00, 2.0000e+09])", [2], [1, 2e9]);
  prints("tensor(1.4013e-45)", [], [1e-45]);
  prints("tensor([100000000.])", [1], [1e8]);
});

test("NaN and infinities", () => {
  prints("tensor([nan, inf, -inf])", [3], [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  prints("tensor([1., inf, nan])", [3], [1, Number.POSITIVE_INFINITY, Number.NaN]);
  prints("tensor([1.5000,    nan])", [2], [1.5, Number.NaN]);
});

test("empty tensors show shape and dtype", () => {
  prints("tensor([])", [0], []);
  prints("tensor([], size=(0, 3))", [0, 3], []);
  prints("tensor([], size=(2, 0), dtype=int32)", [2, 0], [], "int32");
});

test("lines of 80 columns, blank lines between matrices", () => {
  const lines = [range(14), range(14, (i) => 14 + i), [28, 29]].map((r) =>
    r.map((v) => `${v}.`.padStart(3)).join(", "),
  );
  prints(`tensor([${lines.join(",\n        ")}])`, [30], range(30));
  prints("tensor([[[0., 1.],\n         [2., 3.]],\n\n        [[4., 5.],\n         [6., 7.]]])", [2, 2, 2], range(8));
});

test("more than 1000 elements are summarised", () => {
  prints("tensor([   0,    1,    2,  ..., 1998, 1999, 2000])", [2001], range(2001), "int32");
  prints(
    "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.],\n        ...,\n        [0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.]])",
    [40, 40],
    // What is not shown does not decide the format.
    range(1600, (i) => (i === 820 ? 1e9 : 0)),
  );
});

test("what the tape knows of it", () => {
  prints("tensor([1.], requiresGrad=true)", [1], [1], "float32", { requiresGrad: true });
  prints("tensor([[0.5900]], gradFn=<Linear>)", [1, 1], [0.59], "float32", { gradFn: "Linear", requiresGrad: true });
  prints(
    "tensor([0.5000, 1.5000, 2.5000, 3.5000, 4.5000, 5.5000, 6.5000, 7.5000],\n       gradFn=<Mul>)",
    [8],
    range(8, (i) => i + 0.5),
    "float32",
    { gradFn: "Mul" },
  );
});

test.run();
