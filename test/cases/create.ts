// Tensors from nothing. Casts show integer and bool ones; the default device is the device under test.
import * as ops from "../../src/ops/index.ts";
import { FEW, f, family } from "./case.ts";

export const { cases, add } = family("create", { tolerance: "exact", order: 0 });

for (const n of FEW) {
  add(`zeros(${n})`, [], () => ops.zeros([n]));
  add(`ones(${n})`, [], () => ops.ones([n]));
  add(`full(${n})`, [], () => ops.full([n], -2.7));
  add(`full(${n}), int32`, [], () => ops.full([n], -7, { dtype: "int32" }));
  add(`ones(${n}), bool`, [], () => ops.ones([n], { dtype: "bool" }));
  add(`arange(${n})`, [], () => ops.arange(n));
  add(`arange(${n}), float32`, [], () => ops.arange(n, { dtype: "float32" }));
  add(`arange of ${n} steps down`, [], () => ops.arange(5, 5 - 3 * n, -3));
  add(`arange of ${n} steps of 0.1`, [], () => ops.arange(0, n === 0 ? 0 : 0.1 * n - 0.05, 0.1));
}
add("zeros([])", [], () => ops.zeros([]));
add("zeros([3,0,2])", [], () => ops.zeros([3, 0, 2]));
add("full NaN", [], () => ops.full([5], Number.NaN), { marks: ["nonfinite"] });
add("full infinity", [], () => ops.full([5], Number.POSITIVE_INFINITY), { marks: ["nonfinite"] });
add("tensor of nested arrays", [], () =>
  ops.tensor([
    [1.5, 2],
    [3, -4.25],
    [5, 6],
  ]),
);
add("tensor of booleans", [], () => ops.tensor([true, false, true]));
add("tensor of integers", [], () =>
  ops.tensor(
    [
      [1, 2],
      [3, -4],
    ],
    { dtype: "int32" },
  ),
);
add("tensor of a typed array", [], () => ops.tensor(Int32Array.of(1, -2, 3, 4, 5, 6), { shape: [2, 3] }));
add("zerosLike", [f([3, 7])], (x) => ops.zerosLike(x));
add("onesLike", [f([3, 7])], (x) => ops.onesLike(x));
add("fullLike", [f([3, 7])], (x) => ops.fullLike(x, 2.5));
