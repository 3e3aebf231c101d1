// Optimizers and schedules: against PyTorch's recorded runs, groups, state dicts, the learning rate's order, captured steps.
import { existsSync, readFileSync } from "node:fs";
import { inspect } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { capture } from "../src/capture.ts";
import { type Device, setDefaultDevice } from "../src/core/device.ts";
import { WasmgradError } from "../src/core/error.ts";
import { count } from "../src/core/lifetime.ts";
import { backward } from "../src/core/tape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { init } from "../src/init.ts";
import { Linear, Module, Parameter, Sequential } from "../src/nn/index.ts";
import { add, fill_, full, linear, mul, ones, sin, sub, sum, t, tensor, view, zeros } from "../src/ops/index.ts";
import * as optim from "../src/optim/index.ts";
import { Adam, AdamW, lrScheduler, type Optimizer, SGD } from "../src/optim/index.ts";
import { ReferenceDevice } from "./reference.ts";

// biome-ignore lint/suspicious/noExplicitAny: what JavaScript allows
type Any = any;

const device = new ReferenceDevice();
setDefaultDevice(device);

const values = (x: Tensor): number[] => Array.from(x.device.readSync(x, x.numel, x.dtype));
const parameter = (...data: number[]): Parameter => new Parameter(tensor(data));
const near = (got: number, ref: number, rtol = 1e-3, atol = 1e-5): boolean =>
  Math.abs(got - ref) <= atol + rtol * Math.abs(ref);

function refuses(f: () => unknown, message: RegExp | string): void {
  try {
    f();
  } catch (error) {
    assert.instance(error, WasmgradError, String(error));
    if (typeof message === "string") assert.is((error as Error).message, message);
    else assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable(`accepted, instead of ${message}`);
}

/** Gives `p` the gradient `g` (one number for all elements) and steps. */
function stepWith(optimizer: { step(): void }, p: Parameter, g: number): void {
  p.grad = fill_(zeros(p.shape, { device: p.device }), g);
  optimizer.step();
}

test("plain, momentum, dampening, nesterov, weight decay, maximize", () => {
  const run = (options: object): number[] => {
    const p = parameter(1);
    const optimizer = new SGD([p], { lr: 0.1, ...options });
    return [1, 1, 1].map((g) => {
      stepWith(optimizer, p, g);
      return Math.round(values(p)[0]! * 1e6) / 1e6;
    });
  };
  assert.equal(run({}), [0.9, 0.8, 0.7]);
  assert.equal(run({ maximize: true }), [1.1, 1.2, 1.3]);
  assert.equal(run({ weightDecay: 1 }), [0.8, 0.62, 0.458]);
  assert.equal(run({ momentum: 0.5 }), [0.9, 0.75, 0.575]);
  assert.equal(run({ momentum: 0.5, dampening: 0.5 }), [0.9, 0.8, 0.7]);
  assert.equal(run({ momentum: 0.5, nesterov: true }), [0.85, 0.675, 0.4875]);
});

test("a gradient that lies turned is copied for the step alone", () => {
  const p = new Parameter(zeros([2, 3]));
  p.grad = t(tensor([1, 2, 3, 4, 5, 6], { shape: [3, 2] }));
  const optimizer = new SGD([p], { lr: 1 });
  optimizer.step();
  assert.equal(values(p), [-1, -3, -5, -2, -4, -6]);
  const before = count.tensors;
  optimizer.step();
  assert.is(count.tensors, before);
});

test("a step names a parameter or a gradient that was released", () => {
  for (const released of ["parameter", "gradient"]) {
    const p = parameter(1);
    p.grad = tensor([1]);
    (released === "parameter" ? p : p.grad!).dispose();
    refuses(() => new SGD([p], { lr: 1 }).step(), /^SGD: the tensor \w+ \[1\] was released by dispose\(\)/);
  }
});

interface Recorded {
  name: string;
  fn: string;
  kwargs: Record<string, unknown>;
  x0: { data: number[] };
  M: { shape: number[]; data: number[] };
  v: { data: number[] };
  objective: string;
  losses: number[];
  trajectory: number[][];
}

const camel = (name: string): string => name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase());
const options = (kwargs: Record<string, unknown>): object =>
  Object.fromEntries(Object.entries(kwargs).map(([key, v]) => [camel(key), v]));

