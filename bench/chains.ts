// Captured programs of elementwise ops as rows one by one, as chains that are walked, as pieces and as they are by default, beside a
// kernel by hand where there is one; and a captured a + b beside the eager one. On src: what turns chains off is not published.
import { readFileSync } from "node:fs";
import { instantiateSync } from "@assemblyscript/loader";
import type * as wasmgrad from "../src/index.ts";
import { interleave, type Settings } from "./measure.ts";
import { type Build, compile, type Peak, Peaks } from "./peaks.ts";
import { digits, type Grid, percent, type Span, show, span, time, type Work } from "./timing.ts";
import { type Library, ready } from "./work.ts";

type Tensor = wasmgrad.Tensor;
type Way = "plain rows" | "walked" | "pieces" | "by default" | "by hand" | "captured" | "eager";

export interface ChainsRow {
  readonly program: string;
  readonly floats: number;
  readonly way: Way;
  /** Of the program; null where it is none. */
  readonly rows: number | null;
  readonly ms: Span;
  /** Its time over that of plain rows, or of the eager way, and of the kernel by hand, round by round. */
  readonly over: Span | null;
  readonly overHand: Span | null;
  /** Of the bytes that must come and go at the rate of the streams in the same rounds. */
  readonly share: Span | null;
}

/** What of the device is used here, beside its public face. */
interface Insides {
  /** Kernels made of parts of chains; null where code may not be made. */
  readonly pieces: { made: object | null; load(): Promise<void> };
  program(...args: unknown[]): { encoded: readonly { kernel: string }[] };
}

/** In the place of what makes pieces: with null a program would be made anew once they are there. */
const REFUSED = { refused: true };

/** From how many elements on a chain pays: the pass reads it for each program. */
interface Pays {
  piece: number;
  alone: number;
  shared: number;
}
const ALWAYS: Pays = { piece: 1, alone: 1, shared: 1 };
const NEVER: Pays = { piece: 2 ** 40, alone: 2 ** 40, shared: 2 ** 40 };

/** A tensor, several, or nothing, as a captured function gives them; the library has a type for each. */
type Result = unknown;

interface Made {
  /** What the captured function gets. */
  readonly inputs: readonly Tensor[];
  once(...inputs: Tensor[]): Result;
  /** What it holds besides. */
  readonly held: readonly Tensor[];
  /** A kernel by hand takes copies of these; the first it writes, and is held to what `once` returns, or else to `held[0]`. */
  readonly hand?: { readonly kernel: string; readonly takes: readonly Tensor[] };
  /** The library's own kernel for the same. */
  readonly own?: () => void;
}

interface Program {
  /** Floats that must come or go for each element. */
  readonly streams: number;
  /** What a loop over so many arrays is like. */
  readonly peak: Peak;
  make(w: Library, n: number): Made;
}

const RATE = 0.01;

const PROGRAMS: Readonly<Record<string, Program>> = {
  "RMSprop's step": {
    ...{ streams: 5, peak: "add" },
    make(w, n) {
      const p = new w.nn.Parameter(w.randn([n]));
      const gradient = w.randn([n]);
      p.grad = gradient;
      const optimizer = new w.optim.RMSprop([p], { lr: RATE });
      const once = (): void => optimizer.step();
      return { inputs: [], once, held: [p], hand: { kernel: "rmsprop", takes: [p, w.zeros([n]), gradient] } };
    },
  },
  "Adam composed": {
    ...{ streams: 7, peak: "add" },
    make(w, n) {
      const [g, p, mean, square] = [w.randn([n]), w.randn([n]), w.zeros([n]), w.zeros([n])];
      const rate = w.full([], RATE);
      // The corrections, which change from step to step, as numbers.
      const once = (): void =>
        w.noGrad(() => {
          mean.mul_(0.9).add_(g, { alpha: 0.1 });
          square.mul_(0.999).add_(g.mul(g), { alpha: 0.001 });
          p.sub_(mean.mul(1.1).div(square.mul(1.2).sqrt().add(1e-8)).mul(rate));
        });
      const q = new w.nn.Parameter(w.randn([n]));
      q.grad = w.randn([n]);
      const adam = new w.optim.Adam([q], { lr: RATE });
      return { inputs: [], once, held: [g, p, mean, square, rate, q], own: () => adam.step() };
    },
  },
  "huber and its mean": {
    ...{ streams: 2, peak: "sum" },
    make(w, n) {
      const inputs = [w.randn([n]), w.randn([n])];
      const once = (x: Tensor, y: Tensor): Tensor => w.huberLoss(x, y);
      return { inputs, once, held: [], hand: { kernel: "huber_mean", takes: [w.zeros([]), ...inputs] } };
    },
  },
  "gelu by tanh": {
    ...{ streams: 2, peak: "copy" },
    make(w, n) {
      const inputs = [w.randn([n])];
      const once = (x: Tensor): Tensor => w.gelu(x, { approximate: "tanh" });
      return { inputs, once, held: [], hand: { kernel: "gelu", takes: [w.zeros([n]), ...inputs] } };
    },
  },
  "its gradient": {
    ...{ streams: 3, peak: "add" },
    make(w, n) {
      const [x, gradient] = [w.randn([n]), w.randn([n])];
      x.requiresGrad = true;
      const y = w.gelu(x, { approximate: "tanh" });
      const once = (g: Tensor): Tensor => w.grad(y, [x], { gradient: g, retainGraph: true })[0]!;
      const takes = [w.zeros([n]), gradient, x];
      return { inputs: [gradient], once, held: [x, y], hand: { kernel: "gelu_vjp", takes } };
    },
  },
  "LSTM gates": {
    ...{ streams: 7, peak: "add" },
    make(w, n) {
      const inputs = Array.from({ length: 5 }, () => w.randn([n]));
      const once = (i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor): Tensor[] =>
        w.noGrad(() => {
          const cell = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
          return [cell, o.sigmoid().mul(cell.tanh())];
        });
      return { inputs, once, held: [] };
    },
  },
};

