// nn.utils and the initialisers that are made of ops, beside loops over numbers: eager, captured, behind a fault.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn, optim, type Tensor } from "../src/index.ts";
import { ready } from "./waiting.ts";

w.setDefaultDevice(await ready(await w.init({ device: "wasm", threads: 1 })));
const { clipGradNorm_, clipGradValue_, parametersToVector, vectorToParameters } = nn.utils;

const near = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-6): void => {
  assert.is(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (!Object.is(a, e))
      assert.ok(Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e)), `${i}: ${a}, expected ${e}`);
  }
};
const refused = async (f: () => unknown): Promise<string> => {
  try {
    await f();
  } catch (error) {
    return (error as Error).message;
  }
  return "it went through";
};
const G = [[3, -4, 0.5, 1, -2, 0.25], [], [7, -1]];
/** Parameters with these gradients, of which one has no element and one lies turned; and one without a gradient. */
function parameters(): Tensor[] {
  const shapes = [[2, 3], [0], [2]];
  const all = G.map((g, i) => {
    const p = new nn.Parameter(w.zeros(shapes[i]!));
    const turned = w.tensor([0, 3, 1, 4, 2, 5].map((k) => g[k] ?? 0)).reshape([3, 2]);
    p.grad = i === 0 ? turned.t() : w.tensor(Float32Array.from(g));
    return p;
  });
  return [...all, new nn.Parameter(w.ones([4]))];
}
const FLAT = G.flat();
const gradients = async (ps: Tensor[]): Promise<number[]> =>
  (await Promise.all(ps.flatMap((p) => p.grad ?? []).map((g) => g.data()))).flatMap((d) => [...d]);
const normOf = (p: number, v = FLAT): number =>
  p === Infinity ? Math.max(...v.map(Math.abs)) : v.reduce((s, x) => s + Math.abs(x) ** p, 0) ** (1 / p);

test("clipGradNorm_ scales by the norm of all gradients, and returns it", async () => {
  for (const normType of [2, 1, 3, 0.5, Infinity]) {
    for (const maxNorm of [0, 0.1, 5, 1000]) {
      const ps = parameters();
      const norm = clipGradNorm_(ps, maxNorm, { normType });
      near(await norm.data(), [normOf(normType)], 2e-6);
      const by = Math.min(1, maxNorm / (normOf(normType) + 1e-6));
      near(
        await gradients(ps),
        FLAT.map((g) => g * by),
        2e-6,
      );
    }
  }
  const [p] = parameters();
  near(await clipGradNorm_(p!, 1).data(), [normOf(2, G[0]!)]);
  assert.is(await clipGradNorm_([new nn.Parameter(w.ones([4]))], 1).item(), 0, "no gradient at all");
});

test("clipGradNorm_ of what is not finite is PyTorch's, or an error before anything is changed", async () => {
  const ps = (): Tensor[] => {
    const p = new nn.Parameter(w.zeros([3]));
    p.grad = w.tensor([1, Infinity, -2]);
    return [p];
  };
  const plain = ps();
  assert.is(await clipGradNorm_(plain, 1).item(), Infinity);
  near(await gradients(plain), [0, Number.NaN, -0]);
  const checked = ps();
  assert.is(
    await refused(() => clipGradNorm_(checked, 1, { errorIfNonfinite: true })),
    "clipGradNorm_: the gradients' norm is Infinity: a finite one is expected, since errorIfNonfinite is true",
  );
  near(await gradients(checked), [1, Infinity, -2]);
  const healthy = parameters();
  near(await (await clipGradNorm_(healthy, 1, { errorIfNonfinite: true })).data(), [normOf(2)]);
  near(
    await gradients(healthy),
    FLAT.map((g) => g / normOf(2)),
  );
});

test("clipGradValue_ clamps, and leaves NaN", async () => {
  const ps = parameters();
  clipGradValue_(ps, 1.5);
  near(
    await gradients(ps),
    FLAT.map((g) => Math.max(-1.5, Math.min(1.5, g))),
  );
  const p = new nn.Parameter(w.zeros([2]));
  p.grad = w.tensor([Number.NaN, -Infinity]);
  clipGradValue_(p, 2);
  near(await gradients([p]), [Number.NaN, -2]);
});