const goldens = new URL("../../shared/goldens/", import.meta.url);

const recorded = <T>(file: string): T[] =>
  existsSync(new URL(file, goldens)) ? JSON.parse(readFileSync(new URL(file, goldens), "utf8")) : [];

for (const build of ["reference", "simd", "relaxed"] as const) {
  for (const run of recorded<Recorded>("optim.json").filter(({ fn }) => ["SGD", "Adam", "AdamW"].includes(fn))) {
    test(`as recorded: ${run.name} ${JSON.stringify(run.kwargs)} (${build})`, async () => {
      const on: Device = build === "reference" ? device : await init({ simd: build, threads: 1 });
      try {
        const [m, v] = [tensor(Float32Array.from(run.M.data), { shape: run.M.shape }), tensor(run.v.data)];
        const p = new Parameter(tensor(run.x0.data));
        const optimizer = new { SGD, Adam, AdamW }[run.fn as "SGD"]([p], options(run.kwargs));
        for (const [i, expected] of run.trajectory.entries()) {
          optimizer.zeroGrad();
          const quadratic = mul(sum(mul(p, view(linear(view(p, [1, 6]), m), [6]))), 0.5);
          const loss = add(sub(quadratic, sum(mul(v, p))), mul(sum(sin(p)), 0.3));
          backward(loss);
          optimizer.step();
          assert.ok(near(values(loss)[0]!, run.losses[i]!), `loss ${i}: ${values(loss)} for ${run.losses[i]}`);
          assert.ok(
            values(p).every((x, j) => near(x, expected[j]!)),
            `step ${i}: ${values(p)} for ${expected}`,
          );
        }
      } finally {
        setDefaultDevice(device);
        if (on !== device) await on.dispose();
      }
    });
  }
}

interface Schedule {
  fn: string;
  kwargs: Record<string, unknown>;
  baseLr: number;
  lrs: number[];
}

test("LinearLR as recorded, and a decay to zero", () => {
  const rates = (lr: number, kwargs: object, steps: number): number[] => {
    const optimizer = new SGD([parameter(1)], { lr });
    const schedule = new lrScheduler.LinearLR(optimizer, kwargs);
    const seen = schedule.getLastLr();
    for (let i = 0; i < steps; i++) {
      schedule.step();
      seen.push(optimizer.paramGroups[0]!.lr);
    }
    return seen;
  };
  for (const { kwargs, baseLr, lrs } of recorded<Schedule>("schedule.json").filter(({ fn }) => fn === "LinearLR")) {
    assert.ok(rates(baseLr, options(kwargs), lrs.length - 1).every((lr, i) => near(lr, lrs[i]!, 1e-12, 0)));
  }
  const decay = rates(0.1, { startFactor: 1, endFactor: 0, totalIters: 1000 }, 1002);
  assert.ok(decay.every((lr, i) => near(lr, 0.1 * Math.max(0, 1 - i / 1000), 1e-9, 1e-12)));
  assert.equal(decay.slice(-2), [decay[1000], decay[1000]]);
  const optimizer = new SGD([parameter(1)]);
  refuses(() => new lrScheduler.LinearLR(optimizer, { startFactor: 0 }), /LinearLR: startFactor 0/);
  refuses(() => new lrScheduler.LinearLR(optimizer, { endFactor: 2 }), /LinearLR: endFactor 2/);
  refuses(() => new lrScheduler.LinearLR(optimizer, { totalIters: 0 }), /LinearLR: totalIters 0/);
  refuses(() => new lrScheduler.LinearLR(optimizer, { total: 1 } as object), /LinearLR: unknown option total/);
});

