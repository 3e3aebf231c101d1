// Passes: what they put in the place of which rows, and that the fused and sparse kernels give what the plain rows give.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Row, Storage } from "../src/core/device.ts";
import * as w from "../src/index.ts";
import { activation } from "../src/program/passes/activation.ts";
import { poolBeforeRelu } from "../src/program/passes/order.ts";
import { poolBackward, poolForward } from "../src/program/passes/pool.ts";
import type { Pass } from "../src/program/passes/rows.ts";
import { WasmProgram } from "../src/wasm/program.ts";
import { ready } from "./waiting.ts";

interface Plan {
  readonly x: number[];
  readonly w: number[];
  readonly conv?: { stride?: w.Pair; padding?: w.Pair; dilation?: w.Pair; groups?: number };
  readonly pool: [size: w.Pair, options?: w.PoolOptions];
  readonly relu: boolean | "first";
}

/** Shapes by property: the MNIST layers, one channel, groups, strides, padding, dilation, overlapping windows, primes. */
const plans: Plan[] = [
  { x: [9, 1, 28, 28], w: [10, 1, 5, 5], pool: [2], relu: true },
  { x: [17, 10, 12, 12], w: [20, 10, 5, 5], pool: [2], relu: true },
  { x: [2, 3, 11, 13], w: [5, 3, 3, 3], conv: { padding: 1 }, pool: [2], relu: true },
  { x: [3, 4, 9, 10], w: [6, 2, 3, 3], conv: { groups: 2, padding: 1 }, pool: [2], relu: true },
  { x: [2, 2, 17, 15], w: [7, 2, 3, 2], conv: { stride: 2 }, pool: [2], relu: true },
  { x: [2, 5, 16, 16], w: [4, 5, 3, 3], conv: { dilation: 2 }, pool: [2], relu: false },
  { x: [2, 3, 12, 12], w: [4, 3, 3, 3], conv: { padding: 1 }, pool: [3, { stride: 2 }], relu: true },
  { x: [1, 1, 5, 5], w: [1, 1, 1, 1], pool: [5], relu: true },
  { x: [2, 31, 8, 8], w: [3, 31, 3, 3], conv: { padding: 1 }, pool: [[2, 4]], relu: false },
  { x: [4, 15, 14, 14], w: [32, 15, 3, 3], conv: { padding: 1 }, pool: [2], relu: true },
  { x: [2, 64, 7, 7], w: [13, 64, 7, 7], conv: { padding: 3 }, pool: [2], relu: true },
  // By Winograd's algorithm where it is not the sparse gradient.
  { x: [2, 16, 14, 14], w: [17, 16, 3, 3], conv: { padding: 1 }, pool: [2], relu: true },
  { x: [2, 16, 15, 14], w: [16, 16, 5, 5], conv: { padding: [2, 1] }, pool: [2], relu: "first" },
  // relu in front of the pool, as most models have it.
  { x: [17, 10, 12, 12], w: [20, 10, 5, 5], pool: [2], relu: "first" },
  { x: [2, 3, 11, 13], w: [5, 3, 3, 3], conv: { padding: 1 }, pool: [3, { stride: 2, padding: 1 }], relu: "first" },
];

/** Kernels of the last program that ran. */
let ran: string[] = [];
/** The scalar of that name of its last convolution with a pool. */
let lines: number | undefined;
const run = WasmProgram.prototype.run;
WasmProgram.prototype.run = function (inputs, outputs) {
  ran = this.encoded.map((r) => r.kernel);
  lines = this.encoded.findLast((r) => r.kernel === "conv2d_pool_f32")?.scalars[14];
  run.call(this, inputs, outputs);
};

