// Rules of optimizers: one made of ops beside those of the library. Each hyperparameter is changed behind the capture, which must
// make another program; what composed steps compute is held against loops over numbers.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkNumber } from "../src/core/error.ts";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import { add_, eq, mul_, sub_ } from "../src/ops/index.ts";
import { Optimizer, type ParamState, type Params } from "../src/optim/optimizer.ts";
import { composed, type Rule } from "../src/optim/rule.ts";
import { RowsOfAll } from "./sparse.ts";
import { ready } from "./waiting.ts";

interface RMSpropHyperparameters {
  alpha: number;
  eps: number;
  weightDecay: number;
  momentum: number;
  centered: boolean;
}

/** https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html */
const RMSPROP: Rule<RMSpropHyperparameters> = {
  name: "RMSprop",
  defaults: { lr: 1e-2, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false },
  check(h) {
    for (const key of ["alpha", "eps", "weightDecay", "momentum"] as const) checkNumber("RMSprop", key, h[key]);
  },
  step({ alpha, eps, weightDecay, momentum, centered }) {
    const names: ("squareAvg" | "momentumBuffer" | "gradAvg")[] = ["squareAvg"];
    if (momentum > 0) names.push("momentumBuffer");
    if (centered) names.push("gradAvg");
    return composed(names, (p, grad, { squareAvg, momentumBuffer, gradAvg }, lr) => {
      const g = weightDecay === 0 ? grad : grad.add(p, { alpha: weightDecay });
      add_(mul_(squareAvg, alpha), g.mul(g), { alpha: 1 - alpha });
      let square = squareAvg;
      if (centered) {
        add_(mul_(gradAvg, alpha), g, { alpha: 1 - alpha });
        square = square.sub(gradAvg.mul(gradAvg));
      }
      let d = g.div(square.sqrt().add(eps));
      if (momentum > 0) d = add_(mul_(momentumBuffer, momentum), d);
      sub_(p, d.mul(lr));
    });
  },
};

class RMSprop extends Optimizer<RMSpropHyperparameters, ParamState> {
  constructor(params: Params<RMSpropHyperparameters>, options: Partial<RMSpropHyperparameters & { lr: number }> = {}) {
    super(RMSPROP, params, options);
  }
}

interface AdagradHyperparameters {
  lrDecay: number;
  initial: number;
}

/** Counts: with the learning rate falls what the first step alone adds, `initial`. */
const ADAGRAD: Rule<AdagradHyperparameters> = {
  name: "Adagrad",
  defaults: { lr: 1e-2, lrDecay: 0, initial: 0 },
  check() {},
  step: ({ lrDecay, initial }) =>
    composed(["sum"], (p, g, { sum, step }, lr) => {
      add_(add_(sum, g.mul(g)), eq(step, 1).float(), { alpha: initial });
      sub_(p, g.div(sum.sqrt().add(1e-10)).mul(lr.div(step.sub(1).mul(lrDecay).add(1))));
    }),
};

class Adagrad extends Optimizer<AdagradHyperparameters> {
  constructor(params: Params<AdagradHyperparameters>, options: Partial<AdagradHyperparameters & { lr: number }> = {}) {
    super(ADAGRAD, params, options);
  }
}

/** The last of a run's rates: it changes on the way. */
const rate = (i: number, lr: number): number => (i < 5 ? lr : lr / 4);
const gradient = (i: number, j: number): number => Math.sin(3 * i + j) * (2 + Math.cos(i)) + 0.1;

/** RMSprop of one number, in double precision. */
function rmsprop(x: number, j: number, lr: number, steps: number, h: RMSpropHyperparameters): number[] {
  let [p, square, mean, buffer] = [x, 0, 0, 0];
  return Array.from({ length: steps }, (_, i) => {
    const g = gradient(i, j) + h.weightDecay * p;
    square = h.alpha * square + (1 - h.alpha) * g * g;
    mean = h.alpha * mean + (1 - h.alpha) * g;
    const d = g / (Math.sqrt(h.centered ? square - mean * mean : square) + h.eps);
    buffer = h.momentum * buffer + d;
    p -= rate(i, lr) * (h.momentum > 0 ? buffer : d);
    return p;
  });
}

function adagrad(x: number, j: number, lr: number, steps: number, h: AdagradHyperparameters): number[] {
  let [p, sum] = [x, h.initial];
  return Array.from({ length: steps }, (_, i) => {
    const g = gradient(i, j);
    sum += g * g;
    p -= (rate(i, lr) / (1 + i * h.lrDecay) / (Math.sqrt(sum) + 1e-10)) * g;
    return p;
  });
}

