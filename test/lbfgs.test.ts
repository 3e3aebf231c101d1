// L-BFGS beside what its goldens do not have: steps that fail, state dicts that go on, memory, and what it refuses.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn, optim, type Tensor } from "../src/index.ts";
import { type Point, strongWolfe } from "../src/optim/wolfe.ts";
import { ready } from "./waiting.ts";

// biome-ignore lint/suspicious/noExplicitAny: what JavaScript allows
type Any = any;

const START = [-1.2, 1, 0.4, -0.7];
/** Rosenbrock's function of two pairs: the sum of 100 (y - x²)² + (1 - x)², least at 1. */
function rosenbrock(a: Tensor, b: Tensor): Tensor {
  const part = (p: Tensor): Tensor => {
    const [x, y] = p.unbind() as [Tensor, Tensor];
    const e = y.sub(x.mul(x));
    const f = x.sub(1);
    return e.mul(e).mul(100).add(f.mul(f));
  };
  return part(a).add(part(b));
}
interface Run {
  readonly params: Tensor[];
  readonly optimizer: optim.LBFGS;
  readonly closure: () => Tensor;
  readonly values: () => Promise<number[]>;
}
function run(options: optim.LBFGSOptions): Run {
  const params = [0, 2].map((i) => new nn.Parameter(w.tensor(START.slice(i, i + 2))));
  const optimizer = new optim.LBFGS(params, options);
  const closure = (): Tensor => {
    optimizer.zeroGrad();
    const loss = rosenbrock(params[0]!, params[1]!);
    loss.backward();
    return loss;
  };
  return {
    params,
    optimizer,
    closure,
    values: async () => (await Promise.all(params.map((p) => p.data()))).flatMap((d) => [...d]),
  };
}
const refused = async (f: () => unknown): Promise<string> => {
  try {
    await f();
  } catch (error) {
    return (error as Error).message;
  }
  return "it went through";
};

/** All that it remembers, in numbers. */
async function memoryOf(optimizer: optim.LBFGS): Promise<unknown> {
  const plain = async (v: unknown): Promise<unknown> =>
    v instanceof w.Tensor ? [...(await v.data())] : Array.isArray(v) ? Promise.all(v.map(plain)) : v;
  const { state } = optimizer.stateDict();
  return Promise.all(Object.entries(state[0] ?? {}).map(async ([key, v]) => [key, await plain(v)]));
}

w.setDefaultDevice(await ready(await w.init({ device: "wasm", threads: 1 })));

test("the line search finds the least of Rosenbrock's function, over two parameters", async () => {
  const { optimizer, closure, values } = run({ lineSearchFn: "strongWolfe", maxIter: 60 });
  const first = await (await optimizer.step(closure)).item();
  assert.ok(first > 98);
  for (const v of await values()) assert.ok(Math.abs(v - 1) < 1e-3, `${await values()}`);
});

test("a state dict goes on with the same bits, in another optimizer and behind a save", async () => {
  for (const lineSearchFn of ["strongWolfe", null] as const) {
    const options = { lineSearchFn, maxIter: 3, historySize: 2, lr: lineSearchFn ? 1 : 0.2 };
    const [a, b] = [run(options), run(options)];
    for (let i = 0; i < 2; i++) await a.optimizer.step(a.closure);
    for (const [i, p] of b.params.entries()) w.noGrad(() => w.copy_(p, a.params[i]!));
    b.optimizer.loadStateDict(a.optimizer.stateDict());
    for (let i = 0; i < 3; i++) {
      await a.optimizer.step(a.closure);
      await b.optimizer.step(b.closure);
      assert.equal(await b.values(), await a.values());
    }
    const [mine, theirs] = [a.optimizer.stateDict().state[0]!, b.optimizer.stateDict().state[0]!];
    assert.is(mine.funcEvals, theirs.funcEvals);
    assert.is(mine.oldDirs!.length, 2);
    assert.ok(mine.oldDirs![0] !== theirs.oldDirs![0], "copies");
  }
});

test("a closure that throws, at any call, leaves parameters and state as before the step", async () => {
  for (const lineSearchFn of ["strongWolfe", null] as const) {
    const options = { lineSearchFn, maxIter: 4, lr: lineSearchFn ? 1 : 1e-3 };
    const healthy = run(options);
    await healthy.optimizer.step(healthy.closure);
    const after = healthy.optimizer.stateDict().state[0]!.funcEvals;
    await healthy.optimizer.step(healthy.closure);
    for (let bad = 1; bad <= 4; bad++) {
      const { optimizer, closure, values } = run(options);
      await optimizer.step(closure);
      const before = await values();
      const tensors = w.memory().tensors;
      let calls = 0;
      const failing = (): Tensor => {
        const loss = closure();
        if (++calls === bad) throw new Error("no data");
        return loss;
      };
      assert.is(await refused(() => optimizer.step(failing)), "no data");
      assert.equal(await values(), before);
      assert.is(optimizer.stateDict().state[0]!.funcEvals, after);
      assert.ok(w.memory().tensors <= tensors + 12 * bad, "what the step made is released");
      await optimizer.step(closure);
      assert.equal(await values(), await healthy.values());
    }
  }
});

