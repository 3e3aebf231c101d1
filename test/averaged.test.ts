// Averages of weights: AveragedModel beside numbers, plain and in captured steps, and the copy that it makes of a model.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import { WebGpuDevice } from "../src/webgpu/device.ts";
import { lack } from "./webgpu-adapter.ts";

const { AveragedModel, getEmaAvgFn, getEmaMultiAvgFn, getSwaAvgFn } = optim.swaUtils;
const wasm = await w.init({ threads: 1 });
const DEVICES: Record<string, () => Promise<w.Device>> = {
  wasm: async () => wasm,
  ...(lack === null ? { webgpu: () => WebGpuDevice.create() } : {}),
};
if (lack !== null) console.log(`skipped: averages on webgpu: ${lack}`);

// biome-ignore lint/suspicious/noExplicitAny: properties of many kinds
type Any = any;
const numbers = async (x: w.Tensor): Promise<number[]> => [...(await x.data())];

/** What the averages of a run of values become, in float64. */
const WAYS: Record<string, [options: () => object, next: (average: number, value: number, n: number) => number]> = {
  "equal weights": [() => ({}), (a, v, n) => (n === 0 ? v : a + (v - a) / (n + 1))],
  "equal weights by avgFn": [() => ({ avgFn: getSwaAvgFn() }), (a, v, n) => (n === 0 ? v : a + (v - a) / (n + 1))],
  "EMA by avgFn": [() => ({ avgFn: getEmaAvgFn(0.9) }), (a, v, n) => (n === 0 ? v : 0.9 * a + 0.1 * v)],
  "EMA by multiAvgFn": [() => ({ multiAvgFn: getEmaMultiAvgFn(0.9) }), (a, v, n) => (n === 0 ? v : 0.9 * a + 0.1 * v)],
  "EMA that forgets": [
    () => ({ multiAvgFn: getEmaMultiAvgFn(0.25) }),
    (a, v, n) => (n === 0 ? v : 0.25 * a + 0.75 * v),
  ],
  "a function of one's own": [
    () => ({ avgFn: (a: w.Tensor, v: w.Tensor, n: w.Tensor) => w.add(a, w.div(v, n)) }), // infinite at first, which is not used
    (a, v, n) => (n === 0 ? v : a + v / n),
  ],
};

class Net extends nn.Module {
  a = new nn.Linear(3, 2);
  list = [new nn.Linear(2, 2), new nn.ReLU()];
  constructor() {
    super();
    this.registerBuffer("scale", w.ones([1]));
    this.registerBuffer("count", w.zeros([], { dtype: "int32" }));
  }
  forward(x: w.Tensor): w.Tensor {
    return this.list.reduce((y: w.Tensor, f) => f.forward(y), this.a.forward(x)).mul((this as Any).scale);
  }
}

for (const [on, make] of Object.entries(DEVICES)) {
  for (const [name, [options, next]] of Object.entries(WAYS)) {
    for (const captured of [false, true])
      test(`${name}, ${captured ? "in captured steps" : "plain"}: ${on}`, async () => {
        const device = await make();
        w.setDefaultDevice(device);
        const model = new Net();
        const averaged = new AveragedModel(model, options());
        const optimizer = new optim.SGD(model.parameters(), { lr: 0.5, momentum: 0.5 });
        const f = (x: w.Tensor): w.Tensor => {
          optimizer.zeroGrad();
          const loss = model.forward(x).sum();
          loss.backward();
          optimizer.step();
          averaged.updateParameters(model);
          return loss;
        };
        const step: Any = captured ? w.capture(f) : f;
        let expected: number[][] = model.parameters().map((p) => new Array(p.numel).fill(0));
        for (let i = 0; i < 6; i++) {
          await step(w.randn([4, 3]));
          const now = await Promise.all(model.parameters().map(numbers));
          expected = expected.map((list, k) => list.map((a, j) => next(a, now[k]![j]!, i)));
          for (const [k, p] of averaged.parameters().entries()) {
            const got = await numbers(p);
            assert.ok(
              got.every((v, j) => Math.abs(v - expected[k]![j]!) <= 2e-6 * Math.max(1, Math.abs(v))),
              `step ${i}, ${k}: ${got} for ${expected[k]}`,
            );
          }
          assert.equal(await numbers(averaged.nAveraged), [i + 1]);
        }
        if (captured) assert.ok(step.stats.replays > 2, JSON.stringify(step.stats));
        w.setDefaultDevice(wasm);
        if (device !== wasm) await device.dispose();
      });
  }
}

