// Mixed precision on WebGPU: which ops autocast casts, training beside float32, and GradScaler, whose state never leaves the
// device. Skipped by name where no adapter has shader-f16.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { autocast, GradScaler } from "../src/amp/index.ts";
import * as w from "../src/index.ts";
import * as nn from "../src/nn/index.ts";
import { rdiv } from "../src/ops/binary.ts";
import { Adam, SGD } from "../src/optim/index.ts";
import type { WebGpuDevice } from "../src/webgpu/device.ts";
import { messageOf } from "./programs.ts";
import { halfTest } from "./webgpu-adapter.ts";

/** One device for all tests, since compiling is most of their time. */
let shared: WebGpuDevice | undefined;
test.after(() => shared?.dispose());
async function share(): Promise<WebGpuDevice> {
  shared ??= (await w.init({ device: "webgpu" })) as WebGpuDevice;
  return shared;
}

class Net extends nn.Module {
  conv = new nn.Conv2d(1, 4, 3);
  fc = new nn.Linear(64, 10);

  forward(x: w.Tensor): w.Tensor {
    return this.fc.forward(w.flatten(w.relu(w.maxPool2d(this.conv.forward(x), 2)), 1));
  }
}
const mlp = (): nn.Sequential =>
  new nn.Sequential(new nn.Flatten(), new nn.Linear(100, 32), new nn.ReLU(), new nn.Linear(32, 10));

interface Training {
  readonly model: nn.Module;
  readonly optimizer: SGD | Adam;
  readonly scaler: GradScaler;
  readonly step: (x: w.Tensor, y: w.Tensor) => w.Tensor;
}

type Options = ConstructorParameters<typeof GradScaler>[0];

function training(model: nn.Module, kind: "SGD" | "Adam", options: Options = {}): Training {
  const { enabled = true } = options;
  const ps = model.parameters();
  const optimizer = kind === "SGD" ? new SGD(ps, { lr: 0.05, momentum: 0.9 }) : new Adam(ps, { lr: 0.005 });
  const scaler = new GradScaler(options);
  const step = (x: w.Tensor, y: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = autocast(() => w.crossEntropy(model.forward(x), y), { enabled });
    scaler.scale(loss).backward();
    scaler.step(optimizer);
    scaler.update();
    return loss;
  };
  return { model, optimizer, scaler, step };
}

const batch = (): { x: w.Tensor; y: w.Tensor } => ({ x: w.randn([8, 1, 10, 10]), y: w.randint(0, 10, [8]) });

/** Parameters and optimizer state. */
async function stateOf({ model, optimizer }: Training): Promise<number[][]> {
  const moments = Object.values(optimizer.stateDict().state).flatMap((s) => Object.values(s));
  return Promise.all([...model.parameters(), ...moments].map(async (t) => [...(await t.data())]));
}

halfTest("autocast: products in float16, what loses too much there in float32, the rest as it comes", async () => {
  await share();
  const x = w.randn([4, 4]);
  const h = x.half();
  const labels = w.tensor([0, 1, 2, 3], { dtype: "int32" });
  const image = w.randn([1, 1, 4, 4]);
  const float16 = {
    ...{ matmul: () => x.matmul(h), turned: () => x.matmul(x.t()), linear: () => w.linear(x, h, w.zeros([4])) },
    ...{ conv2d: () => w.conv2d(image, w.randn([1, 1, 3, 3])), relu: () => h.relu(), mean: () => h.mean() },
    ...{ max: () => h.amax(), tanh: () => h.tanh(), view: () => h.view(16), dropout: () => w.dropout(h, 0.5) },
  };
  const float32 = {
    ...{ exp: () => h.exp(), log: () => h.log(), sum: () => h.sum(), rdiv: () => rdiv(h, 1), add: () => h.add(x) },
    ...{ softmax: () => h.softmax(1), logSoftmax: () => h.logSoftmax(1), layerNorm: () => w.layerNorm(h, 4) },
    ...{
      crossEntropy: () => w.crossEntropy(h, labels),
      nllLoss: () => w.nllLoss(h, labels),
      mse: () => w.mseLoss(h, h),
    },
    ...{ smoothed: () => w.crossEntropy(h, labels, { labelSmoothing: 0.1 }), relu: () => x.relu() },
  };
  for (const [dtype, list] of Object.entries({ float16, float32 })) {
    for (const [name, f] of Object.entries(list)) assert.is(autocast(f).dtype, dtype, name);
  }
  const off = (): w.Tensor => autocast(() => x.matmul(x), { enabled: false });
  assert.equal([off().dtype, autocast(off).dtype, x.matmul(x).dtype], ["float32", "float32", "float32"]);
  const rule = "the dtypes must be the same, use float(), half() or int()";
  assert.is(await messageOf(() => x.matmul(h)), `matmul: [4,4] of float32 and [4,4] of float16: ${rule}`);
  assert.is(await messageOf(() => w.linear(h, x)), `linear: [4,4] of float16 and [4,4] of float32: ${rule}`);
  assert.match(await messageOf(() => w.conv2d(image.half(), image)), rule);
});

