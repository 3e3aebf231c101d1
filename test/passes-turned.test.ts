// Weights turned once: what the pass puts in the place of which rows, that results are those of the plain product, and
// that every way to change a weight is noticed.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Row, Storage } from "../src/core/device.ts";
import * as w from "../src/index.ts";
import { turnWeights } from "../src/program/passes/turned.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { WasmProgram } from "../src/wasm/program.ts";
import { ready } from "./waiting.ts";

/** Kernels of the last program that ran; whether a product skips zeros is another pass's concern. */
let ran: string[] = [];
const run = WasmProgram.prototype.run;
WasmProgram.prototype.run = function (inputs, outputs) {
  ran = this.encoded.map((r) => r.kernel.replace("_skipping", ""));
  run.call(this, inputs, outputs);
};

/** Counts the runs of rows that turn weights. */
function turns(device: WasmDevice): () => number {
  let count = 0;
  const execute = device.execute.bind(device);
  device.execute = (script, rows) => {
    if (rows.rows[0]?.kernel === "transpose_b32") count++;
    execute(script, rows);
  };
  return () => count;
}

const floats = async (t: w.Tensor): Promise<Float32Array> => (await t.data()) as Float32Array;
const sameBits = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length && Buffer.compare(Buffer.from(a.slice().buffer), Buffer.from(b.slice().buffer)) === 0;
const held = (): number => w.memory().byOp["turned weights"]?.bytes ?? 0;

/** Calls until the program is kept, and once more. */
async function replayed(f: (x: w.Tensor) => Promise<w.Tensor>, x: w.Tensor): Promise<w.Tensor> {
  for (let i = 0; i < 3; i++) await f(x);
  return f(x);
}

/** Whether the pass turns the weight of a product of this size. */
const turnedAt = (m: number, n: number, k: number, deterministic: boolean): boolean =>
  m > 0 && m <= 16 && n > 16 && k > 0 && (m > 4 || (!deterministic && n * k >= 16384));

const SIZES = {
  m: [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17],
  n: [1, 16, 17, 23, 24, 25, 97, 130],
  k: [0, 1, 3, 16, 127, 255, 256, 257, 523],
};

for (const simd of ["simd", "relaxed"] as const) {
  for (const deterministic of [false, true]) {
    for (const threads of deterministic ? [2] : [1, 2, 3]) {
      const name = `${simd}, ${threads} thread(s)${deterministic ? ", deterministic" : ""}`;
      test(`${name}: a turned weight gives what the plain one gives`, async () => {
        const device = await ready(await w.init({ simd, threads, deterministic }));
        w.manualSeed(3);
        for (const n of SIZES.n) {
          for (const k of SIZES.k) {
            const [weight, bias] = [w.randn([n, k]), w.randn([n])];
            const linear = w.capture((x: w.Tensor) => w.relu(w.linear(x, weight, bias)));
            const product = w.capture((x: w.Tensor) => w.matmul(x, w.t(weight)));
            // Every size once with bias; the plain product on some.
            for (const m of SIZES.m) {
              const x = w.randn([m, k]);
              for (const withBias of (m + n) % 3 === 0 ? [true, false] : [true]) {
                const got = await floats(await replayed(withBias ? linear : product, x));
                const turned = ran.includes(withBias ? "matmul_nn_bias_f32" : "matmul_nn_f32");
                const what = `${m} x ${n} x ${k}${withBias ? " with bias" : ""}`;
                // A row, a column or nothing lies dense transposed too: its product needs no turned form.
                const dense = !withBias && (k < 2 || n < 2);
                assert.is(turned, dense || turnedAt(m, n, k, deterministic), what);
                const plain = withBias ? w.relu(w.linear(x, weight, bias)) : w.matmul(x, w.t(weight));
                const wanted = await floats(plain);
                if (!turned || m > 4) assert.ok(sameBits(got, wanted), `${what}: bits`);
                else {
                  const bound = 1e-6 * k;
                  const off = got.findIndex((v, i) => !(Math.abs(v - wanted[i]!) <= bound));
                  assert.is(off, -1, `${what}: ${got[off]}, expected ${wanted[off]}`);
                }
              }
            }
            linear.dispose();
            product.dispose();
          }
        }
        assert.is(held(), 0);
        await device.dispose();
      });
    }
  }
}

