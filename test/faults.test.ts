// What autograd once got wrong without a word, or refused, each for its kind: selecting gradients, what is saved, integers,
// second derivatives. Views and writes have writes.test.ts.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { labels, messageOf, program } from "./programs.ts";

const { tensor, zeros, ones } = w;
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const leaf = (...values: number[]): w.Tensor => tensor(values, { requiresGrad: true });
const ints = (...values: number[]): w.Tensor => tensor(values, { dtype: "int32" });

/** As `same`, where NaN and infinities may come. */
async function exactly(actual: w.Tensor | null, expected: readonly number[], what: string): Promise<void> {
  assert.ok(actual !== null, `${what}: there is none`);
  assert.equal([...(await actual.data())], [...expected], what);
}

program("second derivatives through max and min along a dim", async (same) => {
  for (const [name, keepdim] of [
    ["max", true],
    ["max", false],
    ["min", true],
    ["min", false],
  ] as const) {
    const x = tensor([1, 3, 2, 6, 5, 4], { shape: [2, 3] }).requiresGrad_();
    const at = name === "max" ? [1, 3] : [0, 5];
    for (let round = 0; round < 2; round++) {
      const y = x[name](1, keepdim).values;
      const [g] = w.grad(y.mul(y).mul(y).sum(), [x], { createGraph: true });
      assert.equal(g!.shape, [2, 3]);
      const values = [1, 3, 2, 6, 5, 4];
      await same(
        g!,
        values.map((v, i) => (at.includes(i) ? 3 * v * v : 0)),
        `${name}: first`,
      );
      const [h] = w.grad(g!.sum(), [x]);
      await same(
        h!,
        values.map((v, i) => (at.includes(i) ? 6 * v : 0)),
        `${name}: second`,
      );
    }
  }
});

test("second derivatives through max(dim) in captured steps on 2 threads", async () => {
  const device = await w.init({ threads: 2 });
  const p = tensor([1, 3, 2, 6, 5, 4], { shape: [2, 3] }).requiresGrad_();
  const f = (x: w.Tensor): (w.Tensor | null)[] => {
    const y = p.mul(x).max(1, true).values;
    const [g] = w.grad(y.mul(y).sum(), [p], { createGraph: true });
    return [g!, w.grad(g!.sum(), [p])[0]!];
  };
  for (let round = 0; round < 2; round++) {
    const captured = w.capture(f as (x: w.Tensor) => w.Tensor[]);
    for (let i = 1; i < 6; i++) {
      const [g, h] = await captured(ones([2, 3]).mul(i));
      await exactly(g!, [0, 6 * i * i, 0, 12 * i * i, 0, 0], "first");
      await exactly(h!, [0, 2 * i * i, 0, 2 * i * i, 0, 0], "second");
    }
  }
  await device.dispose();
});

program("indices of max(dim) belong to the gradient", async (same) => {
  const x = tensor([1, 3, 2, 6, 5, 4], { shape: [2, 3] }).requiresGrad_();
  const { values, indices } = x.max(1);
  indices.add_(indices);
  assert.match(await messageOf(() => values.sum().backward()), /has been modified by an inplace operation/);
  const again = x.max(1);
  again.indices.dispose();
  try {
    again.values.sum().backward();
    await same(x.grad, [0, 1, 0, 1, 0, 0], "disposed of");
  } catch (error) {
    assert.match((error as Error).message, /was released by dispose\(\)/);
  }
  x.grad = null;
  const kept = w.scope(() => x.max(1).values);
  kept.sum().backward();
  await same(x.grad, [0, 1, 0, 1, 0, 0], "left in a scope");
});

/** The gradient of the sum of `f` at these values. */
async function gradient(
  f: (x: w.Tensor) => w.Tensor,
  values: number[],
  expected: number[],
  what: string,
): Promise<void> {
  const x = leaf(...values);
  f(x).sum().backward();
  await exactly(x.grad, expected, what);
}

