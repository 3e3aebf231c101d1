// The peaks: compiles peak.ts for a build and runs its kernels on one or more threads, all beginning together.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { instantiateSync } from "@assemblyscript/loader";
import type { Work } from "./timing.ts";

export type Build = "simd" | "relaxed" | "256";
/** `arithmetic`: what the build has, fused or not. */
export type Peak = "arithmetic" | "fma" | "muladd" | "copy" | "add" | "sum";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The compiled peak.ts. The peak of the build 256 is that of 128 bits, fused. */
export const compilePeak = (build: Build): string => compile("peak", ["bench/peak.ts"], build);

/** The first source, compiled to `dist/bench/<name>-<build>.wasm`; made anew when it or what it imports is newer. */
export function compile(name: string, sources: readonly string[], wanted: Build): string {
  const build = wanted === "256" ? "relaxed" : wanted;
  const out = `dist/bench/${name}-${build}.wasm`;
  const made = `${root}${out}`;
  const newest = Math.max(...sources.map((s) => statSync(root + s).mtimeMs));
  if (existsSync(made) && statSync(made).mtimeMs > newest) return made;
  mkdirSync(`${root}dist/bench`, { recursive: true });
  const features = ["simd", "threads", ...(build === "relaxed" ? ["relaxed-simd"] : [])];
  const options = [
    "-O2",
    "--noAssert",
    "--runtime",
    "stub",
    "--importMemory",
    "--sharedMemory",
    "--initialMemory",
    "1",
  ];
  execFileSync(
    process.execPath,
    [
      ...["node_modules/assemblyscript/bin/asc.js", sources[0]!, "-o", out, "--config", "none", ...options],
      ...["--maximumMemory", "65536", ...features.flatMap((f) => ["--enable", f])],
    ],
    { cwd: root, stdio: "inherit" },
  );
  return made;
}

// Words of the shared memory: the round that is asked for, how many have done it, then the call: which kernel, how
// often, with which of four arguments; a thread's share is what `part` makes of them.
const ROUND = 0;
const DONE = 1;
const KERNEL = 2;
const TIMES = 3;
const FLOATS = 4;
const DATA = 1024;
const KERNELS = ["fma", "muladd", "copy", "add", "sum"] as const;
/** Turns in a call of an arithmetic kernel, and operations in a turn. */
const TURNS = 20000;
const OPERATIONS = 96;

// What each thread runs; as a string too, for the workers.
const share = `(exports, words, ith, nth) => {
  const kernel = words[${KERNEL}], n = words[${FLOATS}], part = Math.floor(n / nth / 32) * 32;
  const from = ith * part, count = ith === nth - 1 ? n - from : part;
  const at = (i) => ${DATA} + 4 * (i * n + from);
  for (let times = words[${TIMES}]; times > 0; times--) {
    if (kernel === 0) exports.fma(${TURNS}, 0.999, 0.001);
    else if (kernel === 1) exports.muladd(${TURNS}, 0.999, 0.001);
    else if (kernel === 2) exports.copy(at(0), at(1), count);
    else if (kernel === 3) exports.add(at(0), at(1), at(2), count);
    else exports.sum(at(0), count);
  }
}`;

const worker = `
const { workerData } = require("node:worker_threads");
const { module, memory, ith, nth } = workerData;
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
const words = new Int32Array(memory.buffer, 0, 16);
const share = ${share};
for (let round = 0; ; ) {
  Atomics.wait(words, ${ROUND}, round);
  const now = Atomics.load(words, ${ROUND});
  if (now === round) continue;
  round = now;
  if (round < 0) break;
  share(exports, words, ith, nth);
  Atomics.add(words, ${DONE}, 1);
}`;

type Exports = Record<(typeof KERNELS)[number], (...args: number[]) => number>;

/** The peak kernels on so many threads, with room for three streams of `floats`. */
export class Peaks {
  readonly build: Build;
  readonly threads: number;
  private readonly exports: Exports;
  private readonly words: Int32Array;
  private readonly workers: Worker[];
  private readonly share: (exports: Exports, words: Int32Array, ith: number, nth: number) => void;

  constructor(build: Build, threads: number, floats: number) {
    const pages = Math.ceil((DATA + 12 * floats) / 65536) + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
    const module = new WebAssembly.Module(readFileSync(compilePeak(build)));
    this.build = build;
    this.threads = threads;
    this.exports = instantiateSync<Exports>(module, { env: { memory } }).exports;
    this.words = new Int32Array(memory.buffer, 0, 16);
    new Float32Array(memory.buffer, DATA, 3 * floats).fill(1);
    // biome-ignore lint/security/noGlobalEval: the same text runs in the workers
    this.share = globalThis.eval(share);
    this.workers = Array.from({ length: threads - 1 }, (_, i) => {
      const workerData = { module, memory, ith: i + 1, nth: threads };
      const w = new Worker(worker, { eval: true, workerData });
      w.unref();
      return w;
    });
  }

  /** What the peak's unit counts in one run: operations or bytes, of all threads together. */
  amount(peak: Peak, floats = 0): number {
    if (peak === "copy") return 8 * floats;
    if (peak === "add") return 12 * floats;
    if (peak === "sum") return 4 * floats;
    return OPERATIONS * TURNS * this.threads;
  }

  work(peak: Peak, floats = 0): Work {
    const name = peak !== "arithmetic" ? peak : this.build === "simd" ? "muladd" : "fma";
    const kernel = KERNELS.indexOf(name);
    return {
      unit: 1,
      run: (times) => {
        const { words } = this;
        words[KERNEL] = kernel;
        words[TIMES] = times;
        words[FLOATS] = floats;
        Atomics.store(words, DONE, 0);
        Atomics.add(words, ROUND, 1);
        if (this.threads > 1) Atomics.notify(words, ROUND);
        this.share(this.exports, words, 0, this.threads);
        while (Atomics.load(words, DONE) < this.threads - 1);
      },
    };
  }

  async dispose(): Promise<void> {
    await Promise.all(this.workers.map((w) => w.terminate()));
  }
}
