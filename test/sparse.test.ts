// Gradients by rows and SparseAdam: against a loop over numbers, eager and captured, on all devices; what else may meet such a gradient.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import { WebGpuDevice } from "../src/webgpu/device.ts";
import { messageOf } from "./behind.ts";
import { generator } from "./cases/case.ts";
import { ready } from "./waiting.ts";
import { lack } from "./webgpu-adapter.ts";

const ints = (list: readonly number[]): w.Tensor => w.tensor(Int32Array.from(list));
const floats = (list: readonly number[], shape: readonly number[]): w.Tensor =>
  w.tensor(Float32Array.from(list), { shape });
const numbers = async (x: w.Tensor): Promise<number[]> => [...(await x.data())];

const ROWS = 6;
const WIDTH = 3;
const SIZE = [ROWS, WIDTH];
const parameter = (): w.Tensor =>
  new nn.Parameter(
    floats(
      Array.from({ length: ROWS * WIDTH }, (_, i) => Math.sin(i)),
      SIZE,
    ),
  );
const all = (rows: readonly number[], value = 1): w.SparseGrad => ({
  indices: ints(rows),
  values: w.full([rows.length, WIDTH], value),
  size: SIZE,
});

interface Options {
  lr: number;
  betas: [number, number];
  eps: number;
  maximize: boolean;
}

/** SparseAdam as PyTorch has it, in numbers. */
class Plain {
  readonly p: number[];
  readonly m: number[];
  readonly v: number[];
  step = 0;

  constructor(p: readonly number[]) {
    this.p = [...p];
    this.m = p.map(() => 0);
    this.v = p.map(() => 0);
  }

  take(indices: readonly number[], values: readonly number[], { lr, betas: [b1, b2], eps, maximize }: Options): void {
    const width = this.p.length / ROWS;
    const t = ++this.step;
    for (const row of new Set(indices))
      for (let c = 0; c < width; c++) {
        let g = 0;
        indices.forEach((r, i) => {
          if (r === row) g += (maximize ? -1 : 1) * values[i * width + c]!;
        });
        const at = row * width + c;
        this.m[at] = this.m[at]! + (1 - b1) * (g - this.m[at]!);
        this.v[at] = this.v[at]! + (1 - b2) * (g * g - this.v[at]!);
        const size = (lr * Math.sqrt(1 - b2 ** t)) / (1 - b1 ** t);
        this.p[at] = this.p[at]! - (size * this.m[at]!) / (Math.sqrt(this.v[at]!) + eps);
      }
  }
}

function near(what: string, got: readonly number[], expected: readonly number[]): void {
  assert.is(got.length, expected.length, what);
  got.forEach((x, i) => {
    assert.ok(Math.abs(x - expected[i]!) <= 1e-5 + 1e-4 * Math.abs(expected[i]!), `${what}: ${x} for ${expected[i]}`);
  });
}

/** Steps of a matrix and of a vector, of which each names rows by chance, several times or none at all. */
async function run(options: Partial<Options>, captured: boolean, check: boolean): Promise<string> {
  const o: Options = { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, maximize: false, ...options };
  const random = generator(5);
  const a = parameter();
  const b = new nn.Parameter(floats([1, -2, 3, 0.5, 0, 7], [ROWS]));
  const plain = [new Plain(await numbers(a)), new Plain(await numbers(b))];
  const optimizer = new optim.SparseAdam([{ params: [a] }, { params: [b] }], options);
  const f = (i: w.Tensor, x: w.Tensor, j: w.Tensor, y: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    w.setSparseGrad(a, { indices: i, values: x.mul(2), size: SIZE });
    w.setSparseGrad(b, { indices: j, values: y, size: [ROWS] });
    optimizer.step();
    return x.sum();
  };
  const step = captured ? w.capture(f) : f;
  for (let k = 0; k < 12; k++) {
    const n = [4, 4, 4, 0, 1, 9][k % 6]!;
    const draw = (length: number): number[] => Array.from({ length }, () => Math.fround((random() / 2 ** 32) * 4 - 2));
    const [i, j] = [n, 2].map((length) => Array.from({ length }, () => random() % ROWS)) as [number[], number[]];
    const [x, y] = [draw(n * WIDTH), draw(2)];
    await step(ints(i), floats(x, [n, WIDTH]), ints(j), floats(y, [2]));
    plain[0]!.take(
      i,
      x.map((v) => 2 * v),
      o,
    );
    plain[1]!.take(j, y, o);
  }
  const { state } = optimizer.stateDict();
  const found: number[][] = [];
  for (const [k, p] of [a, b].entries()) {
    const { step, expAvg, expAvgSq } = state[k]!;
    found.push(...(await Promise.all([p, expAvg!, expAvgSq!, step!].map(numbers))));
    const { p: weights, m, v, step: t } = plain[k]!;
    if (check) for (const [l, ref] of [weights, m, v, [t]].entries()) near(`${k}, ${l}`, found[4 * k + l]!, ref);
  }
  return found.map((list) => new Int32Array(Float32Array.from(list).buffer).join()).join(";");
}