program("gradients select: what is not taken gives no infinity and no NaN", async () => {
  const zero = zeros([]);
  await gradient((x) => w.maximum(x, zero).sqrt(), [-1, 4], [0, 0.25], "sqrt of maximum");
  await gradient((x) => x.neg().minimum(zero).neg().sqrt(), [-1, 4], [0, 0.25], "sqrt of minimum");
  await gradient((x) => x.relu().sqrt(), [-1, 4], [0, 0.25], "sqrt of relu");
  await gradient((x) => w.div(ones([]), x.mul(2).fill_(0)), [1, 2], [0, 0], "1 / what was filled with 0");
  await gradient((x) => w.div(ones([]), x.mul(2).zero_()), [1, 2], [0, 0], "1 / what was zeroed");
  await gradient(
    (x) =>
      x
        .mul(2)
        .copy_(zeros([2]))
        .log(),
    [1, 2],
    [0, 0],
    "log of a copy",
  );
  await gradient((x) => x.sign().mul(inf), [1, -2], [0, 0], "sign under an infinite gradient");
  await gradient((x) => w.maximum(x, zero).mul(inf), [1, -2], [inf, 0], "maximum under an infinite gradient");
  await gradient((x) => w.minimum(x, zero).mul(inf), [1, -2], [0, inf], "minimum under an infinite gradient");
  await gradient((x) => x.relu().mul(inf), [1, -2], [inf, 0], "relu under an infinite gradient");
  await gradient((x) => x.clamp({ min: 0, max: 1 }).mul(inf), [0.5, -2, 1], [inf, 0, inf], "clamp");
  await gradient((x) => w.where(x.gt(0), x, 0).mul(inf), [1, -2], [inf, 0], "where");
  await gradient((x) => x.maskedFill(x.gt(0), 3).log(), [-1, 2], [-1, 0], "maskedFill");
  await gradient((x) => x.max().mul(inf), [1, 3, 2], [0, inf, 0], "max under an infinite gradient");
  await gradient((x) => x.view(1, 3).max(1).values.mul(inf), [1, 3, 2], [0, inf, 0], "max(dim)");
  await gradient((x) => w.maxPool2d(x.view(1, 1, 1, 4), [1, 2]).mul(inf), [1, 3, 2, 0], [0, inf, inf, 0], "maxPool2d");
});

program("NaN wins, and has the gradient", async () => {
  await gradient((x) => x.max(), [1, nan, 2], [0, 1, 0], "max");
  await gradient((x) => x.min(), [1, nan, 2], [0, 1, 0], "min");
  await gradient((x) => x.max(), [nan, 1, nan], [0.5, 0, 0.5], "max, two of them");
  await gradient((x) => x.max(0).values, [1, nan, 2], [0, 1, 0], "max(dim)");
  const [a, b] = [leaf(nan, 1, 2, 3), leaf(1, nan, 2, 4)];
  w.maximum(a, b).sum().backward();
  await exactly(a.grad, [1, 1, 0.5, 0], "maximum, the first");
  await exactly(b.grad, [1, 1, 0.5, 1], "maximum, the other");
  const [c, d] = [leaf(nan, 1, 2, 3), leaf(1, nan, 2, 4)];
  w.minimum(c, d).sum().backward();
  await exactly(c.grad, [1, 1, 0.5, 1], "minimum, the first");
  await exactly(d.grad, [1, 1, 0.5, 0], "minimum, the other");
});

program("of several NaN: the last of a window, else the first", async () => {
  const of = async (f: (x: w.Tensor) => w.Tensor, values: number[], expected: number[], what: string): Promise<void> =>
    gradient((x) => f(x.view(2, values.length / 2)).sum(), values, expected, what);
  const windows: [number[], number[]][] = [
    [
      [nan, 1, 2, nan],
      [0, 0, 0, 1],
    ],
    [
      [nan, nan, 1, 2],
      [0, 1, 0, 0],
    ],
    [
      [1, nan, nan, 5],
      [0, 0, 1, 0],
    ],
    [
      [nan, 3, 1, 2],
      [1, 0, 0, 0],
    ],
  ];
  for (const [values, expected] of windows) {
    // One window, and enough for the kernel's vectors.
    for (const times of [1, 7]) {
      const rows = (v: number[]): number[] => [0, 2].flatMap((i) => new Array(times).fill(v.slice(i, i + 2)).flat());
      const pooled = (x: w.Tensor): w.Tensor => w.maxPool2d(x.view(1, 2, -1), 2);
      await of(pooled, rows(values), rows(expected), `maxPool2d of ${values}, ${times} windows`);
    }
  }
  await of((x) => x.max(1).values, [nan, 1, nan, nan, nan, 2], [1, 0, 0, 1, 0, 0], "max(dim)");
  await of((x) => x.min(0).values, [nan, 1, nan, nan, nan, 2], [1, 0, 1, 0, 1, 0], "min(dim)");
  const x = tensor([1, nan, nan, 5, nan, nan], { shape: [2, 3] });
  for (const name of ["argmax", "argmin"] as const) {
    await exactly(x[name](1), [1, 1], `${name}(1)`);
    await exactly(x[name](0), [name === "argmax" ? 1 : 0, 0, 0], `${name}(0)`);
    await exactly(x[name](), [1], name);
  }
});

