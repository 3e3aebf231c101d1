// Products that skip zeros: the bits of the plain kernels at every density and size, on every build and number of threads,
// nothing written beside the result, what an infinity does, what the pass puts in the place of which rows.
import { setFlagsFromString } from "node:v8";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Row, Storage } from "../src/core/device.ts";
import { launch } from "../src/core/op.ts";
import { lacksRevectorizer } from "../src/host/revectorize.ts";
import * as w from "../src/index.ts";
import { turnWeights } from "../src/program/passes/turned.ts";
import { zeros } from "../src/program/passes/zeros.ts";
import { BUILDS } from "../src/wasm/load.ts";
import { WasmProgram } from "../src/wasm/program.ts";
import { guard } from "./harness.ts";
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

/** Numbers in [-0.5, 0.5), always the same for a seed. */
function numbers(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24 - 0.5;
  };
}

/** A share of nonzeros, or one alone. Every third row is full of zeros where there are some. */
type Density = number | "one";
function matrix(rows: number, columns: number, density: Density, seed: number): w.Tensor {
  const next = numbers(seed);
  const values = Float32Array.from({ length: rows * columns }, (_, i) => {
    const [value, dice] = [next(), next() + 0.5];
    if (density === "one") return i === Math.floor((rows * columns) / 2) ? value : 0;
    if (density < 0.5 && Math.floor(i / columns) % 3 === 1) return 0;
    return dice < density ? value : 0;
  });
  return w.tensor(values, { shape: [rows, columns] });
}

type Form = "nn" | "nt" | "tn";
/** c = a b by the kernel of a form, with what finishes it. */
function product(
  form: Form,
  finish: "" | "_bias" | "_relu_vjp",
  skips: boolean,
  a: w.Tensor,
  b: w.Tensor,
  [m, n, k]: readonly [number, number, number],
  extra: w.Tensor | null,
): w.Tensor {
  const c = w.full([m, n], Number.NaN);
  const inputs = extra === null ? [a, b] : [a, b, extra];
  const scalars = finish === "_bias" ? [0, 0, 1] : [0, 0];
  launch(`matmul_${form}${skips ? "_skipping" : ""}${finish}_f32`, [c], inputs, [1, m, n, k], scalars);
  return c;
}

/** Rows, columns, terms: 1, around the tiles of 52 and the 64 rows of a list, blocks of 256, primes. */
const SIZES: readonly (readonly [number, number, number])[] = [
  [1, 48, 16],
  [1, 523, 257],
  [2, 49, 255],
  [5, 52, 1],
  [16, 51, 64],
  [17, 53, 63],
  [32, 104, 256],
  [33, 103, 257],
  [63, 105, 65],
  [64, 520, 131],
  [65, 97, 523],
  [131, 156, 60],
  [523, 67, 33],
  [7, 4099, 17],
  [40, 56, 700],
  [0, 60, 20],
  [20, 60, 0],
];
const DENSITIES: readonly Density[] = [0, "one", 0.19, 0.3, 0.5, 0.6, 0.7, 0.8, 1];
const FORMS = [
  ["nn", ""],
  ["nn", "_bias"],
  ["nn", "_relu_vjp"],
  ["nt", ""],
  ["nt", "_bias"],
  ["tn", ""],
] as const;

// Only optimized code has 256 bits; V8's flags hold for the rest of the process, where they change no bit.
const lack = await lacksRevectorizer();
if (lack !== null) console.log(`skipped: products that skip zeros with the build 256: ${lack}`);
for (const simd of BUILDS.filter((b) => b !== "256" || lack === null)) {
  for (const threads of [1, 2, 3]) {
    test(`${simd}, ${threads} thread(s): every form, size and density has the bits of the plain kernel`, async () => {
      if (simd === "256") setFlagsFromString("--no-liftoff");
      const device = await ready(await w.init({ simd, threads, debug: true }));
      const look = guard(device);
      for (const [s, size] of SIZES.entries()) {
        const [m, n, k] = size;
        const [b, bt] = [matrix(k, n, 1, 2), matrix(n, k, 1, 2)];
        const [bias, y] = [matrix(1, n, 1, 3).reshape([n]), matrix(m, n, 0.5, 4)];
        for (const density of DENSITIES) {
          const [a, at] = [matrix(m, k, density, 1 + s), matrix(k, m, density, 1 + s)];
          for (const [form, finish] of FORMS) {
            const [left, right] = [form === "tn" ? at : a, form === "nt" ? bt : b];
            const extra = finish === "_bias" ? bias : finish === "_relu_vjp" ? y : null;
            const [got, wanted] = [true, false].map((skips) => product(form, finish, skips, left, right, size, extra));
            const same = sameBits(await floats(got!), await floats(wanted!));
            assert.ok(same, `${form}${finish} ${m} x ${n} x ${k}, density ${density}`);
            got!.dispose();
            wanted!.dispose();
          }
        }
      }
      look();
      await device.dispose();
    });
  }
}

