// How everything is timed. A work is warmed up with many calls (V8 runs a wasm function in its slow tier first), then
// measured in rounds that alternate with those of whatever it is compared with. A sample lasts at least 2 ms and ends
// when all of it has run; a round's value is the median of its samples.

export interface Work {
  /** How often one run holds the work that is timed. */
  readonly unit: number;
  /** Runs so many times, and ends when the device has done it all. */
  run(times: number): void | Promise<void>;
  dispose?(): void;
}

export interface Span {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

const SAMPLE_MS = 2;
const WARM_MS = 300;
const WARM_CALLS = 12;
/** Fewer warm-up calls when each takes long. */
const LONGEST_WARM_MS = 3000;
/** Such a call is a sample of its own: what the caches held before does not count in it. */
const LONG_MS = 250;

/** Warms up; returns the runs that a sample takes. */
export async function warm(work: Work): Promise<number> {
  const begin = performance.now();
  let calls = 1;
  let done = 0;
  for (;;) {
    const t0 = performance.now();
    await work.run(calls);
    const took = performance.now() - t0;
    done += calls;
    const total = performance.now() - begin;
    if ((total >= WARM_MS && done >= WARM_CALLS) || total >= LONGEST_WARM_MS) {
      return Math.max(1, Math.ceil((SAMPLE_MS * calls) / took));
    }
    if (took < SAMPLE_MS) calls *= 2;
  }
}

/** One round: samples for `budget` ms, at least one; the median time of the work in ms. */
export async function round(work: Work, calls: number, budget: number): Promise<number> {
  const samples: number[] = [];
  const begin = performance.now();
  await work.run(1); // not timed unless it is long: whoever had the round before left the caches cold
  const first = performance.now() - begin;
  if (first >= Math.max(LONG_MS, budget)) return first / work.unit;
  const end = performance.now() + budget;
  do {
    const t0 = performance.now();
    await work.run(calls);
    samples.push((performance.now() - t0) / (calls * work.unit));
  } while (performance.now() < end);
  return median(samples);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

export const span = (values: readonly number[]): Span => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
});

/** Three significant digits. */
export function digits(x: number): string {
  if (!Number.isFinite(x)) return "-";
  const whole = Math.abs(x) >= 100;
  return whole ? x.toFixed(0) : x.toPrecision(3);
}

/** `12.3 [11.9-14.0]`. */
export const show = (s: Span): string => `${digits(s.median)} [${digits(s.min)}-${digits(s.max)}]`;

/** A time in ms in the unit that suits it. */
export function time(ms: number): string {
  return ms < 1 ? `${digits(ms * 1000)} µs` : `${digits(ms)} ms`;
}

export const percent = (x: number): string => (Number.isFinite(x) ? `${(100 * x).toFixed(0)} %` : "-");

/** Head and rows of a table. */
export type Grid = readonly [head: readonly string[], rows: readonly (readonly string[])[]];

/** Rows of cells as aligned text; numbers, that is all columns but the first, to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const wide = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((c, i) => (i === 0 ? c.padEnd(wide[i]!) : c.padStart(wide[i]!))).join("  ");
  return [line(head), wide.map((w) => "-".repeat(w)).join("  "), ...rows.map(line)].join("\n");
}

/** The same as Markdown. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}
