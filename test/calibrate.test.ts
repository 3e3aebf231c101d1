// calibrate on devices whose steps take a given time: wasm devices, after whose flushes the clock is as far as their steps
// are said to cost. It is a clock of this file's own, so that what is measured does not depend on the machine.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { memory } from "../src/calibrate/answers.ts";
import * as w from "../src/index.ts";
import { setFinder } from "../src/ops/follow.ts";
import type { WasmDevice } from "../src/wasm/device.ts";

const { nn } = w;
const cache = mkdtempSync(join(tmpdir(), "wasmgrad-calibrate-"));
process.env.XDG_CACHE_HOME = cache;
const file = join(cache, "wasmgrad", "calibrate.json");

/** Time goes by where a device's steps take some, and a little whenever someone looks. */
let now = 0;
performance.now = () => {
  now += 0.01;
  return now;
};
/** What every step and every flush takes at least, in ms. */
const LEAST = 0.2;

/** A device whose captured steps take `cost(rows)` ms longer. */
interface Simulated {
  readonly device: WasmDevice;
  cost: (rows: number) => number;
  runs: number;
}

async function simulated(): Promise<Simulated> {
  const device = (await w.init({ threads: 1, fresh: true })) as WasmDevice;
  const sim: Simulated = { device, cost: () => 0, runs: 0 };
  let owed = 0;
  const made = device.program.bind(device);
  device.program = (...args) => {
    const program = made(...args);
    const run = program.run.bind(program);
    program.run = (inputs, outputs) => {
      sim.runs++;
      owed += LEAST + sim.cost((inputs[0] as w.Tensor).shape[0]!);
      run(inputs, outputs);
    };
    return program;
  };
  const flush = device.flush.bind(device);
  device.flush = async () => {
    await flush();
    now += LEAST + owed;
    owed = 0;
  };
  return sim;
}

const [a, b] = [await simulated(), await simulated()];
const devices = [a.device, b.device] as const;
const BUDGET = 600;

function costs(first: (rows: number) => number, second: (rows: number) => number): void {
  Object.assign(a, { cost: first, runs: 0 });
  Object.assign(b, { cost: second, runs: 0 });
  w.setDefaultDevice(a.device);
}

/** The second is the faster one from batch 250 on. */
const crossing = (): void =>
  costs(
    (rows) => 0.1 * rows,
    (rows) => 20 + 0.02 * rows,
  );
const secondSlow = (): void =>
  costs(
    () => 0,
    () => 25,
  );
const secondFast = (): void =>
  costs(
    () => 25,
    () => 0,
  );

const build = (): w.nn.Sequential => new nn.Sequential(new nn.Linear(4, 3), new nn.ReLU(), new nn.Linear(3, 2));
const sample = (rows: number): w.Tensor => w.rand([rows, 4], { device: a.device });
const quick = { devices, budget: BUDGET, cache: false } as const;

test("a slow second device: the first is chosen", async () => {
  secondSlow();
  const model = build();
  const found = await w.calibrate(model, sample(16), quick);
  assert.is(found.choice, "wasm");
  assert.is(found.device, a.device);
  assert.is(found.crossover, null);
  assert.is(found.cached, false);
  assert.match(
    found.why,
    /^wasm: [\d.]+ ms a step against (at least )?\d+ on webgpu at batch 16; webgpu is not faster at batch/,
  );
  assert.is(w.defaultDevice(), a.device);
  assert.ok(model.parameters().every((p) => p.device === a.device));
});

test("a slow first device: the second is chosen, at every batch", async () => {
  secondFast();
  const model = build();
  const found = await w.calibrate(model, sample(16), quick);
  assert.is(found.choice, "webgpu");
  assert.is(found.device, b.device);
  assert.is(found.crossover, 1);
  assert.match(
    found.why,
    /^webgpu: [\d.]+ ms a step against (at least |about )?\d+ on wasm at batch 16; it is faster at batch/,
  );
  assert.is(w.defaultDevice(), b.device);
  assert.ok(model.parameters().every((p) => p.device === b.device));
  assert.match(w.info().why, /; chosen by calibrate: webgpu: /);
});

