// Functions of one value: what each takes, and where its results lie.
import type { Value } from "./draw.ts";

export type Ends = readonly [lo: number, hi: number];
export const exact = (v: Value): boolean => v.bits !== null;

export interface Unary {
  /** What it takes by rights; now and then it gets another. */
  readonly good?: (v: Value) => boolean;
  readonly must?: (v: Value) => boolean;
  readonly ends: (v: Value) => Ends;
  /** Exact values stay exact. */
  readonly exact?: true;
}
export const positive = (v: Value): boolean => v.lo > 0;
const within = (lo: number, hi: number) => (): Ends => [lo, hi];
export const UNARY: Record<string, Unary> = {
  neg: { ends: (v) => [-v.hi, -v.lo], exact: true },
  exp: { must: (v) => v.hi <= 4, ends: (v) => [Math.exp(v.lo), Math.exp(v.hi)] },
  log: { good: positive, ends: (v) => [Math.log(Math.max(v.lo, 1e-4)), Math.log(Math.max(v.hi, 1e-4))] },
  sqrt: { good: (v) => v.lo >= 0, ends: (v) => [0, Math.sqrt(Math.max(v.hi, 0))] },
  tanh: { ends: within(-1, 1) },
  sigmoid: { ends: (v) => [1 / (1 + Math.exp(-v.lo)), 1 / (1 + Math.exp(-v.hi))] },
  relu: { must: exact, ends: (v) => [Math.max(0, v.lo), Math.max(0, v.hi)], exact: true },
  abs: { must: exact, ends: (v) => [0, Math.max(-v.lo, v.hi)], exact: true },
  sign: { must: exact, ends: within(-1, 1), exact: true },
  sin: { ends: within(-1, 1) },
  cos: { ends: within(-1, 1) },
  square: { ends: (v) => [0, Math.max(v.lo ** 2, v.hi ** 2)] },
  clone: { ends: (v) => [v.lo, v.hi], exact: true },
  ...Object.fromEntries(
    ["floor", "ceil", "round", "trunc"].map((op) => [
      op,
      { must: exact, ends: (v: Value): Ends => [Math.floor(v.lo), Math.ceil(v.hi)], exact: true as const },
    ]),
  ),
  frac: { must: exact, ends: within(-1, 1), exact: true },
  expm1: { must: (v) => v.hi <= 4, ends: (v) => [Math.expm1(v.lo), Math.expm1(v.hi)] },
  exp2: { must: (v) => v.hi <= 6, ends: (v) => [2 ** v.lo, 2 ** v.hi] },
  log1p: {
    good: (v) => v.lo > -1,
    ends: (v) => [Math.log1p(Math.max(v.lo, -0.99)), Math.log1p(Math.max(v.hi, -0.99))],
  },
  log2: { good: positive, ends: (v) => [Math.log2(Math.max(v.lo, 1e-4)), Math.log2(Math.max(v.hi, 1e-4))] },
  log10: { good: positive, ends: (v) => [Math.log10(Math.max(v.lo, 1e-4)), Math.log10(Math.max(v.hi, 1e-4))] },
  rsqrt: { good: positive, ends: (v) => [0, 1 / Math.sqrt(Math.max(v.lo, 1e-3))] },
  reciprocal: { good: positive, ends: (v) => [-1 / Math.max(v.lo, 1e-3), 1 / Math.max(v.lo, 1e-3)] },
  erf: { ends: within(-1, 1) },
  erfc: { ends: within(0, 2) },
  tan: { must: (v) => v.lo > -1.4 && v.hi < 1.4, ends: (v) => [Math.tan(v.lo), Math.tan(v.hi)] },
  sinh: { must: (v) => v.lo >= -4 && v.hi <= 4, ends: (v) => [Math.sinh(v.lo), Math.sinh(v.hi)] },
  cosh: { must: (v) => v.lo >= -4 && v.hi <= 4, ends: (v) => [1, Math.cosh(Math.max(-v.lo, v.hi))] },
  asin: { must: (v) => v.lo > -0.95 && v.hi < 0.95, ends: within(-1.6, 1.6) },
  acos: { must: (v) => v.lo > -0.95 && v.hi < 0.95, ends: within(0, 3.2) },
  atan: { ends: within(-1.6, 1.6) },
  asinh: { ends: (v) => [Math.asinh(v.lo), Math.asinh(v.hi)] },
  acosh: { must: (v) => v.lo > 1.05, ends: (v) => [0, Math.acosh(v.hi)] },
  atanh: { must: (v) => v.lo > -0.95 && v.hi < 0.95, ends: (v) => [Math.atanh(v.lo), Math.atanh(v.hi)] },
  sinc: { ends: within(-1, 1) },
  logit: { must: (v) => v.lo > 0.02 && v.hi < 0.98, ends: within(-4, 4) },
  nan_to_num: { must: exact, good: (v) => v.special, ends: (v) => [v.lo, v.hi], exact: true },
  lgamma: { must: (v) => v.lo > 0.2, ends: (v) => [-0.2, Math.max(2, v.hi ** 2)] },
  digamma: { must: (v) => v.lo > 0.2, ends: within(-6, 4) },
  erfinv: { must: (v) => v.lo > -0.9 && v.hi < 0.9, ends: within(-1.3, 1.3) },
  deg2rad: { ends: (v) => [v.lo / 57, v.hi / 57] },
};