program("sign, relu and heaviside of every dtype, and of NaN", async () => {
  const has = async (t: w.Tensor, dtype: w.DType, expected: number[], what: string): Promise<void> => {
    assert.is(t.dtype, dtype, what);
    await exactly(t, expected, what);
  };
  const x = ints(3, -2, 0, -(2 ** 31), 2 ** 31 - 1);
  const b = tensor([true, false]);
  const f = tensor([nan, 1, -2, 0, inf]);
  await has(x.sign(), "int32", [1, -1, 0, -1, 1], "sign of int32");
  await has(x.relu(), "int32", [3, 0, 0, 0, 2 ** 31 - 1], "relu of int32");
  await has(b.sign(), "bool", [1, 0], "sign of bool");
  assert.match(await messageOf(() => b.relu()), /^relu: .* is bool/);
  await has(f.sign(), "float32", [0, 1, -1, 0, 1], "sign of floats");
  await has(f.relu(), "float32", [nan, 1, 0, 0, inf], "relu of floats");
  await has(w.heaviside(f, tensor(0.5)), "float32", [0, 1, 0, 0.5, 1], "heaviside");
  await has(w.heaviside(tensor([0, 1, -1]), tensor(nan)), "float32", [nan, 1, 0], "heaviside with NaN at 0");
  await has(w.heaviside(x, ints(7)), "int32", [1, 0, 7, 0, 1], "heaviside of int32");
  await has(w.heaviside(b, tensor([true])), "bool", [1, 1], "heaviside of bool");
  assert.match(await messageOf(() => w.heaviside(x, tensor(0.5))), /^heaviside: .*the dtypes must be the same/);
});

program("equal ones share the gradient, along a dim too", async (same) => {
  const of = async (f: (x: w.Tensor) => w.Tensor, expected: number[], what: string): Promise<void> => {
    const x = tensor([3, 1, 3, 2, 2, 2], { shape: [2, 3] }).requiresGrad_();
    f(x).sum().backward();
    await same(x.grad, expected, what);
  };
  await of((x) => x.amax({ dim: 1 }), [0.5, 0, 0.5, 1 / 3, 1 / 3, 1 / 3], "amax of a dim");
  await of((x) => x.amin({ dim: 1 }), [0, 1, 0, 1 / 3, 1 / 3, 1 / 3], "amin of a dim");
  await of((x) => x.amax({ dim: [0, 1] }), [0.5, 0, 0.5, 0, 0, 0], "amax of both");
  await of((x) => x.max(), [0.5, 0, 0.5, 0, 0, 0], "max");
  await of((x) => x.max(1).values, [1, 0, 0, 1, 0, 0], "max(dim) takes the first");
});

program("cross-entropy with smoothed labels leaves rows out whole", async (same) => {
  const x = tensor([1, 2, 3, -inf], { shape: [2, 2] }).requiresGrad_();
  const loss = w.crossEntropy(x, labels([0, -100]), { labelSmoothing: 0.125 });
  await same(loss, 1.2507616875182228, "loss");
  loss.backward();
  await same(x.grad, [-0.6685585786300049, 0.6685585786300049, 0, 0], "gradient");
  const tenth = w.crossEntropy(x, labels([0, -100]), { labelSmoothing: 0.1 });
  assert.ok(Math.abs((await tenth.item()) - 1.26326) < 1e-5);
  const plain = tensor([1, 2, 3, -inf], { shape: [2, 2] }).requiresGrad_();
  const other = w.crossEntropy(plain, labels([0, 0]));
  await same(other, 0.6566308437591114, "a class of no probability");
  other.backward();
  await same(plain.grad, [-0.36552928931500245, 0.36552928931500245, 0, 0], "its gradient");
});

program("an integer is compared with a number as numbers are", async () => {
  const x = ints(1, 2, -3);
  const names = ["eq", "ne", "lt", "le", "gt", "ge"] as const;
  const table: [number, string][] = [
    [1.5, "000 111 101 101 010 010"],
    [-2.5, "000 111 001 001 110 110"],
    [nan, "000 111 000 000 000 000"],
    [inf, "000 111 111 111 000 000"],
    [-inf, "000 111 000 000 111 111"],
    [3e9, "000 111 111 111 000 000"],
    [-3e9, "000 111 000 000 111 111"],
    [2, "010 101 101 111 000 010"],
  ];
  for (const [v, expected] of table) {
    const got = await Promise.all(names.map(async (name) => (await x[name](v).data()).join("")));
    assert.is(got.join(" "), expected, `${v}`);
  }
  const big = ints(2 ** 24 + 1, 2 ** 24);
  await exactly(big.eq(2 ** 24), [0, 1], "2^24");
  await exactly(big.gt(2 ** 24 + 0.5), [1, 0], "2^24 + 0.5");
});