const START = [0.5, -1, 2, 0.25, -0.125, 1, -3];
const STEPS = 12;
const numbers = async (...list: w.Tensor[]): Promise<number[]> =>
  (await Promise.all(list.map((x) => x.data()))).flatMap((x) => [...x]);

/** Steps of a matrix and a parameter without dims, with gradients that are the inputs; what they become. */
async function run(make: (p: w.Tensor[]) => Optimizer<object>, captured: boolean): Promise<number[][]> {
  const a = new nn.Parameter(w.tensor(START.slice(0, 6)).view([2, 3]));
  const b = new nn.Parameter(w.tensor(START.slice(6)).view([]));
  const optimizer = make([a, b]);
  const f = (x: w.Tensor, y: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = a.mul(x).sum().add(b.mul(y));
    loss.backward();
    optimizer.step();
    return loss;
  };
  const step = captured ? w.capture(f) : async (x: w.Tensor, y: w.Tensor) => f(x, y);
  const group = optimizer.paramGroups[0]!;
  const { lr } = group;
  const seen: number[][] = [];
  for (let i = 0; i < STEPS; i++) {
    group.lr = rate(i, lr);
    const all = w.tensor(START.map((_, j) => gradient(i, j)));
    (await step(all.slice(0, 0, 6).view([2, 3]).clone(), all.select(0, 6).clone())).dispose();
    seen.push(await numbers(a, b));
  }
  return seen;
}

function near(what: string, got: readonly number[][], expected: (x: number, j: number) => number[]): void {
  START.forEach((x, j) => {
    expected(x, j).forEach((ref, i) => {
      const value = got[i]![j]!;
      assert.ok(Math.abs(value - ref) <= 1e-6 + 1e-5 * Math.abs(ref), `${what}: step ${i}, ${j}: ${value} for ${ref}`);
    });
  });
}

const VARIANTS: Partial<RMSpropHyperparameters>[] = [
  {},
  { alpha: 0.5, eps: 0.1 },
  { weightDecay: 0.1 },
  { momentum: 0.9 },
  { centered: true },
  { alpha: 0.8, eps: 1e-3, weightDecay: 0.2, momentum: 0.5, centered: true },
];

for (const threads of [1, 2]) {
  test(`composed steps are those of loops over numbers, eager and captured (${threads} threads)`, async () => {
    const device = await ready(await w.init({ threads }));
    for (const options of VARIANTS) {
      const h = { ...RMSPROP.defaults, ...options };
      const make = (p: w.Tensor[]) => new RMSprop(p, { lr: 0.05, ...options });
      const eager = await run(make, false);
      near(`RMSprop ${JSON.stringify(options)}`, eager, (x, j) => rmsprop(x, j, 0.05, STEPS, h));
      assert.equal(await run(make, true), eager, JSON.stringify(options));
    }
    for (const h of [
      { lrDecay: 0, initial: 0 },
      { lrDecay: 0.25, initial: 0.5 },
    ]) {
      const make = (p: w.Tensor[]) => new Adagrad(p, { lr: 0.2, ...h });
      const eager = await run(make, false);
      near(`Adagrad ${JSON.stringify(h)}`, eager, (x, j) => adagrad(x, j, 0.2, STEPS, h));
      assert.equal(await run(make, true), eager, JSON.stringify(h));
    }
    await device.dispose();
  });
}