test("behind captured steps that nobody has waited for", async () => {
  const p = new nn.Linear(1, 1, { bias: false });
  w.noGrad(() => p.weight.fill_(0));
  const averaged = new AveragedModel(p);
  const optimizer = new optim.SGD(p.parameters(), { lr: 1 });
  const step = w.capture((x: w.Tensor) => {
    optimizer.zeroGrad();
    const loss = p.forward(x).sum();
    loss.backward();
    optimizer.step();
    return loss;
  });
  const seen: w.Tensor[] = [];
  for (let i = 0; i < 6; i++) {
    await step(w.ones([1, 1])); // weight: -1, -2, ...
    averaged.updateParameters(p);
    seen.push(averaged.parameters()[0]!.clone());
  }
  for (let i = 0; i < 6; i++) assert.equal(await numbers(seen[i]!), [-(i + 2) / 2]);
});

test("with a decay of 1 the first model stays; a model without parameters has no average", async () => {
  const model = new nn.Linear(2, 2);
  const averaged = new AveragedModel(model, { multiAvgFn: getEmaMultiAvgFn(1) });
  averaged.updateParameters(model);
  const before = await numbers(model.weight);
  w.noGrad(() => model.weight.fill_(3));
  averaged.updateParameters(model);
  assert.equal(await numbers(averaged.parameters()[0]!), before);
  const none = new AveragedModel(new nn.ReLU());
  none.updateParameters(new nn.ReLU());
  assert.equal(await numbers(none.nAveraged), [1]);
});

test("buffers: copied, or averaged where they are floats", async () => {
  for (const useBuffers of [false, true]) {
    const model: Any = new Net();
    const averaged = new AveragedModel(model as Net, { useBuffers });
    const copy: Any = averaged.module;
    for (let i = 0; i < 3; i++) {
      w.noGrad(() => {
        model.scale.fill_(i);
        model.count.fill_(10 * i);
      });
      averaged.updateParameters(model);
      assert.equal(await numbers(copy.scale), [useBuffers ? i / 2 : i]);
      assert.equal(await numbers(copy.count), [10 * i]);
    }
  }
});

test("the copy is a model of its own, with what is shared shared", async () => {
  class Tied extends nn.Module {
    first = new nn.Linear(2, 2);
    second = this.first;
    weights = [this.first.weight, new nn.Parameter(w.ones([2]))];
    options = { size: 2, table: Float32Array.of(1, 2), inner: { list: [1] } };
    activation = w.relu;
    frozen = new nn.Parameter(w.ones([1]), false);
    plain = w.ones([1]);
    forward(x: w.Tensor): w.Tensor {
      return this.activation(this.second.forward(this.first.forward(x)));
    }
  }
  const model = new Tied().eval();
  model.registerBuffer("nothing", null);
  model.registerBuffer("passing", w.ones([1]), { persistent: false });
  const averaged = new AveragedModel(model);
  const copy = averaged.module as Tied & Record<string, unknown>;
  assert.instance(copy, Tied);
  assert.is(copy.first, copy.second);
  assert.is(copy.first.weight, copy.weights[0]);
  assert.is.not(copy.first.weight, model.first.weight);
  assert.is.not(copy.options.table, model.options.table);
  assert.equal(copy.options, model.options);
  assert.is(copy.activation, w.relu);
  assert.is(copy.frozen.requiresGrad, false);
  assert.is(copy.first.weight.requiresGrad, true);
  assert.is(copy.training, false);
  assert.is(copy.nothing, null);
  assert.equal(Object.keys(copy.stateDict()), Object.keys(model.stateDict()));
  assert.equal(Object.keys(averaged.stateDict()), [
    "nAveraged",
    ...Object.keys(model.stateDict()).map((key) => `module.${key}`),
  ]);
  assert.equal(String(copy), String(model));
  const x = w.randn([3, 2]);
  const before = await numbers(averaged.forward(x));
  assert.equal(before, await numbers(model.forward(x)));
  w.noGrad(() => model.first.weight.zero_());
  assert.equal(await numbers(averaged.forward(x)), before, "it has storages of its own");
  averaged.updateParameters(model);
  assert.equal(await numbers(averaged.forward(x)), await numbers(model.forward(x)));
  averaged.train();
  assert.is(copy.first.training, true);
  assert.is(model.training, false);
});