program("extremes of integers and of bool", async () => {
  const x = tensor([3, -1, 2, 0, 5, -7], { shape: [2, 3], dtype: "int32" });
  const y = tensor([2, -1, 3, -7, 6, 0], { shape: [2, 3], dtype: "int32" });
  const has = async (t: w.Tensor, dtype: w.DType, expected: number[], what: string): Promise<void> => {
    assert.is(t.dtype, dtype, what);
    await exactly(t, expected, what);
  };
  await has(w.maximum(x, y), "int32", [3, -1, 3, 0, 6, 0], "maximum");
  await has(w.minimum(x, y), "int32", [2, -1, 2, -7, 5, -7], "minimum");
  await has(w.maximum(x, y.narrow(0, 1, 1)), "int32", [3, 6, 2, 0, 6, 0], "maximum, broadcast");
  await has(x.neg(), "int32", [-3, 1, -2, 0, -5, 7], "neg");
  await has(x.abs(), "int32", [3, 1, 2, 0, 5, 7], "abs");
  await has(x.max(), "int32", [5], "max");
  await has(x.min(), "int32", [-7], "min");
  await has(x.max(1).values, "int32", [3, 5], "max(1)");
  await has(x.max(1).indices, "int32", [0, 1], "max(1): indices");
  await has(x.min(0).values, "int32", [0, -1, -7], "min(0)");
  await has(x.amax({ dim: 0 }), "int32", [3, 5, 2], "amax");
  await has(x.amin({ dim: [0, 1] }), "int32", [-7], "amin");
  await has(x.argmax(), "int32", [4], "argmax");
  await has(x.argmin(1), "int32", [1, 2], "argmin(1)");
  await has(ints(2 ** 24 + 1, 2 ** 24).max(), "int32", [2 ** 24 + 1], "what no float32 holds");
  await has(ints(2 ** 31 - 1, -(2 ** 31)).argmin(0), "int32", [1], "the least");
  const b = tensor([true, false, false, false], { shape: [2, 2] });
  await has(w.maximum(b, b.t()), "bool", [1, 0, 0, 0], "maximum of bool");
  await has(w.minimum(b, b), "bool", [1, 0, 0, 0], "minimum of bool");
  await has(b.max(), "bool", [1], "max of bool");
  await has(b.min(), "bool", [0], "min of bool");
  await has(b.max(1).values, "bool", [1, 0], "max(1) of bool");
  await has(b.amin({ dim: 0 }), "bool", [0, 0], "amin of bool");
  for (const f of [() => b.neg(), () => b.abs(), () => b.argmax()]) assert.match(await messageOf(f), /bool/);
});

program("what no gradient reads may be written", async (same) => {
  const x = tensor([1, 2, 3, 4], { shape: [2, 2] }).requiresGrad_();
  const c = tensor([1, 2, 3, 4], { shape: [2, 2] });
  const of = async (f: (h: w.Tensor) => w.Tensor, expected: number[], what: string): Promise<void> => {
    x.grad = null;
    const h = x.mul(1);
    const y = f(h);
    h.add_(1);
    y.sum().backward();
    await same(x.grad, expected, what);
  };
  await of((h) => h.mul(c), [1, 2, 3, 4], "mul");
  await of((h) => h.matmul(c), [3, 7, 3, 7], "matmul");
  await of((h) => c.matmul(h), [4, 4, 6, 6], "matmul from the left");
  await of((h) => w.linear(h, c), [4, 6, 4, 6], "linear");
  await of((h) => h.div(c), [1, 1 / 2, 1 / 3, 1 / 4], "div");
  await of((h) => h.mul(3), [3, 3, 3, 3], "mul by a number");
  await of((h) => w.where(c.gt(2), h, 0), [0, 0, 1, 1], "where");
  await of((h) => h.maskedFill(c.gt(2), 5), [1, 1, 0, 0], "maskedFill");
  await of((h) => w.conv2d(h.view(1, 1, 2, 2), c.view(1, 1, 2, 2)), [1, 2, 3, 4], "conv2d");
});

program("backward() twice where nothing was saved", async (same) => {
  const x = leaf(1, 2, 3);
  const y = x.mul(2).sum().add(1);
  y.backward();
  y.backward();
  await same(x.grad, [4, 4, 4], "through sum, mul and add");
  const z = x.exp().sum();
  z.backward();
  assert.match(await messageOf(() => z.backward()), /a second time/);
});

program("mul_ and div_ by what requires grad", async (same) => {
  const [x, q] = [leaf(2, 4), leaf(5, 8)];
  const y = x.mul(1);
  y.mul_(q);
  y.sum().backward();
  await same(x.grad, [5, 8], "mul_: the first");
  await same(q.grad, [2, 4], "mul_: the other");
  [x.grad, q.grad] = [null, null];
  const z = x.mul(1);
  z.div_(q);
  z.sum().backward();
  await same(x.grad, [1 / 5, 1 / 8], "div_: the first");
  await same(q.grad, [-2 / 25, -4 / 64], "div_: the other");
  q.grad = null;
  const m = zeros([2, 2]).add(3);
  m.mul_(q);
  m.sum().backward();
  await same(q.grad, [6, 6], "mul_, broadcast");
});