test("LambdaLR, one function or one a group; a schedule's state", () => {
  const make = () => new SGD([{ params: [parameter(1)] }, { params: [parameter(2)], lr: 1 }], { lr: 0.5 });
  const optimizer = make();
  const schedule = new lrScheduler.LambdaLR(optimizer, [(e) => 1 / (1 + e), (e) => 0.9 ** e]);
  schedule.step();
  schedule.step();
  assert.ok(near(schedule.getLastLr()[0]!, 0.5 / 3, 1e-12) && near(schedule.getLastLr()[1]!, 0.81, 1e-12));
  optimizer.addParamGroup({ params: [parameter(3)], lr: 0.25 });
  schedule.step();
  assert.equal(schedule.getLastLr().slice(1), [0.9 ** 3, 0.25], "a group that was added later keeps its rate");
  optimizer.paramGroups.pop();
  refuses(
    () => new lrScheduler.LambdaLR(make(), [() => 1]),
    /LambdaLR: functions .a Function.: the optimizer has 2 groups/,
  );
  const other = make();
  const resumed = new lrScheduler.LinearLR(other, { startFactor: 0.5, totalIters: 4 });
  const linear4 = new lrScheduler.LinearLR(optimizer, { startFactor: 0.5, totalIters: 4 });
  linear4.step();
  resumed.loadStateDict(linear4.stateDict() as ReturnType<typeof resumed.stateDict>);
  other.loadStateDict(optimizer.stateDict());
  linear4.step();
  resumed.step();
  assert.equal(resumed.getLastLr(), linear4.getLastLr());
  refuses(() => resumed.loadStateDict({ lastEpoch: 1, baseLrs: [1] }), /baseLrs .1.: the optimizer has 2 groups/);
});

test("groups have hyperparameters and learning rates of their own", () => {
  const [a, b, c] = [parameter(1), parameter(1), parameter(1)];
  const optimizer = new SGD([{ params: [a] }, { params: b, lr: 0.01, weightDecay: 1 }], { lr: 0.1 });
  optimizer.addParamGroup({ params: [c], lr: 1 });
  for (const p of [a, b, c]) p.grad = ones([1]);
  optimizer.step();
  assert.ok([values(a)[0]!, values(b)[0]!, values(c)[0]!].every((v, i) => near(v, [0.9, 0.98, 0][i]!, 0, 1e-6)));
  optimizer.paramGroups[0]!.lr = 0.5;
  optimizer.paramGroups[1]!.weightDecay = 0;
  optimizer.step();
  assert.ok([values(a)[0]!, values(b)[0]!].every((v, i) => near(v, [0.4, 0.97][i]!, 0, 1e-6)));
});

test("parameters without a gradient are left alone, with their state", () => {
  const [a, b] = [parameter(1), parameter(1)];
  const optimizer = new Adam([a, b], { lr: 0.1, weightDecay: 0.5 });
  stepWith(optimizer, a, 1);
  assert.equal(values(b), [1]);
  assert.equal(Object.keys(optimizer.stateDict().state), ["0"]);
  const before = b.storage.version;
  optimizer.step();
  assert.is(b.storage.version, before);
  b.grad = ones([1]);
  optimizer.step();
  const { state } = optimizer.stateDict();
  assert.equal([values(state[0]!.step!), values(state[1]!.step!)], [[3], [1]]);
  optimizer.zeroGrad();
  assert.equal([a.grad, b.grad], [null, null]);
  a.grad = ones([1]);
  optimizer.zeroGrad({ setToNone: false });
  assert.equal(values(a.grad!), [0]);
});

test("loadStateDict copies into the state that is there, and leaves what was given", () => {
  const p = parameter(1);
  const optimizer = new Adam([p], { lr: 0.1 });
  stepWith(optimizer, p, 1);
  const { state, paramGroups } = optimizer.stateDict();
  const held = state[0]!;
  const given = { step: tensor([7]), expAvg: tensor([0.25]), expAvgSq: tensor([0.5]) };
  optimizer.loadStateDict({ state: { 0: given }, paramGroups });
  assert.equal(Object.values(held).map(values), [[7], [0.25], [0.5]]);
  assert.equal(Object.values(given).map(values), [[7], [0.25], [0.5]]);
  assert.is(optimizer.stateDict().state[0]!.expAvg, held.expAvg);
});

