// What the modules of losses share.
import { CHECKED, expectOptions } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import { type Bounds, checkAll } from "../ops/bounds.ts";
import { expectDtype } from "../ops/expect.ts";
import { REDUCTIONS, type Reduction } from "../ops/reduction.ts";
import { oneOf } from "./check.ts";
import { Module } from "./module.ts";

/** What a loss takes besides the reduction, with its defaults, in the order in which messages list it. @internal */
export type LossPlan<O extends object> = readonly [defaults: O, bounds?: Bounds<O>];

/** What losses share: their options are properties, tensors among them buffers. */
export abstract class Loss<A extends unknown[] = [Tensor, Tensor], R extends string = Reduction> extends Module<A> {
  /** What it makes of its terms. */
  readonly reduction: R;
  /** @internal */
  readonly [CHECKED]: string;

  /** @internal */
  constructor(
    layer: string,
    op: string,
    options: { reduction?: R },
    none: [],
    [defaults, bounds]: LossPlan<object> = [{}],
    allowed: readonly string[] = REDUCTIONS,
  ) {
    super();
    const names = Object.entries(defaults).map(([key, v]) => (typeof v === "boolean" ? `${key}?` : key));
    expectOptions(layer, options, ["reduction", ...names].join(" "), none);
    this[CHECKED] = op;
    this.reduction = oneOf(layer, "reduction", options.reduction ?? "mean", allowed) as R;
    const own = Object.fromEntries(
      Object.entries(defaults).map(([key, value]) => [key, options[key as never] ?? value]),
    ) as Record<string, Tensor | null>;
    checkAll(layer, defaults, own, bounds);
    for (const key in own) {
      if (key === "weight" || key === "posWeight") {
        const weight = own[key]!;
        if (weight !== null) expectDtype(layer, weight, "float32", key);
        this.registerBuffer(key, weight);
      } else Object.assign(this, { [key]: own[key] });
    }
  }
}
