// GradScaler where steps can be waited for, autocast turned off, and what float16 says where there is none. What takes a GPU
// is in webgpu-amp.test.ts and webgpu-half.test.ts.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { autocast, GradScaler } from "../src/amp/index.ts";
import * as w from "../src/index.ts";
import { encodeSafetensors, parseSafetensors } from "../src/io/safetensors.ts";
import { Adam, SGD } from "../src/optim/index.ts";
import { formatTensor } from "../src/print.ts";
import { roundHalf } from "./reference/view.ts";

test.before(async () => {
  await w.init({ threads: 1 });
});
test.after(() => w.defaultDevice().dispose());

test("steps with a scale are steps without one; an infinity or a NaN skips one", async () => {
  for (const bad of [Number.POSITIVE_INFINITY, Number.NaN]) {
    const runs = [true, false].map((enabled) => {
      const p = w.tensor([1, 2, 3], { requiresGrad: true });
      const optimizer = new Adam([p], { lr: 0.1 });
      const scaler = new GradScaler({ enabled, initScale: 1024, growthInterval: 2 });
      const step = (factor: number): void => {
        optimizer.zeroGrad();
        scaler.scale(p.mul(p).mul(factor).sum()).backward();
        scaler.step(optimizer);
        scaler.update();
      };
      return { p, optimizer, scaler, step };
    });
    const [scaled, plain] = runs as [(typeof runs)[0], (typeof runs)[0]];
    const scales: number[] = [];
    for (const factor of [1, 2, bad, 3, bad]) {
      scaled.step(factor);
      if (Number.isFinite(factor)) plain.step(factor);
      scales.push(await scaled.scaler.getScale());
    }
    assert.equal(scales, [1024, 2048, 1024, 1024, 512]);
    assert.equal(scaled.p.dataSync(), plain.p.dataSync());
    const states = runs.map(({ optimizer }) => Object.values(optimizer.stateDict().state[0]!).map((t) => t.dataSync()));
    assert.equal(states[0], states[1]);
    assert.is(await plain.scaler.getScale(), 1);
    assert.equal(await plain.scaler.stateDict(), {});
  }
});

test("unscale_ gives the gradients back before the step; each optimizer is skipped for itself", async () => {
  const p = w.tensor([3], { requiresGrad: true });
  const q = w.tensor([3], { requiresGrad: true });
  const [a, b] = [new SGD([p], { lr: 1 }), new SGD([q], { lr: 1 })];
  const scaler = new GradScaler({ initScale: 256 });
  const losses = scaler.scale([p.mul(2), q.mul(Number.NaN)]);
  for (const l of losses) l.backward();
  assert.is(p.grad!.itemSync(), 512);
  scaler.unscale_(a);
  assert.is(p.grad!.itemSync(), 2);
  p.grad!.mul_(0.5); // as clipping would
  scaler.step(a);
  scaler.step(b);
  scaler.update();
  assert.equal([p.itemSync(), q.itemSync(), await scaler.getScale()], [2, 3, 128]);
  scaler.update(32);
  assert.is(await scaler.getScale(), 32);
});

test("gradients that are views are unscaled as they lie", async () => {
  const p = w.zeros([2, 3]).requiresGrad_();
  const flat = w.tensor([1, 2, 3, 4, 5, 6, 7, 8]);
  p.grad = flat.narrow(0, 1, 6).view(3, 2).t();
  const scaler = new GradScaler({ initScale: 2 });
  const optimizer = new SGD([p], { lr: 1 });
  scaler.scale(w.ones([]));
  scaler.unscale_(optimizer);
  assert.equal(Array.from(flat.dataSync()), [1, 1, 1.5, 2, 2.5, 3, 3.5, 8]);
  scaler.step(optimizer);
  assert.equal(Array.from(p.dataSync()), [-1, -2, -3, -1.5, -2.5, -3.5]);
});

test("state: what was saved goes on", async () => {
  const state = { scale: 8, growthFactor: 3, backoffFactor: 0.25, growthInterval: 5, growthTracker: 4 };
  const scaler = new GradScaler();
  scaler.loadStateDict(state);
  assert.equal(await scaler.stateDict(), state);
  const p = w.tensor([1], { requiresGrad: true });
  const optimizer = new SGD([p], { lr: 1 });
  scaler.scale(p.sum()).backward();
  scaler.step(optimizer);
  scaler.update();
  assert.equal(await scaler.stateDict(), { ...state, scale: 24, growthTracker: 0 });
  assert.is(scaler.isEnabled() && !new GradScaler({ enabled: false }).isEnabled(), true);
});

test("autocast that is not enabled changes nothing, and is over when its function throws", () => {
  const x = w.ones([2, 2]);
  assert.is(autocast(() => x.matmul(x), { enabled: false }).dtype, "float32");
  assert.is(autocast(() => x.exp().add(x)).dtype, "float32", "where nothing is to be cast to float16");
  assert.throws(() => autocast(() => x.matmul(x)), /float16 takes a WebGPU device/);
  assert.is(x.matmul(x).dtype, "float32");
});

test("safetensors: float16 is written as F16, rounded to the nearest, and read as float32", () => {
  const sizes = [
    0,
    1,
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    0.1,
    2047.5,
    65504,
    65519,
    65520,
    1e30,
    Number.POSITIVE_INFINITY,
  ];
  const small = [2 ** -14, 2 ** -14 - 2 ** -26, 1023.5 * 2 ** -24, 2 ** -24, 2 ** -25, 3 * 2 ** -25, 1e-40];
  const random = Array.from({ length: 5000 }, (_, i) => Math.sin(i) * 2 ** ((i % 44) - 26));
  const values = [...sizes, ...small, ...random].flatMap((x) => [x, -x]).concat(Number.NaN);
  const data = Float32Array.from(values);
  const bytes = encodeSafetensors({
    flags: { dtype: "bool", shape: [1], data: Int32Array.of(1) },
    half: { dtype: "float16", shape: [data.length], data },
    whole: { dtype: "int32", shape: [1], data: Int32Array.of(7) },
  });
  const { tensors } = parseSafetensors(bytes);
  assert.is(tensors.half!.dtype, "float32");
  assert.equal([tensors.flags!.data[0], tensors.whole!.data[0]], [1, 7]);
  data.forEach((x, i) => {
    const got = tensors.half!.data[i]!;
    assert.ok(Object.is(got, roundHalf(x)), `${x}: ${got}`);
  });
});

test("to() with a dtype casts; float16 prints as PyTorch prints it", () => {
  const x = w.tensor([1.5, 0, -2]);
  assert.is(x.to("float32"), x);
  assert.equal([...x.to("int32").dataSync()], [1, 0, -2]);
  assert.equal([...x.to("bool").dataSync()], [1, 0, 1]);
  assert.is(formatTensor([2], "float16", [roundHalf(0.1), 2]), "tensor([0.1000, 2.0000], dtype=float16)");
  assert.is(formatTensor([0], "float16", []), "tensor([], dtype=float16)");
});

test.run();
