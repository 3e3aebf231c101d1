// Small steps: what the passes for them put in the place of which rows, that the bits stay those of the plain rows, and
// the products of few columns that they live on.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Row, Storage } from "../src/core/device.ts";
import * as w from "../src/index.ts";
import { constants } from "../src/program/passes/constants.ts";
import { reluGradient } from "../src/program/passes/gradient.ts";
import { WasmProgram } from "../src/wasm/program.ts";
import { constant } from "./source.ts";
import { ready } from "./waiting.ts";

/** Kernels of the last program that ran. */
let ran: string[] = [];
const run = WasmProgram.prototype.run;
WasmProgram.prototype.run = function (inputs, outputs) {
  ran = this.encoded.map((r) => r.kernel);
  run.call(this, inputs, outputs);
};

const floats = async (t: w.Tensor): Promise<Float32Array> => (await t.data()) as Float32Array;
const sameBits = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length && Buffer.compare(Buffer.from(a.slice().buffer), Buffer.from(b.slice().buffer)) === 0;

// -------------------------------------------------------------------------------------------------------- whole steps

/** Sizes of the layers and the batch: the tiny net, odd ones, one column, wider than the thin kernels, a large batch. */
const nets: { sizes: number[]; batch: number }[] = [
  { sizes: [5, 8, 4, 1], batch: 32 },
  { sizes: [5, 8, 4, 1], batch: 1001 },
  { sizes: [3, 7, 5, 2], batch: 3 },
  { sizes: [1, 6, 1, 3], batch: 7 },
  { sizes: [17, 9, 30, 5], batch: 130 },
  { sizes: [784, 64, 33, 10], batch: 65 },
  { sizes: [8, 8, 8], batch: 9000 },
];

/** Gradients and parameters after steps, eager or captured, and the kernels of the program. */
async function train(net: (typeof nets)[0], captured: boolean, options: w.InitOptions): Promise<Float32Array[]> {
  const device = await ready(await w.init(options));
  w.manualSeed(5);
  const layers: w.nn.Module[] = net.sizes.slice(1).flatMap((n, i) => {
    const linear = new w.nn.Linear(net.sizes[i]!, n);
    return i < net.sizes.length - 2 ? [linear, new w.nn.ReLU()] : [linear, new w.nn.Sigmoid()];
  });
  const model = new w.nn.Sequential(...layers);
  const optimizer = new w.optim.SGD(model.parameters(), { lr: 0.1 });
  const last = net.sizes[net.sizes.length - 1]!;
  const x = w.randn([net.batch, net.sizes[0]!]);
  const y = w.rand([net.batch, last]);
  const f = (a: w.Tensor, b: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = w.binaryCrossEntropy(model.forward(a), b);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const step = captured ? w.capture(f) : f;
  let loss = await step(x, y);
  for (let i = 0; i < 4; i++) loss = await step(x, y);
  const parameters = [...model.parameters()];
  const values: Float32Array[] = [];
  for (const t of [loss, ...parameters, ...parameters.map((p) => p.grad!)]) values.push((await floats(t)).slice());
  await device.dispose();
  return values;
}

for (const simd of ["simd", "relaxed"] as const) {
  for (const net of nets) {
    test(`${simd}: ${net.sizes.join("-")}, batch ${net.batch}: the bits of the plain rows, on 1 to 3 threads`, async () => {
      const plain = await train(net, false, { simd, threads: 1 });
      for (const threads of [1, 2, 3]) {
        const fused = await train(net, true, { simd, threads });
        assert.ok(ran.includes("matmul_nn_relu_vjp_f32"));
        assert.not.ok(ran.includes("relu_vjp_f32"));
        assert.not.ok(ran.includes("permute_b32"));
        assert.is(ran.filter((k) => k === "fill_f32").length, 1);
        for (const [i, v] of plain.entries()) assert.ok(sameBits(v, fused[i]!), `tensor ${i}, ${threads} threads`);
      }
    });
  }
}

// --------------------------------------------------------------------------------------------------- thin products

/** The longest chain of madds. */
const LONGEST = constant("assembly/matmul/gemm.ts", "KC");

/** c[i, j] = sum over q of a(i, q) b(q, j) in f32: chains over blocks of k, which are then added in turn. */
function chains(
  m: number,
  n: number,
  k: number,
  a: (i: number, q: number) => number,
  b: (q: number, j: number) => number,
) {
  const blocks = Math.max(1, Math.ceil(k / LONGEST));
  const step = Math.ceil(Math.ceil(k / blocks) / 4) * 4;
  const c = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let from = 0; from < k; from += step) {
        let chain = 0;
        for (let q = from; q < Math.min(k, from + step); q++)
          chain = Math.fround(chain + Math.fround(a(i, q) * b(q, j)));
        c[i * n + j] = from === 0 ? chain : Math.fround(c[i * n + j]! + chain);
      }
    }
  }
  return c;
}