/** What PyTorch 1.13 has for the second derivative of what is linear: zeros, nothing without a word, or an error. */
const LINEAR: Record<"zeros" | "nothing" | "refused", Record<string, (x: w.Tensor) => w.Tensor>> = {
  zeros: {
    relu: (x) => x.relu(),
    abs: (x) => x.abs(),
    maxPool2d: (x) => w.maxPool2d(x.view(1, 1, 4, 4), 2),
    "maxPool2d of overlapping windows": (x) => w.maxPool2d(x.view(1, 4, 4), 3, { stride: 1 }),
    avgPool2d: (x) => w.avgPool2d(x.view(1, 1, 4, 4), 2),
    "pools in a row": (x) => w.avgPool2d(w.maxPool2d(x.view(1, 1, 4, 4), 2), 2),
    "maxPool2d of conv2d": (x) => w.maxPool2d(w.conv2d(x.view(1, 1, 4, 4), ones([1, 1, 2, 2])), 2),
    "avgPool2d of a transposed view": (x) => w.avgPool2d(x.t().view(1, 4, 4).transpose(1, 2), 2),
    nllLoss: (x) => w.nllLoss(x, labels([0, 1, 2, 3])),
    "nllLoss, sum": (x) => w.nllLoss(x, labels([0, 1, 2, 3]), { reduction: "sum" }),
    "nllLoss, none": (x) => w.nllLoss(x, labels([0, 1, -100, 3]), { reduction: "none" }),
    "nllLoss, weighted": (x) => w.nllLoss(x, labels([0, 1, 2, 3]), { weight: tensor([1, 2, 3, 4]) }),
    "nllLoss of one row": (x) => w.nllLoss(x.view(16), tensor(2, { dtype: "int32" })),
  },
  nothing: {
    "conv2d of the input": (x) => w.conv2d(x.view(1, 1, 4, 4), ones([1, 1, 2, 2])),
    "conv2d of the weight": (x) => w.conv2d(ones([1, 1, 5, 5]), x.view(1, 1, 4, 4)),
    "layerNorm of weight and bias": (x) => w.layerNorm(ones([2, 4]), 4, x.select(0, 0), x.select(0, 1)),
  },
  refused: {
    mm: (x) => x.mm(ones([4, 4])),
    "matmul from the left": (x) => ones([3, 4]).matmul(x),
    linear: (x) => w.linear(x, ones([3, 4])),
    "conv2d of the bias": (x) => w.conv2d(ones([1, 1, 2, 2]), ones([4, 1, 2, 2]), x.select(0, 0)),
    sum: (x) => x.sum(),
    mean: (x) => x.mean({ dim: 1 }),
    neg: (x) => x.neg(),
    sign: (x) => x.sign(),
    add: (x) => x.add(1),
    mul: (x) => x.mul(ones([4, 4])),
    div: (x) => x.div(2),
    maximum: (x) => w.maximum(x, ones([4, 4])),
    where: (x) => w.where(x.gt(0), x, 0),
    maskedFill: (x) => x.maskedFill(x.gt(0), 1),
    clamp: (x) => x.clamp({ min: 0, max: 1 }),
    max: (x) => x.max(),
    "max(dim)": (x) => x.max(1).values,
    amin: (x) => x.amin({ dim: 1 }),
    expand: (x) => x.expand(2, 4, 4),
    narrow: (x) => x.narrow(1, 1, 2),
    unbind: (x) => x.unbind(1)[1]!,
    fill_: (x) => x.clone().fill_(1),
    copy_: (x) => zeros([4, 4]).copy_(x),
    mul_: (x) => x.clone().mul_(ones([4, 4])),
  },
};

program("a second derivative that is zero is zeros", async (same) => {
  const of = (f: (x: w.Tensor) => w.Tensor): [w.Tensor, w.Tensor] => {
    const values = Array.from({ length: 16 }, (_, i) => ((i * 7) % 16) - 7.5);
    const x = tensor(values, { shape: [4, 4] }).requiresGrad_();
    return [x, w.grad(f(x).sum(), [x], { createGraph: true })[0]!];
  };
  for (const [what, f] of Object.entries(LINEAR.zeros)) {
    const [x, g] = of(f);
    g.sum().backward();
    await same(x.grad, new Array(16).fill(0), what);
  }
  for (const [what, f] of Object.entries(LINEAR.nothing)) {
    const [x, g] = of(f);
    assert.ok(g.requiresGrad, what);
    g.sum().backward();
    assert.is(x.grad, null, what);
  }
  for (const [what, f] of Object.entries(LINEAR.refused)) {
    const [, g] = of(f);
    assert.not(g.requiresGrad, what);
    assert.match(await messageOf(() => g.sum().backward()), /does not require grad/, what);
  }
  // Where there is more, zeros are no part of it.
  const x = tensor([1, 2, 3, 4], { shape: [1, 2, 2] }).requiresGrad_();
  const y = w.maxPool2d(x, 2);
  const [g] = w.grad(y.mul(y).sum(), [x], { createGraph: true });
  await same(w.grad(g!.sum(), [x])[0]!, [0, 0, 0, 2], "the square of a pool");
});

