// Convolution, max-pool and relu as one row on WebGPU: it keeps the bits of the three, and windows that it does not know
// stay apart.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import type { WebGpuDevice } from "../src/webgpu/device.ts";
import { lack } from "./webgpu-adapter.ts";

interface Plan {
  readonly x: number[];
  readonly w: number[];
  readonly conv?: { stride?: w.Pair; padding?: w.Pair; dilation?: w.Pair; groups?: number };
  readonly pool: [size: w.Pair, options?: w.PoolOptions];
  readonly relu: boolean;
  /** Stays three rows. */
  readonly apart?: true;
}

const plans: Plan[] = [
  { x: [9, 1, 28, 28], w: [10, 1, 5, 5], pool: [2], relu: true },
  { x: [3, 10, 12, 12], w: [20, 10, 5, 5], pool: [2], relu: true },
  { x: [2, 3, 11, 13], w: [5, 3, 3, 3], conv: { padding: 1 }, pool: [2], relu: true },
  { x: [3, 4, 9, 10], w: [6, 2, 3, 3], conv: { groups: 2, padding: 1 }, pool: [2], relu: true },
  { x: [2, 2, 17, 15], w: [7, 2, 3, 2], conv: { stride: 2, padding: [0, 1] }, pool: [2], relu: false },
  { x: [2, 4, 16, 16], w: [33, 4, 1, 1], conv: { dilation: 2 }, pool: [2], relu: false },
  { x: [1, 2, 3, 3], w: [70, 2, 2, 2], pool: [2], relu: true },
  { x: [2, 3, 12, 12], w: [4, 3, 3, 3], conv: { padding: 1 }, pool: [3, { stride: 2 }], relu: true, apart: true },
  { x: [2, 3, 8, 8], w: [4, 3, 3, 3], pool: [[2, 3]], relu: false, apart: true },
  { x: [2, 1, 9, 9], w: [1, 1, 2, 2], pool: [2], relu: true, apart: true },
  { x: [1, 64, 5, 5], w: [13, 64, 3, 3], conv: { padding: 1 }, pool: [2], relu: true, apart: true },
];

/** Result and gradients of conv -> pool -> relu, and the kernels of each program that was run. */
async function outcome(device: WebGpuDevice, plan: Plan, captured: boolean, values?: number[]) {
  w.manualSeed(9);
  let source = w.randn(plan.x);
  if (values !== undefined)
    source = w.tensor(Array.from({ length: source.numel }, (_, i) => values[i % values.length]!)).reshape(plan.x);
  source.requiresGrad = true;
  const weight = w.randn(plan.w, { requiresGrad: true });
  const bias = w.randn([plan.w[0]!], { requiresGrad: true });
  const plain = (shift: w.Tensor): w.Tensor => {
    for (const p of [source, weight, bias]) p.grad = null;
    const pooled = w.maxPool2d(w.conv2d(w.add(source, shift), weight, bias, plan.conv), ...plan.pool);
    const y = plan.relu ? w.relu(pooled) : pooled;
    w.sum(w.mul(y, y)).backward();
    return y;
  };
  const ran: string[] = [];
  const step = captured ? w.capture(plain) : plain;
  const { pipelines } = device;
  const of = pipelines.of.bind(pipelines);
  pipelines.of = (row, ...rest) => {
    ran.push(row.kernel);
    return of(row, ...rest);
  };
  const shift = w.zeros([]);
  let y = await step(shift);
  for (let i = 0; i < (captured ? 3 : 0); i++) y = await step(shift);
  pipelines.of = of;
  const tensors = [y, source.grad!, weight.grad!, bias.grad!];
  const words = await Promise.all(tensors.map(async (t) => new Int32Array(((await t.data()) as Float32Array).buffer)));
  return { words, ran };
}

const all = suite("convolution and max-pool in a row");
if (lack !== null) {
  for (const plan of plans) console.log(`skipped: conv ${plan.w} of ${plan.x}: ${lack}`);
  all.skip("convolution and max-pool in a row");
} else {
  let device: WebGpuDevice;
  all.before(async () => {
    device = (await w.init({ device: "webgpu", deterministic: true })) as WebGpuDevice;
  });
  all.after(() => device.dispose());
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  for (const plan of plans) {
    for (const [what, values] of [
      ["", undefined],
      [", ties", [0, 1, 1, -1]],
      [", values that are not finite", [1, 2, nan, -1, 0.5, inf, 3, -inf, 0.25, 5, 6]],
    ] as const) {
      if (what !== "" && plan !== plans[2]) continue;
      all(`conv ${plan.w} of ${plan.x}, pool ${JSON.stringify(plan.pool)}${what}`, async () => {
        const plain = await outcome(device, plan, false, values && [...values]);
        const fused = await outcome(device, plan, true, values && [...values]);
        assert.is(fused.ran.includes("conv2d_pool_f32"), !plan.apart);
        for (const [i, name] of ["y", "input gradient", "weight gradient", "bias gradient"].entries()) {
          assert.equal(fused.words[i], plain.words[i], name);
        }
      });
    }
  }
}
all.run();