for (const simd of ["simd", "relaxed"] as const) {
  test(`${simd}: products of at most eight columns are the chains of madds that they say`, async () => {
    const device = await ready(await w.init({ simd, threads: 2 }));
    w.manualSeed(11);
    const check = async (what: string, c: w.Tensor, wanted: Float32Array, k: number): Promise<void> => {
      const got = await floats(c);
      if (simd === "simd") assert.ok(sameBits(got, wanted), what);
      const bound = 4e-5 * Math.sqrt(k);
      if (simd === "relaxed")
        assert.ok(
          got.every((v, i) => Math.abs(v - wanted[i]!) <= bound),
          what,
        );
    };
    for (const m of [1, 3, 4, 5, 6, 8, 33]) {
      for (const n of [1, 2, 3, 4, 5, 7, 8, 9]) {
        for (const k of [1, 3, 4, 5, 8, 11, 15, 256, 257, 700, 1300]) {
          const [a, b, bt, at] = [w.randn([m, k]), w.randn([k, n]), w.randn([n, k]), w.randn([k, m])];
          const [av, bv, btv, atv] = [await floats(a), await floats(b), await floats(bt), await floats(at)];
          const row = (i: number, q: number): number => av[i * k + q]!;
          const column = (q: number, j: number): number => bv[q * n + j]!;
          const what = `${m} x ${n} x ${k}`;
          await check(`nn ${what}`, w.matmul(a, b), chains(m, n, k, row, column), k);
          // Longer ones may be dot products with k in the lanes.
          if (k < 16) {
            const turned = chains(m, n, k, row, (q, j) => btv[j * k + q]!);
            await check(`nt ${what}`, w.matmul(a, w.t(bt)), turned, k);
          }
          const wanted = chains(m, n, k, (i, q) => atv[q * m + i]!, column);
          await check(`tn ${what}`, w.matmul(w.t(at), b), wanted, k);
        }
      }
    }
    await device.dispose();
  });
}

// ------------------------------------------------------------------------------------------------- on rows, alone

const storage = (label: string, virtual: boolean, bytes = 96): Storage =>
  ({ label, virtual, alias: null, bytes, width: 4, version: 0, holders: 1 }) as unknown as Storage;
const isTemporary = (s: Storage): boolean => s.virtual;
const row = (kernel: string, storages: Storage[], extents: number[], scalars: number[] = []): Row => ({
  kernel,
  buffers: storages.map((s) => ({ storage: s, offset: 0 })),
  outputs: 1,
  extents,
  scalars,
  op: kernel,
});
const word = (x: number): number => new Int32Array(new Float32Array([x]).buffer)[0]!;

test("reluGradient: the mask goes into the product, and stays where it must", () => {
  const [c, gx, y, z, b] = ["c", "gx", "y", "z", "b"].map((l) => storage(l, true)) as Storage[];
  const a = storage("a", false);
  const product = row("matmul_nn_f32", [c!, a, b!], [1, 4, 6, 5], [0, 0]);
  const mask = row("relu_vjp_f32", [gx!, c!, y!], [24]);
  const between = row("exp_f32", [z!, y!], [24]);
  const better = reluGradient.run([product, between, mask], isTemporary);
  assert.equal(
    better.map((r) => r.kernel),
    ["exp_f32", "matmul_nn_relu_vjp_f32"],
  );
  assert.equal(
    better[1]!.buffers.map((x) => x.storage),
    [gx, a, b, y],
  );
  for (const other of [
    [product, mask, row("exp_f32", [z!, c!], [24])],
    [product, row("exp_f32", [b!, y!], [24]), mask],
    [product, row("relu_vjp_f32", [gx!, y!, c!], [24])],
    [product, row("relu_vjp_f32", [gx!, c!, y!], [12])],
    [product, row("relu_vjp_f32", [b!, c!, y!], [24])],
  ]) {
    assert.is(reluGradient.run(other, isTemporary), other);
  }
});

test("constants: fill, divide and spread become one fill; what is read otherwise stays", () => {
  const [one, third] = ["one", "third"].map((l) => storage(l, true, 4)) as [Storage, Storage];
  const [many, z] = ["many", "z"].map((l) => storage(l, true)) as [Storage, Storage];
  const fill = row("fill_f32", [one], [1], [word(1)]);
  const divide = row("div_scalar_f32", [third, one], [1], [word(3)]);
  const spread = row("permute_b32", [many, third], [1, 1, 1, 1, 1, 24], [0, 0, 0, 0, 0, 0]);
  const read = row("exp_f32", [z, many], [24]);
  const better = constants.run([fill, divide, spread, read], isTemporary);
  assert.equal(
    better.map((r) => r.kernel),
    ["fill_f32", "exp_f32"],
  );
  assert.equal(better[0]!.extents, [24]);
  assert.equal(better[0]!.scalars, [word(Math.fround(1 / 3))]);
  for (const [kernel, result] of Object.entries({ add_scalar_f32: 3.5, mul_scalar_f32: 1.5, div_scalar_f32: 6 })) {
    const three = row("fill_f32", [one], [1], [word(3)]);
    const half = row(kernel, [third, one], [1], [word(0.5)]);
    const [first] = constants.run([three, half, row("exp_f32", [z, third], [1])], isTemporary);
    assert.equal(
      [first!.kernel, first!.buffers[0]!.storage, first!.scalars],
      ["fill_f32", third, [word(result)]],
      kernel,
    );
  }
  const also = constants.run([fill, divide, row("exp_f32", [z, one], [1])], isTemporary);
  assert.equal(
    also.map((r) => r.kernel),
    ["fill_f32", "exp_f32"],
  );
  const twice = [fill, row("exp_f32", [one, z], [1]), divide];
  assert.is(constants.run(twice, isTemporary), twice);
  const lasting = [row("fill_f32", [storage("p", false, 4)], [1], [word(1)]), divide];
  assert.is(constants.run(lasting, isTemporary), lasting);
});

test.run();