program("a second derivative of a product is that of the other factor", async (same) => {
  const products: [string, (x: w.Tensor, c: w.Tensor) => w.Tensor, number[]][] = [
    ["mul", (x, c) => x.mul(c), [1, 1, 1, 1]],
    ["div", (x, c) => x.div(c), [-1, -1 / 4, -1 / 9, -1 / 16]],
    ["mm", (x, c) => x.mm(c), [2, 2, 2, 2]],
    ["linear", (x, c) => w.linear(x, c), [2, 2, 2, 2]],
    ["conv2d", (x, c) => w.conv2d(x.view(1, 1, 2, 2), c.view(1, 1, 2, 2)), [1, 1, 1, 1]],
  ];
  for (const [what, f, expected] of products) {
    const [x, c] = [1, -2].map((k) =>
      tensor([1, 2, 3, 4], { shape: [2, 2] })
        .mul(k)
        .detach()
        .requiresGrad_(),
    );
    const [g] = w.grad(f(x!, what === "div" ? c!.div(-2) : c!).sum(), [x!], { createGraph: true });
    g!.sum().backward();
    const factor = what === "div" ? -0.5 : 1;
    await same(
      c!.grad,
      expected.map((v) => v * factor),
      what,
    );
    assert.is(x!.grad, null, `${what}: it does not depend on the first`);
  }
  const x = leaf(1, 2);
  const [plain] = w.grad(x.mul(2).sum(), [x], { createGraph: true });
  assert.match(await messageOf(() => plain!.sum().backward()), /does not require grad/);
});

program("a released tensor says so wherever it is used, also where it would be returned as it is", async () => {
  const gone = (t: w.Tensor): w.Tensor => {
    t.dispose();
    return t;
  };
  const x = (): w.Tensor => gone(ones([2, 3]));
  const i = (): w.Tensor => gone(ints(1, 2));
  const b = (): w.Tensor => gone(tensor([true, false]));
  const uses: Record<string, () => unknown> = {
    contiguous: () => x().contiguous(),
    "contiguous of a transposed view": () => gone(ones([2, 3]).t()).contiguous(),
    float: () => x().float(),
    int: () => i().int(),
    bool: () => b().bool(),
    "to a dtype": () => x().to("float32"),
    "to another dtype": () => x().to("int32"),
    "to a device": () => x().to(w.defaultDevice()),
    detach: () => x().detach(),
    clone: () => x().clone(),
    isContiguous: () => x().isContiguous(),
    stride: () => x().stride(),
    "stride of a dim": () => x().stride(0),
    storageOffset: () => x().storageOffset(),
    view: () => x().view(6),
    "reshape to its shape": () => x().reshape(2, 3),
    flatten: () => i().flatten(),
    squeeze: () => x().squeeze(),
    unsqueeze: () => x().unsqueeze(0),
    t: () => i().t(),
    permute: () => x().permute(0, 1),
    expand: () => x().expand(2, 3),
    narrow: () => x().narrow(0, 0, 2),
    select: () => x().select(0, 0),
    unbind: () => x().unbind(),
    split: () => x().split(2),
    chunk: () => x().chunk(1),
    diagonal: () => x().diagonal(),
    movedim: () => x().movedim(0, 0),
    "sign of bool": () => b().sign(),
    "relu of int32": () => i().relu(),
    "a comparison with what no int32 is": () => i().lt(1e10),
    "dropout in evaluation": () => w.dropout(x(), 0.5, false),
    maskedFill_: () => x().maskedFill_(tensor([true]), 0),
    tanh_: () => x().tanh_(),
    "copy_ of": () => ones([2, 3]).copy_(x()),
    backward: () => x().backward(),
    data: () => x().data(),
  };
  for (const [what, use] of Object.entries(uses)) {
    assert.match(await messageOf(use), /^\w+: the tensor \w+ \[.*\] was released by dispose\(\)/, what);
  }
  assert.equal([x().numel, x().ndim, x().shape, x().dtype], [6, 2, [2, 3], "float32"], "what it was stays");
});