test("state that loadStateDict replaces is given back", () => {
  const [a, b] = [parameter(1), parameter(2)];
  const optimizer = new Adam([a, b], { lr: 0.1, amsgrad: true });
  for (const p of [a, b]) p.grad = ones([1]);
  optimizer.step();
  const dict = optimizer.stateDict();
  const { maxExpAvgSq, ...rest } = dict.state[0]!;
  const before = count.tensors;
  // Of the first another set of names: three tensors for four. Of the second nothing: four go.
  optimizer.loadStateDict({ ...dict, state: { 0: rest } });
  assert.is(count.tensors, before + 3 - 4 - 4);
  assert.ok(maxExpAvgSq!.gone !== null);
});

test("state of its own for another parameter is loaded as it was, whatever is written or replaced first", () => {
  const [a, b] = [parameter(1), parameter(2)];
  const optimizer = new Adam([a, b], { lr: 0.1 });
  a.grad = ones([1]);
  b.grad = full([1], 3);
  optimizer.step();
  const read = (): (number[] | undefined)[] =>
    [0, 1].map((i) => optimizer.stateDict().state[i]?.expAvg).map((x) => x && values(x));
  const [one, two] = read();
  assert.not.equal(one, two);
  const load = (pick: (state: Any) => object): void => {
    const { state, paramGroups } = optimizer.stateDict();
    optimizer.loadStateDict({ state: pick(state) as typeof state, paramGroups });
  };
  const { tensors } = count;
  load(({ 0: x, 1: y }) => ({ 0: y, 1: x }));
  assert.equal(read(), [two, one]);
  load(({ 0: x, 1: y }) => ({ 0: y, 1: x }));
  load((state) => state);
  assert.equal(read(), [one, two]);
  assert.is(count.tensors, tensors, "copies go");
  load(({ 0: { expAvg, ...x }, 1: y }) => ({ 0: { ...x, expAvg: view(expAvg, [1]) }, 1: { ...y, expAvg } }));
  assert.equal(read(), [one, one]);
  load(({ 1: y }) => ({ 0: y })); // that of the second, which is released
  assert.equal(read(), [one, undefined]);
  const swapped = optimizer.stateDict();
  swapped.paramGroups[0]!.params = [1, 0];
  optimizer.loadStateDict(swapped);
  assert.equal(read(), [undefined, one]);
});

test("what is no state dict is refused by name, by every optimizer, and nothing has changed", () => {
  for (const [name, Made] of Object.entries(optim) as [string, Any][]) {
    if (!/^[A-Z]/.test(name) || !(Made.prototype instanceof optim.Optimizer)) continue;
    const optimizer = new Made([new Parameter(ones([2, 2]))]);
    const good = optimizer.stateDict();
    const [group] = good.paramGroups;
    const wrong: [object | null | undefined, RegExp][] = [
      ...[null, undefined, {}].map((v): [typeof v, RegExp] => [v, /state nothing: an object is expected$/]),
      [{ ...good, state: null }, /state null: an object is expected$/],
      [{ ...good, state: new Map() }, /state a Map: an object is expected$/],
      [{ ...good, paramGroups: null }, /paramGroups null: an array is expected$/],
      ...[null, undefined, 5, "s", [1]].map((v): [object, RegExp] => [
        { ...good, state: { 0: v } },
        /state 0 .*: an object is expected$/,
      ]),
      [{ ...good, paramGroups: [null] }, /group 0 null: an object is expected$/],
      [{ ...good, paramGroups: new Array(1) }, /group 0 nothing: an object is expected$/],
      [{ ...good, paramGroups: [{ ...group, params: null }] }, /group 0 has undefined parameters/],
      ...[null, NaN, -1, "1"].map((v): [object, RegExp] => [
        { ...good, paramGroups: [{ ...group, lr: 3, initialLr: v }] },
        /initialLr .*: a number of at least 0 is expected$/,
      ]),
    ];
    for (const [dict, message] of wrong) {
      refuses(() => optimizer.loadStateDict(dict), message);
      refuses(() => optimizer.loadStateDict(dict), new RegExp(`^${name}\\.loadStateDict: `));
      assert.equal(optimizer.stateDict(), good);
    }
  }
});