test("state dicts go on in another; a second model for what cannot be copied", async () => {
  class Hidden extends nn.Module {
    #scale = 2;
    inner = new nn.Linear(2, 2);
    forward(x: w.Tensor): w.Tensor {
      return this.inner.forward(x).mul(this.#scale);
    }
  }
  const model = new Hidden();
  const own = await numbers(model.inner.weight);
  const averaged = new AveragedModel(model, { module: new Hidden() });
  assert.equal(await numbers(model.inner.weight), own);
  const x = w.randn([3, 2]);
  assert.equal(await numbers(averaged.forward(x)), await numbers(model.forward(x)));
  averaged.updateParameters(model);
  averaged.updateParameters(model);
  const other = new AveragedModel(new Hidden(), { module: new Hidden() });
  other.loadStateDict(averaged.stateDict());
  assert.equal(await numbers(other.nAveraged), [2]);
  w.noGrad(() => model.inner.weight.fill_(4));
  for (const a of [averaged, other]) a.updateParameters(model);
  assert.equal(await numbers(other.parameters()[0]!), await numbers(averaged.parameters()[0]!));
});

test("a batch that fails is not averaged either: the loop without it gives the same bits", async () => {
  const run = async (bad: number): Promise<number[]> => {
    w.manualSeed(3);
    const model = new nn.Linear(4, 3);
    const optimizer = new w.optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
    const average = new AveragedModel(model, { multiAvgFn: getEmaMultiAvgFn(0.9) });
    const step = (label: number): w.Tensor => {
      optimizer.zeroGrad();
      const loss = w.crossEntropy(model.forward(w.ones([2, 4])), w.tensor([label, 1], { dtype: "int32" }));
      loss.backward();
      optimizer.step();
      average.updateParameters(model);
      return loss;
    };
    for (let i = 0; i < 6; i++) {
      if (i === bad)
        await step(9)
          .item()
          .then(
            () => assert.unreachable(),
            (e: Error) => assert.match(e.message, /label 9/),
          );
      await step(i % 3).item();
    }
    // Told of the fault, the user may average what is there.
    if (bad === 5) average.updateParameters(model);
    const all = [...average.module.parameters(), average.nAveraged];
    return (await Promise.all(all.map(numbers))).flat();
  };
  const whole = await run(-1);
  for (const bad of [0, 1, 4]) assert.equal(await run(bad), whole, `batch ${bad}`);
  assert.is((await run(5)).at(-1), 7);
});

test("nothing is left behind", async () => {
  const model = new Net();
  const made = w.memory().tensors;
  const first = new AveragedModel(model);
  assert.is(w.memory().tensors - made, 1 + model.parameters().length + model.buffers().length);
  assert.is(first.buffers().length, 3);
  for (const options of [{}, { avgFn: getEmaAvgFn() }, { multiAvgFn: getEmaMultiAvgFn(0.3) }]) {
    const averaged = new AveragedModel(model, options);
    averaged.updateParameters(model);
    const before = w.memory().tensors;
    for (let i = 0; i < 10; i++) averaged.updateParameters(model);
    assert.is(w.memory().tensors, before);
  }
});

test.run();
