// float16 on WebGPU: cases with halves (the small ones, or with WEBGPU_CASES=all every one, and those again with inputs at odd
// elements), and what values become on their way into 16 bits. Skipped by name where no adapter has shader-f16.
import { suite, test } from "uvu";
import * as assert from "uvu/assert";
import { autocast, GradScaler } from "../src/amp/index.ts";
import * as w from "../src/index.ts";
import * as nn from "../src/nn/index.ts";
import { SGD } from "../src/optim/index.ts";
import { WebGpuDevice } from "../src/webgpu/device.ts";
import { type Case, small, special } from "./cases/case.ts";
import { cases } from "./cases/index.ts";
import { checkHalf, halfCases } from "./half.ts";
import { messageOf } from "./programs.ts";
import { roundHalf } from "./reference/view.ts";
import { gpuTest, halfTest, lackHalf, leastDevice } from "./webgpu-adapter.ts";

// Of products few: their kernels take lavapipe seconds to compile.
const product = (c: Case): boolean => c.family === "conv" || c.family === "matmul";
const few = [...small(cases).filter((c) => !product(c)), ...small(cases.filter(product), 1)];
const list = halfCases(process.env.WEBGPU_CASES === "all" ? cases : few);
const deviations: string[] = [];

const bits = (word: number): number => new Float32Array(Uint32Array.of(word).buffer)[0]!;
/** Around everything that rounding to 11 bits can do: ties both ways, the least and the largest, what lies beyond, the signs. */
const VALUES: readonly number[] = [
  ...[0, 1, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -11 + 2 ** -20, 2047.5, 2048.5, 2049, 2051, 1 / 3, Math.PI],
  ...[65504, 65519, 65519.99609375, 65520, 65536, 1e30, Number.POSITIVE_INFINITY],
  ...[
    2 ** -14,
    2 ** -14 - 2 ** -26,
    2 ** -15 * 1.3,
    1023.5 * 2 ** -24,
    2 ** -24,
    2 ** -25,
    1.001 * 2 ** -25,
    3 * 2 ** -25,
  ],
  ...[2 ** -26, 1e-20, 1e-40, bits(1)],
].flatMap((x) => [x, -x]);

halfTest("values are rounded to the nearest, ties to even, with infinities and subnormals", async () => {
  const device = (await w.init({ device: "webgpu" })) as WebGpuDevice;
  const floats = w.tensor([...VALUES, Number.NaN]);
  const cast = await floats.half().data();
  const copied = await w.tensor([...VALUES, Number.NaN], { dtype: "float16" }).data();
  [...VALUES, Number.NaN].forEach((x, i) => {
    const [wanted, got] = [roundHalf(x), cast[i]!];
    assert.ok(
      Object.is(copied[i], got) || (Number.isNaN(got) && Number.isNaN(copied[i]!)),
      `${x}: ${got}, ${copied[i]}`,
    );
    if (Object.is(got, wanted)) return;
    // A driver may flush subnormals, of float32 and of float16, and need not keep NaN.
    const flushed = Math.abs(wanted) < 2 ** -14 && got === 0;
    if (!flushed && !Number.isNaN(wanted)) assert.is(got, wanted, `${x}`);
    deviations.push(`${x} becomes ${got}, not ${wanted}`);
  });
  await device.dispose();
});

halfTest("65,536 random floats become what the reference makes of them", async () => {
  const device = (await w.init({ device: "webgpu" })) as WebGpuDevice;
  w.manualSeed(3);
  // Sizes from 2^-20 to 2^17.
  const x = w.mul(w.randn([1 << 16]), w.exp(w.mul(w.rand([1 << 16]), 26).sub(14)));
  const [floats, halves] = await Promise.all([x.data(), x.half().data()]);
  const wrong = [...floats].filter((v, i) => roundHalf(v) !== halves[i] && Math.abs(v) >= 2 ** -14);
  assert.equal(wrong, []);
  assert.ok(
    halves.some((v) => v === Number.POSITIVE_INFINITY) && halves.some((v) => v !== 0 && Math.abs(v) < 2 ** -14),
  );
  await device.dispose();
});

halfTest("two bytes an element, views, and captured steps with inputs and results at odd elements", async () => {
  const device = (await w.init({ device: "webgpu" })) as WebGpuDevice;
  const before = w.memory().liveBytes;
  const x = w.tensor([1, 2, 3, 4, 5, 6, 7], { dtype: "float16" });
  assert.is(w.memory().liveBytes - before, 14);
  const odd = x.narrow(0, 1, 5);
  assert.equal([...(await odd.data())], [2, 3, 4, 5, 6]);
  const f = w.capture((a: w.Tensor) => {
    const y = a.mul(2);
    return [y, y.narrow(0, 3, 2), a.narrow(0, 1, 3).add(1)];
  });
  for (let i = 0; i < 5; i++) {
    const results = await f(i % 2 === 0 ? odd : x.narrow(0, 0, 5));
    const values = await Promise.all(results.map(async (r) => [...(await r.data())]));
    const a = i % 2 === 0 ? [2, 3, 4, 5, 6] : [1, 2, 3, 4, 5];
    assert.equal(values, [a.map((v) => 2 * v), a.slice(3).map((v) => 2 * v), a.slice(1, 4).map((v) => v + 1)]);
    assert.ok(results.every((r) => r.dtype === "float16"));
  }
  assert.is(f.stats.programs, 1);
  f.dispose();
  await device.dispose();
});