test("more than 64 parameters: rows of 64 segments", () => {
  const many = Array.from({ length: 150 }, (_, i) => parameter(i, 0));
  const optimizer = new SGD(many, { lr: 1, momentum: 0.5 });
  for (const p of many) p.grad = ones([2]);
  const kernels: string[] = [];
  const launch = device.launch;
  device.launch = (kernel, ...rest) => {
    kernels.push(kernel);
    launch.call(device, kernel, ...rest);
  };
  optimizer.step();
  optimizer.step();
  device.launch = launch;
  assert.is(kernels.filter((k) => k === "sgd_momentum_f32").length, 6);
  assert.is(kernels.filter((k) => k === "tick_f32").length, 6);
  assert.ok(many.every((p, i) => values(p)[0] === i - 2.5));
});

for (const [name, make] of [
  ["SGD", (p: Tensor[]) => new SGD(p, { lr: 0.1, momentum: 0.9, dampening: 0.1 })],
  ["Adam", (p: Tensor[]) => new Adam(p, { lr: 0.1, amsgrad: true })],
] as const) {
  test(`${name}: a state dict brings another optimizer to the same point`, () => {
    const [p, q] = [parameter(1, 2), parameter(1, 2)];
    const [a, b] = [make([p]), make([q])];
    for (let i = 0; i < 3; i++) stepWith(a, p, i - 1);
    a.paramGroups[0]!.lr = 0.05;
    const dict = a.stateDict();
    q.grad = ones([2]);
    b.step();
    const held = b.stateDict().state[0]!.step;
    b.loadStateDict(dict);
    assert.is(b.stateDict().state[0]!.step, held, "copied in place");
    assert.is(b.paramGroups[0]!.lr, 0.05);
    q.dispose();
    const r = new Parameter(tensor(values(p)));
    const c = make([r]);
    c.loadStateDict(dict);
    stepWith(a, p, 1);
    stepWith(c, r, 1);
    assert.equal(values(r), values(p));
    assert.not.equal(values(dict.state[0]!.step!), [3], "the dict holds the optimizer's own tensors");
    const plain = JSON.parse(JSON.stringify(dict.paramGroups[0]));
    assert.equal([plain.lr, plain.params], [0.05, [0]]);
  });
}

test("state dicts that do not fit are refused, and nothing has changed", () => {
  const net = new Sequential(new Linear(2, 2), new Linear(2, 1));
  const optimizer = new Adam(net.parameters(), { lr: 0.1 });
  backward(sum(net.forward(ones([1, 2]))));
  optimizer.step();
  const good = optimizer.stateDict();
  const before = JSON.stringify(Object.values(good.state).map((s) => Object.values(s).map(values)));
  const group = good.paramGroups[0]!;
  refuses(
    () => optimizer.loadStateDict({ ...good, paramGroups: [] }),
    "Adam.loadStateDict: 0 parameter groups were given: the optimizer has 1",
  );
  refuses(
    () => optimizer.loadStateDict({ ...good, paramGroups: [{ ...group, params: [0] }] }),
    /group 0 has 1 parameters: the optimizer's has 4/,
  );
  refuses(() => optimizer.loadStateDict({ ...good, paramGroups: [{ ...group, lr: -1 }] }), /lr -1/);
  refuses(
    () => optimizer.loadStateDict({ ...good, paramGroups: [{ ...group, momentum: 1 }] }),
    /unknown option momentum/,
  );
  refuses(() => optimizer.loadStateDict({ ...good, paramGroups: [{ ...group, eps: -1, lr: 3 }] }), /eps -1/);
  refuses(() => optimizer.loadStateDict({ ...good, state: { ...good.state, 9: good.state[0]! } }), /parameter 9/);
  const wrong = { ...good.state[1], expAvg: zeros([3]) };
  refuses(
    () => optimizer.loadStateDict({ ...good, state: { ...good.state, 1: wrong } }),
    /state 1\.expAvg is \[3\] of float32: \[2\]/,
  );
  assert.is(optimizer.paramGroups[0]!.lr, 0.1);
  assert.is(
    JSON.stringify(Object.values(optimizer.stateDict().state).map((s) => Object.values(s).map(values))),
    before,
  );
});

