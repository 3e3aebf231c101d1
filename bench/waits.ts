// Where a captured program's time goes on several threads: each row's time on each thread, and how long the thread waited for the others
// before it. On the published bundle as it is, workers and barriers included: what is put into a table of kernels is timed there, by a
// function of this thread's between the walk and the kernel, which adds some 0.2 µs to a row (and 20 ns to each block of a chain's member).
import { syncBuiltinESMExports } from "node:module";
import threads, { setEnvironmentData } from "node:worker_threads";
import { digits, type Grid, median } from "./timing.ts";

/** Words of f64 that each thread has: how many rows it has noted, and then each one's arguments, begin and end. */
const LINE = 1 << 16;
const MOST_THREADS = 64;
const KEY = "wasmgrad waits";

/** A module that exports the function (args, ith, nth) that it imports: a table takes functions of wasm alone. */
const PASS = [
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 7, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0],
  ...[2, 7, 1, 1, 0x65, 1, 0x66, 0, 0],
  ...[7, 5, 1, 1, 0x66, 0, 0],
];

// What each thread does before it has a table; as a string too, for the workers. Members of chains are called by their chain through the
// table: only what the walk calls is noted. `performance.now` begins with its thread, hrtime is the same in all: their difference is largest
// where nothing came between the two.
const TIMED = `(log) => {
  const pass = new WebAssembly.Module(new Uint8Array([${PASS}]));
  let shift = -Infinity;
  for (let i = 0; i < 1000; i++) {
    const [seconds, nanoseconds] = process.hrtime();
    shift = Math.max(shift, seconds * 1e3 + nanoseconds * 1e-6 - performance.now());
  }
  let inside = false;
  const wrap = (kernel) => {
    const f = (args, ith, nth) => {
      if (inside) return kernel(args, ith, nth);
      inside = true;
      const begin = performance.now();
      kernel(args, ith, nth);
      const end = performance.now();
      inside = false;
      const line = ith * ${LINE}, at = line + 1 + 3 * log[line];
      if (at + 3 > line + ${LINE}) return;
      log[at] = args;
      log[at + 1] = begin + shift;
      log[at + 2] = end + shift;
      log[line]++;
    };
    return new WebAssembly.Instance(pass, { e: { f } }).exports.f;
  };
  const { set, grow } = WebAssembly.Table.prototype;
  WebAssembly.Table.prototype.set = function (at, kernel) {
    set.call(this, at, wrap(kernel));
  };
  WebAssembly.Table.prototype.grow = function (n, kernel) {
    return grow.call(this, n, wrap(kernel));
  };
}`;

/** A row that a thread ran: the address of its arguments, and ms. */
export interface Ran {
  readonly args: number;
  readonly begin: number;
  readonly end: number;
}

/** Notes what the threads of all devices run that are made from now on. */
export function listen(): { clear(): void; noted(nth: number): Ran[][] } {
  const shared = new SharedArrayBuffer(8 * LINE * MOST_THREADS);
  const log = new Float64Array(shared);
  // biome-ignore lint/security/noGlobalEval: the same text runs in the workers
  globalThis.eval(TIMED)(log);
  setEnvironmentData(KEY, shared);
  const first = `import { getEnvironmentData as given } from "node:worker_threads";
(${TIMED})(new Float64Array(given("${KEY}")));`;
  const { Worker } = threads;
  threads.Worker = class extends Worker {
    constructor(source: string | URL, options?: threads.WorkerOptions) {
      const begin = "data:text/javascript,";
      const text = String(source);
      const ours = text.startsWith(begin);
      super(ours ? new URL(begin + encodeURIComponent(first) + text.slice(begin.length)) : source, options);
    }
  };
  syncBuiltinESMExports();
  return {
    clear() {
      for (let ith = 0; ith < MOST_THREADS; ith++) log[ith * LINE] = 0;
    },
    noted: (nth) =>
      Array.from({ length: nth }, (_, ith) =>
        Array.from({ length: log[ith * LINE]! }, (_, i) => {
          const [args, begin, end] = log.subarray(ith * LINE + 1 + 3 * i) as unknown as [number, number, number];
          return { args, begin, end };
        }),
      ),
  };
}

export interface Waits {
  /** By row and thread, in ms: how long it ran, and how long the thread waited before it; null where another thread ran it. */
  readonly rows: readonly (readonly ({ run: number; wait: number } | null)[])[];
  /** By thread: behind its last row, until the last thread was done. */
  readonly last: readonly number[];
  /** From the first row's begin to the last one's end. */
  readonly whole: number;
}

/** One walk over rows with these arguments. */
export function waitsOf(rows: readonly number[], ran: readonly (readonly Ran[])[]): Waits {
  const at = new Map(rows.map((args, i) => [args, i]));
  const walks = ran.map((thread) => thread.filter((r) => at.has(r.args)));
  const begin = Math.min(...walks.map((walk) => walk[0]?.begin ?? Number.POSITIVE_INFINITY));
  const end = Math.max(...walks.map((walk) => walk.at(-1)?.end ?? 0));
  const found: ({ run: number; wait: number } | null)[][] = rows.map(() => walks.map(() => null));
  for (const [ith, walk] of walks.entries()) {
    let before = begin;
    for (const r of walk) {
      found[at.get(r.args)!]![ith] = { run: r.end - r.begin, wait: r.begin - before };
      before = r.end;
    }
  }
  return { rows: found, last: walks.map((walk) => end - (walk.at(-1)?.end ?? begin)), whole: end - begin };
}

/** Medians over walks; rows by their names and extents. */
export function waitsGrid(names: readonly (readonly [name: string, extents: string])[], walks: readonly Waits[]): Grid {
  const nth = walks[0]!.last.length;
  const each = Array.from({ length: nth }, (_, ith) => ith);
  const µs = (values: readonly number[]): string => (values.length === 0 ? "" : digits(1000 * median(values)));
  const cells = (of: (walk: Waits, ith: number) => readonly [run: number | null, wait: number | null]): string[] =>
    each.flatMap((ith) => {
      const both = walks.map((walk) => of(walk, ith));
      return [0, 1].map((k) => µs(both.map((pair) => pair[k]!).filter((x) => x !== null)));
    });
  const sums = ({ rows, last }: Waits, ith: number): readonly [number, number] => [
    rows.reduce((sum, row) => sum + (row[ith]?.run ?? 0), 0),
    rows.reduce((sum, row) => sum + (row[ith]?.wait ?? 0), last[ith]!),
  ];
  const blank = each.slice(1).flatMap(() => ["", ""]);
  return [
    ["row", "extents", ...each.flatMap((ith) => [`thread ${ith}, µs`, "waited before"])],
    [
      ...names.map(([name, extents], i) => [
        ...[name, extents],
        ...cells(({ rows }, ith) => [rows[i]![ith]?.run ?? null, rows[i]![ith]?.wait ?? null]),
      ]),
      ["behind the last row", "", ...cells(({ last }, ith) => [null, last[ith]!])],
      ["sums", "", ...cells(sums)],
      ["the walk", "", µs(walks.map((walk) => walk.whole)), "", ...blank],
    ],
  ];
}