/** Each hyperparameter of them matters, but for those in IDLE. */
const OPTIMIZERS: [name: string, make: (p: w.Tensor[]) => Optimizer<object>][] = [
  ["SGD", (p) => new optim.SGD(p, { lr: 0.1, momentum: 0.6, dampening: 0.1, weightDecay: 0.1 })],
  ["SGD with Nesterov's momentum", (p) => new optim.SGD(p, { lr: 0.1, momentum: 0.6, nesterov: true })],
  ["SGD without momentum", (p) => new optim.SGD(p, { lr: 0.1, weightDecay: 0.1 })],
  ["Adam", (p) => new optim.Adam(p, { lr: 0.1, betas: [0.8, 0.7], eps: 0.1, weightDecay: 0.1 })],
  ["AdamW", (p) => new optim.AdamW(p, { lr: 0.1, betas: [0.8, 0.7], eps: 0.1, weightDecay: 0.1, amsgrad: true })],
  ["Adadelta", (p) => new optim.Adadelta(p, { lr: 0.5, rho: 0.8, eps: 0.1, weightDecay: 0.1 })],
  ["Adamax", (p) => new optim.Adamax(p, { lr: 0.1, betas: [0.8, 0.7], eps: 0.1, weightDecay: 0.1 })],
  ["RAdam", (p) => new optim.RAdam(p, { lr: 0.1, betas: [0.8, 0.9], eps: 0.1, weightDecay: 0.1 })],
  ["NAdam", (p) => new optim.NAdam(p, { lr: 0.1, betas: [0.8, 0.7], eps: 0.1, weightDecay: 0.1, momentumDecay: 0.1 })],
  ["ASGD", (p) => new optim.ASGD(p, { lr: 0.1, lambd: 0.1, t0: 2, weightDecay: 0.1 })],
  [
    "RMSprop of the library",
    (p) => new optim.RMSprop(p, { lr: 0.1, alpha: 0.8, eps: 0.1, weightDecay: 0.1, momentum: 0.5 }),
  ],
  ["Adagrad of the library", (p) => new optim.Adagrad(p, { lr: 0.1, lrDecay: 0.1, weightDecay: 0.1, eps: 0.1 })],
  ["SparseAdam", (p) => new RowsOfAll(p, { lr: 0.1, betas: [0.8, 0.7], eps: 0.1 })],
  ["RMSprop", (p) => new RMSprop(p, { lr: 0.1, alpha: 0.8, eps: 0.1, weightDecay: 0.1, momentum: 0.5 })],
  ["Adagrad", (p) => new Adagrad(p, { lr: 0.1, lrDecay: 0.1, initial: 0.25 })],
];
/** Without effect: there is no momentum that they would change, and the state has begun. */
const IDLE = [
  "Adagrad of the library: initialAccumulatorValue",
  "ASGD: t0",
  "SGD without momentum: dampening",
  "Adagrad: initial",
];
/** Against the rule, which is told at the next step. */
const REFUSED = ["SGD: nesterov", "SGD with Nesterov's momentum: dampening", "SGD without momentum: nesterov"];
const GROWS = ["Adam: amsgrad", "RMSprop: centered", "RMSprop of the library: centered"];

const changed = (v: unknown): unknown => (typeof v === "boolean" ? !v : v === 0 ? 0.5 : (v as number) / 2);

/** What changes a hyperparameter, and changes it back: each, and each element of lists, as a list of its own and in its place. */
function changes(group: object): [what: string, Record<"change" | "back", (group: Any) => void>][] {
  return Object.entries(group).flatMap(([key, v]) => {
    if (key === "params") return [];
    if (!Array.isArray(v)) {
      const set = (value: unknown) => (g: Any) => {
        g[key] = value;
      };
      return [[key, { change: set(changed(v)), back: set(v) }]];
    }
    return v.flatMap((x, i) => {
      const list = (value: unknown) => (g: Any) => {
        g[key] = (g[key] as unknown[]).with(i, value);
      };
      const element = (value: unknown) => (g: Any) => {
        g[key][i] = value;
      };
      return [
        [`${key}[${i}], a new list`, { change: list(changed(x)), back: list(x) }],
        [`${key}[${i}] in its place`, { change: element(changed(x)), back: element(x) }],
      ] as [string, Record<"change" | "back", (group: Any) => void>][];
    });
  });
}
// biome-ignore lint/suspicious/noExplicitAny: groups of many optimizers
type Any = any;