test("a captured step equals the eager one: lr, momentum, a frozen layer, loaded state, a skipped parameter", async () => {
  const build = () => {
    const net = new Sequential(new Linear(3, 4), new Linear(4, 1));
    net.parameters().forEach((p, i) => {
      fill_(p.requiresGrad_(false), 0.1 * (i + 1));
      p.requiresGrad = true;
    });
    return net;
  };
  for (const make of [
    (p: Tensor[]) => new SGD(p, { lr: 0.1, momentum: 0.9, dampening: 0.1 }),
    (p: Tensor[]) => new Adam(p, { lr: 0.1 }),
  ]) {
    const trace = async (captured: boolean): Promise<string> => {
      const net = build();
      const optimizer: Optimizer<object> = make(net.parameters());
      const f = (x: Tensor): Tensor => {
        optimizer.zeroGrad();
        const loss = sum(net.forward(x));
        backward(loss);
        optimizer.step();
        return loss;
      };
      const step = captured ? capture(f) : async (x: Tensor) => f(x);
      const seen: unknown[] = [];
      const x = tensor([[1, -2, 3]]);
      const saved = () => Object.values(optimizer.stateDict().state).map((s) => Object.values(s).map(values));
      for (let i = 0; i < 40; i++) {
        if (i === 10) optimizer.paramGroups[0]!.lr = 0.01;
        if (i === 15) (net[0] as Linear).requiresGrad_(false);
        if (i === 22) (net[0] as Linear).requiresGrad_(true);
        if (i === 25 && "momentum" in optimizer.paramGroups[0]!)
          Object.assign(optimizer.paramGroups[0]!, { momentum: 0.5 });
        if (i === 30) {
          const { state, paramGroups } = optimizer.stateDict();
          const halved = Object.entries(state).map(([k, s]) => [
            k,
            Object.fromEntries(Object.entries(s).map(([n, v]) => [n, n === "step" ? v : mul(v, 0.5)])),
          ]);
          optimizer.loadStateDict({ state: Object.fromEntries(halved), paramGroups });
        }
        if (i === 34) {
          const { state, paramGroups } = optimizer.stateDict();
          const { 0: _, ...rest } = state;
          optimizer.loadStateDict({ state: rest, paramGroups });
        }
        seen.push(values(await step(x)), net.parameters().map(values), saved());
      }
      return JSON.stringify(seen);
    };
    assert.is(await trace(true), await trace(false));
  }
});

test("a captured step takes each hyperparameter that is changed between calls", async () => {
  const sgd = (p: Tensor[]) => new SGD(p, { lr: 0.1, momentum: 0.5, weightDecay: 0.1 });
  const nesterov = (p: Tensor[]) => new SGD(p, { lr: 0.1, momentum: 0.5, nesterov: true });
  const adam = (p: Tensor[]) => new Adam(p, { lr: 0.1, weightDecay: 0.1, eps: 1e-3 });
  const changes: [(p: Tensor[]) => Optimizer<object>, object][] = [
    ...[{ momentum: 0.9 }, { dampening: 0.5 }, { weightDecay: 0.5 }, { maximize: true }, { nesterov: true }].map(
      (change) => [sgd, change] as [typeof sgd, object],
    ),
    [nesterov, { nesterov: false }],
    ...[{ betas: [0.5, 0.999] }, { betas: [0.9, 0.5] }, { eps: 1 }, { weightDecay: 0.5 }].map(
      (change) => [adam, change] as [typeof adam, object],
    ),
    [adam, { maximize: true }],
    [(p) => new Adam(p, { lr: 0.1, betas: [0.9, 0.5] }), { amsgrad: true }],
  ];
  for (const [make, change] of changes) {
    const trace = async (captured: boolean, changed: boolean): Promise<number[][]> => {
      const p = parameter(1, -2);
      const optimizer = make([p]);
      const f = (x: Tensor): void => {
        optimizer.zeroGrad();
        backward(sum(mul(mul(p, p), x)));
        optimizer.step();
      };
      const step = captured ? capture(f) : async (x: Tensor) => f(x);
      const seen: number[][] = [];
      for (let i = 0; i < 7; i++) {
        if (i === 4 && changed) Object.assign(optimizer.paramGroups[0]!, change);
        await step(tensor([3 - i, 1]));
        seen.push(values(p));
      }
      return seen;
    };
    const eager = await trace(false, true);
    assert.equal(await trace(true, true), eager, JSON.stringify(change));
    assert.not.equal(await trace(false, false), eager, `${JSON.stringify(change)} counts`);
  }
});