program("what is written in place keeps its history for second derivatives", async (same) => {
  const x = tensor([1, 2, 3]).requiresGrad_();
  const weights = tensor([1, 2, 3]);
  const writes: Record<string, [(y: w.Tensor) => unknown, number[], number[]]> = {
    // (2 x²)², weighted 1 2 3 for the second: 16 x³ and 48 k x².
    "by the leaf": [(y) => y.mul_(x), [16, 128, 432], [48, 384, 1296]],
    // y = 2 x: y0 y1', y1 y2', y2, squared and summed, with x' the leaf.
    "a part by another part of the leaf": [
      (y) => y.slice(0, 0, 2).mul_(x.slice(0, 1, 3)),
      [32, 160, 120],
      [96, 480, 312],
    ],
    "a part by another part of itself": [(y) => y.select(0, 0).mul_(y.select(0, 1)), [128, 80, 24], [384, 208, 24]],
    "by itself": [(y) => y.mul_(y), [64, 512, 1728], [192, 1536, 5184]],
    // (2 x / (2 x + 1))²
    "a quotient": [
      (y) => y.div_(y.add(1)),
      [1, 2, 3].map((v) => (8 * v) / (2 * v + 1) ** 3),
      [1, 2, 3].map((v) => (v * (8 - 32 * v)) / (2 * v + 1) ** 4),
    ],
  };
  for (const [name, [write, first, second]] of Object.entries(writes)) {
    const y = x.mul(2);
    write(y);
    const [g] = w.grad(y.mul(y).sum(), [x], { createGraph: true });
    await same(g!, first, `${name}: first`);
    const [h] = w.grad(g!.mul(weights).sum(), [x]);
    await same(h!, second, `${name}: second`);
  }
});

/** One of several views, whose base was written since: -2, -4. */
function behind(): w.Tensor {
  const y = tensor([1, 2], { shape: [1, 2] })
    .requiresGrad_()
    .mul(2);
  const [v] = y.unbind(0);
  y.mul_(-1);
  return v!;
}
const BEHIND = /is a view whose base has been modified in place since: a view that is the output of a function/;

program("one of several views that stayed behind has no gradient to give", async () => {
  const ways: Record<string, (v: w.Tensor) => unknown> = {
    backward: (v) => v.backward(ones([2])),
    grad: (v) => w.grad(v.detach().requiresGrad_().sum(), [v]),
    mul_: (v) => ones([2]).mul_(v),
    copy_: (v) => ones([2]).copy_(v),
    mul: (v) => v.mul(2),
  };
  for (const [op, way] of Object.entries(ways)) {
    const message = await messageOf(() => way(behind()));
    assert.ok(message.startsWith(`${op}: `) && BEHIND.test(message), `${op}: ${message}`);
  }
});

program("one of several views that stayed behind is read, and used where nothing is recorded", async (same) => {
  await same(behind(), [-2, -4], "read");
  await same(behind().detach(), [-2, -4], "detached");
  await same(
    w.noGrad(() => behind().mul(2)),
    [-4, -8],
    "without gradients",
  );
  assert.equal([...(await behind().lt(-3).data())], [0, 1]);
  assert.is(await behind().argmax().item(), 0);
  const wide = ones([3, 2]).requiresGrad_().mul(2);
  const [column] = wide.unbind(1);
  wide.mul_(3);
  await same(column!, [6, 6, 6], "one that does not lie dense");
  assert.is(await column!.argmax().item(), 0);
  const f = w.capture((x: w.Tensor) => {
    const y = x.mul(ones([3, 2]).requiresGrad_());
    const [v] = y.unbind(1);
    y.mul_(3);
    return v!;
  });
  for (let i = 1; i < 6; i++) await same(await f(w.full([3, 2], i)), [3 * i, 3 * i, 3 * i], `captured, call ${i}`);
});

program("grad() walks what leads to its inputs, and leaves the rest", async (same) => {
  const [x, z] = [tensor([1, 2]).requiresGrad_(), tensor([3, 4]).requiresGrad_()];
  const factor = tensor([5, 6]);
  // What the gradient of x would read is written; that of z does not ask for it.
  const product = x.mul(factor);
  const loss = product.add(z).mul(z).sum();
  factor.add_(1);
  await same(w.grad(loss, [z], { retainGraph: true })[0], [5 + 6, 12 + 8], "the other leaf");
  assert.match(await messageOf(() => w.grad(loss, [x], { retainGraph: true })), /modified by an inplace operation/);
  // An intermediate as input: what lies behind it is not consumed.
  const inner = x.mul(x);
  await same(w.grad(inner.mul(inner).sum(), [inner])[0], [2, 8], "an intermediate");
  inner.sum().backward();
  await same(x.grad, [2, 4], "its own graph is there yet");
  // A result and what it is made of at once.
  const outer = x.mul(x);
  const [a, b, c] = w.grad(outer.mul(3), [outer, x, z], { gradient: ones([2]) });
  await same(a!, [3, 3], "of the intermediate");
  await same(b!, [6, 12], "of the leaf behind it");
  assert.is(c, null);
  assert.match(await messageOf(() => w.grad(outer.mul(3), [x], { gradient: ones([2]) })), /a second time/);
});