test("a captured step that clips has the bits of the eager one, and a bad batch is left out of it", async () => {
  const run = async (captured: boolean, bad: boolean, clip: (ps: Tensor[]) => void): Promise<number[]> => {
    w.manualSeed(5);
    const model = new nn.Sequential(new nn.Linear(4, 6), new nn.Tanh(), new nn.Linear(6, 3));
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.5, momentum: 0.9 });
    const x = w.rand([5, 4]);
    const step = (labels: Tensor): Tensor => {
      optimizer.zeroGrad();
      const loss = w.crossEntropy(model.forward(x), labels).mul(8);
      loss.backward();
      clip([...model.parameters()]);
      optimizer.step();
      return loss;
    };
    const taken = captured ? w.capture(step) : step;
    for (let i = 0; i < 6; i++) {
      if (i === 3 && !bad) continue;
      const labels = [0, 1, 2, i === 3 ? -1 : 1, 0];
      const message = await refused(async () => (await taken(w.tensor(labels, { dtype: "int32" }))).item());
      assert.is(message.startsWith("crossEntropy"), i === 3);
    }
    return (await Promise.all([...model.parameters()].map((p) => p.data()))).flatMap((d) => [...d]);
  };
  for (const clip of [(ps: Tensor[]) => clipGradNorm_(ps, 0.3), (ps: Tensor[]) => clipGradValue_(ps, 0.05)]) {
    const expected = await run(false, false, clip);
    assert.ok(expected.every(Number.isFinite));
    assert.not.equal(expected, await run(false, false, () => {}));
    assert.equal(await run(true, false, clip), expected, "captured");
    assert.equal(await run(false, true, clip), expected, "a bad batch");
    assert.equal(await run(true, true, clip), expected, "a bad batch, captured");
  }
});

test("of no parameters the norm is 0, and nothing is clipped", async () => {
  assert.is(await clipGradNorm_([], 1).item(), 0);
  assert.is(await (await clipGradNorm_([], 1, { errorIfNonfinite: true })).item(), 0);
  assert.is(await clipGradNorm_(new nn.ReLU().parameters(), 1, { normType: Number.POSITIVE_INFINITY }).item(), 0);
  clipGradValue_([], 1);
});

test("parametersToVector is recorded, also of many, and vectorToParameters is its reverse", async () => {
  const ps = Array.from({ length: 40 }, (_, i) => new nn.Parameter(w.full([i % 3, 2], i)));
  const vector = parametersToVector(ps);
  const values = ps.flatMap((p, i) => Array<number>(p.numel).fill(i));
  near(await vector.data(), values);
  const by = w.arange(vector.numel).float();
  vector.mul(vector).mul(by).sum().backward();
  near(
    await gradients(ps),
    values.map((v, k) => 2 * v * k),
  );
  vectorToParameters(by, ps);
  near(await parametersToVector(ps).data(), await by.data());
  const second = new nn.Parameter(w.tensor([1, 2]));
  const [g] = w.grad(parametersToVector([second]).exp().sum(), [second], { createGraph: true });
  const [h] = w.grad(g!.sum(), [second]);
  near(await h!.data(), [Math.E, Math.E ** 2]);
  assert.match(
    await refused(() => vectorToParameters(w.ones([3]), ps)),
    /^vectorToParameters: vector \[3\] of float32: \[78\] of float32 is expected/,
  );
});

test("memory is flat over clipped steps", async () => {
  const ps = parameters();
  const round = (): void => {
    clipGradNorm_(ps, 1).dispose();
    clipGradNorm_(ps, 1, { normType: 3 }).dispose();
    clipGradValue_(ps, 1);
  };
  round();
  const before = w.memory().tensors;
  for (let i = 0; i < 30; i++) round();
  assert.is(w.memory().tensors, before);
});