test("what stands at the bounds of hyperparameters is taken", () => {
  const p = parameter(1);
  for (const optimizer of [
    new SGD([p], { lr: 0, momentum: 0, weightDecay: 0 }),
    new Adam([p], { lr: 0, betas: [0, 0], eps: 0, weightDecay: 0 }),
  ]) {
    stepWith(optimizer, p, 1);
    assert.equal(values(p), [1]);
  }
});

test("lr is set outside of captured functions", async () => {
  const p = parameter(1);
  const optimizer = new SGD([p], { lr: 0.1 });
  const step = capture((x: Tensor) => {
    optimizer.zeroGrad();
    const loss = sum(mul(p, x));
    backward(loss);
    optimizer.step();
    optimizer.paramGroups[0]!.lr = optimizer.paramGroups[0]!.lr / 2;
    return loss;
  });
  // The first call as all others.
  for (let i = 0; i < 2; i++) {
    const error = await step(ones([1])).then(
      () => null,
      (e: Error) => e,
    );
    assert.match(error!.message, /SGD: lr: inside capture .*set lr outside the captured function/);
    assert.is(optimizer.paramGroups[0]!.lr, 0.1);
  }
});

test("a refused lr changes nothing", () => {
  const optimizer = new SGD([parameter(1)], { lr: 0.1 });
  const group = optimizer.paramGroups[0]!;
  for (const lr of [-1, Number.NaN, Number.POSITIVE_INFINITY, "1" as unknown as number]) {
    refuses(
      () => {
        group.lr = lr;
      },
      `SGD: lr ${typeof lr === "string" ? `"${lr}"` : lr}: a number of at least 0 is expected`,
    );
  }
  assert.is(group.lr, 0.1);
});

test("constructor arguments", () => {
  const p = parameter(1, 2);
  refuses(
    () => new SGD([]),
    "SGD: params []: optimizer got an empty parameter list, at least one parameter is expected",
  );
  refuses(() => new SGD(p as unknown as Tensor[]), /SGD: params is a tensor .*: an array/);
  refuses(() => new SGD([p], { lr: -0.1 }), "SGD: lr -0.1: a number of at least 0 is expected");
  refuses(() => new SGD([p], { momentum: -1 }), "SGD: momentum -1: a number of at least 0 is expected");
  refuses(() => new SGD([p], { weightDecay: Number.NaN }), /SGD: weightDecay NaN/);
  refuses(
    () => new SGD([p], { nesterov: true }),
    "SGD: momentum 0, dampening 0: nesterov momentum requires a momentum and zero dampening",
  );
  refuses(
    () => new SGD([p], { learningRate: 1 } as object),
    /SGD: unknown option learningRate, here lr: it takes lr, momentum/,
  );
  refuses(() => new SGD([{ params: [p], beta: 1 } as object as { params: Tensor[] }]), /SGD: unknown option beta/);
  refuses(
    () => new SGD([p, p]),
    "SGD: parameter 1 (tensor [2]) is listed twice: each parameter stands in one group, once",
  );
  refuses(() => new SGD([{ params: [p] }, { params: [p] }]), /parameter 0 \(tensor \[2\]\) is listed twice/);
  refuses(() => new SGD([mul(p, p)]), /parameter 0 \(mul \[2\]\) was made by a recorded op: only leaves/);
  refuses(() => new SGD([zeros([1], { dtype: "int32" })]), /is int32: float32 is expected/);
  refuses(() => new SGD([t(zeros([2, 3]))]), /does not lie dense/);
  refuses(() => new SGD([3 as unknown as Tensor]), /SGD: group 0 is 3: an object with params is expected/);
  refuses(() => new Adam([p], { betas: [0.9, 1] }), "Adam: betas[1] 1: a number of at least 0 and below 1 is expected");
  refuses(() => new Adam([p], { betas: [1, 0.9] }), "Adam: betas[0] 1: a number of at least 0 and below 1 is expected");
  refuses(() => new AdamW([p], { eps: -1 }), "AdamW: eps -1: a number of at least 0 is expected");
  refuses(() => {
    p.grad = ones([3]);
  }, "grad: [3] of float32 for tensor [2]: shape and dtype must be the same");
});

