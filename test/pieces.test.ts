// Pieces of chains give the bits of the kernels whose rows they stand for: each formula by itself, on words of every kind, for every
// count up to a few vectors, on the builds as they are published.
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { enableRelaxedSimd } from "../src/host/probe.ts";
import { layoutOf, table } from "../src/program/kernels/index.ts";
import type { Piece } from "../src/program/passes/chain.ts";
import { canCompile } from "../src/wasm/compile.ts";
import { PIECES, PIECES_BASE, PIECES_BYTES } from "../src/wasm/control.ts";
import { FIRST_KERNEL, instantiateOn, kernelNames } from "../src/wasm/load.ts";
import { PiecesOnDemand } from "../src/wasm/ondemand.ts";
import { bytesOf } from "../src/wasm/piece/kernel.ts";
import { MadePieces } from "../src/wasm/piece.ts";
import { ALONE } from "../src/wasm/threads.ts";

await enableRelaxedSimd(); // Node 20 asks for it

type Kernel = (args: number, ith: number, nth: number) => void;

// biome-ignore format: by kind
const FLOATS = [
  0, -0, 1, -1, 0.5, -2.75, 3e-39, -1e-45, 3.4e38, -3.4e38, 1e20, Infinity, -Infinity, NaN, 2 ** 31, -(2 ** 31), 2 ** 24 + 2, 0.1, 7, -3, 16777217, 1.5,
];
const INTS = [0, 1, -1, 2, -7, 2 ** 31 - 1, -(2 ** 31), 65536, 46341, 5];
const SCALARS = [0, -0, 1.5, -1, NaN, Infinity, 1e-40, 3];

/** A device's memory, of so many pages. */
function shared(initial: number): { memory: WebAssembly.Memory; i32: Int32Array<ArrayBufferLike> } {
  const memory = new WebAssembly.Memory({ initial, maximum: 65536, shared: true });
  return { memory, i32: new Int32Array(memory.buffer) };
}

const MEMORY_BYTES = 1 << 22;
/** A build with its kernels and pieces, on a memory of its own. */
function load(build: string): { memory: WebAssembly.Memory; kernel(name: string): Kernel; piece(p: Piece): Kernel } {
  const words = shared(MEMORY_BYTES >> 16);
  const { memory } = words;
  const module = new WebAssembly.Module(readFileSync(new URL(`../dist/${build}.wasm`, import.meta.url)));
  const names = kernelNames(module);
  const { table } = instantiateOn(module, memory, names);
  const pieces = new MadePieces(words, table, ALONE, build !== "simd");
  const at = (index: number): Kernel => table.get(index) as Kernel;
  return { memory, kernel: (name) => at(names.indexOf(name) + FIRST_KERNEL), piece: (p) => at(pieces.index(p)!) };
}

const [ARGS, DATA, ROOM] = [1 << 20, (1 << 20) + 4096, 4096];
const fits = (kernel: string): boolean => MadePieces.prototype.fits(kernel);

for (const build of ["simd", "relaxed"]) {
  test(`each formula has the bits of its kernel: ${build}`, () => {
    const { memory, kernel, piece } = load(build);
    const [words, floats] = [new Int32Array(memory.buffer), new Float32Array(memory.buffer)];
    const address = (k: number): number => DATA + k * ROOM;
    let tried = 0;
    for (const [name, { inputs, scalars, tags }] of table()) {
      if (!fits(name)) continue;
      assert.ok(tags.includes("each"), name);
      tried++;
      const integers = inputs.map((f) => f.type === "i32");
      const own = kernel(name);
      const made = piece({
        buffers: [true, ...inputs.map(() => true)],
        steps: [{ kernel: name, reads: inputs.map((_, k) => k + 1), store: 0 }],
      });
      for (let n = 0; n < 40; n++) {
        for (let turn = 0; turn < (scalars.length > 0 ? SCALARS.length : 3); turn++) {
          for (const [k, isInt] of integers.entries())
            for (let i = 0; i < 44; i++) {
              const at = (address(k + 1) >> 2) + i;
              const j = (i + turn) * (k + 1) * 7 + 3 * k;
              if (isInt || (name === "where_f32" && k === 0)) words[at] = INTS[(j + n) % INTS.length]!;
              else floats[at] = FLOATS[(j + n) % FLOATS.length]!;
            }
          const run = (f: Kernel): string => {
            words.fill(0x5a5a5a5a, address(0) >> 2, (address(0) >> 2) + 44);
            words.set([address(0), ...inputs.map((_, k) => address(k + 1)), n], ARGS >> 2);
            const s = (ARGS >> 2) + inputs.length + 2;
            if (/_i32$/.test(name)) words[s] = INTS[turn]!;
            else floats[s] = SCALARS[turn]!;
            f(ARGS, 0, 1);
            return words.subarray(address(0) >> 2, (address(0) >> 2) + 44).join();
          };
          assert.is(run(made), run(own), `${name}, ${n} elements, turn ${turn}`);
        }
      }
    }
    assert.ok(tried > 50, `${tried} kernels`);
  });
}