test("few rows of a large weight: within the bound of an f64 sum", async () => {
  for (const simd of ["simd", "relaxed"] as const) {
    const device = await ready(await w.init({ simd, threads: 2 }));
    w.manualSeed(4);
    const [m, n, k] = [3, 131, 784];
    const [weight, bias, x] = [w.randn([n, k]), w.randn([n]), w.randn([m, k])];
    const f = w.capture((y: w.Tensor) => w.linear(y, weight, bias));
    const got = await floats(await replayed(f, x));
    assert.ok(ran.includes("matmul_nn_bias_f32"));
    const [xv, wv, bv] = [await floats(x), await floats(weight), await floats(bias)];
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let [sum, size] = [bv[j]!, Math.abs(bv[j]!)];
        for (let q = 0; q < k; q++) {
          const term = xv[i * k + q]! * wv[j * k + q]!;
          sum += term;
          size += Math.abs(term);
        }
        assert.ok(Math.abs(got[i * n + j]! - sum) <= 64 * 2 ** -24 * size, `${i}, ${j}`);
      }
    }
    await device.dispose();
  }
});

test("every way to change a weight is noticed, and nothing is turned twice", async () => {
  const device = await ready(await w.init({ threads: 2 }));
  const count = turns(device);
  w.manualSeed(5);
  const model = new w.nn.Sequential(new w.nn.Linear(40, 33), new w.nn.ReLU(), new w.nn.Linear(33, 20));
  const other = new w.nn.Sequential(new w.nn.Linear(40, 33), new w.nn.ReLU(), new w.nn.Linear(33, 20));
  const weights = [model.parameters()[0]!, model.parameters()[2]!];
  const optimizer = new w.optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
  const x = w.randn([8, 40]);
  const [input, target] = [w.randn([64, 40]), w.randn([64, 20])];
  const infer = w.capture((y: w.Tensor) => w.noGrad(() => model.forward(y)));
  const step = (a: w.Tensor, b: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = w.mseLoss(model.forward(a), b);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const train = w.capture(step);
  await replayed(infer, x);
  assert.equal(ran, ["matmul_nn_bias_f32", "matmul_nn_bias_f32"]);
  assert.is(held(), 4 * (40 * 33 + 33 * 20));

  const check = async (what: string, changed = 1): Promise<void> => {
    const plain = await floats(w.noGrad(() => model.forward(x)));
    const before = count();
    for (let i = 0; i < 3; i++) assert.ok(sameBits(await floats(await infer(x)), plain), `${what}, call ${i + 1}`);
    assert.is(count() - before, changed, `${what}: times turned`);
  };
  const calls = infer.stats.calls;
  await check("nothing changed", 0);
  step(input, target);
  await check("an eager step");
  for (let i = 0; i < 5; i++) {
    await train(input, target);
    if (i > 0) assert.not.ok(ran.includes("matmul_nn_bias_f32"));
    await check(`captured step ${i + 1}`);
  }
  w.noGrad(() => weights[0]!.add_(0.25));
  await check("add_");
  w.noGrad(() => weights[1]!.mul_(-1));
  await check("mul_ of the second");
  w.noGrad(() => weights[0]!.copy_(w.randn([33, 40])));
  await check("copy_");
  w.noGrad(() => weights[0]!.narrow(0, 30, 2).copy_(w.randn([2, 40])));
  await check("copy_ into a view");
  const writes = w.capture((y: w.Tensor) => w.noGrad(() => weights[0]!.copy_(y)));
  for (let i = 0; i < 4; i++) {
    await writes(w.randn([33, 40]));
    await check(`a captured copy_, call ${i + 1}`);
  }
  model.loadStateDict(other.stateDict());
  await check("loadStateDict");
  await check("nothing changed any more", 0);
  assert.is(infer.stats.calls, calls);
  infer.dispose();
  assert.is(held(), 0);
  await device.dispose();
});

test("a program that writes the weight, or makes it, or takes it as an argument, never turns it; a frozen one it does", async () => {
  const device = await ready(await w.init({ threads: 1 }));
  w.manualSeed(6);
  const [first, second] = [new w.nn.Linear(40, 33), new w.nn.Linear(33, 20)];
  for (const p of first.parameters()) p.requiresGrad = false;
  const optimizer = new w.optim.SGD(second.parameters(), { lr: 0.1 });
  const x = w.randn([8, 40]);
  const step = w.capture((y: w.Tensor) => {
    optimizer.zeroGrad();
    const loss = w.sum(second.forward(w.relu(first.forward(y))));
    loss.backward();
    optimizer.step();
    return loss;
  });
  await replayed(step, x);
  assert.equal(
    ran.filter((k) => k.includes("bias")),
    ["matmul_nn_bias_f32", "matmul_nt_bias_f32"],
  );
  assert.is(held(), 4 * 40 * 33);
  step.dispose();
  const made = w.capture((y: w.Tensor) => w.matmul(y, w.t(w.exp(first.weight))));
  await replayed(made, x);
  assert.ok(ran.includes("matmul_nt_f32"));
  const given = w.capture((y: w.Tensor, b: w.Tensor) => w.matmul(y, w.t(b)));
  for (let i = 0; i < 4; i++) await given(x, first.weight);
  assert.ok(ran.includes("matmul_nt_f32"));
  assert.is(held(), 0);
  await device.dispose();
});

test("parts of one storage at their offsets; the same weight twice has one copy; a disposed weight lives on in the program", async () => {
  const device = await ready(await w.init({ threads: 2 }));
  w.manualSeed(7);
  const all = w.randn([3, 40, 40]);
  const f = w.capture((y: w.Tensor) => {
    let h = y;
    for (const i of [1, 2, 1]) h = w.matmul(h, w.t(all.select(0, i)));
    return h;
  });
  const x = w.randn([6, 40]);
  const got = await floats(await replayed(f, x));
  assert.is(held(), 2 * 4 * 40 * 40);
  let plain = x;
  for (const i of [1, 2, 1]) plain = w.matmul(plain, w.t(all.select(0, i)));
  assert.ok(sameBits(got, await floats(plain)));
  all.mul_(2);
  const eight = (await floats(plain)).map((v) => 8 * v);
  assert.ok(sameBits(await floats(await f(x)), eight));
  all.dispose();
  w.zeros([3, 40, 40]);
  assert.ok(sameBits(await floats(await f(x)), eight));
  f.dispose();
  assert.is(held(), 0);
  await device.dispose();
});

// ------------------------------------------------------------------------------------------------- on rows, alone

const storage = (label: string, virtual: boolean, alias: Storage | null = null): Storage =>
  ({ label, virtual, alias, bytes: 4096, width: 4, version: 0, holders: 1 }) as unknown as Storage;
const product = (b: Storage, extents: number[], offset = 0): Row => ({
  kernel: "matmul_nt_bias_f32",
  buffers: [
    ...[storage("c", true), storage("a", true)].map((s) => ({ storage: s, offset: 0 })),
    { storage: b, offset },
    { storage: storage("bias", false), offset: 0 },
  ],
  outputs: 1,
  extents,
  scalars: [0, 0, 1],
  op: "linear",
});
const make = (bytes: number): Storage => ({ ...storage("turned", false), bytes });

test("on rows: the product reads the copy, everything else stays", () => {
  const b = storage("b", false);
  const row = product(b, [1, 8, 24, 10], 7);
  const { rows, copies } = turnWeights([row], true, make);
  const [better] = rows;
  assert.is(better!.kernel, "matmul_nn_bias_f32");
  assert.equal(better!.extents, [1, 8, 24, 10]);
  assert.equal(better!.scalars, [0, 0, 1]);
  assert.equal(
    [0, 1, 3].map((i) => better!.buffers[i]),
    [0, 1, 3].map((i) => row.buffers[i]),
  );
  assert.is(copies.length, 1);
  assert.is(copies[0]!.kernel, "transpose_b32");
  assert.equal(copies[0]!.extents, [1, 24, 10]);
  assert.is(copies[0]!.buffers[0], better!.buffers[2]);
  assert.is(copies[0]!.buffers[0]!.storage.bytes, 960);
  assert.equal(copies[0]!.buffers[1], { storage: b, offset: 7 });
});

test("on rows: products of one size share a copy, and a weight that is read in two sizes has two", () => {
  const b = storage("b", false);
  for (const [sizes, copied] of [
    [
      [
        [24, 10],
        [24, 10],
      ],
      [[1, 24, 10]],
    ],
    [
      [
        [24, 24],
        [40, 24],
      ],
      [
        [1, 24, 24],
        [1, 40, 24],
      ],
    ],
    [
      [
        [40, 24],
        [24, 24],
      ],
      [
        [1, 40, 24],
        [1, 24, 24],
      ],
    ],
    [
      [
        [24, 40],
        [24, 24],
      ],
      [
        [1, 24, 40],
        [1, 24, 24],
      ],
    ],
  ]) {
    const products = sizes!.map(([n, k]) => product(b, [1, 8, n!, k!]));
    const { rows, copies } = turnWeights(products, true, make);
    assert.equal(
      copies.map((c) => c.extents),
      copied,
    );
    const read = rows.map((row) => row.buffers[2]!.storage);
    for (const [i, storage] of read.entries())
      assert.is(storage, copies[Math.min(i, copies.length - 1)]!.buffers[0]!.storage);
  }
});

test("on rows: of a strided product with a dense weight too, and of no other", () => {
  const b = storage("b", false);
  const strided = (extents: number[], transA: number, transB: number, ldb: number): Row => ({
    ...product(b, extents),
    kernel: "matmul_strided_bias_f32",
    scalars: [transA, transB, 99, ldb, 24, 0, 0, 0, 0, 0, 0, 1],
  });
  const row = strided([1, 1, 8, 24, 10], 0, 1, 10);
  const { rows, copies } = turnWeights([row], true, make);
  assert.equal(rows[0]!.kernel, row.kernel);
  assert.equal(rows[0]!.scalars, [0, 0, 99, 24, 24, 0, 0, 0, 0, 0, 0, 1]);
  assert.is(rows[0]!.buffers[2], copies[0]!.buffers[0]);
  assert.equal(copies[0]!.extents, [1, 24, 10]);
  for (const other of [
    strided([1, 2, 8, 24, 10], 0, 1, 10),
    strided([2, 1, 8, 24, 10], 0, 1, 10),
    strided([1, 1, 8, 24, 10], 1, 1, 10),
    strided([1, 1, 8, 24, 10], 0, 0, 24),
    strided([1, 1, 8, 24, 10], 0, 1, 11),
  ]) {
    assert.equal(turnWeights([other], true, make), { rows: [other], copies: [] });
  }
});

test("on rows: made inside, written, batches, many rows and few columns stay as they are", () => {
  const b = storage("b", false);
  const write: Row = { ...product(b, [1]), kernel: "sgd_f32", buffers: [{ storage: b, offset: 400 }] };
  const bound = { ...write, buffers: [{ storage: storage("bound", true, b), offset: 0 }] };
  for (const rows of [
    [product(storage("b", true), [1, 8, 24, 10])],
    [product(b, [1, 8, 24, 10]), write],
    [product(b, [1, 8, 24, 10]), bound],
    [product(b, [2, 8, 24, 10])],
    [product(b, [1, 17, 24, 10])],
    [product(b, [1, 8, 16, 10])],
    [product(b, [1, 4, 24, 10])],
  ]) {
    const result = turnWeights(rows, false, make);
    assert.is(result.rows, rows);
    assert.equal(result.copies, []);
  }
});

test.run();
