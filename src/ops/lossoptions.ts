// What losses take besides the reduction, with their defaults, and what numbers among it must be: a loss reads its options by these,
// and its module keeps them.
import { CHECKED, expectOptions, noMore } from "../core/error.ts";
import { type Bounds, checkAll, FINITE, POSITIVE } from "./bounds.ts";
import { expectWord } from "./expect.ts";
import { type Divergence, REDUCTIONS, type Reduction } from "./reduction.ts";

/** Options with their defaults, in the order in which messages list them; bounds where a number is not at least 0. @internal */
export type LossPlan<O extends object> = readonly [defaults: O, bounds?: Bounds<O>];

/** @internal */
export const PLAIN: LossPlan<object> = [{}];
/** @internal */
export const WEIGHTED = [{ weight: null }] as const;
/** @internal */
export const WITH_LOGITS = [{ weight: null, posWeight: null }] as const;
/** @internal */
export const DIVERGENCE = [{ logTarget: false }] as const;
/** @internal */
export const SMOOTH_L1 = [{ beta: 1 }] as const;
/** @internal */
export const HUBER = [{ delta: 1 }, { delta: POSITIVE }] as const;
/** @internal */
export const POISSON = [{ logInput: true, full: false, eps: 1e-8 }] as const;
/** @internal */
export const GAUSSIAN = [{ full: false, eps: 1e-6 }, { eps: POSITIVE }] as const;
/** @internal */
export const RANKING = [{ margin: 0 }, { margin: FINITE }] as const;
/** @internal */
export const HINGE = [{ margin: 1 }, { margin: FINITE }] as const;
/** @internal */
export const MULTI_MARGIN = [
  { p: 1, margin: 1, weight: null },
  { p: [(v: number) => v === 1 || v === 2, "1 or 2"], margin: FINITE },
] as const;
/** @internal */
export const TRIPLET = [
  { margin: 1, p: 2, eps: 1e-6, swap: false },
  { margin: FINITE, p: POSITIVE, eps: FINITE },
] as const;
/** @internal */
export const TRIPLET_WITH_DISTANCE = [{ distanceFunction: null, margin: 1, swap: false }, { margin: FINITE }] as const;

/** Options, checked but for the reduction, and what is by default in the place of those that were not given. @internal */
export function lossOptions<O extends object>(
  name: string,
  options: object | undefined,
  none: readonly unknown[],
  [defaults, bounds]: LossPlan<O>,
): Record<string, unknown> {
  const names = Object.entries(defaults).map(([key, v]) => (typeof v === "boolean" ? `${key}?` : key));
  expectOptions(name, options, ["reduction", ...names].join(" "), none);
  const all: Record<string, unknown> = { reduction: "mean", ...defaults };
  for (const key in options) all[key] = options[key as never] ?? all[key];
  checkAll(name, defaults, all, bounds);
  return all;
}

/** The same of a loss that is called, with the reduction. A module, whose names are known, hands itself. @internal */
export function optionsOf<O extends { reduction?: Reduction | Divergence }>(
  op: string,
  options: O | undefined,
  none: readonly unknown[],
  plan: LossPlan<object>,
  allowed: readonly string[] = REDUCTIONS,
): { [K in keyof O]-?: Exclude<O[K], undefined> } {
  let all: object | undefined = options;
  if ((options as { [CHECKED]?: string } | undefined)?.[CHECKED] !== op) all = lossOptions(op, options, none, plan);
  else {
    noMore(op, none);
    checkAll(op, plan[0], all!, plan[1]); // they may have been set since
  }
  const read = all as { [K in keyof O]-?: Exclude<O[K], undefined> };
  expectWord(op, "reduction", read.reduction, allowed);
  return read;
}