/** Below this a call is what is measured, and kernels by hand are called without one. */
const LEAST = 1024;
/** Arrays by hand begin so many bytes further than the one before ends: at the same place of a page their lines meet in the caches. */
const GAP = 1088;
const DATA = 65536;
const SOURCES = ["lab/246-byhand.ts", "../assembly/lib/math.ts", "../assembly/lib/simd.ts", "../assembly/lib/lanes.ts"];
/** Calls before results are compared: captured functions are recorded twice. */
const FIRST_CALLS = 4;

/** A kernel by hand over copies of arrays in a memory of its own. */
class ByHand {
  readonly work: Work;
  readonly #memory: WebAssembly.Memory;
  readonly #length: number;

  constructor(kernel: string, arrays: readonly Float32Array[], n: number, build: Build) {
    const step = 4 * n + GAP;
    const pages = Math.ceil((DATA + arrays.length * step) / 65536) + 1;
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
    this.#length = arrays[0]!.length;
    const sources = SOURCES.map((s) => `bench/${s}`);
    const module = new WebAssembly.Module(readFileSync(compile("byhand", sources, build)));
    const env = { memory: this.#memory };
    const { exports } = instantiateSync<Record<string, (...args: number[]) => void>>(module, { env });
    const addresses = arrays.map((array, i) => {
      new Float32Array(this.#memory.buffer, DATA + i * step, array.length).set(array);
      return DATA + i * step;
    });
    const run = (times: number): void => {
      for (let i = 0; i < times; i++) exports[kernel]!(...addresses, n);
    };
    this.work = { unit: 1, run };
  }

  get result(): Float32Array {
    return new Float32Array(this.#memory.buffer, DATA, this.#length);
  }
}

function compare(program: string, ours: ArrayLike<number>, byHand: Float32Array): void {
  for (let i = 0; i < byHand.length; i++) {
    const [a, b] = [ours[i]!, byHand[i]!];
    if (!(Math.abs(a - b) <= 1e-4 * Math.max(1, Math.abs(a))))
      throw new Error(`chains: ${program}: the kernel by hand gives ${b} for ${a} at ${i}`);
  }
}

export async function chainsSection(
  { build, threads, rounds, budget }: Settings,
  sizes: readonly number[],
): Promise<ChainsRow[]> {
  const w = (await import("../src/index.ts")) as Library;
  const { PAYS } = (await import("../src/program/passes/chains.ts")) as { PAYS: Pays };
  const usual = { ...PAYS };
  const device = await w.init({ simd: build, threads });
  await ready(device);
  w.setDefaultDevice(device);
  const inside = device as unknown as Insides;
  await inside.pieces.load();
  const pieces = inside.pieces.made;
  const ways: readonly [Way, Pays, object | null][] = [
    ["plain rows", NEVER, null],
    ["walked", ALWAYS, REFUSED],
    ...(pieces === null ? [] : [["pieces", ALWAYS, pieces] as [Way, Pays, object]]),
    ["by default", usual, pieces],
  ];
  let encoded: readonly { kernel: string }[] = [];
  const made = inside.program.bind(device);
  inside.program = (...args) => {
    const program = made(...args);
    encoded = program.encoded;
    return program;
  };

  const free = (result: Result): void => {
    for (const x of [result].flat()) (x as Tensor | undefined)?.dispose();
  };
  type Step = (...inputs: Tensor[]) => Result;
  const call =
    (step: Step, inputs: readonly Tensor[]) =>
    async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) free(await step(...inputs));
      device.flushSync();
    };
  const peaks = new Peaks(build, threads, Math.max(...sizes, LEAST));
  const found: ChainsRow[] = [];
  /** Measures works in turns, and the streams where there are enough of them. */
  const measure = async (
    program: string,
    { streams, peak }: Omit<Program, "make">,
    floats: number,
    works: readonly { way: Way; rows: number | null; work: Work }[],
    than: Way,
  ): Promise<void> => {
    const stream = floats < LEAST ? [] : [peaks.work(peak, floats)];
    const ms = await interleave(program, [...works.map((x) => x.work), ...stream], rounds, budget);
    const of = (way: Way): number[] | undefined => ms[works.findIndex((x) => x.way === way)];
    const streamed = stream.length === 0 ? undefined : ms.at(-1)!.map((t) => peaks.amount(peak, floats) / t);
    const ratio = (times: number[], others: number[] | undefined): Span | null =>
      others === undefined || others === times ? null : span(times.map((t, r) => t / others[r]!));
    for (const [i, { way, rows }] of works.entries()) {
      const times = ms[i]!;
      const share = streamed && span(times.map((t, r) => (4 * streams * floats) / t / streamed[r]!));
      found.push({
        ...{ program, floats, way, rows, ms: span(times), share: share ?? null },
        ...{ over: ratio(times, of(than)), overHand: ratio(times, of("by hand")) },
      });
    }
  };

  try {
    for (const floats of sizes) {
      for (const [name, program] of Object.entries(PROGRAMS)) {
        const { inputs, once, held, hand, own } = program.make(w, floats);
        const byHand =
          hand === undefined || threads > 1 || floats < LEAST
            ? null
            : new ByHand(
                hand.kernel,
                hand.takes.map((t) => t.dataSync() as Float32Array),
                floats,
                build,
              );
        const steps: { dispose(): void }[] = [];
        const capture = async (way: Way, f: Step): Promise<{ way: Way; rows: number; work: Work; last: Result }> => {
          const step = w.capture(f as (...xs: Tensor[]) => Tensor) as unknown as Step & { dispose(): void };
          steps.push(step);
          let last: Result;
          for (let i = 0; i < FIRST_CALLS; i++) {
            free(last);
            last = await step(...inputs);
          }
          return { way, rows: encoded.length, work: { unit: 1, run: call(step, inputs) }, last };
        };
        const works: { way: Way; rows: number | null; work: Work }[] = [];
        for (const [way, pays, made] of ways) {
          Object.assign(PAYS, pays);
          inside.pieces.made = made;
          const { last, ...work } = await capture(way, once as Step);
          works.push(work);
          if (way === "plain rows" && byHand !== null) {
            byHand.work.run(FIRST_CALLS);
            compare(name, ((last ?? held[0]!) as Tensor).dataSync() as Float32Array, byHand.result);
          }
          free(last);
        }
        if (byHand !== null) works.push({ way: "by hand", rows: null, work: byHand.work });
        if (own !== undefined && floats >= LEAST) {
          const { last: _, ...work } = await capture("by hand", own as Step);
          works.push(work);
        }
        await measure(name, program, floats, works, "plain rows");
        for (const step of steps) step.dispose();
        for (const x of new Set([...inputs, ...held, ...(hand?.takes ?? [])])) x.dispose();
      }
      const [a, b] = [w.randn([floats]), w.randn([floats])];
      const add = w.capture((x: Tensor, y: Tensor) => x.add(y));
      const eager = (times: number): void => {
        for (let i = 0; i < times; i++) a.add(b).dispose();
        device.flushSync();
      };
      const works = [
        { way: "captured" as const, rows: 1, work: { unit: 1, run: call(add as Step, [a, b]) } },
        { way: "eager" as const, rows: 1, work: { unit: 1, run: eager } },
      ];
      await measure("a + b", { streams: 3, peak: "add" }, floats, works, "eager");
      add.dispose();
      for (const x of [a, b]) x.dispose();
    }
    return found;
  } finally {
    Object.assign(PAYS, usual);
    await peaks.dispose();
    await device.dispose();
  }
}

/** `64K`, `16M`. */
const sizeOf = (floats: number): string =>
  floats % 2 ** 20 === 0 ? `${floats / 2 ** 20}M` : floats % 1024 === 0 ? `${floats / 1024}K` : String(floats);

export const chainsGrid = (rows: readonly ChainsRow[]): Grid => [
  ["program", "floats", "way", "rows", "time", "range", "over plain rows", "over by hand", "share of the streams"],
  rows.map((r) => [
    ...[r.program, sizeOf(r.floats), r.way, r.rows === null ? "" : String(r.rows), time(r.ms.median)],
    `${time(r.ms.min)} - ${time(r.ms.max)}`,
    r.over === null ? "" : `${show(r.over)}${r.way === "captured" ? " (eager)" : ""}`,
    r.overHand === null ? "" : show(r.overHand),
    r.share === null ? "" : `${percent(r.share.median)} [${digits(100 * r.share.min)}-${digits(100 * r.share.max)}]`,
  ]),
];