const EACH = 4;
for (const threads of [1, 2]) {
  test(`every hyperparameter that changes behind the capture makes another program (${threads} threads)`, async () => {
    const device = await ready(await w.init({ threads }));
    for (const [name, make] of OPTIMIZERS) {
      const trace = async (captured: boolean, turns: readonly ((group: Any) => void)[]) => {
        const p = new nn.Parameter(w.tensor([1, -2, 3, 0.5, -0.25]));
        const optimizer = make([p]);
        const f = (x: w.Tensor): w.Tensor => {
          optimizer.zeroGrad();
          const loss = p.mul(p).mul(x).sum();
          loss.backward();
          optimizer.step();
          return loss;
        };
        const step = captured ? w.capture(f) : null;
        const seen: number[][] = [];
        const programs: number[] = [];
        for (const turn of turns) {
          turn(optimizer.paramGroups[0]);
          for (let i = 0; i < EACH; i++) {
            const x = w.tensor([1, 0.5, 0.25, -0.5, 1].map((v) => v / (1 + seen.length)));
            (await (step === null ? f(x) : step(x))).dispose();
            seen.push(await numbers(p));
          }
          programs.push(step?.stats.programs ?? 0);
        }
        return { seen, programs };
      };
      const none = () => {};
      const untouched = await trace(false, [none, none, none]);
      const [group] = make([new nn.Parameter(w.tensor([1]))]).paramGroups;
      const all = changes(group!);
      assert.ok(all.length >= 2);
      for (const [key, { change, back }] of all) {
        const what = `${name}: ${key}`;
        const turns = [none, change, back];
        if (REFUSED.includes(what)) {
          for (const captured of [false, true]) {
            const error = await trace(captured, turns).then(
              () => null,
              (e: Error) => e,
            );
            assert.match(error?.message ?? "nothing was thrown", /SGD: momentum .* requires/, what);
          }
          continue;
        }
        const eager = await trace(false, turns);
        if (!IDLE.includes(what)) assert.not.equal(eager.seen, untouched.seen, `${what} has an effect`);
        const replayed = await trace(true, turns);
        assert.equal(replayed.seen, eager.seen, what);
        // The learning rate lies on the device, and one program does. Going back finds the program of before, unless a parameter has got more state in between.
        const programs = key === "lr" ? [1, 1, 1] : [1, 2, GROWS.includes(what) ? 3 : 2];
        assert.equal(replayed.programs, programs, `${what}: programs`);
      }
    }
    await device.dispose();
  });
}

/** A product of matrices as rows. */
const times = (a: number[][], b: number[][]): number[][] =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((s, v, k) => s + v * b[k]![j]!, 0)));
const turned = (a: number[][]): number[][] => a[0]!.map((_, j) => a.map((row) => row[j]!));

/** Muon's steps in double precision. https://docs.pytorch.org/docs/stable/generated/torch.optim.Muon.html */
function muon(start: number[][], lr: number, nesterov: boolean, ratio: number): number[][][] {
  const gradientAt = (i: number) => start.map((row, r) => row.map((_, c) => gradient(i, r * row.length + c)));
  let p = start;
  let buffer = start.map((row) => row.map(() => 0));
  return Array.from({ length: STEPS }, (_, i) => {
    const g = gradientAt(i);
    buffer = buffer.map((row, r) => row.map((v, c) => 0.95 * v + 0.05 * g[r]![c]!));
    let x = nesterov ? buffer.map((row, r) => row.map((v, c) => 0.05 * g[r]![c]! + 0.95 * v)) : buffer;
    const tall = x.length > x[0]!.length;
    if (tall) x = turned(x);
    const norm = Math.sqrt(x.flat().reduce((s, v) => s + v * v, 0));
    x = x.map((row) => row.map((v) => v / norm));
    for (let k = 0; k < 5; k++) {
      const gram = times(x, turned(x));
      const square = times(gram, gram);
      const by = times(
        gram.map((row, r) => row.map((v, c) => -4.775 * v + 2.0315 * square[r]![c]!)),
        x,
      );
      x = x.map((row, r) => row.map((v, c) => 3.4445 * v + by[r]![c]!));
    }
    const update = tall ? turned(x) : x;
    const rate_ = rate(i, lr);
    p = p.map((row, r) => row.map((v, c) => v * (1 - rate_ * 0.1) - rate_ * ratio * update[r]![c]!));
    return p;
  });
}

test("Muon's steps are those of loops over numbers, eager and captured, for wide and tall matrices", async () => {
  const device = await w.init({ threads: 1 });
  for (const [rows, columns] of [
    [2, 3],
    [3, 2],
  ] as const) {
    for (const [options, ratio] of [
      [{}, Math.sqrt(Math.max(1, rows / columns))],
      [{ nesterov: false, adjustLrFn: "matchRmsAdamw" }, 0.2 * Math.sqrt(3)],
    ] as const) {
      const start = Array.from({ length: rows }, (_, r) => START.slice(r * columns, (r + 1) * columns));
      const expected = muon(start, 0.1, !("nesterov" in options), ratio);
      for (const captured of [false, true]) {
        const p = new nn.Parameter(w.tensor(start));
        const optimizer = new optim.Muon([p], { lr: 0.1, ...options });
        const f = (x: w.Tensor): w.Tensor => {
          optimizer.zeroGrad();
          const loss = p.mul(x).sum();
          loss.backward();
          optimizer.step();
          return loss;
        };
        const step = captured ? w.capture(f) : async (x: w.Tensor) => f(x);
        for (let i = 0; i < STEPS; i++) {
          optimizer.paramGroups[0]!.lr = rate(i, 0.1);
          await step(w.tensor(start.map((row, r) => row.map((_, c) => gradient(i, r * columns + c)))));
          const got = await numbers(p);
          expected[i]!.flat().forEach((ref, k) => {
            assert.ok(Math.abs(got[k]! - ref) <= 2e-4, `step ${i}, ${k}: ${got[k]} for ${ref}`);
          });
        }
      }
    }
  }
  await device.dispose();
});