/** Result and gradients of a conv -> pool -> relu, eager and captured, and the kernels of its program. */
async function outcome(
  plan: Plan,
  deterministic: boolean,
  options: w.InitOptions,
): Promise<{ eager: Float32Array[]; values: Float32Array[]; kernels: string[] }> {
  const device = await ready(await w.init({ ...options, deterministic }));
  w.manualSeed(9);
  const source = w.randn(plan.x, { requiresGrad: true });
  const weight = w.randn(plan.w, { requiresGrad: true });
  const bias = w.randn([plan.w[0]!], { requiresGrad: true });
  const step = w.capture((shift: w.Tensor) => {
    for (const p of [source, weight, bias]) p.grad = null;
    const convolved = w.conv2d(w.add(source, shift), weight, bias, plan.conv);
    const pooled = w.maxPool2d(plan.relu === "first" ? w.relu(convolved) : convolved, ...plan.pool);
    const y = plan.relu === true ? w.relu(pooled) : pooled;
    w.sum(w.mul(y, y)).backward();
    return y;
  });
  const shift = w.zeros([]);
  const read = async (y: w.Tensor): Promise<Float32Array[]> =>
    (await Promise.all([y, source.grad!, weight.grad!, bias.grad!].map((t) => t.data()))) as Float32Array[];
  let y = await step(shift);
  const eager = await read(y);
  for (let i = 0; i < 3; i++) y = await step(shift);
  const kernels = ran;
  const values = await read(y);
  await device.dispose();
  return { eager, values, kernels };
}

/** Sums in another order: held to the rounding of their largest element. */
function close(a: Float32Array, b: Float32Array, what: string): void {
  const scale = a.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  a.forEach((v, i) => {
    const off = Math.abs(v - b[i]!);
    if (!(off <= 2e-6 * scale)) assert.unreachable(`${what}[${i}] is ${b[i]}, expected ${v} (largest ${scale})`);
  });
}

for (const simd of ["simd", "relaxed"] as const) {
  for (const plan of plans) {
    const name = `x [${plan.x}], weight [${plan.w}], ${JSON.stringify(plan.conv ?? {})}, pool ${JSON.stringify(plan.pool)}`;
    test(`${simd}: ${name}`, async () => {
      const plain = await outcome(plan, true, { simd, threads: 1 });
      const fused = await outcome(plan, false, { simd, threads: 1 });
      assert.ok(plain.kernels.includes("max_pool2d_vjp_f32"));
      // The input's gradient stays dense where a kernel row is short; then the scattered gradient stays too.
      const dense = plan.w[1]! * plan.w[3]! < 8;
      assert.is(fused.kernels.includes("max_pool2d_vjp_f32"), dense);
      assert.is(fused.kernels.includes("conv2d_pool_vjp_x_f32"), !dense);
      assert.ok(fused.kernels.includes("conv2d_pool_vjp_w_f32"));
      const [pooled, masked] = ["pool", "relu"].map((op) => fused.kernels.findIndex((k) => k.includes(op)));
      assert.ok(masked! < 0 || pooled! < masked!, `relu in front of the pool: ${fused.kernels}`);
      for (const [i, what] of ["y", "input gradient", "weight gradient", "bias gradient"].entries()) {
        close(plain.values[i]!, fused.values[i]!, what);
        // Convolution and pool are one row in a deterministic program too: only the eager call ran them apart.
        close(plain.eager[i]!, plain.values[i]!, `${what}, captured`);
        assert.equal(plain.values[i], plain.eager[i], `${what}: the bits of the eager call`);
      }
      for (const threads of [2, 3]) {
        const other = await outcome(plan, false, { simd, threads });
        assert.ok(
          other.values.every(
            (v, i) => Buffer.compare(Buffer.from(v.buffer), Buffer.from(fused.values[i]!.buffer)) === 0,
          ),
        );
      }
    });
  }
}

// ------------------------------------------------------------------------------------------------- on rows, alone

const storage = (label: string, virtual: boolean): Storage =>
  ({ label, virtual, alias: null, bytes: 4 * 24, width: 4, version: 0, holders: 1 }) as unknown as Storage;
const buffer = (s: Storage) => ({ storage: s, offset: 0 });
const isTemporary = (s: Storage): boolean => s.virtual;

const linear = (y: Storage): Row => ({
  kernel: "matmul_nt_bias_f32",
  buffers: [y, storage("x", false), storage("w", false), storage("b", false)].map(buffer),
  outputs: 1,
  extents: [1, 4, 6, 5],
  scalars: [0, 0, 0],
  op: "linear",
});
const elementwise = (kernel: string, y: Storage, x: Storage): Row => ({
  kernel,
  buffers: [y, x].map(buffer),
  outputs: 1,
  extents: [24],
  scalars: [],
  op: kernel,
});