for (const build of ["simd", "relaxed"]) {
  test(`exponentials have the bits of their kernels far out and between: ${build}`, () => {
    const { memory, kernel, piece } = load(build);
    const [words, floats] = [new Int32Array(memory.buffer), new Float32Array(memory.buffer)];
    const count = 30_000;
    const [y, x] = [DATA, DATA + 4 * count];
    // Every 1/128 from -117 to 117; then where they end, float by float.
    for (let i = 0; i < count; i++) floats[(x >> 2) + i] = (i - count / 2) / 128;
    for (const [k, end] of [24, -24, 87.33, -87.33, -87.33654, 89, -104, 10, -10, 0].entries()) {
      floats[x >> 2] = end;
      const from = words[x >> 2]!;
      for (let i = 0; i < 64; i++) words[(x >> 2) + 64 * k + i] = from + i - 32;
    }
    words.set([y, x, count], ARGS >> 2);
    for (const name of ["exp_f32", "tanh_f32", "sigmoid_f32"]) {
      const made = piece({ buffers: [true, true], steps: [{ kernel: name, reads: [1], store: 0 }] });
      const [own, ours] = [kernel(name), made].map((f) => {
        f(ARGS, 0, 1);
        return words.slice(y >> 2, (y >> 2) + count);
      });
      for (let i = 0; i < count; i++)
        if (own![i] !== ours![i]) assert.unreachable(`${name}(${floats[(x >> 2) + i]}): ${ours![i]} for ${own![i]}`);
    }
  });
}

for (const build of ["simd", "relaxed"]) {
  test(`a sum at the end has the bits of its kernel: ${build}`, () => {
    const { memory, kernel, piece } = load(build);
    const [words, floats] = [new Int32Array(memory.buffer), new Float32Array(memory.buffer)];
    const [most, chunk] = [4096, 4096];
    const [x, c, y, z] = [0, 1, 2, 3].map((k) => DATA + k * 4 * (most + 64)) as [number, number, number, number];
    // z = x * c, y = sum z
    const made = piece({
      buffers: [true, false, true, true],
      steps: [
        { kernel: "mul_f32", reads: [0, 1], store: 2 },
        { kernel: "sum_chunk_f32", reads: [~0], store: 3 },
      ],
    });
    // The same, of what is not stored, in place.
    const sumOnly = piece({
      buffers: [true, true],
      steps: [
        { kernel: "neg_f32", reads: [0], store: 0 },
        { kernel: "sum_chunk_f32", reads: [~0], store: 1 },
      ],
    });
    for (const n of [...Array(150).keys(), 511, 512, 513, 1000, 1023, 1040, most - 1, most]) {
      for (const kind of [
        (i: number) => Math.sin(i * i) * 10 ** (i % 9),
        () => -0,
        (i: number) => (i === n - 1 ? Infinity : 1),
      ]) {
        for (let i = 0; i <= most; i++) floats[(x >> 2) + i] = i < n ? kind(i) : 1e9;
        floats[c >> 2] = 0.7;
        floats.fill(5, z >> 2, (z >> 2) + most + 1);
        words.set([x, c, z, y, n], ARGS >> 2);
        made(ARGS, 0, 1);
        const ours = words[y >> 2];
        words.set([y, z, 1, n, 1, 1, chunk], ARGS >> 2);
        kernel("sum_chunk_f32")(ARGS, 0, 1);
        assert.is(ours, words[y >> 2], `${n} elements`);
        assert.is(floats[(z >> 2) + n], 5, "nothing behind");
        words.set([x, y, n], ARGS >> 2);
        sumOnly(ARGS, 0, 1);
        const second = words[y >> 2];
        words.set([y, x, 1, n, 1, 1, chunk], ARGS >> 2);
        kernel("sum_chunk_f32")(ARGS, 0, 1);
        assert.is(second, words[y >> 2], `${n} elements, in place`);
        assert.is(floats[(x >> 2) + n], 1e9, "nothing behind");
      }
    }
  });
}