test("its own state dict is taken as it is, more than once, and an earlier one of its own is refused as a whole", async () => {
  const [a, b] = [run({ maxIter: 3 }), run({ maxIter: 3 })];
  await a.optimizer.step(a.closure);
  await b.optimizer.step(b.closure);
  const [held, { tensors }] = [await memoryOf(a.optimizer), w.memory()];
  const dict = a.optimizer.stateDict();
  for (let i = 0; i < 2; i++) {
    a.optimizer.loadStateDict(dict);
    assert.equal(await memoryOf(a.optimizer), held);
  }
  assert.is(w.memory().tensors, tensors, "nothing is held twice");
  for (const { optimizer, closure } of [a, b]) await optimizer.step(closure);
  assert.equal(await memoryOf(a.optimizer), await memoryOf(b.optimizer));
  const now = await memoryOf(a.optimizer);
  assert.match(await refused(() => a.optimizer.loadStateDict(dict)), /^LBFGS\.loadStateDict: .* was released/);
  assert.equal(await memoryOf(a.optimizer), now);
  // One of its own tensors in another's place: nothing is released that is still needed.
  const { state, ...rest } = a.optimizer.stateDict();
  a.optimizer.loadStateDict({ ...rest, state: { 0: { ...state[0]!, d: state[0]!.prevFlatGrad! } } });
  const [{ d, prevFlatGrad }] = [a.optimizer.stateDict().state[0]!];
  assert.equal([...(await d!.data())], [...(await prevFlatGrad!.data())]);
  await a.optimizer.step(a.closure);
});

test("of state before the first iteration the counts are taken alone", async () => {
  const { optimizer, closure } = run({ maxIter: 2 });
  const { paramGroups } = optimizer.stateDict();
  for (const more of [{}, { d: 5, oldDirs: [1], al: null }]) {
    optimizer.loadStateDict({ paramGroups, state: { 0: { funcEvals: 3, nIter: 0, ...(more as object) } } });
    assert.equal(optimizer.stateDict().state, { 0: { funcEvals: 3, nIter: 0 } });
  }
  await optimizer.step(closure);
  const held = await memoryOf(optimizer);
  for (const state of [null, undefined, 5, "state", { 0: null }, { 0: undefined }, { 0: 5 }, { 0: [] }] as Any[]) {
    assert.match(await refused(() => optimizer.loadStateDict({ paramGroups, state })), /^LBFGS\.loadStateDict: state /);
    assert.equal(await memoryOf(optimizer), held);
  }
});

test("a bad label in the closure rejects the step, and the next one has the bits of a run without it", async () => {
  const make = (): { model: nn.Linear; step: (labels: number[]) => Promise<unknown> } => {
    w.manualSeed(3);
    const model = new nn.Linear(3, 2);
    const x = w.rand([4, 3]);
    const optimizer = new optim.LBFGS(model.parameters(), { maxIter: 3 });
    const step = (labels: number[]): Promise<unknown> =>
      optimizer.step(() => {
        optimizer.zeroGrad();
        const loss = w.crossEntropy(model.forward(x), w.tensor(labels, { dtype: "int32" }));
        loss.backward();
        return loss;
      });
    return { model, step };
  };
  const [a, b] = [make(), make()];
  await a.step([0, 1, 1, 0]);
  await b.step([0, 1, 1, 0]);
  assert.match(await refused(() => a.step([0, 1, -1, 0])), /crossEntropy/);
  await a.step([0, 1, 1, 0]);
  await b.step([0, 1, 1, 0]);
  assert.equal([...(await a.model.weight.data())], [...(await b.model.weight.data())]);
});

test("memory is flat over steps", async () => {
  const { optimizer, closure } = run({ maxIter: 4, historySize: 3, lr: 1e-3, toleranceChange: 0, toleranceGrad: 0 });
  const step = async (): Promise<number> => {
    const losses: Tensor[] = [];
    await optimizer.step(() => {
      losses.push(closure());
      return losses.at(-1)!;
    });
    for (const loss of losses) loss.dispose();
    return w.memory().tensors;
  };
  for (let i = 0; i < 5; i++) await step();
  const before = await step();
  for (let i = 0; i < 20; i++) await step();
  assert.is(await step(), before);
});

