// What stands on two sides is the same on both: addresses, sizes and limits that the host repeats from the kernels, since a page
// should not carry more than the numbers. And what a kernel keeps in scratch memory fits there.
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { constant, exported, read } from "./source.ts";

const CONTROL = "src/wasm/control.ts";
const ARGS = "assembly/lib/args.ts";
const REPLAY = "assembly/replay.ts";
const CONV = "assembly/conv/conv.ts";
const LINES = "assembly/conv/lines.ts";
const scratch = constant(ARGS, "SCRATCH_BYTES");

/** Both declare it, with one value. */
const same = (a: string, b: string, name: string, other = name): void =>
  assert.is(constant(a, name), constant(b, other), `${name} of ${a} and ${other} of ${b}`);

/** `size` bytes from `place` on lie below `end`. */
const fits = (what: string, end: number, place: number, size = 0): void =>
  assert.ok(place + size <= end, `${what}: ${place} + ${size} bytes reach beyond ${end}`);

test("a constant is read with what its expression names", () => {
  assert.is(constant(CONTROL, "GENERATION"), 1280);
  assert.is(constant(REPLAY, "AWAITED"), 4104);
  assert.is(constant(LINES, "STRIP"), 24576);
  assert.throws(() => constant(CONTROL, "NOWHERE"), /has no constant NOWHERE/);
});

/** For the host alone. */
const HOST = ["MAX_THREADS", "TAKES", "PIECES_BASE", "PIECES_BYTES"];

test("low memory: host and threads mean the same words", () => {
  // HEADER is in words on one side and in bytes on the other.
  for (const name of exported(CONTROL).filter((n) => n !== "HEADER" && !HOST.includes(n))) {
    same(CONTROL, read(ARGS).includes(`const ${name}:`) ? ARGS : REPLAY, name);
  }
  assert.is(4 * constant(CONTROL, "HEADER"), constant(REPLAY, "HEADER"));
});

test("low memory: nothing lies upon anything else", () => {
  const threads = constant(CONTROL, "MAX_THREADS");
  const counters = constant(CONTROL, "COUNTERS");
  const { memoryBase } = JSON.parse(read("asconfig.json")).options;
  assert.ok(threads < 256, "an epoch has 8 bits for the number of threads");
  fits("words that say who is ready", counters, constant(CONTROL, "READY"), 4 * threads);
  fits("lines of counters", memoryBase, counters, 64 * threads);
});

/** Where a module's static data ends: the last address that a data segment fills. */
function dataEnd(bytes: Uint8Array): number {
  let at = 8;
  const leb = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  let end = 0;
  while (at < bytes.length) {
    const section = bytes[at++]!;
    const size = leb();
    const next = at + size;
    if (section === 11) {
      for (let count = leb(); count > 0; count--) {
        assert.is(leb(), 0, "an active segment");
        assert.is(bytes[at++], 0x41, "i32.const");
        const begin = leb();
        assert.is(bytes[at++], 0x0b, "end");
        const length = leb();
        end = Math.max(end, begin + length);
        at += length;
      }
    }
    at = next;
  }
  return end;
}

test("static data ends where pieces begin", () => {
  for (const build of ["simd", "relaxed", "wide"]) {
    const end = dataEnd(readFileSync(new URL(`../dist/${build}.wasm`, import.meta.url)));
    assert.ok(end > 8192, `${build}: ${end}`);
    fits(`static data of ${build}`, constant(CONTROL, "PIECES_BASE"), end);
  }
});

test("loop nests have as many dims on both sides", () =>
  same("src/row/nest.ts", "assembly/lib/map.ts", "WALK", "DIMS"));

test("passes know which products go by dot products: turned ones would not keep their bits", () => {
  same("src/program/passes/turned.ts", "assembly/matmul/matmul.ts", "DOT_ROWS");
  same("src/program/passes/turned.ts", "assembly/matmul/matmul.ts", "DOT_COLUMNS");
});

test("convolution along lines takes what its op lets through", () => {
  same("src/program/winograd.ts", LINES, "BLOCK_VECTORS", "VECTORS");
  // Six rows of transformed weights, each up to 128 bytes longer than its floats.
  const rows = constant("src/program/winograd.ts", "MOST_ROWS");
  fits("weights", constant(LINES, "WEIGHT_BYTES"), 0, 6 * (4 * rows + 128));
  // The image, six rows of inputs and six of sums, each up to 256 bytes longer than its vectors.
  const block = constant("src/program/winograd.ts", "BLOCK_BYTES") + 64 + 12 * 256;
  fits("a block of images", scratch, constant(LINES, "IMAGE") + constant(LINES, "BLOCK"), block);
});

test("a convolution that is pooled where it lies fits into what conv2d leaves", () => {
  const place = constant(CONV, "LEFT") + constant("assembly/conv/pool.ts", "ARGS");
  fits("its output", constant(CONV, "IMAGE"), place, constant("src/program/passes/pool.ts", "FUSED_BYTES"));
});

test("what kernels keep in scratch memory fits", () => {
  const of = (file: string) => (name: string) => constant(`assembly/${file}.ts`, name);
  const conv = of("conv/conv");
  fits("conv2d", scratch, conv("IMAGE"), conv("IMAGE_BYTES"));
  const grad = of("conv/grad");
  fits("conv2d gradient, sums", grad("TRANSPOSED"), 96 * grad("SUMS_ROWS"));
  fits("conv2d gradient, a panel", grad("TABLE"), grad("PANEL"), 96 * grad("PANEL_ROWS"));
  fits("conv2d gradient, places", grad("IMAGE"), grad("PLACES"), 128);
  fits("conv2d gradient, image", scratch, grad("IMAGE"), grad("IMAGE_BYTES"));
  const pool = of("conv/poolgrad");
  fits("gradient behind a max-pool by w", scratch, pool("PADDED"), pool("IMAGE_BYTES"));
  fits("gradient behind a max-pool by x", scratch, pool("GRAD"), pool("IMAGE_BYTES"));
  const forth = of("conv/winograd");
  const tiles = forth("PLACE") * forth("TILES") + forth("LD");
  const rest = forth("BUFFER") + 64 + 1024 + forth("PLAN") + 16 + tiles;
  fits("Winograd", scratch, forth("INPUTS"), forth("CHANNEL") * forth("ROWS") + rest);
  const back = of("conv/winogradgrad");
  const behind = 4 * back("BUFFER") + 1024 + back("PLAN") + 2048 + 2 * back("GRID");
  fits("Winograd gradient", scratch, back("SUMS") + 2 * back("SLABS"), behind);
  const skip = of("matmul/skip");
  fits(
    "products that skip zeros",
    scratch,
    skip("LISTS"),
    constant("assembly/matmul/lists.ts", "PLACES") + 4 * skip("LISTED"),
  );
  const walk = of("elementwise/walk");
  fits("three inputs over views", scratch, walk("SLOTS"), 3 * walk("SLOT_BYTES"));
});

test.run();