program("a leaf that came to be a result takes no gradient", async () => {
  const [x, k] = [tensor([1, 2]).requiresGrad_(), tensor([3, 4]).requiresGrad_()];
  const y = x.mul(2).sum();
  x.requiresGrad_(false);
  x.mul_(k);
  assert.match(
    await messageOf(() => y.backward()),
    /^backward: .*leaf variable has been moved into the graph interior$/,
  );
});

program("flatten() of one dim is the tensor itself", async (same) => {
  const x = tensor([1, 2, 3, 4], { shape: [2, 2] });
  assert.is(x.flatten(1), x);
  assert.is(x.flatten(-2, 0), x);
  const y = w.noGrad(() => x.flatten(1));
  y.mul_(tensor([2, 3]).requiresGrad_());
  await same(x, [2, 6, 6, 12], "written");
  assert.is(x.requiresGrad, true);
  assert.equal(w.full([], 7).flatten().shape, [1]);
});

program("the second derivative of max and min along a dim selects: an infinity beside it stays there", async () => {
  for (const name of ["max", "min"] as const) {
    const x = tensor([name === "max" ? -inf : inf, 2, 1, 3], { shape: [2, 2] }).requiresGrad_();
    const { values } = x[name](1);
    const [g] = w.grad(values.mul(values).mul(values).sum(), [x], { createGraph: true });
    g!
      .mul(tensor([inf, 1, 1, 1], { shape: [2, 2] }))
      .narrow(0, 0, 1)
      .narrow(1, 1, 1)
      .sum()
      .backward();
    await exactly(x.grad, [0, 12, 0, 0], name);
    // Times x itself, of which the infinity was not taken.
    x.grad = null;
    const [h] = w.grad(x[name](1).values.sin().sum(), [x], { createGraph: true });
    h!.mul(x.detach()).backward(tensor([0, 1, 0, 0], { shape: [2, 2] }));
    const [, at] = await x.grad!.data();
    assert.ok(Math.abs(at! + 2 * Math.sin(2)) < 1e-6, `${name}: ${at}`);
  }
});

program("the gradient of a divisor whose square no float holds", async () => {
  for (const write of [(a: w.Tensor, b: w.Tensor) => a.div(b), (a: w.Tensor, b: w.Tensor) => a.clone().div_(b)]) {
    const [a, b] = [leaf(2 ** 80, 2 ** -80), leaf(2 ** 80, 2 ** -80)];
    write(a, b).sum().backward();
    await exactly(a.grad, [2 ** -80, 2 ** 80], "dividend");
    await exactly(b.grad, [-(2 ** -80), -(2 ** 80)], "divisor");
  }
  const x = leaf(0);
  const [g] = w.grad(leaf(-1).div(x).sum(), [x], { createGraph: true });
  g!.backward();
  await exactly(g!.detach(), [inf], "at zero");
  await exactly(x.grad, [-inf], "twice at zero");
});

program("what a loss or a pool does not take stays out of it, whatever it is", async (same) => {
  const x = tensor([1, 2, 3, -inf], { shape: [2, 2] }).requiresGrad_();
  const labels = tensor([0, -100], { dtype: "int32" });
  const [g] = w.grad(w.crossEntropy(x, labels), [x], { createGraph: true });
  const second = 1 / (1 + Math.exp(-1)); // the probability of class 1
  await same(g!, [-second, second, 0, 0], "first");
  g!
    .mul(tensor([1, 2, 1, 1], { shape: [2, 2] }))
    .sum()
    .backward();
  const slope = second * (1 - second);
  await same(x.grad, [-slope, slope, 0, 0], "second");

  const logits = tensor([1, 2, 3, 3, -1, 0], { shape: [2, 3] });
  const classes = tensor([0, 1], { dtype: "int32" });
  const loss = (2 + Math.log1p(Math.exp(-1) + Math.exp(-2)) + 2 * (4 + Math.log1p(Math.exp(-3) + Math.exp(-4)))) / 3;
  await same(w.crossEntropy(logits, classes, { weight: tensor([1, 2, inf]) }), [loss], "weight of none");
  await same(w.nllLoss(logits, classes, { weight: tensor([1, 2, Number.NaN]) }), [1 / 3], "NaN of none");

  const image = tensor([1, 2, 4, 3], { shape: [1, 1, 2, 2] }).requiresGrad_();
  const pooled = w.maxPool2d(image, 2);
  const [gi] = w.grad(pooled.mul(pooled).sum(), [image], { createGraph: true });
  gi!.backward(tensor([inf, 0, 1, Number.NaN], { shape: [1, 1, 2, 2] }));
  await same(image.grad, [0, 0, 2, 0], "maxPool2d");
});

test.run();