test("fast only above batch 256: the crossover, and the choice on both sides of it", async () => {
  for (const [batch, choice] of [
    [64, "wasm"],
    [1024, "webgpu"],
  ] as const) {
    crossing();
    const model = build();
    const found = await w.calibrate(model, sample(8), { ...quick, batch, budget: 1500 });
    assert.is(found.choice, choice);
    assert.ok(found.crossover! >= 128 && found.crossover! <= 512, `crossover ${found.crossover}`);
    assert.match(found.why, new RegExp(`at batch ${batch}; (webgpu|it) is faster from batch ${found.crossover} on$`));
    assert.ok(found.times.some((t) => t.batch === batch && t.wasm !== null && t.webgpu !== null));
    assert.ok(model.parameters().every((p) => p.device === found.device));
  }
});

test("what is hopeless is not measured to the end", async () => {
  costs(
    () => 0,
    () => 200,
  );
  const found = await w.calibrate(build(), sample(64), { ...quick, batches: [1, 2, 4, 8, 16, 32, 64] });
  assert.is(found.choice, "wasm");
  assert.ok(found.times.filter((t) => t.webgpu !== null).length <= 3, JSON.stringify(found.times));
  assert.ok(b.runs < 20);
});

/** Counts its calls in a buffer and draws random numbers. */
class Busy extends nn.Module {
  readonly linear = new nn.Linear(4, 3);
  readonly dropout = new nn.Dropout(0.5);
  declare readonly calls: w.Tensor;

  constructor() {
    super();
    this.registerBuffer("calls", w.zeros([1]));
  }

  override forward(x: w.Tensor): w.Tensor {
    w.noGrad(() => this.calls.add_(1));
    return this.dropout.forward(this.linear.forward(x));
  }
}

test("parameters, buffers, gradients, random numbers, results and captured steps are what they were", async () => {
  secondSlow();
  const model = new Busy();
  const [weight, bias] = [model.linear.weight, model.linear.bias!];
  const values = await weight.data();
  bias.grad = w.full([3], 7);
  const held = bias.grad;
  const captured = w.capture((x: w.Tensor) => model.forward(x));
  const x = sample(8);
  for (let i = 0; i < 4; i++) await captured(x);
  const { calls } = captured.stats;
  const output = model.forward(x);
  output.sum().backward();
  const gradient = await weight.grad!.data();
  const counted = await model.calls.item();
  w.manualSeed(3);
  const expected = await w.rand([4]).data();
  w.manualSeed(3);
  const version = weight.storage.version;
  await w.calibrate(model, x, quick);
  assert.equal(await w.rand([4]).data(), expected);
  assert.is(weight.device, a.device);
  assert.is(weight.storage.version, version);
  assert.equal(await weight.data(), values);
  assert.equal(await weight.grad!.data(), gradient);
  assert.is(bias.grad, held);
  assert.is(await model.calls.item(), counted);
  assert.is((await output.data()).length, 24);
  assert.ok(model.training);
  await captured(x);
  assert.is(captured.stats.calls, calls);
});

test("gradients and the optimizer's state go where the model goes", async () => {
  secondFast();
  const model = build();
  const optimizer = new w.optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
  const step = (x: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = model.forward(x).sum();
    loss.backward();
    optimizer.step();
    return loss;
  };
  step(sample(4));
  const [p] = model.parameters() as [w.nn.Parameter];
  const [values, gradient] = [await p.data(), await p.grad!.data()];
  const x = sample(4);
  const { choice } = await w.calibrate(model, x, { ...quick, batches: [4] });
  assert.is(choice, "webgpu");
  assert.equal(await p.data(), values);
  assert.is(p.grad!.device, b.device);
  assert.equal(await p.grad!.data(), gradient);
  await step(await x.to(b.device)).item();
});

