// What a comparison found, as tables: case by case, and for cases that differ in size alone one table with exponents.
import type { Entrant, Measured } from "./results.ts";
import { digits, type Grid, percent, type Span, show, span, time } from "./timing.ts";

export const NAMES: Record<Entrant, string> = {
  captured: "wasmgrad, captured",
  eager: "wasmgrad, eager",
  torch: "PyTorch",
  kept: "PyTorch, memory kept",
  tfjs: "tfjs-wasm",
  jax: "jax-js",
  ort: "onnxruntime-web",
  peak: "peak",
};

export const isOurs = (e: Entrant): boolean => e === "captured" || e === "eager";
export const entrants = (m: Measured): Entrant[] => Object.keys(m.ms) as Entrant[];
/** The faster way of ours that a case has. */
export const best = (m: Measured): Entrant => (m.ms.captured === undefined ? "eager" : "captured");

/** Round by round, how often one's time holds in another's: the speed of `of` in units of that of `over`. */
export const speed = (m: Measured, of: Entrant, over: Entrant): number[] =>
  m.ms[of]!.map((t, r) => m.ms[over]![r]! / t);

/** Each way of ours over each library. */
export function ratios(m: Measured): { of: Entrant; over: Entrant; values: number[] }[] {
  const all = entrants(m).filter((e) => e !== "peak");
  return all
    .filter((e) => !isOurs(e))
    .flatMap((over) => all.filter(isOurs).map((of) => ({ of, over, values: speed(m, of, over) })));
}

/** Of what the bench's own kernels reach in the same round. */
export function share(m: Measured, e: Entrant): Span | null {
  return m.ms.peak === undefined ? null : span(speed(m, e, "peak"));
}

export const shares = (s: Span): string =>
  `${percent(s.median)} [${(100 * s.min).toFixed(0)}-${(100 * s.max).toFixed(0)}]`;

/** What the shares of a case are of. */
export const ofWhat = (m: Measured): string => (m.unit === "GB/s" ? "share of the same streams" : "share of peak");

export function caseGrid(m: Measured): Grid {
  const head = ["", "time", "range", "rate", ofWhat(m), "our speed over it"];
  const rows = entrants(m)
    .filter((e) => e !== "peak")
    .map((e) => {
      const s = span(m.ms[e]!);
      const part = isOurs(e) ? share(m, e) : null;
      return [
        ...[NAMES[e], time(s.median), `${time(s.min)} - ${time(s.max)}`],
        `${digits((m.work / s.median) * 1e-6)} ${m.unit}`,
        part === null ? "" : shares(part),
        e === best(m) ? "" : show(span(speed(m, best(m), e))),
      ];
    });
  const missing = Object.entries(m.errors).map(([e, why]) => [NAMES[e as Entrant], why, "", "", "", ""]);
  return [head, [...rows, ...missing]];
}

/** The size that ends a case's name. */
export const size = (m: Measured): number => Number(m.name.split(" ").at(-1));

/** Sizes that an exponent takes at least: two points would fit any. */
const LEAST_POINTS = 3;

/** The slope of log time over log size by least squares, in each round; null with too few sizes. */
export function exponent(cases: readonly Measured[], e: Entrant): Span | null {
  const found = cases.filter((m) => m.ms[e] !== undefined);
  if (found.length < LEAST_POINTS) return null;
  const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
  const xs = found.map((m) => Math.log(size(m)));
  const mx = mean(xs);
  const below = xs.reduce((a, x) => a + (x - mx) ** 2, 0);
  const slope = (times: readonly number[]): number => {
    const ys = times.map(Math.log);
    const my = mean(ys);
    return xs.reduce((a, x, i) => a + (x - mx) * (ys[i]! - my), 0) / below;
  };
  const rounds = Math.min(...found.map((m) => m.ms[e]!.length));
  const each = Array.from({ length: rounds }, (_, r) => slope(found.map((m) => m.ms[e]![r]!)));
  return span(each);
}

/** The larger sizes: small ones are mostly overhead. */
export const upperHalf = (found: readonly Measured[]): Measured[] => found.slice(found.length >> 1);

/** One table for a workload whose cases differ in size only: time and range, our speed over each, and the exponents. */
export function growthGrid(workload: string, found: readonly Measured[]): Grid {
  const all = [...new Set(found.flatMap(entrants))].filter((e) => e !== "peak");
  const cell = (m: Measured, e: Entrant): string => {
    const ms = m.ms[e];
    if (ms === undefined) return m.errors[e] ?? "-";
    const s = span(ms);
    const over = isOurs(e) || m.ms.captured === undefined ? "" : `; ours ${show(span(speed(m, "captured", e)))} x`;
    return `${time(s.median)} [${time(s.min)} - ${time(s.max)}]${over}`;
  };
  const line = (label: string, part: readonly Measured[]): string[] => [
    label,
    ...all.map((e) => {
      const x = exponent(part, e);
      return x === null ? "-" : `${x.median.toFixed(2)} [${x.min.toFixed(2)} - ${x.max.toFixed(2)}]`;
    }),
  ];
  const half = upperHalf(found);
  return [
    [workload, ...all.map((e) => NAMES[e])],
    [
      ...found.map((m) => [String(size(m)), ...all.map((e) => cell(m, e))]),
      line(`exponent, ${size(half[0]!)} and more`, half),
      line("exponent, all sizes", found),
    ],
  ];
}