test("a listed zero stands for nothing, even against an infinity; which zeros are listed is no matter of threads", async () => {
  const size = [130, 120, 200] as const;
  const [m, n, k] = size;
  for (const simd of ["simd", "relaxed"] as const) {
    const bits = new Map<string, Float32Array>();
    for (const threads of [1, 2, 3]) {
      const device = await ready(await w.init({ simd, threads }));
      const values = await floats(matrix(k, n, 1, 5));
      values[7 * n + 3] = Number.POSITIVE_INFINITY;
      values[9 * n + 60] = Number.NaN;
      const b = w.tensor(values, { shape: [k, n] });
      for (const density of [0, 0.1, 0.5, 0.6, 0.65, 0.7, 0.8, 0.95, 1]) {
        for (const form of ["nn", "tn"] as const) {
          const a = form === "tn" ? matrix(k, m, density, 6) : matrix(m, k, density, 6);
          const got = await floats(product(form, "", true, a, b, size, null));
          const plain = await floats(product(form, "", false, a, b, size, null));
          const name = `${form}, density ${density}`;
          if (!bits.has(name)) bits.set(name, got);
          assert.ok(sameBits(got, bits.get(name)!), `${simd}, ${threads} threads, ${name}`);
          const av = await floats(a);
          const of = (i: number, q: number): number => (form === "tn" ? av[q * m + i]! : av[i * k + q]!);
          const hit = (i: number): boolean => of(i, 7) !== 0;
          for (let i = 0; i < m; i++) {
            assert.is(Number.isFinite(plain[i * n + 3]!), false);
            assert.is(Number.isFinite(got[i * n + 4]!), true);
            if (density <= 0.5) {
              assert.is(Number.isFinite(got[i * n + 3]!), !hit(i), `${name}, row ${i}`);
              assert.is(Number.isNaN(got[i * n + 60]!), of(i, 9) !== 0, `${name}, row ${i}`);
            } else if (density >= 0.95) assert.is(Number.isNaN(got[i * n + 3]!), Number.isNaN(plain[i * n + 3]!));
          }
        }
      }
      await device.dispose();
    }
  }
});

// ------------------------------------------------------------------------------------------------------- whole steps

/** Parameters and gradients after steps of a classifier, and the kernels of the program. */
async function train(
  sizes: readonly number[],
  batch: number,
  captured: boolean,
  options: w.InitOptions,
): Promise<Float32Array[]> {
  const device = await ready(await w.init(options));
  w.manualSeed(5);
  const layers = sizes.slice(1).flatMap((n, i) => {
    const linear = new w.nn.Linear(sizes[i]!, n);
    return i < sizes.length - 2 ? [linear, new w.nn.ReLU()] : [linear];
  });
  const model = new w.nn.Sequential(...layers);
  const optimizer = new w.optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
  const next = numbers(8);
  const batches = Array.from({ length: 4 }, () => {
    const values = Float32Array.from({ length: batch * sizes[0]! }, () => Math.max(0, 2 * next() - 0.6));
    const labels = Int32Array.from({ length: batch }, () => Math.floor((next() + 0.5) * sizes[sizes.length - 1]!));
    return [w.tensor(values, { shape: [batch, sizes[0]!] }), w.tensor(labels, { dtype: "int32" })] as const;
  });
  const f = (x: w.Tensor, labels: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), labels);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const step = captured ? w.capture(f) : f;
  for (let i = 0; i < 20; i++) await step(...batches[i % batches.length]!);
  const parameters = [...model.parameters()];
  const values: Float32Array[] = [];
  for (const t of [...parameters, ...parameters.map((p) => p.grad!)]) values.push((await floats(t)).slice());
  await device.dispose();
  return values;
}

/** ||a - b|| / ||b|| */
function distance(a: Float32Array, b: Float32Array): number {
  const norm = (v: Float32Array): number => Math.hypot(...v);
  return norm(a.map((x, i) => x - b[i]!)) / norm(b);
}

