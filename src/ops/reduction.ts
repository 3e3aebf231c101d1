// What losses share: their reductions, and checks of what they compare.

import { checkNumber, expectOptions, fail } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { sameShape, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { POSITIVE } from "./bounds.ts";
import { toDtype } from "./copy.ts";
import { expectDtype, expectWord } from "./expect.ts";
import { mean } from "./mean.ts";
import { sum } from "./reduce.ts";

/** What a loss makes of its terms: their mean or sum, as `[]`, or the terms themselves. */
export type Reduction = "mean" | "sum" | "none";

/** Options of every loss. */
export interface LossOptions {
  /** `"mean"` by default. */
  reduction?: Reduction;
}

/** @internal */
export const REDUCTIONS = ["mean", "sum", "none"] as const;
/** What a divergence makes of its terms; with `"batchmean"` their sum, divided by the first dim. */
export type Divergence = Reduction | "batchmean";
/** @internal */
export const DIVERGENCES = [...REDUCTIONS, "batchmean"] as const;

/** Throws where options are no object or not of these names; what the loss makes of its terms. @internal */
export function reductionOf<R extends string = Reduction>(
  op: string,
  options: { reduction?: R } | undefined,
  names = "reduction",
  allowed: readonly string[] = REDUCTIONS,
): R {
  expectOptions(op, options, names);
  const r = options?.reduction ?? "mean";
  expectWord(op, "reduction", r, allowed);
  return r as R;
}

/** @internal */
export const reduce = (x: Tensor, r: Reduction): Tensor => (r === "none" ? x : r === "sum" ? sum(x) : mean(x));

/** Throws unless the two are floats of one shape. @internal */
export function samePair(op: string, x: Tensor, y: Tensor, what = "target"): void {
  expectDtype(op, x, "float32");
  expectDtype(op, y, "float32", what);
  if (!sameShape(x.shape, y.shape))
    fail(op, `input ${show(x.shape)} and ${what} ${show(y.shape)}: the shapes must be the same`);
}

/** A target of 1 and -1, as floats or int32, as floats like those of `x`. @internal */
export function signs(op: string, target: Tensor, x: Tensor): Tensor {
  if (target?.dtype === "int32") return toDtype(target, x.dtype);
  expectDtype(op, target, "float32", "target");
  return target;
}

/** Inputs of a composition in the dtype that `autocast` wants for an op of this name. @internal */
export const autocasted = (op: string, ...inputs: Tensor[]): readonly Tensor[] => mode.autocast?.(op, inputs) ?? inputs;

/** A number above 0. @internal */
export function above(op: string, name: string, value: unknown): number {
  checkNumber(op, name, value, POSITIVE);
  return value;
}

/** A number of at least 0. @internal */
export function atLeast0(op: string, name: string, value: unknown): number {
  checkNumber(op, name, value);
  return value;
}

/** Throws unless there is a weight for each class. @internal */
export function expectWeight(op: string, weight: Tensor, classes: number, x: Tensor): void {
  expectDtype(op, weight, "float32", "weight");
  if (!sameShape(weight.shape, [classes]))
    fail(op, `weight ${show(weight.shape)} and input ${show(x.shape)}: a weight of [${classes}] is expected`);
}