halfTest("autocast: a parameter is cast once a region, and again when it has changed", async () => {
  const device = await share();
  const layer = new nn.Linear(4, 4);
  let casts = 0;
  const launch = device.launch.bind(device);
  device.launch = (kernel, buffers, ...rest) => {
    if (kernel === "cast_f16_f32" && buffers[1]!.storage === layer.weight.storage) casts++;
    launch(kernel, buffers, ...rest);
  };
  const x = w.ones([2, 4]);
  const twice = (): w.Tensor => layer.forward(layer.forward(x));
  const countOf = (f: () => unknown): number => {
    casts = 0;
    f();
    return casts;
  };
  assert.is(
    countOf(() => autocast(twice)),
    1,
  );
  assert.is(
    countOf(() => [autocast(twice), autocast(twice)]),
    2,
  );
  const changing = (): void => {
    twice();
    w.noGrad(() => layer.weight.mul_(2));
    twice();
  };
  assert.is(
    countOf(() => autocast(changing)),
    2,
  );
  // A copy made without a tape has no gradient: it is made again.
  const evaluating = (): w.Tensor => {
    w.noGrad(twice);
    return twice();
  };
  assert.is(
    countOf(() => autocast(evaluating).sum().backward()),
    2,
  );
  assert.ok(layer.weight.grad !== null && layer.weight.grad.dtype === "float32");
  const { liveBytes } = w.memory();
  for (let i = 0; i < 5; i++) w.noGrad(() => autocast(() => layer.forward(x))).dispose();
  assert.is(w.memory().liveBytes, liveBytes, "casts go with the ops that they are for");
});

// A float16 product rounds operands and result to 2^-11 of their size: a loss of a few such layers is off by about that, a
// gradient by a little more, and steps whose direction is that little off add up to what single ones change. The losses,
// which fall from 2.3 to half of that and less, are held to four such roundings of 1 (largest seen: one).
for (const kind of ["SGD", "Adam"] as const) {
  halfTest(`20 steps of a CNN and an MLP with ${kind} under autocast follow float32, captured as eager`, async () => {
    await share();
    for (const [name, model] of Object.entries({ cnn: () => new Net(), mlp })) {
      const losses: Record<string, number[]> = {};
      const states: Record<string, number[][]> = {};
      for (const way of ["float32", "eager", "captured"]) {
        w.manualSeed(7);
        const t = training(model(), kind, { enabled: way !== "float32" });
        const { x, y } = batch();
        const step = way === "captured" ? w.capture(t.step) : async (a: w.Tensor, b: w.Tensor) => t.step(a, b);
        const all: w.Tensor[] = [];
        for (let i = 0; i < 20; i++) all.push(await step(x, y));
        losses[way] = await Promise.all(all.map((l) => l.item()));
        states[way] = await stateOf(t);
      }
      const { float32, eager, captured } = losses as Record<string, number[]>;
      assert.equal(captured, eager);
      assert.equal(states.captured, states.eager);
      assert.ok(float32![19]! < 0.5 * float32![0]!, `${name} learns: ${float32}`);
      float32!.forEach((l, i) => {
        assert.ok(Math.abs(l - eager![i]!) <= 2 ** -9, `${name}, step ${i}: ${eager![i]} beside ${l}`);
      });
      assert.not.equal(eager, float32, "they would be equal if nothing were float16");
    }
  });
}

halfTest(
  "a captured step with autocast and GradScaler submits once, makes nothing, and memory stays flat",
  async () => {
    const device = await share();
    const { step } = training(new Net(), "Adam");
    const captured = w.capture(step);
    const { x, y } = batch();
    for (let i = 0; i < 4; i++) (await captured(x, y)).dispose();
    await device.flush();
    const made = (): object => ({
      ...device.pipelines.made,
      buffers: device.memoryOf.made,
      live: w.memory().liveBytes,
    });
    const [before, { submits }] = [made(), device.counters];
    for (let i = 0; i < 10; i++) (await captured(x, y)).dispose();
    assert.equal([made(), device.counters.submits], [before, submits + 10]);
  },
);

for (const way of ["eager", "captured"] as const) {
  for (const kind of ["SGD", "Adam"] as const) {
    halfTest(`an infinity in the gradients skips the step and halves the scale: ${way}, ${kind}`, async () => {
      await share();
      w.manualSeed(9);
      const t = training(new Net(), kind, { initScale: 2048 });
      const step = way === "captured" ? w.capture(t.step) : async (a: w.Tensor, b: w.Tensor) => t.step(a, b);
      const { x, y } = batch();
      const far = x.mul(1e6); // infinite in float16
      const wrong = w.mul(x, Number.NaN);
      const start = await stateOf(t);
      await step(far, y);
      assert.equal((await stateOf(t)).slice(0, start.length), start, "the first step, for which state is made");
      for (let i = 0; i < 4; i++) await step(x, y);
      const before = await stateOf(t);
      for (const [bad, scale] of [
        [far, 512],
        [wrong, 256],
      ] as const) {
        const loss = await step(bad, y);
        assert.not.ok(Number.isFinite(await loss.item()));
        assert.equal(await stateOf(t), before, "parameters, moments and step counts");
        assert.is(await t.scaler.getScale(), scale);
      }
      await step(x, y);
      const after = await stateOf(t);
      assert.ok(after.every((list, i) => list.some((v, k) => v !== before[i]![k]) && list.every(Number.isFinite)));
      assert.is(await t.scaler.getScale(), 256);
      // As if the two steps had not been; only the scale differs, by powers of two, which change no bit of what is finite.
      w.manualSeed(9);
      const clean = training(new Net(), kind, { initScale: 1024 });
      const same = batch();
      for (let i = 0; i < 5; i++) clean.step(same.x, same.y);
      const other = await stateOf(clean);
      after.forEach((list, i) => {
        list.forEach((v, k) => {
          assert.ok(Math.abs(v - other[i]![k]!) <= 2 ** -12 * Math.max(1, Math.abs(v)), `${i}, ${k}: ${v}`);
        });
      });
    });
  }
}

