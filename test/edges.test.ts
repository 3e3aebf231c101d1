// Values at the edges of what floats hold, as PyTorch 1.13 gives them (each was run there): bounds that are NaN, quotients by 0 without a
// fraction, factors that would overflow, dtypes that meet before a factor, and gradients twice through what does not lie dense.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Tensor } from "../src/index.ts";
import * as w from "../src/index.ts";

const NONE = Number.NaN;
const INT = { dtype: "int32" } as const;
w.setDefaultDevice(await w.init({ threads: 1 }));

const values = async (x: Tensor | null): Promise<number[]> => [...(await x!.data())];
const leaf = (list: number[]): Tensor => w.tensor(list).requiresGrad_();
/** What f gives for x, and the gradient of the sum. */
async function both(f: (x: Tensor) => Tensor, list: number[]): Promise<[number[], number[]]> {
  const x = leaf(list);
  const y = f(x);
  y.sum().backward();
  return [await values(y), await values(x.grad)];
}

test("clamp: a NaN among bounds that are tensors gives NaN, and nobody a gradient", async () => {
  const [x, min, max] = [leaf([1, 2, 3]), leaf([NONE, 0, 0]), leaf([5, NONE, 5])];
  const y = w.clamp(x, { min, max });
  y.sum().backward();
  assert.equal(await values(y), [NONE, NONE, 3]);
  assert.equal(await values(x.grad), [0, 0, 1]);
  assert.equal(await values(min.grad), [0, 0, 0]);
  assert.equal(await values(max.grad), [0, 0, 0]);
  assert.equal(await both((x) => w.clamp(x, { min: w.tensor(NONE) }), [1, 2]), [
    [NONE, NONE],
    [0, 0],
  ]);
  assert.equal(await both((x) => w.clamp(x, { max: w.zeros([2]) }), [NONE, 2]), [
    [NONE, 0],
    [0, 0],
  ]);
});

test("clamp: a number that is NaN does nothing alone, and makes all NaN beside another", async () => {
  const x = [1, 2, NONE];
  for (const bounds of [{ min: NONE }, { max: NONE }])
    assert.equal(await both((x) => w.clamp(x, bounds), x), [x, [0, 0, 0]]);
  for (const bounds of [
    { min: NONE, max: 5 },
    { min: 0, max: NONE },
  ])
    assert.equal(await both((x) => w.clamp(x, bounds), x), [
      [NONE, NONE, NONE],
      [0, 0, 0],
    ]);
});

test("clamp: where the bounds cross, the upper one is taken, and has the gradient", async () => {
  const [x, min, max] = [leaf([0, 5, 2]), leaf([3, 3, 1]), leaf([1, 1, 1])];
  const y = w.clamp(x, { min, max });
  y.sum().backward();
  assert.equal(await values(y), [1, 1, 1]);
  assert.equal(await values(x.grad), [0, 0, 0]);
  assert.equal(await values(min.grad), [0, 0, 0]);
  assert.equal(await values(max.grad), [1, 1, 1]);
});

test("quotients without a fraction have a gradient of 0, by 0 too", async () => {
  for (const roundingMode of ["trunc", "floor"] as const)
    for (const by of [0, w.zeros([3])])
      assert.equal(
        await both((x) => w.div(x, by as Tensor, { roundingMode }), [1, -2, 0]),
        [
          [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, NONE],
          [0, 0, 0],
        ],
        roundingMode,
      );
});

test("sinc has a gradient of 0 where the square of x is too small for a float", async () => {
  const [, gradient] = await both((x) => w.sinc(x), [1e-30, 1e-20, -1e-25, 0]);
  assert.equal(gradient.map(Math.abs), [0, 0, 0, 0]);
});