const kernels = (pass: Pass, rows: Row[]): string[] => pass.run(rows, isTemporary).map((r) => r.kernel);

test("activation: relu goes into the product when nobody else reads the product", () => {
  const [h, y, z] = ["h", "y", "z"].map((l) => storage(l, true)) as [Storage, Storage, Storage];
  const rows = [linear(h), elementwise("relu_f32", y, h), elementwise("exp_f32", z, y)];
  const better = activation.run(rows, isTemporary);
  assert.equal(
    better.map((r) => r.kernel),
    ["matmul_nt_bias_f32", "exp_f32"],
  );
  assert.is(better[0]!.buffers[0]!.storage, y);
  assert.equal(better[0]!.scalars, [0, 0, 1]);
  assert.equal(rows[0]!.scalars, [0, 0, 0]);
});

test("activation: relu goes into a strided product", () => {
  const [h, y] = ["h", "y"].map((l) => storage(l, true)) as [Storage, Storage];
  const scalars = [0, 1, 9, 5, 6, 0, 0, 0, 0, 0, 0, 0];
  const product = { ...linear(h), kernel: "matmul_strided_bias_f32", extents: [1, 1, 4, 6, 5], scalars };
  const better = activation.run([product, elementwise("relu_f32", y, h)], isTemporary);
  assert.equal(better, [
    { ...product, buffers: [buffer(y), ...product.buffers.slice(1)], scalars: [...scalars.slice(0, 11), 1] },
  ]);
});

test("activation: rows stay when the product is read twice, in part, or lasts, or the result is written in between", () => {
  const [h, y, z] = ["h", "y", "z"].map((l) => storage(l, true)) as [Storage, Storage, Storage];
  const lasting = storage("lasting", false);
  const twice = [linear(h), elementwise("relu_f32", y, h), elementwise("exp_f32", z, h)];
  assert.is(activation.run(twice, isTemporary), twice);
  const kept = [linear(lasting), elementwise("relu_f32", y, lasting)];
  assert.is(activation.run(kept, isTemporary), kept);
  const written = [linear(h), elementwise("exp_f32", y, z), elementwise("relu_f32", y, h)];
  assert.is(activation.run(written, isTemporary), written);
  const part = [linear(h), { ...elementwise("relu_f32", y, h), extents: [12] }];
  assert.is(activation.run(part, isTemporary), part);
});

test("relu changes places with the pool behind it, and its mask with the pool's gradient", () => {
  const [a, b, y, index, g, gy, ga] = ["a", "b", "y", "i", "g", "gy", "ga"].map((l) => storage(l, true)) as Storage[];
  const pool: Row = {
    kernel: "max_pool2d_f32",
    buffers: [y!, index!, b!].map(buffer),
    outputs: 2,
    extents: [1, 2, 3, 2, 2],
    scalars: [4, 6, 2, 2, 0, 0, 1, 1],
    op: "maxPool2d",
  };
  const back: Row = {
    kernel: "max_pool2d_vjp_f32",
    buffers: [g!, gy!, index!].map(buffer),
    outputs: 1,
    extents: [1, 2, 3],
    scalars: [4, 6, 2, 2, 0, 0, 1, 1, 2, 2],
    op: "maxPool2d",
  };
  const mask: Row = { ...elementwise("relu_vjp_f32", ga!, g!), buffers: [ga!, g!, b!].map(buffer) };
  const rows = [elementwise("relu_f32", b!, a!), pool, back, mask];
  const better = poolBeforeRelu.run(rows, isTemporary);
  const named = better.map((r) => [r.kernel, ...r.buffers.map((x) => x.storage.label)].join(" "));
  assert.equal(named, ["max_pool2d_f32 b i a", "relu_f32 y b", "relu_vjp_f32 g gy y", "max_pool2d_vjp_f32 ga g i"]);
  assert.equal(
    better.map((r) => r.extents),
    [pool.extents, [6], [6], back.extents],
  );
  // A pool with padding that leaves more than there was.
  const more = [rows[0]!, { ...pool, extents: [1, 5, 7, 2, 2] }];
  assert.is(poolBeforeRelu.run(more, isTemporary), more);
  // No pool reads it.
  const alone = [rows[0]!, pool, back].map((r, i) => (i === 0 ? elementwise("relu_f32", ga!, a!) : r));
  assert.is(poolBeforeRelu.run(alone, isTemporary), alone);
  // Another reader of relu's result, of the scattered gradient, or a mask that is not relu's: as they were.
  const other = storage("z", true);
  for (const more of [elementwise("exp_f32", other, b!), elementwise("exp_f32", other, g!)]) {
    assert.is(poolBeforeRelu.run([...rows, more], isTemporary).length, 5);
    assert.equal(kernels(poolBeforeRelu, [...rows, more]).slice(0, 2), ["relu_f32", "max_pool2d_f32"]);
  }
  assert.equal(kernels(poolBeforeRelu, [...rows.slice(0, 3), { ...mask, kernel: "tanh_vjp_f32" }])[0], "relu_f32");
});

