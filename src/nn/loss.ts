// What the modules of losses share.
import { expectOptions } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import { REDUCTIONS, type Reduction } from "../ops/reduction.ts";
import { oneOf } from "./check.ts";
import { Module } from "./module.ts";

/** What losses share. */
export abstract class Loss<A extends unknown[] = [Tensor, Tensor], R extends string = Reduction> extends Module<A> {
  /** What it makes of its terms. */
  readonly reduction: R;

  /** @internal */
  constructor(
    layer: string,
    options: { reduction?: R },
    names: string,
    none: [],
    allowed: readonly string[] = REDUCTIONS,
  ) {
    super();
    expectOptions(layer, options, `reduction${names}`, none);
    this.reduction = oneOf(layer, "reduction", options.reduction ?? "mean", allowed) as R;
  }
}