test("addcmul and addcdiv multiply by value first", async () => {
  const [one, huge] = [w.ones([1]), w.tensor([1e38])];
  const near = Math.fround(Math.fround(1e38) * Math.fround(1e-4));
  const off = async (x: Tensor): Promise<number> => Math.abs((await values(x))[0]! / near / 10 - 1);
  assert.ok((await off(w.addcdiv(one, huge, w.tensor([0.1]), { value: 1e-4 }))) < 1e-6);
  assert.ok((await off(w.addcmul(one, huge, w.tensor([10]), { value: 1e-4 }))) < 1e-6);
  assert.equal(await values(w.addcmul(w.tensor([1], INT), w.tensor([3], INT), w.tensor([4], INT), { value: 2 })), [25]);
  const [x, a, b] = [leaf([1, 2]), leaf([3, 4]), leaf([5, 6])];
  w.addcmul(x, a, b, { value: 2 }).sum().backward();
  assert.equal(await values(x.grad), [1, 1]);
  assert.equal(await values(a.grad), [10, 12]);
  assert.equal(await values(b.grad), [6, 8]);
});

test("alpha multiplies in the dtype in which the two meet", async () => {
  const most = w.tensor([2147483647, -2147483648], INT);
  assert.equal(await values(w.sub(w.ones([2]), most, { alpha: 2 })), [-(2 ** 32), 2 ** 32]);
  assert.equal(await values(w.ones([1]).add_(w.tensor([1e9], INT), { alpha: 3 })), [3e9]);
  assert.equal(await values(w.add(w.tensor([1], INT), w.tensor([true]), { alpha: 3 })), [4]);
  const [yes, no] = [w.tensor([true]), w.tensor([false])];
  assert.equal(await values(w.add(yes, yes, { alpha: 2 })), [1]);
  assert.equal(await values(w.add(no, yes, { alpha: 0 })), [0]);
  assert.is(w.add(yes, yes, { alpha: 3 }).dtype, "bool");
  assert.is(w.add(w.tensor([1], INT), 0.5, { alpha: 2 }).dtype, "float32");
  assert.equal(await values(w.sub(0.5, most, { alpha: 2 })), [-(2 ** 32), 2 ** 32]);
  assert.throws(
    () => w.add(w.tensor([1], INT), w.tensor([2], INT), { alpha: 1.5 }),
    /^add: alpha 1\.5 beside int32: a whole number is expected/,
  );
});

test("an infinite bound measures the norm alone; limits that cross are refused", async () => {
  const x = leaf([3, 4]);
  x.grad = w.tensor([3, 4]);
  assert.equal(await values(w.nn.utils.clipGradNorm_([x], Number.POSITIVE_INFINITY)), [5]);
  w.nn.utils.clipGradValue_([x], Number.POSITIVE_INFINITY);
  assert.equal(await values(x.grad), [3, 4]);
  assert.throws(() => w.nn.init.uniform_(w.zeros([2]), 3, 1), /^uniform_: low 3, high 1: low must not be the larger/);
});

test("cross-entropy of what does not lie dense can be differentiated twice", async () => {
  const labels = w.tensor([0, 2, 1], INT);
  const twice = async (x: Tensor, by: Tensor): Promise<Tensor> => {
    const [g] = w.grad(w.crossEntropy(by, labels), [x], { createGraph: true });
    return w.grad(g!.mul(g!).sum(), [x])[0]!;
  };
  const x = w.randn([4, 3]).requiresGrad_();
  const dense = w.noGrad(() => x.t().clone()).requiresGrad_();
  const [view, own] = [await twice(x, x.t()), await twice(dense, dense)];
  assert.equal(await values(view.t().contiguous()), await values(own));
  const wide = w.randn([3, 8]).requiresGrad_();
  const part = await twice(wide, wide.narrow(1, 2, 4));
  assert.ok((await values(part)).some((v) => v !== 0));
  const row = w.randn([1, 4]).requiresGrad_();
  assert.ok((await values(await twice(row, row.expand([3, 4])))).every(Number.isFinite));
});

test("of labels that are all ignored both gradients are 0", async () => {
  const x = w.randn([2, 3]).requiresGrad_();
  const [g] = w.grad(w.crossEntropy(x, w.tensor([-100, -100], INT)), [x], { createGraph: true });
  assert.equal(await values(g!), Array(6).fill(0));
  assert.equal(await values(w.grad(g!.mul(g!).sum(), [x])[0]!), Array(6).fill(0));
});

test.run();