/** Keeps nothing beside its parameters. */
class Descent extends Optimizer<object> {
  constructor(params: Params<object>) {
    const step = () => composed([], (p, g, _, lr) => void sub_(p, g.mul(lr)));
    super({ name: "Descent", defaults: { lr: 0.5 }, check() {}, step }, params, {});
  }
}

test("a composed step without state reaches every parameter", async () => {
  const device = await w.init({ threads: 1 });
  const list = [1, 2, 3].map((x) => new nn.Parameter(w.tensor([x])));
  const optimizer = new Descent(list);
  list.forEach((p, i) => {
    p.grad = w.tensor([2 * i + 2]);
  });
  optimizer.step();
  assert.equal(await numbers(...list), [0, 0, 0]);
  await device.dispose();
});

test("a composed step leaves nothing behind but its state, which a state dict brings to another", async () => {
  const device = await w.init({ threads: 1 });
  const make = () => {
    const p = new nn.Parameter(w.tensor([1, -2, 3]));
    return { p, optimizer: new RMSprop([p], { lr: 0.1, momentum: 0.5, centered: true, weightDecay: 0.1 }) };
  };
  const [one, other] = [make(), make()];
  const step = ({ p, optimizer }: typeof one, g: readonly number[]): void => {
    p.grad = w.tensor([...g]);
    optimizer.step();
    optimizer.zeroGrad();
  };
  step(one, [1, 2, 3]);
  const { tensors } = w.memory();
  for (let i = 0; i < 5; i++) step(one, [i, -1, 0.5]);
  assert.is(w.memory().tensors - tensors, 5, "gradients, which user code has set");
  const { state } = one.optimizer.stateDict();
  assert.equal(Object.keys(state[0]!), ["step", "squareAvg", "momentumBuffer", "gradAvg"]);
  assert.equal(await numbers(state[0]!.step!), [6]);
  other.optimizer.loadStateDict(one.optimizer.stateDict());
  w.noGrad(() => other.p.copy_(one.p));
  for (const each of [one, other]) step(each, [1, 1, -1]);
  assert.equal(await numbers(other.p), await numbers(one.p));
  assert.equal([one.p.requiresGrad, one.p.isLeaf], [true, true]);
  await device.dispose();
});

test("a list of hyperparameters that is changed in place is noticed, a typed array too", async () => {
  const device = await w.init({ threads: 1 });
  const after: number[][] = [];
  for (const list of [(...v: number[]) => v, (...v: number[]) => Float32Array.from(v)]) {
    const p = new nn.Parameter(w.tensor([1]));
    const optimizer = new optim.Adam([p], { lr: 0.1 });
    const betas = list(0.5, 0.5) as number[];
    optimizer.paramGroups[0]!.betas = betas as [number, number];
    for (const g of [1, -3]) {
      p.grad = w.tensor([g]);
      optimizer.step();
      betas[0] = 0;
    }
    after.push(await numbers(p));
  }
  assert.equal(after[1], after[0]);
  await device.dispose();
});

test("a rule's options are checked as those of the library", async () => {
  const device = await w.init({ threads: 1 });
  const p = new nn.Parameter(w.tensor([1]));
  const messageOf = (f: () => unknown): string => {
    try {
      f();
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };
  assert.is(
    messageOf(() => new RMSprop([p], { alpha: -1 })),
    "RMSprop: alpha -1: a number of at least 0 is expected",
  );
  assert.is(
    messageOf(() => new RMSprop([p], { rho: 1 } as object)),
    "RMSprop: unknown option rho: it takes lr, alpha, eps, weightDecay, momentum, centered",
  );
  await device.dispose();
});

test.run();