test("what is computed inside, read twice, stored twice and read from one element", () => {
  const { memory, piece } = load("simd");
  const [words, floats] = [new Int32Array(memory.buffer), new Float32Array(memory.buffer)];
  const [x, y, c] = [DATA, DATA + ROOM, DATA + 2 * ROOM];
  // y = -(x * c + x), x = x * c - s
  const f = piece({
    buffers: [true, false, true],
    steps: [
      { kernel: "mul_f32", reads: [0, 1], store: -1 },
      { kernel: "add_f32", reads: [~0, 0], store: -1 },
      { kernel: "neg_f32", reads: [~1], store: 2 },
      { kernel: "add_scalar_f32", reads: [~0], store: 0 },
    ],
  });
  for (let n = 0; n < 20; n++) {
    for (let i = 0; i < 24; i++) floats[(x >> 2) + i] = i + 1;
    floats.fill(-1, y >> 2, (y >> 2) + 24);
    floats[c >> 2] = 3;
    words.set([x, c, y, n], ARGS >> 2);
    floats[(ARGS >> 2) + 4] = -2;
    f(ARGS, 0, 1);
    for (let i = 0; i < 24; i++) {
      assert.is(floats[(y >> 2) + i], i < n ? -4 * (i + 1) : -1);
      assert.is(floats[(x >> 2) + i], i < n ? 3 * (i + 1) - 2 : i + 1);
    }
  }
});

test("a piece is made once; where code may not be made there is none", () => {
  const memory = shared((PIECES_BASE + PIECES_BYTES) >> 16);
  const table = new WebAssembly.Table({ initial: 1, element: "anyfunc" });
  const pieces = new MadePieces(memory, table, ALONE, false);
  const piece: Piece = { buffers: [true], steps: [{ kernel: "neg_f32", reads: [0], store: 0 }] };
  assert.is(pieces.index(piece), 1);
  assert.is(pieces.index({ ...piece, steps: [...piece.steps] }), 1);
  assert.is(table.length, 2);
  assert.ok(bytesOf(piece, false).length < 200);
  assert.is(layoutOf("log_f32") !== undefined && pieces.fits("log_f32"), false);
  const { Module } = WebAssembly;
  try {
    (WebAssembly as { Module: unknown }).Module = class {
      constructor() {
        throw new EvalError("code generation is disallowed");
      }
    };
    assert.is(pieces.index({ ...piece, buffers: [true, true] }), null);
    assert.is(canCompile(), false);
  } finally {
    (WebAssembly as { Module: unknown }).Module = Module;
  }
});

test("workers find the bytes of each, and there are as many as there is room for", () => {
  const memory = shared(((PIECES_BASE + PIECES_BYTES) >> 16) + 1);
  const table = new WebAssembly.Table({ initial: 5, element: "anyfunc" });
  const pieces = new MadePieces(memory, table, ALONE, false);
  const { i32: words } = memory;
  /** Up to fifty steps, by kernels that the bits of k say. */
  const nth = (k: number): Piece => ({
    buffers: [true, true],
    steps: Array.from({ length: 12 + (k % 40) }, (_, i) => {
      const kernel = (k >> (i % 12)) & 1 ? "neg_f32" : "abs_f32";
      return { kernel, reads: [i === 0 ? 0 : ~(i - 1)], store: i === 11 + (k % 40) ? 1 : -1 };
    }),
  });
  const made: Piece[] = [];
  for (;;) {
    const index = pieces.index(nth(made.length));
    if (index === null) break;
    assert.is(index, 5 + made.length);
    made.push(nth(made.length));
  }
  assert.ok(made.length > 300, `${made.length} pieces`);
  let at = PIECES_BASE;
  for (const piece of made) {
    const bytes = bytesOf(piece, false);
    assert.is(words[at >> 2], bytes.length);
    assert.equal(new Uint8Array(words.buffer, at + 4, bytes.length).slice(), bytes);
    at += 4 + 4 * Math.ceil(bytes.length / 4);
  }
  assert.is(at - PIECES_BASE, words[PIECES >> 2]);
  assert.ok(at <= PIECES_BASE + PIECES_BYTES);
  assert.is(table.length, 5 + made.length);
  for (const word of words.subarray((PIECES_BASE + PIECES_BYTES) >> 2)) assert.is(word, 0);
  assert.is(pieces.index(nth(0)), 5, "those that are there stay");
});

test("a part that cannot be loaded, or comes when the device is gone: no pieces", async () => {
  const make = async (): Promise<never> => Promise.reject(new Error("404"));
  const failing = new PiecesOnDemand(make);
  await failing.load();
  assert.is(failing.made, null);
  let come: (made: never) => void = () => {};
  const late = new PiecesOnDemand(
    () =>
      new Promise((resolve) => {
        come = resolve;
      }),
  );
  const loading = late.load();
  late.dispose();
  come({} as never);
  await loading;
  assert.is(late.made, null);
  await late.load();
  assert.is(late.made, null);
});

test.run();