const OPTIONS: Partial<Options>[] = [
  {},
  { lr: 0.1 },
  { lr: 0.05, betas: [0.5, 0.6], eps: 0.1 },
  { lr: 0.05, maximize: true },
  { lr: 0.1, betas: [0, 0] },
];

const RULE = (index: number, at: number, n: number): RegExp =>
  new RegExp(
    `^SparseAdam: index ${index} at ${at} is outside \\[0, 6\\): indices \\[${n}\\] of a parameter of 6 rows$`,
  );

function behaves(where: string, init: () => Promise<w.Device>): void {
  const tests = suite(`sparse gradients, ${where}`);
  let device: w.Device;
  tests.before(async () => {
    device = await init();
    w.setDefaultDevice(device);
  });
  tests.after(() => device.dispose());

  tests("steps are those of a loop over numbers, and captured ones have the same bits", async () => {
    for (const options of OPTIONS)
      assert.is(await run(options, true, false), await run(options, false, true), JSON.stringify(options));
  });

  tests("rows that no index names stay as they are", async () => {
    const p = parameter();
    const before = await numbers(p);
    const optimizer = new optim.SparseAdam([p], { lr: 0.1 });
    for (let i = 0; i < 3; i++) {
      w.setSparseGrad(p, all([1, 4, 1]));
      optimizer.step();
    }
    const after = await numbers(p);
    const changed = after.flatMap((v, i) => (v === before[i] ? [] : [i]));
    assert.equal(changed, [3, 4, 5, 12, 13, 14]);
    const { expAvg, step } = optimizer.stateDict().state[0]!;
    assert.equal(
      (await numbers(expAvg!)).flatMap((v, i) => (v === 0 ? [] : [i])),
      changed,
    );
    assert.equal(await numbers(step!), [3]);
  });

  tests("a state dict goes on in another optimizer", async () => {
    const run = async (reload: boolean): Promise<number[]> => {
      const p = parameter();
      let optimizer = new optim.SparseAdam([p], { lr: 0.1, betas: [0.5, 0.7] });
      for (let i = 0; i < 6; i++) {
        if (reload && i === 3) {
          const saved = optimizer.stateDict();
          optimizer = new optim.SparseAdam([p]);
          optimizer.loadStateDict(saved);
        }
        w.setSparseGrad(p, all([i, 2], i - 2));
        optimizer.step();
      }
      return numbers(p);
    };
    assert.equal(await run(true), await run(false));
  });

  tests("views and copies of indices and values, and tensors that are released meanwhile", async () => {
    const run = async (strided: boolean): Promise<number[]> => {
      const p = parameter();
      const optimizer = new optim.SparseAdam([p], { lr: 0.1 });
      w.scope(() => {
        const pairs = w.tensor(Int32Array.of(1, 0, 5, 0, 1, 0), { shape: [3, 2] });
        const turned = floats([1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3]);
        w.setSparseGrad(p, {
          indices: strided ? pairs.select(1, 0) : ints([1, 5, 1]),
          values: strided ? turned.t() : floats([1, 4, 7, 2, 5, 8, 3, 6, 9], [3, 3]),
          size: SIZE,
        });
      });
      optimizer.step();
      return numbers(p);
    };
    assert.equal(await run(true), await run(false));
  });

  tests("an index out of range is told at the next wait, and nothing of that step has happened", async () => {
    for (const captured of [false, true])
      for (const begun of [false, true])
        for (const [i, j, rule] of [
          [[9, 1], [1], RULE(9, 0, 2)],
          [[1, 2], [6], RULE(6, 0, 1)],
          [[1, -1], [0], RULE(-1, 1, 2)],
        ] as [number[], number[], RegExp][]) {
          const [p, q] = [parameter(), parameter()];
          const optimizer = new optim.SparseAdam([{ params: [p] }, { params: [q] }], { lr: 0.1 });
          const f = (i: w.Tensor, j: w.Tensor, x: w.Tensor): w.Tensor => {
            w.setSparseGrad(p, { indices: i, values: x.expand([2, WIDTH]), size: SIZE });
            w.setSparseGrad(q, { indices: j, values: x.expand([1, WIDTH]), size: SIZE });
            optimizer.step();
            return x.mul(2);
          };
          const step = captured ? w.capture(f) : f;
          if (begun) for (let k = 0; k < 3; k++) await step(ints([1, 2]), ints([3]), w.ones([1]));
          const state = async (): Promise<number[][]> => {
            const { state } = optimizer.stateDict();
            const lists = Object.values(state).flatMap((s) => Object.values(s));
            return Promise.all([p, q, ...lists].map(numbers));
          };
          const before = begun ? await state() : [await numbers(p), await numbers(q)];
          const what = `captured ${captured}, begun ${begun}, ${rule}`;
          assert.match(
            await messageOf(async () => (await step(ints(i), ints(j), w.ones([1]))) && w.flush()),
            rule,
            what,
          );
          assert.is(await messageOf(() => w.flush()), "", "told once");
          const after = await state();
          assert.equal(after.slice(0, before.length), before, what);
          assert.ok(after.slice(before.length).every((list) => list.every((v) => v === 0)));
          await step(ints([1, 2]), ints([3]), w.ones([1]));
          assert.equal((await numbers(optimizer.stateDict().state[1]!.step!))[0], begun ? 4 : 1, "it goes on");
        }
  });

  tests("values that are lost behind a fault make no step", async () => {
    const p = parameter();
    const before = await numbers(p);
    const optimizer = new optim.SparseAdam([p], { lr: 0.1 });
    const loss = w.crossEntropy(w.zeros([1, 3]), ints([9]));
    w.setSparseGrad(p, { indices: ints([1]), values: loss.expand([1, WIDTH]), size: SIZE });
    optimizer.step();
    assert.match(await messageOf(() => w.flush()), /^crossEntropy: label 9/);
    assert.equal(await numbers(p), before);
    assert.is(w.getSparseGrad(p), null, "a gradient that was lost is none");
    optimizer.step();
    assert.equal(await numbers(optimizer.stateDict().state[0]!.step!), [0]);
  });

  tests("parameters of any shape, without rows, without columns, and many of them", async () => {
    const shapes = [[6, 0], [0, 3], [2, 3, 2], [1], ...Array.from({ length: 70 }, () => [2])];
    const list = shapes.map((shape) => w.ones(shape).requiresGrad_());
    const optimizer = new optim.SparseAdam(list, { lr: 0.5 });
    const give = (row: number): void => {
      for (const [i, p] of list.entries()) {
        const n = p.shape[0] === 0 ? 0 : 2;
        const indices = ints(Array.from({ length: n }, () => (i === 0 ? row : p.shape[0]! - 1)));
        w.setSparseGrad(p, { indices, values: w.ones([n, ...p.shape.slice(1)]), size: p.shape });
      }
    };
    give(5);
    optimizer.step();
    const found = await Promise.all(list.map(numbers));
    assert.equal(found.slice(0, 2), [[], []]);
    near("dims", found[2]!, [1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
    near("a row", found[3]!, [0.5]);
    for (const x of found.slice(4)) near("many", x, [1, 0.5]);
    const { state } = optimizer.stateDict();
    for (const s of Object.values(state)) assert.equal(await numbers(s.step!), [1]);
    give(6);
    optimizer.step();
    assert.match(await messageOf(() => w.flush()), RULE(6, 0, 2), "no columns, and yet no such row");
    assert.equal(await Promise.all(list.map(numbers)), found);
    for (const s of Object.values(state)) assert.equal(await numbers(s.step!), [1]);
  });

  tests("one gradient at a time, and who drops it", async () => {
    const p = parameter();
    const optimizer = new optim.SparseAdam([p], { lr: 0.1 });
    assert.is(w.getSparseGrad(p), null);
    const dense = w.ones(SIZE);
    p.grad = dense;
    w.setSparseGrad(p, null);
    assert.is(p.grad, dense, "null drops a sparse one");
    w.setSparseGrad(p, all([1, 2]));
    assert.match(await messageOf(() => p.grad), /^grad: .*\[6,3\] has a sparse gradient: getSparseGrad\(\) reads it/);
    const { indices, values, size } = w.getSparseGrad(p)!;
    assert.equal([size, await numbers(indices), await numbers(values)], [SIZE, [1, 2], [1, 1, 1, 1, 1, 1]]);
    for (const drop of [
      () => optimizer.zeroGrad(),
      () => w.setSparseGrad(p, null),
      () => {
        p.grad = null;
      },
    ]) {
      w.setSparseGrad(p, all([1]));
      drop();
      assert.is(w.getSparseGrad(p), null);
      assert.is(p.grad, null);
    }
    assert.equal(await numbers(values), [1, 1, 1, 1, 1, 1], "what was read stays");
    w.setSparseGrad(p, all([1]));
    p.grad = dense;
    assert.is(w.getSparseGrad(p), null);
    assert.match(await messageOf(() => optimizer.step()), /^SparseAdam: .* has a dense gradient: .* use Adam$/);
    optimizer.zeroGrad();
    optimizer.step();
    assert.equal(optimizer.stateDict().state, {}, "without a gradient nothing happens");
    w.setSparseGrad(p, all([1]));
    optimizer.zeroGrad({ setToNone: false });
    assert.equal(w.getSparseGrad(p)!.values.shape, [0, WIDTH]);
    const before = await numbers(p);
    optimizer.step();
    assert.equal(await numbers(p), before, "it names no row");
    assert.equal(await numbers(optimizer.stateDict().state[0]!.step!), [1], "and counts, as PyTorch's does");
  });

  tests("in a captured function it is what that set, and goes with its end", async () => {
    const p = parameter();
    const optimizer = new optim.SparseAdam([p], { lr: 0.1 });
    const step = w.capture((i: w.Tensor, x: w.Tensor) => {
      w.setSparseGrad(p, { indices: i, values: x, size: SIZE });
      optimizer.step();
      return w.getSparseGrad(p)!.values.sum();
    });
    for (let k = 0; k < 5; k++) {
      if (k === 4) w.setSparseGrad(p, all([5]));
      const sum = await step(ints([k, 1]), w.ones([2, WIDTH]));
      assert.is(await sum.item(), 6);
      assert.is(w.getSparseGrad(p), null);
    }
    assert.is(step.stats.programs, 1);
    // One from outside is refused, by a function that was recorded without, too; and it is there afterwards.
    const only = w.capture((x: w.Tensor) => {
      optimizer.step();
      return x.mul(2);
    });
    for (let k = 0; k < 3; k++) await only(w.ones([1]));
    w.setSparseGrad(p, all([5]));
    const zero = w.capture((x: w.Tensor) => {
      optimizer.zeroGrad({ setToNone: false });
      return x.mul(2);
    });
    for (const f of [only, zero])
      assert.match(
        await messageOf(() => f(w.ones([1]))),
        /inside capture it must have been set by the captured function/,
      );
    assert.equal(await numbers(w.getSparseGrad(p)!.indices), [5]);
    // One that a function drops before it throws comes back.
    const throws = w.capture((x: w.Tensor) => {
      optimizer.zeroGrad();
      w.setSparseGrad(p, { indices: ints([9]), values: x, size: SIZE });
    });
    assert.match(await messageOf(() => throws(w.ones([1, 3]))), /inside capture/);
    assert.equal(await numbers(w.getSparseGrad(p)!.indices), [5]);
    optimizer.step();
    assert.equal(await numbers(optimizer.stateDict().state[0]!.step!), [6]);
  });

  tests("steps leave no memory behind", async () => {
    const p = parameter();
    const optimizer = new optim.SparseAdam([p], { lr: 0.1 });
    const step = async (): Promise<void> => {
      optimizer.zeroGrad();
      const grad = all([1, 2, 1]);
      w.setSparseGrad(p, grad);
      grad.indices.dispose();
      grad.values.dispose();
      optimizer.step();
      await w.flush();
    };
    for (let i = 0; i < 3; i++) await step();
    const before = w.memory().tensors;
    for (let i = 0; i < 50; i++) await step();
    assert.is(w.memory().tensors, before);
  });

  tests.run();
}

for (const threads of [1, 2]) behaves(`${threads} threads`, async () => ready(await w.init({ threads, fresh: true })));
if (lack === null) behaves("webgpu", () => WebGpuDevice.create());
else console.log(`skipped: sparse gradients on webgpu: ${lack}`);