test("what goes by Winograd's algorithm does so behind the passes: alone, not where a pool takes the row", async () => {
  const device = await ready(await w.init({ threads: 1 }));
  const program = async (f: (x: w.Tensor) => w.Tensor, shape: number[]): Promise<string[]> => {
    const step = w.capture(f);
    for (let i = 0; i < 3; i++) await step(w.ones(shape));
    return ran.filter((k) => /conv2d|winograd|pool/.test(k));
  };
  const weight = w.randn([16, 16, 3, 3]);
  const bias = w.randn([16]);
  const many = (x: w.Tensor): w.Tensor => w.relu(w.conv2d(x, weight, bias, { padding: 1 }));
  assert.equal(await program(many, [2, 16, 16, 16]), ["winograd_weight_f32", "conv2d_winograd_f32"]);
  assert.equal(await program((x) => w.maxPool2d(many(x), 2), [2, 16, 16, 16]), [
    ...["winograd_weight_f32", "conv2d_winograd_f32", "max_pool2d_f32"],
  ]);
  // Along lines it is a scalar of the same kernel, so that the two become one row.
  const five = w.randn([20, 10, 5, 5]);
  const few = (x: w.Tensor): w.Tensor => w.maxPool2d(w.conv2d(x, five, w.ones([20])), 2);
  assert.equal(await program(few, [9, 10, 12, 12]), ["conv2d_pool_f32"]);
  assert.is(lines, 1);
  await device.dispose();
});

test("pool passes leave rows alone that have another reader or another shape", () => {
  const [c, p, i, g, gx, q] = ["c", "p", "i", "g", "gx", "q"].map((l) => storage(l, true)) as Storage[];
  const pool: Row = {
    kernel: "max_pool2d_vjp_f32",
    buffers: [gx!, g!, i!].map(buffer),
    outputs: 1,
    extents: [6, 2, 2],
    scalars: [4, 4],
    op: "maxPool2d",
  };
  assert.equal(kernels(poolBackward, [pool, elementwise("exp_f32", q!, gx!)]), ["max_pool2d_vjp_f32", "exp_f32"]);
  const conv: Row = {
    kernel: "conv2d_bias_f32",
    buffers: [c!, storage("x", false), storage("w", false), storage("b", false)].map(buffer),
    outputs: 1,
    extents: [1, 1, 4, 6, 1, 1, 1],
    scalars: [4, 6, 1, 1, 0, 0, 1, 1, 1, 0, 0],
    op: "conv2d",
  };
  const forward: Row = {
    kernel: "max_pool2d_f32",
    buffers: [p!, i!, c!].map(buffer),
    outputs: 2,
    extents: [1, 2, 3, 2, 2],
    scalars: [4, 6, 2, 2, 0, 0, 1, 1],
    op: "maxPool2d",
  };
  assert.equal(kernels(poolForward, [conv, forward, elementwise("relu_f32", q!, p!)]), ["conv2d_pool_f32"]);
  assert.equal(kernels(poolForward, [conv, forward, elementwise("exp_f32", q!, c!)]).length, 3);
  const padded = { ...forward, scalars: [4, 6, 2, 2, 1, 1, 1, 1] };
  assert.equal(kernels(poolForward, [conv, padded]).length, 2);
});

test.run();