test("memory that was taken is given back", async () => {
  secondFast();
  const model = build();
  const x = sample(64);
  await w.calibrate(model, x, { ...quick, batches: [64] });
  const live = [a.device.liveBytes, b.device.liveBytes];
  for (let i = 0; i < 3; i++) await w.calibrate(model, x, { ...quick, batches: [64], budget: 50 });
  // Results of single numbers wait for the collector.
  assert.ok(a.device.liveBytes - live[0]! < 500 && b.device.liveBytes - live[1]! < 500);
});

test("the answer is kept: in memory, in a file, and not under force", async () => {
  crossing();
  const model = build();
  const x = sample(4);
  const options = { devices, budget: BUDGET, batches: [8, 512] };
  const progress: w.CalibrateProgress[] = [];
  const first = await w.calibrate(model, x, { ...options, onProgress: (p) => progress.push(p) });
  assert.is(first.cached, false);
  assert.ok(progress.length >= 4);
  assert.equal(
    progress.slice(0, 4).map(({ device, batch, done, total }) => ({ device, batch, done, total })),
    [
      { device: "wasm", batch: 4, done: 1, total: 6 },
      { device: "webgpu", batch: 4, done: 2, total: 6 },
      { device: "wasm", batch: 8, done: 3, total: 6 },
      { device: "webgpu", batch: 8, done: 4, total: 6 },
    ].slice(0, 4),
  );
  assert.ok(progress.every((p) => p.ms > 0));

  const again = async (more: object = {}): Promise<boolean> => {
    a.runs = b.runs = 0;
    const found = await w.calibrate(build(), x, { ...options, ...more });
    assert.is(found.choice, first.choice);
    if (found.cached) assert.equal({ ...found, cached: false }, first);
    assert.is(a.runs + b.runs === 0, found.cached);
    assert.is(w.defaultDevice(), found.device);
    return found.cached;
  };
  assert.is(await again(), true);
  memory.clear();
  assert.is(await again(), true);
  assert.is(await again({ force: true }), false);
  assert.is(await again({ cache: false }), false);
  assert.is(await again({ batches: [4, 512] }), false);
  for (const text of ["{", "[]", "null", '{"answers":{"a":{"choice":"tpu"}}}']) {
    writeFileSync(file, text);
    memory.clear();
    if (text === "{") assert.is(await again(), false);
    else await again({ force: true, budget: 50 });
    const { answers } = JSON.parse(readFileSync(file, "utf8"));
    assert.is(Object.keys(answers).length, 1);
  }
});