test("zeroGrad to zeros takes gradients off the tape: steps with createGraph do not hang on those before", async () => {
  const runs: number[][] = [];
  for (const captured of [false, true]) {
    const p = parameter(1, 2, 3);
    const optimizer = new SGD([p], { lr: 0.01 });
    const step = (k: Tensor): Tensor => {
      optimizer.zeroGrad({ setToNone: false });
      backward(sum(mul(mul(mul(p, p), p), k)), null, { createGraph: true });
      const penalty = sum(mul(p.grad!, p.grad!));
      backward(penalty);
      optimizer.step();
      return penalty;
    };
    const f = captured ? capture(step) : step;
    const seen: number[] = [];
    for (let k = 1; k <= 5; k++) seen.push(...values(await f(tensor([k / 8]))), ...values(p), ...values(p.grad!));
    runs.push(seen);
    optimizer.zeroGrad({ setToNone: false });
    assert.equal([p.grad!.requiresGrad, p.grad!.isLeaf, ...values(p.grad!)], [false, true, 0, 0, 0]);
    // Of a view.
    const x = tensor([1, 2, 3], { requiresGrad: true });
    p.grad = view(mul(x, 1), [3]);
    optimizer.zeroGrad({ setToNone: false });
    assert.equal([p.grad!.requiresGrad, ...values(p.grad!)], [false, 0, 0, 0]);
  }
  assert.equal(runs[0], runs[1]);
});

test("parameters that find no place on another device leave nothing there", async () => {
  const [from, to] = [new ReferenceDevice(true), new ReferenceDevice()];
  class Both extends Module {
    first = new Parameter(zeros([3], { device: from }));
    second = new Parameter(zeros([2], { device: from, dtype: "float16" }));
    forward = (x: Tensor): Tensor => x;
  }
  const both = new Both();
  both.first.grad = zeros([3], { device: from });
  try {
    await both.to(to);
    assert.unreachable("a device without float16 took one");
  } catch (error) {
    assert.match((error as Error).message, /float16 on reference/);
  }
  assert.is(to.liveBytes, 0);
  assert.is(both.first.device, from);
});

test("an optimizer and its state follow parameters that move", async () => {
  const [net, stays] = [new Linear(2, 1), new Linear(2, 1)];
  stays.loadStateDict(net.stateDict());
  const [moved, still] = [net, stays].map((m) => new SGD(m.parameters(), { lr: 1, momentum: 0.5 })) as [SGD, SGD];
  for (const m of [net, stays]) backward(sum(m.forward(ones([1, 2]))));
  moved.step();
  still.step();
  const other = new ReferenceDevice();
  await net.to(other);
  assert.is(net.bias!.grad!.device, other);
  moved.step();
  still.step();
  assert.equal(values(net.bias!), values(stays.bias!));
  assert.equal(values(net.weight), values(stays.weight));
  const state = Object.values(moved.stateDict().state).flatMap((s) => Object.values(s));
  assert.ok(state.length === 4 && state.every((x) => x.device === other));
});

test("a group shows its learning rate as it shows the others, and a write to it is checked", () => {
  const optimizer = new SGD([parameter(1)], { lr: 0.25, momentum: 0.5 });
  const [group] = optimizer.paramGroups;
  const { params, ...shown } = { ...group! };
  assert.is(params.length, 1);
  const own = { lr: 0.25, momentum: 0.5, dampening: 0, weightDecay: 0, nesterov: false, maximize: false };
  assert.equal(shown, own);
  assert.equal({ ...JSON.parse(JSON.stringify(group)), params: 0 }, { ...own, params: 0 });
  assert.match(inspect(optimizer), /lr: 0\.25,\s+momentum: 0\.5/);
  group!.lr = 0.125;
  assert.match(inspect(optimizer), /lr: 0\.125/);
  refuses(() => {
    group!.lr = -1;
  }, "SGD: lr -1: a number of at least 0 is expected");
  assert.is(JSON.parse(JSON.stringify(group)).lr, 0.125);
  assert.equal(Object.keys(optimizer.stateDict().paramGroups[0]!).sort(), [...Object.keys(own), "params"].sort());
});

test.run();