for (const simd of ["simd", "relaxed"] as const) {
  for (const [sizes, batch] of [
    [[784, 130, 97, 64, 10], 64],
    [[300, 149, 153, 10], 7],
    [[60, 149, 300, 120], 33],
  ] as const) {
    test(`${simd}: ${sizes.join("-")}, batch ${batch}: 20 captured steps are 20 eager ones, on 1 to 3 threads`, async () => {
      const eager = await train(sizes, batch, false, { simd, threads: 1 });
      const one = await train(sizes, batch, true, { simd, threads: 1 });
      assert.ok(ran.includes("matmul_nt_skipping_bias_f32"));
      assert.ok(ran.includes("matmul_tn_skipping_f32"));
      assert.ok(ran.includes("matmul_nn_skipping_relu_vjp_f32"));
      for (const [i, v] of eager.entries()) assert.ok(distance(one[i]!, v) <= 1e-5, `tensor ${i}`);
      for (const threads of [2, 3]) {
        const other = await train(sizes, batch, true, { simd, threads });
        for (const [i, v] of one.entries()) assert.ok(sameBits(v, other[i]!), `tensor ${i}, ${threads} threads`);
      }
      const plain = await train(sizes, batch, true, { simd, threads: 2, deterministic: true });
      assert.not.ok(ran.some((k) => k.includes("skipping")));
      for (const [i, v] of eager.entries()) assert.ok(sameBits(v, plain[i]!), `tensor ${i}, deterministic`);
    });
  }
}

test("an infinite weight against a zero is NaN under deterministic, as in PyTorch, and nothing without", async () => {
  for (const batch of [6, 40]) {
    for (const deterministic of [true, false]) {
      const device = await ready(await w.init({ threads: 2, deterministic }));
      const values = new Float32Array(60 * 400).fill(0.5);
      values[5] = Number.POSITIVE_INFINITY;
      const weight = w.tensor(values, { shape: [60, 400] });
      const f = w.capture((x: w.Tensor) => w.linear(x, weight));
      const x = w.zeros([batch, 400]);
      for (let i = 0; i < 3; i++) await f(x);
      const y = await floats(await f(x));
      assert.is(ran.includes(batch > 16 ? "matmul_nt_skipping_f32" : "matmul_nn_skipping_f32"), !deterministic);
      for (const [i, v] of y.entries()) assert.equal(v, deterministic && i % 60 === 0 ? Number.NaN : 0);
      await device.dispose();
    }
  }
});

// ------------------------------------------------------------------------------------------------- on rows, alone

const storage = (label: string, virtual: boolean): Storage =>
  ({ label, virtual, alias: null, bytes: 4096, width: 4, version: 0, holders: 1 }) as unknown as Storage;
const row = (kernel: string, extents: number[]): Row => ({
  kernel,
  buffers: ["c", "a", "b", "extra"].map((l) => ({ storage: storage(l, l !== "b" && l !== "extra"), offset: 0 })),
  outputs: 1,
  extents,
  scalars: [0, 0, 1],
  op: "linear",
});
const pass = (rows: Row[]): readonly Row[] => zeros.run(rows, (s) => s.virtual);

test("on rows: wide products skip zeros, all else stays", () => {
  assert.is(zeros.exact, false);
  const wide = row("matmul_nt_bias_f32", [1, 64, 64, 32]);
  assert.equal(pass([wide]), [{ ...wide, kernel: "matmul_nt_skipping_bias_f32" }]);
  for (const form of ["nn", "nt", "tn", "nn_relu_vjp", "nn_bias"]) {
    const [better] = pass([row(`matmul_${form}_f32`, [2, 1, 256, 512])]);
    assert.match(better!.kernel, /^matmul_.._skipping(_bias|_relu_vjp)?_f32$/);
  }
  for (const rows of [
    [row("matmul_nt_bias_f32", [1, 640, 47, 640])],
    [row("matmul_tn_f32", [640, 64, 64, 31])],
    [row("conv2d_bias_f32", [1, 640, 640, 640])],
  ]) {
    assert.is(pass(rows), rows);
  }
});

test("on rows: a turned weight is turned for the product that skips zeros, too", () => {
  const make = (bytes: number): Storage => ({ ...storage("turned", false), bytes });
  const { rows, copies } = turnWeights(pass([row("matmul_nt_bias_f32", [1, 8, 128, 128])]), false, make);
  assert.is(rows[0]!.kernel, "matmul_nn_skipping_bias_f32");
  assert.is(copies.length, 1);
});

test.run();