halfTest(
  "the scale grows after growthInterval steps, not beyond what is finite; checkpoints; two optimizers",
  async () => {
    await share();
    const t = training(mlp(), "SGD", { initScale: 2, growthInterval: 3, growthFactor: 4 });
    const { x, y } = batch();
    const step = w.capture(t.step);
    const scales: number[] = [];
    for (let i = 0; i < 7; i++) {
      await step(x, y);
      scales.push(await t.scaler.getScale());
    }
    assert.equal(scales, [2, 2, 8, 8, 8, 32, 32]);
    const rest = { growthFactor: 4, backoffFactor: 0.5, growthInterval: 3 };
    assert.equal(await t.scaler.stateDict(), { scale: 32, ...rest, growthTracker: 1 });
    // A captured step goes on with what is loaded, and with other numbers is recorded anew.
    t.scaler.loadStateDict({ scale: 8, growthFactor: 2, backoffFactor: 0.25, growthInterval: 2, growthTracker: 1 });
    await step(x, y);
    assert.is(await t.scaler.getScale(), 16);
    for (let i = 0; i < 3; i++) await step(x.mul(1e6), y);
    assert.is(await t.scaler.getScale(), 0.25);

    const p = w.tensor([1], { requiresGrad: true });
    const q = w.tensor([1], { requiresGrad: true });
    const [a, b] = [new SGD([p], { lr: 1 }), new SGD([q], { lr: 1 })];
    const scaler = new GradScaler({ initScale: 2 ** 127, growthInterval: 1 });
    const [la, lb] = scaler.scale([p.mul(2 ** -120), q.mul(1e30)]);
    la!.backward();
    lb!.backward();
    scaler.step(a);
    scaler.step(b);
    scaler.update();
    assert.equal([await p.item(), await q.item(), await scaler.getScale()], [Math.fround(1 - 2 ** -120), 1, 2 ** 126]);
    const once = (): void => {
      a.zeroGrad();
      scaler.scale(p.mul(2 ** -120)).backward();
      scaler.unscale_(a);
      scaler.step(a);
      scaler.update();
    };
    for (const expected of [2 ** 127, 2 ** 127]) {
      once();
      assert.is(await scaler.getScale(), expected);
    }
    assert.is(await p.grad!.item(), 2 ** -120, "unscale_ leaves the gradient as it would be without a scale");
  },
);

halfTest("a bad label under autocast and GradScaler: an error, and nothing has changed", async () => {
  const device = await share();
  const t = training(new Net(), "Adam", { initScale: 64 });
  const { x, y } = batch();
  t.step(x, y);
  const before = await stateOf(t);
  t.step(x, w.full([8], 77, { dtype: "int32" }));
  assert.match(await messageOf(() => device.flush()), "77");
  assert.equal([await stateOf(t), await t.scaler.getScale()], [before, 64]);
  t.step(x, y);
  assert.not.equal(await stateOf(t), before);
});

halfTest("gradients that are views are unscaled as they lie, an infinity in them is found", async () => {
  await share();
  const [p, q] = [w.zeros([2, 3]).requiresGrad_(), w.zeros([2]).requiresGrad_()];
  const flat = w.tensor([1, 2, 3, 4, 5, 6, 7, 8]);
  p.grad = flat.narrow(0, 1, 6).view(3, 2).t();
  q.grad = w.tensor([4, 8]);
  const scaler = new GradScaler({ initScale: 2 });
  const optimizer = new SGD([p, q], { lr: 1 });
  const step = (): void => {
    scaler.scale(w.ones([]));
    scaler.step(optimizer);
    scaler.update();
  };
  step();
  assert.equal([...(await flat.data())], [1, 1, 1.5, 2, 2.5, 3, 3.5, 8]);
  assert.equal([...(await p.data())], [-1, -2, -3, -1.5, -2.5, -3.5]);
  assert.equal([...(await q.data())], [-2, -4]);
  flat.narrow(0, 3, 1).fill_(Number.POSITIVE_INFINITY);
  step();
  assert.equal([...(await q.data())], [-2, -4], "skipped");
  assert.is(await scaler.getScale(), 1);
});

test.run();
