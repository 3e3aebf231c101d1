// What a case is: plain data that tests read, and the seeded values of its inputs. What is measured too stands in measured.ts.
// Sizes are chosen by property: around the vector width (4), the unrolled loop (16), a share's grain (64), the GEMM tile
// (2 x 24, k in blocks of 256), primes, none at all, and past the threshold from which rows are shared by threads.
import type { DType } from "../../src/core/dtype.ts";
import { numel } from "../../src/core/shape.ts";
import "../../src/methods.ts";
import type { Tensor } from "../../src/core/tensor.ts";

/**
 * How values are drawn.
 *   normal       standard normal
 *   away         +-[0.25, 2]: no zero, no kink at zero
 *   positive     [0.25, 4]
 *   probability  [0.05, 0.95]
 *   wide         normal, 30 times as large
 *   distinct     a shuffled grid of step 1/64: no ties
 *   ties         -2 to 2, whole
 *   bool         0 or 1
 * or labels below `labels` (every third one `ignore`, where that is given), integers from `from` up to below `to`, or these
 * values over and over.
 */
export type Fill =
  | "normal"
  | "away"
  | "positive"
  | "probability"
  | "wide"
  | "distinct"
  | "ties"
  | "bool"
  | { readonly labels: number; readonly ignore?: number }
  | { readonly from: number; readonly to: number }
  | readonly number[];

export interface Input {
  readonly shape: readonly number[];
  readonly fill: Fill;
  /** float32 by default; int32 for labels and integers. */
  readonly dtype?: DType;
  /** False: no gradient is asked for. */
  readonly grad?: false;
}

/**
 *   exact            the f64 result rounded to float32
 *   { ulp, of }      units in the last place of the result, or of `of` where that is larger: the size of what cancels
 *   sum              atol + 8 * 2^-24 * sqrt(k) * s, where k terms with s = sqrt(sum of term²) are added; 4 ulp where none are
 */
export type Tolerance = "exact" | "sum" | { readonly ulp: number; readonly of?: number };

/** nonfinite: infinities or NaN come in or out. kink: the derivative jumps at these values, so differences don't show it. */
export type Mark = "nonfinite" | "kink";

export interface Case {
  readonly family: string;
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly run: (...inputs: Tensor[]) => Tensor;
  readonly tolerance: Tolerance;
  /** Of the gradients; "sum" by default. */
  readonly gradTolerance?: Tolerance;
  /** How often it can be differentiated: 2 by default. */
  readonly order: 0 | 1 | 2;
  readonly marks: readonly Mark[];
}

type Rest = Partial<Pick<Case, "tolerance" | "gradTolerance" | "order" | "marks">>;

/** Makes cases of a family: "sum" tolerance, twice differentiable and without marks unless told. */
export function family(name: string, defaults: Rest = {}) {
  const cases: Case[] = [];
  const add = (label: string, inputs: readonly Input[], run: Case["run"], rest: Rest = {}): void => {
    const shapes = inputs.map((x) => `[${x.shape.join(",")}]`).join(" ");
    cases.push({
      ...{ tolerance: "sum", order: 2, marks: [], ...defaults, ...rest },
      ...{ family: name, name: shapes === "" ? label : `${label} ${shapes}`, inputs, run },
    });
  };
  return { cases, add };
}

/** A float input. */
export const f = (shape: readonly number[], fill: Fill = "normal"): Input => ({ shape, fill });
/** A float input that wants no gradient. */
export const fixed = (shape: readonly number[], fill: Fill = "normal"): Input => ({ shape, fill, grad: false });
/** An int32 input. */
export const ints = (shape: readonly number[], fill: Fill = { from: -50, to: 50 }): Input => ({
  ...{ shape, fill },
  dtype: "int32",
});
export const bools = (shape: readonly number[]): Input => ({ shape, fill: "bool", dtype: "bool" });

/** Lengths of a run of elements. The last is shared by threads. */
export const LENGTHS: readonly number[] = [0, 1, 3, 4, 5, 15, 16, 17, 31, 32, 63, 64, 65, 131, 20011];
/** For the many: fewer. */
export const FEW: readonly number[] = [0, 1, 4, 5, 16, 17, 67, 20011];

/** Infinities, NaN or subnormals come in or out: what a GPU's driver does with them is left to it. */
export const special = (c: Case): boolean => c.marks.includes("nonfinite");

/** Elements that the inputs of a small case have together: just enough for a sum in chunks. */
const FEW_ELEMENTS = 8704;
/** Small cases of a kind. */
const A_KIND = 3;

/**
 * A subset for slow devices: cases with few elements, and of those whose names differ in numbers only at most `each`, spread
 * over the sizes (and as many where the shapes of the inputs differ).
 */
export function small(cases: readonly Case[], each = A_KIND): Case[] {
  const kinds = new Map<string, Case[]>();
  for (const c of cases) {
    if (c.inputs.reduce((n, x) => n + numel(x.shape), 0) > FEW_ELEMENTS || /\d{5}/.test(c.name)) continue;
    const spread = c.inputs.some((x) => String(x.shape) !== String(c.inputs[0]!.shape));
    const kind = `${c.family}: ${c.name.replace(/[\d,+.[\] -]+/g, " ")}${spread}`;
    const list = kinds.get(kind);
    if (list === undefined) kinds.set(kind, [c]);
    else list.push(c);
  }
  const chosen = new Set<Case>();
  for (const list of kinds.values()) {
    for (let i = 1; i <= each; i++) chosen.add(list[Math.ceil((list.length * i) / each) - 1]!);
  }
  return cases.filter((c) => chosen.has(c));
}

export const dtypeOf = (x: Input): DType => x.dtype ?? "float32";

/** 32 random bits a call (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** The values of an input: the same for the same seed. */
export function values(x: Input, seed: number): Float32Array | Int32Array {
  const n = numel(x.shape);
  const out = dtypeOf(x) === "float32" ? new Float32Array(n) : new Int32Array(n);
  const bits = generator(seed);
  const unit = (): number => (bits() + 0.5) / 2 ** 32;
  const { fill } = x;
  if (fill === "distinct") {
    for (let i = 0; i < n; i++) {
      const j = Math.floor(unit() * (i + 1));
      out[i] = out[j]!;
      out[j] = (i - (n >> 1)) / 64;
    }
    return out;
  }
  const normal = (): number => Math.sqrt(-2 * Math.log(unit())) * Math.cos(2 * Math.PI * unit());
  const draw: Record<string, () => number> = {
    normal,
    wide: () => 30 * normal(),
    away: () => (unit() < 0.5 ? -1 : 1) * (0.25 + 1.75 * unit()),
    positive: () => 0.25 + 3.75 * unit(),
    probability: () => 0.05 + 0.9 * unit(),
    ties: () => Math.floor(5 * unit()) - 2,
    bool: () => Math.floor(2 * unit()),
  };
  for (let i = 0; i < n; i++) {
    if (typeof fill === "string") out[i] = draw[fill]!();
    else if ("labels" in fill)
      out[i] = fill.ignore !== undefined && i % 3 === 1 ? fill.ignore : Math.floor(unit() * fill.labels);
    else if ("from" in fill) out[i] = fill.from + Math.floor(unit() * (fill.to - fill.from));
    else out[i] = fill[i % fill.length]!;
  }
  return out;
}
