// Where a captured program's time goes, row by row: `node bench/profile.ts W5 [--build simd|relaxed]`, on the built
// package, one thread. Each row runs alone many times on what the rows before it left; the best time counts. With `--threads 2`: each row on
// each thread as the whole program runs, and how long the thread waited for the others before it, medians over calls (waits.ts).
// The walk over rows is private to the device: it is taken from the instance as that is made.
import { parseArgs } from "node:util";
import { select } from "./cases.ts";
import { type Build, Peaks } from "./peaks.ts";
import { digits, type Grid, percent, table, type Work, warm } from "./timing.ts";
import { listen, type Waits, waitsGrid, waitsOf } from "./waits.ts";
import { library, prepare, ready } from "./work.ts";

interface Row {
  readonly kernel: string;
  readonly op: string;
  readonly buffers: readonly unknown[];
  readonly extents: readonly number[];
}

/** What of the device is used here, beside its public face. */
interface Insides {
  program(...args: unknown[]): { encoded: readonly Row[]; script: { address: number; limit: number } };
  memoryOf: { u32: Uint32Array; memory: WebAssembly.Memory };
}
type Walk = (row: number, end: number, ith: number, nth: number, again: number) => number;

/** Control words that hold a fault: a row that runs alone again and again may meet values that no step has. */
const FAULT = [(1024 + 64) >> 2, (1024 + 80) >> 2] as const;
/** Calls of the whole program on several threads. */
const CALLS = 200;
/** In front of a row's arguments. */
const HEADER_BYTES = 16;
const ROUNDS = 30;
const SAMPLE_MS = 0.3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { build: { type: "string", default: "relaxed" }, threads: { type: "string", default: "1" } },
});
const build = values.build as Build;
const threads = Number(values.threads);
if (!(Number.isInteger(threads) && threads >= 1)) throw new Error(`profile: --threads ${values.threads}: an integer`);
const recorder = threads > 1 ? listen() : null;
const w = await library();
let walk: Walk | undefined;
const { Instance } = WebAssembly;
WebAssembly.Instance = class extends Instance {
  constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
    super(module, imports);
    walk ??= this.exports.walk as Walk | undefined;
  }
};
const owner = await w.init({ simd: build, threads });
await ready(owner);
WebAssembly.Instance = Instance;
if (walk === undefined) throw new Error("profile: the device made no instance that walks");
const walkOver = walk;
const device = owner as unknown as Insides;

let program: ReturnType<Insides["program"]> | undefined;
const made = device.program.bind(device);
device.program = (...args) => {
  program = made(...args);
  return program;
};

const peaks = new Peaks(build, 1, 1024);
const peakWork = peaks.work("arithmetic", 0);
const calls = await warm(peakWork);

/** The best of many samples, in ms. */
function best(run: (times: number) => void): number {
  let times = 1;
  let least = Number.POSITIVE_INFINITY;
  for (let r = 0; r < ROUNDS; r++) {
    const t0 = performance.now();
    run(times);
    const took = performance.now() - t0;
    least = Math.min(least, took / times);
    if (took < SAMPLE_MS) {
      times = Math.ceil(times * Math.min(16, (1.3 * SAMPLE_MS) / Math.max(took, 0.01)));
      r = Math.max(-1, r - 1);
    }
  }
  return least;
}

/** Operations of a product's row. */
const flops = (r: Row): number =>
  /^(matmul|conv2d)/.test(r.kernel)
    ? 2 * r.extents.slice(0, r.kernel.startsWith("m") ? 4 : 7).reduce((a, b) => a * b, 1)
    : 0;

/** What the threads do in the whole program, over many calls. */
async function together(work: Work, encoded: readonly Row[], script: { address: number }): Promise<Grid> {
  const words = device.memoryOf.u32;
  const rows: number[] = [];
  let row = script.address;
  for (const _ of encoded) {
    rows.push(row + HEADER_BYTES);
    row += words[(row >> 2) + 1]!;
  }
  const walks: Waits[] = [];
  for (let i = 0; i < CALLS; i++) {
    recorder!.clear();
    await work.run(1);
    const walk = waitsOf(rows, recorder!.noted(threads));
    if (walk.rows.some((row) => row[0] === null)) throw new Error("profile: rows of the program were not noted");
    walks.push(walk);
  }
  const names = encoded.map((r) => [`${r.kernel} (${r.op})`, r.extents.join(" ")] as const);
  return waitsGrid(names, walks);
}

for (const c of select(positionals).filter(({ modes }) => modes.includes("captured"))) {
  const work = prepare(w, owner, c, "captured");
  if (work === null) continue;
  await work.run(4);
  const t = await warm(work);
  let step = Number.POSITIVE_INFINITY;
  let peak = 0;
  for (let r = 0; r < 12; r++) {
    let t0 = performance.now();
    await work.run(t);
    step = Math.min(step, (performance.now() - t0) / t);
    t0 = performance.now();
    await peakWork.run(calls);
    peak = Math.max(peak, (peaks.amount("arithmetic", 0) * peakWork.unit * calls) / (performance.now() - t0));
  }
  const { encoded, script } = program!;
  const words = device.memoryOf.u32;
  if (recorder !== null) {
    console.log(`\n${c.name}\n${table(...(await together(work, encoded, script)))}`);
    work.dispose?.();
    continue;
  }
  const before = words.slice();
  const clear = (): void => {
    words.fill(0, ...FAULT);
  };
  const whole = best((times) => {
    for (let i = 0; i < times; i++) walkOver(script.address, script.limit, 0, 1, 0);
    clear();
  });
  let sum = 0;
  let row = script.address;
  const lines = encoded.map((r) => {
    const next = row + words[(row >> 2) + 1]!;
    words.set(before);
    if (row > script.address) walkOver(script.address, row, 0, 1, 0);
    clear();
    const ms = best((times) => {
      for (let i = 0; i < times; i++) {
        walkOver(row, next, 0, 1, 0);
        if (words[FAULT[0]] !== 0) clear();
      }
    });
    row = next;
    sum += ms;
    const share = flops(r) === 0 ? "" : percent(flops(r) / ms / peak);
    return [`${r.kernel} (${r.op})`, r.extents.join(" "), digits(1000 * ms), share];
  });
  words.set(before);
  lines.push(["sum of the rows", "", digits(1000 * sum), ""]);
  lines.push(["the walk over all", "", digits(1000 * whole), percent(c.work / whole / peak)]);
  lines.push(["the captured call", "", digits(1000 * step), percent(c.work / step / peak)]);
  console.log(`\n${c.name} (peak ${digits(peak * 1e-6)} GFLOP/s)\n${table(["row", "extents", "µs", "share"], lines)}`);
  work.dispose?.();
}
await peaks.dispose();
await owner.dispose();
