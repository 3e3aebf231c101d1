// What the modules of losses share.
import { CHECKED } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import { type LossPlan, lossOptions } from "../ops/lossoptions.ts";
import { REDUCTIONS, type Reduction } from "../ops/reduction.ts";
import { oneOf } from "./check.ts";
import { Module } from "./module.ts";

/** What losses share: their options are properties, tensors among them buffers. */
export abstract class Loss<A extends unknown[] = [Tensor, Tensor], R extends string = Reduction> extends Module<A> {
  /** What it makes of its terms. */
  declare readonly reduction: R;
  /** @internal */
  readonly [CHECKED]: string;

  /** @internal */
  constructor(
    layer: string,
    op: string,
    options: { reduction?: R },
    none: [],
    plan: LossPlan<object>,
    allowed: readonly string[] = REDUCTIONS,
  ) {
    super();
    this[CHECKED] = op;
    const all = lossOptions(layer, options, none, plan);
    oneOf(layer, "reduction", all.reduction, allowed);
    for (const [key, value] of Object.entries(all)) {
      if (key === "weight" || key === "posWeight") this.registerBuffer(key, value as Tensor | null);
      else Object.assign(this, { [key]: value });
    }
  }
}