const { init } = nn;
test("eye_, dirac_: ones where they belong", async () => {
  near(await init.eye_(w.ones([2, 3])).data(), [1, 0, 0, 0, 1, 0]);
  const shapes: [shape: number[], groups: number][] = [
    [[3, 2, 3], 1],
    [[4, 3, 2, 5], 2],
    [[6, 2, 3, 1, 4], 3],
    [[2, 2, 0], 1],
  ];
  for (const [shape, groups] of shapes) {
    const [out, into, ...field] = shape as [number, number, ...number[]];
    const x = init.dirac_(w.ones(shape), groups);
    const size = field.reduce((a, b) => a * b, 1);
    const middle = field.reduce((at, n) => at * n + Math.floor(n / 2), 0);
    const expected = Array.from({ length: out * into * size }, (_, k) => {
      const [o, i, at] = [Math.floor(k / size / into), Math.floor(k / size) % into, k % size];
      return Number(at === middle && o % (out / groups) === i);
    });
    near(await x.data(), expected);
  }
});

test("truncNormal_: within the bounds, with the moments of a normal distribution that is cut there", async () => {
  w.manualSeed(2);
  for (const [mean, std, a, b] of [
    [0, 1, -2, 2],
    [1, 0.5, -3, 1],
    [0, 1, 1, 4],
    [5, 2, 0, 1],
    [0, 1, -40, 40],
  ] as const) {
    const data = [...(await init.truncNormal_(w.zeros([100_000]), mean, std, a, b).data())];
    assert.ok(data.every((v) => v >= a && v <= b));
    // The moments by the sum over a fine grid.
    let [m0, m1, m2] = [0, 0, 0];
    const [from, to] = [Math.max(a, mean - 12 * std), Math.min(b, mean + 12 * std)];
    for (let i = 0; i < 20_000; i++) {
      const v = from + ((i + 0.5) / 20_000) * (to - from);
      const p = Math.exp(-0.5 * ((v - mean) / std) ** 2);
      [m0, m1, m2] = [m0 + p, m1 + p * v, m2 + p * v * v];
    }
    const spread = Math.sqrt(m2 / m0 - (m1 / m0) ** 2);
    const mine = data.reduce((s, v) => s + v, 0) / data.length;
    const squares = data.reduce((s, v) => s + (v - mine) ** 2, 0) / data.length;
    assert.ok(Math.abs(mine - m1 / m0) < 0.015 * spread, `mean ${mine}, ${m1 / m0}`);
    assert.ok(Math.abs(Math.sqrt(squares) / spread - 1) < 0.01, `deviation ${Math.sqrt(squares)}, ${spread}`);
  }
});

test("orthogonal_: rows or columns of length gain, at right angles, whatever the shape", async () => {
  for (const shape of [
    [1, 1],
    [4, 4],
    [3, 7],
    [7, 3],
    [5, 2, 3],
    [6, 2, 2, 1],
    [40, 130],
  ]) {
    const x = init.orthogonal_(w.zeros(shape), { gain: 1.5 });
    const flat = x.reshape([shape[0]!, -1]);
    const few = flat.shape[0]! <= flat.shape[1]! ? flat.matmul(flat.t()) : flat.t().matmul(flat);
    near(
      await few.data(),
      (await w.zeros(few.shape).data()).map((_, k) => (k % (few.shape[0]! + 1) === 0 ? 2.25 : 0)),
      3e-6,
    );
  }
  w.manualSeed(1);
  let mean = 0;
  for (let i = 0; i < 400; i++) mean += (await init.orthogonal_(w.zeros([2, 2])).data())[0]! / 400;
  assert.ok(Math.abs(mean) < 0.15, `signs are drawn too: ${mean}`);
});

test("sparse_: so many zeros in each column, the others normal", async () => {
  for (const [rows, columns, sparsity] of [
    [10, 4, 0.35],
    [7, 3, 0],
    [7, 3, 1],
    [300, 20, 0.5],
  ] as const) {
    const data = await init.sparse_(w.ones([rows, columns]), sparsity, { std: 2 }).data();
    for (let c = 0; c < columns; c++) {
      const column = Array.from({ length: rows }, (_, r) => data[r * columns + c]!);
      assert.is(column.filter((v) => v === 0).length, Math.ceil(sparsity * rows));
    }
    const others = [...data].filter((v) => v !== 0);
    const std = Math.sqrt(others.reduce((s, v) => s + v * v, 0) / others.length);
    if (others.length > 1000) assert.ok(Math.abs(std - 2) < 0.15, `${std}`);
  }
});

test.run();