halfTest("dtypes: casts both ways, promotion, gradients in the width of what they belong to", async () => {
  const device = (await w.init({ device: "webgpu" })) as WebGpuDevice;
  const x = w.tensor(
    [
      [1, 2],
      [3, 4],
    ],
    { requiresGrad: true },
  );
  const h = x.half();
  assert.equal(
    [h.dtype, h.float().dtype, h.to("float16") === h, h.to("float32").dtype],
    ["float16", "float32", true, "float32"],
  );
  assert.equal(
    [h.int().dtype, h.gt(2).dtype, w.tensor([1, 2], { dtype: "int32" }).half().dtype],
    ["int32", "bool", "float16"],
  );
  assert.equal(
    [h.add(x).dtype, h.mul(h).dtype, h.mul(2).dtype, w.matmul(h, h).dtype],
    ["float32", "float16", "float16", "float16"],
  );
  assert.equal([w.zerosLike(h).dtype, w.full([2], 0.1, { dtype: "float16" }).dtype], ["float16", "float16"]);
  assert.is(await w.full([1], 0.1, { dtype: "float16" }).item(), roundHalf(0.1));
  const leaf = w.tensor([0.1, 0.2], { dtype: "float16", requiresGrad: true });
  w.sum(h.t().matmul(x.half()).add(leaf)).backward();
  assert.equal([x.grad!.dtype, leaf.grad!.dtype], ["float32", "float16"]);
  assert.equal([...(await leaf.grad!.data())], [2, 2]);
  const mean = w.full([70000], 2, { dtype: "float16" }).mean();
  assert.equal([mean.dtype, await mean.item()], ["float16", 2], "the sum alone would be infinite");
  await device.dispose();
});

halfTest("copies and state dicts convert between the widths", async () => {
  const device = (await w.init({ device: "webgpu" })) as WebGpuDevice;
  const third = w.tensor([1 / 3, -2], { dtype: "float16" });
  const wide = w.zeros([3, 2]);
  wide.copy_(third);
  assert.equal(
    [...(await wide.data())],
    Array(3)
      .fill([roundHalf(1 / 3), -2])
      .flat(),
  );
  const narrow = w.zeros([2], { dtype: "float16" });
  narrow.copy_(w.tensor([1 / 3, 1e6]));
  assert.equal([...(await narrow.data())], [roundHalf(1 / 3), Number.POSITIVE_INFINITY]);
  const [model, other] = [new nn.Linear(3, 2), new nn.Linear(3, 2)];
  const halves = Object.fromEntries(Object.entries(other.stateDict()).map(([key, x]) => [key, x.half()]));
  model.loadStateDict(halves);
  assert.is(model.weight.dtype, "float32");
  const rounded = [...(await other.weight.data())].map(roundHalf);
  assert.equal([...(await model.weight.data())], rounded);
  await device.dispose();
});

gpuTest("a GPU device without shader-f16 says so, and goes on with float32", async () => {
  const device = await leastDevice();
  w.setDefaultDevice(device);
  assert.is(device.float16, false);
  const rule = "a WebGPU device with shader-f16 is expected, others take float32";
  assert.is(await messageOf(() => w.zeros([2], { dtype: "float16" })), `zeros: float16 on webgpu: ${rule}`);
  const x = w.ones([2, 2], { requiresGrad: true });
  assert.is(await messageOf(() => x.half()), `to: float16 on webgpu: ${rule}`);
  const lacking = "float16 takes a WebGPU device with shader-f16; use enabled: false";
  assert.is(await messageOf(() => autocast(() => x.matmul(x))), `autocast: matmul on webgpu: ${lacking}`);
  const optimizer = new SGD([x], { lr: 1 });
  const scaler = new GradScaler();
  scaler.scale(x.sum()).backward();
  const where = "on this thread webgpu cannot wait for what the gradients hold";
  assert.is(
    await messageOf(() => scaler.step(optimizer)),
    `GradScaler: ${where}: float32 needs no scaling, use enabled: false`,
  );
  const off = autocast(() => x.matmul(x), { enabled: device.float16 });
  assert.equal([off.dtype, ...(await off.data())], ["float32", 2, 2, 2, 2]);
  await device.dispose();
});

const all = suite("float16");
let device: WebGpuDevice | undefined;
all.after(() => device?.dispose());
if (lackHalf !== null) {
  console.log(`skipped: ${list.length} cases with float16: ${lackHalf}`);
  all.skip(`${list.length} cases with float16`);
}
const guards = process.env.WEBGPU_CASES === "all" ? [false, true] : [false];
for (const c of lackHalf === null ? list : []) {
  for (const guarded of guards) {
    all(`${c.family}: ${c.name}${guarded ? ", at odd elements" : ""}`, async () => {
      if (device === undefined || device.failed !== null) device = await WebGpuDevice.create();
      try {
        await checkHalf(c, device, guarded);
      } catch (error) {
        if (!special(c) || device.failed !== null) throw error;
        deviations.push((error as Error).message);
      }
    });
  }
}
all("a driver's own way with special values is reported", () => {
  for (const line of deviations) console.log(`deviation: ${line}`);
});
all.run();
test.run();