test("a second device that fails while it is measured: the model stays on the first", async () => {
  const weak = await simulated();
  costs(
    () => 1,
    () => 0,
  );
  weak.cost = () => {
    if (weak.runs === 5) void weak.device.dispose();
    return 0;
  };
  const model = build();
  const values = await model.parameters()[0]!.data();
  const found = await w.calibrate(model, sample(4), { ...quick, devices: [a.device, weak.device] });
  assert.is(found.choice, "wasm");
  assert.match(found.why, /^wasm: webgpu failed while it was measured \(wasm device: it was disposed of/);
  assert.is(w.defaultDevice(), a.device);
  assert.equal(await model.parameters()[0]!.data(), values);
  await model.forward(sample(4)).data();
});

test("a second device without room for large batches is used for small ones", async () => {
  const small = (await w.init({ threads: 1, maximumMemory: 8 << 20 })) as WasmDevice;
  costs(
    () => 25,
    () => 0,
  );
  const wide = new nn.Linear(4, 256);
  const options = { ...quick, devices: [a.device, small] as const, batches: [4, 1 << 14] };
  const found = await w.calibrate(wide, sample(4), { ...options, batch: 4 });
  assert.is(found.choice, "webgpu");
  const other = await w.calibrate(wide, sample(4), { ...options, batch: 1 << 14 });
  assert.is(other.choice, "wasm");
  assert.match(other.why, /^wasm: webgpu failed while it was measured at batch 16384 \(/);
  await wide.to(a.device);
  await small.dispose();
});

test("no adapter: wasm, and why", async () => {
  costs(
    () => 0,
    () => 0,
  );
  setFinder(async (name) => {
    if (name === "wasm") return a.device;
    throw new w.WasmgradError("init: navigator.gpu has no adapter");
  });
  const found = await w.calibrate(build(), sample(4));
  assert.equal(
    { ...found, device: null },
    {
      choice: "wasm",
      device: null,
      crossover: null,
      times: [],
      why: "wasm: there is no WebGPU here (init: navigator.gpu has no adapter)",
      cached: false,
    },
  );
  assert.is(a.runs, 0);
});

test("rows are repeated; integers, several inputs, and steps that cannot be captured", async () => {
  secondSlow();
  let seen: w.TypedData | null = null;
  class Two extends nn.Module<[w.Tensor, w.Tensor]> {
    readonly weight = new nn.Parameter(w.ones([2]));
    override forward(x: w.Tensor, y: w.Tensor): w.Tensor {
      assert.is(x.dtype, "int32");
      const values = x.dataSync(); // refused while recording
      if (x.device === a.device) seen = values;
      return this.weight.mul(y.sum({ dim: 1, keepdim: true })).add(x.float());
    }
  }
  const x = w.tensor(
    [
      [1, 2],
      [3, 4],
    ],
    { dtype: "int32" },
  );
  const found = await w.calibrate(new Two(), [x, w.ones([2, 3])], { ...quick, batches: [3], batch: 3 });
  assert.equal([...seen!], [1, 2, 3, 4, 1, 2]);
  assert.equal(
    found.times.map((t) => t.batch),
    [3],
  );
});

test("a frozen model, and one for a single batch size", async () => {
  secondSlow();
  const frozen = build().requiresGrad_(false);
  assert.is((await w.calibrate(frozen, sample(4), { ...quick, batches: [4] })).choice, "wasm");
  class Fixed extends nn.Module {
    readonly linear = new nn.Linear(4, 2);
    override forward(x: w.Tensor): w.Tensor {
      return this.linear.forward(x).view(4, 2);
    }
  }
  const found = await w.calibrate(new Fixed(), sample(4), quick);
  assert.equal(
    found.times.map((t) => t.batch),
    [4],
  );
});

test("an error in onProgress is thrown", async () => {
  secondSlow();
  const failing = w.calibrate(build(), sample(4), {
    ...quick,
    onProgress: ({ device }) => {
      if (device === "webgpu") throw new Error("mine");
    },
  });
  await failing.then(
    () => assert.unreachable(),
    (error) => assert.is(error.message, "mine"),
  );
});

test("what the model throws is thrown, with everything as it was", async () => {
  secondSlow();
  const model = await build().to(b.device);
  w.setDefaultDevice(b.device);
  const failing = w.calibrate(model, sample(4), {
    ...quick,
    loss: () => {
      throw new w.WasmgradError("mine: 1: two is expected");
    },
  });
  await failing.then(
    () => assert.unreachable(),
    (error) => assert.is(error.message, "mine: 1: two is expected"),
  );
  assert.is(w.defaultDevice(), b.device);
  assert.ok(model.parameters().every((p) => p.device === b.device));
});

test("init({ device: 'auto' }) begins on wasm and says who chooses", async () => {
  const device = await w.init({ device: "auto", threads: 1, powerPreference: "low-power" });
  assert.is(device.type, "wasm");
  assert.is(device, w.defaultDevice());
  assert.match(w.info().why, /threads: asked for; auto: wasm until calibrate\(model, sample\) has measured both/);
  assert.not.match(device.info.why, /auto/);
  await device.dispose();
});

test.after(async () => {
  for (const { device } of [a, b]) await device.dispose();
  rmSync(cache, { recursive: true, force: true });
});

test.run();
