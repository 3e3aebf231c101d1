// Measures cases on our own device: rounds that go over all entries in turn, each rate beside the peak of its round.
import { Bar, Presets } from "cli-progress";
import type * as wasmgrad from "../src/index.ts";
import type { Case, Mode } from "./cases.ts";
import { type Build, type Peak, Peaks } from "./peaks.ts";
import { digits, percent, round, type Span, show, span, table, time, type Work, warm } from "./timing.ts";
import { type Library, prepare } from "./work.ts";

export interface Settings {
  readonly w: Library;
  readonly device: wasmgrad.Device;
  readonly build: Build;
  readonly threads: number;
  readonly rounds: number;
  /** Milliseconds of samples for each entry in each round. */
  readonly budget: number;
}

export interface Row {
  readonly name: string;
  readonly mode: Mode | "peak";
  readonly unit: string;
  /** Milliseconds that the work takes, one value a round. */
  readonly ms: Span;
  readonly rate: Span;
  /** Of the peak in the same round. */
  readonly share: Span | null;
  /** The best rate over the best peak: what a quiet machine would show. */
  readonly bestShare: number | null;
}

/** Goes over all works in turn, so many times: the ms of each round, work by work. */
export async function interleave(
  label: string,
  works: readonly Work[],
  rounds: number,
  budget: number,
): Promise<number[][]> {
  const bar = new Bar({ format: `${label.padEnd(12)} {bar} {value}/{total} {what}`, hideCursor: true }, Presets.rect);
  bar.start(works.length * (rounds + 1), 0, { what: "warm-up" });
  try {
    const calls: number[] = [];
    for (const work of works) {
      calls.push(await warm(work));
      bar.increment();
    }
    const ms: number[][] = works.map(() => []);
    for (let r = 0; r < rounds; r++) {
      for (const [i, work] of works.entries()) {
        ms[i]!.push(await round(work, calls[i]!, budget));
        bar.increment({ what: `round ${r + 1}` });
      }
    }
    return ms;
  } finally {
    bar.stop();
  }
}

interface Entry {
  readonly name: string;
  readonly mode: Mode | "peak";
  readonly unit: string;
  readonly amount: number;
  readonly work: Work;
  readonly peak: Entry | null;
}

/** How many floats the streams have that a case's peak is of; 0 where it is of arithmetic. */
export function floatsOf({ task, peak }: Case): number {
  if (peak === "arithmetic") return 0;
  if (task.kind === "map") return task.rows * 1024;
  if (task.kind === "optimizer") return task.floats;
  const sizes = task.kind === "views" ? task.sizes : task.kind === "function" ? task.shape : [0];
  return sizes.reduce((a, b) => a * b, 1);
}

/** The cases with the peaks they are shares of, as rows. What the library cannot do yet is left out. */
export async function measure(label: string, cases: readonly Case[], settings: Settings): Promise<Row[]> {
  const { w, device, build, threads, rounds, budget } = settings;
  const peaks = new Peaks(build, threads, Math.max(...cases.map(floatsOf), 1024));
  const entries: Entry[] = [];
  const peakOf = new Map<string, Entry>();
  const addPeak = (peak: Peak, n: number): Entry => {
    const key = n === 0 ? peak : `${peak} ${n / 2 ** 20}M`;
    const known = peakOf.get(key);
    if (known !== undefined) return known;
    const name = `peak: ${n > 0 ? key : peak === "muladd" || build === "simd" ? "mul+add" : "fma"}`;
    const unit = n === 0 ? "GFLOP/s" : "GB/s";
    const work = peaks.work(peak, n);
    const entry: Entry = { name, mode: "peak", unit, amount: peaks.amount(peak, n), work, peak: null };
    peakOf.set(key, entry);
    entries.push(entry);
    return entry;
  };
  addPeak("arithmetic", 0);
  if (build !== "simd") addPeak("muladd", 0);
  for (const c of cases) {
    const peak = addPeak(c.peak, floatsOf(c));
    for (const mode of c.modes) {
      const work = prepare(w, device, c, mode);
      if (work !== null) entries.push({ name: c.name, mode, unit: c.unit, amount: c.work, work, peak });
    }
  }
  try {
    const ms = await interleave(
      label,
      entries.map((e) => e.work),
      rounds,
      budget,
    );
    const rates = new Map(entries.map((e, i) => [e, ms[i]!.map((t) => (e.amount / t) * 1e-6)]));
    return entries.map((e, i) => {
      const rate = rates.get(e)!;
      const of = e.peak === null ? null : rates.get(e.peak)!;
      return {
        ...{ name: e.name, mode: e.mode, unit: e.unit, ms: span(ms[i]!), rate: span(rate) },
        share: of && span(rate.map((x, r) => x / of[r]!)),
        bestShare: of && Math.max(...rate) / Math.max(...of),
      };
    });
  } finally {
    for (const e of entries) e.work.dispose?.();
    await peaks.dispose();
  }
}

export function tableOf(rows: readonly Row[]): string {
  return table(
    ["case", "mode", "time", "rate", "", "share", "range", "best"],
    rows.map((r) => [
      ...[r.name, r.mode, time(r.ms.median), show(r.rate), r.unit],
      r.share ? percent(r.share.median) : "",
      r.share ? `${digits(100 * r.share.min)}-${digits(100 * r.share.max)}` : "",
      r.bestShare === null ? "" : percent(r.bestShare),
    ]),
  );
}