test("what it does not take is refused by name", async () => {
  const { optimizer, closure, params, values } = run({});
  const before = await values();
  assert.match(await refused(() => optimizer.step()), /^LBFGS: step\(\) without a closure: await step\(closure\)/);
  assert.match(await refused(() => optimizer.step(5 as Any)), /^LBFGS.step: 5 was given: a function is expected/);
  assert.match(
    await refused(() => optimizer.step(() => "loss")),
    /^LBFGS.step: the closure returned "loss": the loss is expected/,
  );
  assert.match(await refused(() => optimizer.step(() => w.ones([2]))), /returned a tensor \[2\]: the loss is expected/);
  const two = new optim.LBFGS([new nn.Parameter(w.ones([1]))]);
  two.addParamGroup({ params: [new nn.Parameter(w.ones([1]))] });
  assert.match(await refused(() => two.step(() => 1)), /^LBFGS: 2 groups of parameters: it takes one$/);
  const captured = w.capture((x: Tensor) => {
    optimizer.step(closure);
    return x;
  });
  assert.match(await refused(async () => captured(w.ones([1]))), /LBFGS.step: .*outside the captured function/);
  const first = optimizer.step(closure);
  assert.match(await refused(() => optimizer.step(closure)), /^LBFGS: step\(\) while a step is running: await step/);
  await first;
  assert.is.not((await values()).join(), before.join());
  const dict = optimizer.stateDict();
  const held = await memoryOf(optimizer);
  const wrong: [object, RegExp][] = [
    [{ d: w.ones([3]) }, /state 0\.d is \[3\] of float32: \[4\] of float32 is expected/],
    [{ ro: [1, 2, 3] }, /state 0\.ro is \[1,2,3\]: a list as long as oldDirs is expected/],
    [{ nIter: -1 }, /state 0\.nIter -1: an integer of at least 0 is expected/],
    [{ t: "1" }, /state 0\.t "1": a number is expected/],
    [{ al: null }, /state 0\.al is null: a list as long as oldDirs is expected/],
    [{ al: true }, /state 0\.al is true: a list as long as oldDirs is expected/],
    [{ al: w.ones([3]) }, /state 0\.al is a tensor \[3\]: a list as long as oldDirs is expected/],
    [{ oldDirs: null }, /state 0\.oldDirs is null: a list/],
    [
      { oldDirs: [null], oldStps: [null], ro: [1], al: undefined },
      /state 0\.oldDirs\[0\] is null: a tensor is expected/,
    ],
    [
      { oldDirs: new Array(1), oldStps: new Array(1), ro: [1], al: undefined },
      /state 0\.oldDirs\[0\] is nothing: a tensor is expected/,
    ],
  ];
  for (const [change, message] of wrong) {
    const state = { 0: { ...dict.state[0]!, ...change } } as Any;
    assert.match(await refused(() => optimizer.loadStateDict({ ...dict, state })), message);
    assert.equal(await memoryOf(optimizer), held);
  }
  for (const p of params) assert.ok(p.requiresGrad);
});

test("a number as loss, parameters without gradients, and a least that was met", async () => {
  const p = new nn.Parameter(w.tensor([3]));
  const idle = new nn.Parameter(w.tensor([7, 8]));
  const optimizer = new optim.LBFGS([p, idle], { lr: 0.5 });
  let value = 0;
  const result = await optimizer.step(() => {
    optimizer.zeroGrad();
    const loss = p.mul(p).sum();
    loss.backward();
    value = loss.itemSync();
    return value;
  });
  assert.is(result, 9);
  assert.ok(Math.abs(await p.item()) < 1e-3);
  assert.equal([...(await idle.data())], [7, 8]);
  w.noGrad(() => w.zero_(p));
  const before = optimizer.stateDict().state[0]!.nIter;
  await optimizer.step(() => {
    optimizer.zeroGrad();
    const loss = p.mul(p).sum();
    loss.backward();
    return loss;
  });
  assert.is(optimizer.stateDict().state[0]!.nIter, before, "no iteration where the gradient is 0");
});

test("strongWolfe holds both conditions on functions that are hard on a search", async () => {
  const g = { release(): void {} } as unknown as Tensor;
  const cases: [name: string, f: (t: number) => number, slope: (t: number) => number][] = [
    ["a parabola far away", (t) => (t - 30) ** 2, (t) => 2 * (t - 30)],
    ["steep, then flat", (t) => -t / (t * t + 2), (t) => (t * t - 2) / (t * t + 2) ** 2],
    [
      "a wave on a slope",
      (t) => 0.1 * Math.sin(9 * t) - t + 0.04 * t * t * t,
      (t) => 0.9 * Math.cos(9 * t) - 1 + 0.12 * t * t,
    ],
    ["a quartic", (t) => (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4, (t) => 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3],
  ];
  for (const [name, f, slope] of cases) {
    for (const first of [1e-3, 0.1, 1, 10]) {
      const at = (t: number): Point => ({ t, f: f(t), slope: slope(t), g });
      const found = await strongWolfe(async (t) => at(t), at(0), first, 1);
      assert.ok(found.f <= f(0) + 1e-4 * found.t * slope(0), `${name}, from ${first}: it falls`);
      assert.ok(Math.abs(found.slope) <= 0.9 * Math.abs(slope(0)), `${name}, from ${first}: it is flat enough`);
    }
  }
});

test.run();
