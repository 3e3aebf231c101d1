// Rprop: resilient backpropagation, which goes by the signs of gradients.
import type { Bound } from "../core/error.ts";
import { NONNEGATIVE } from "../ops/bounds.ts";
import { clamp, eq, gt, lt, mul, neg, sign, sub_, where } from "../ops/index.ts";
import { Optimizer, type ParamState, type Params } from "./optimizer.ts";
import { composed, type Rule } from "./rule.ts";
import { checkPair, set } from "./terms.ts";

/** Hyperparameters of `Rprop` besides the learning rate. */
export interface RpropHyperparameters {
  /** Factors of the step where the sign has changed, between 0 and 1, and where it has not, above 1; [0.5, 1.2] by default. */
  etas: readonly [number, number];
  /** Smallest and largest step; [1e-6, 50] by default. */
  stepSizes: readonly [number, number];
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `Rprop`. */
export interface RpropOptions extends Partial<RpropHyperparameters> {
  /** Learning rate: the size of the first step alone; 0.01 by default. */
  lr?: number;
}

const ABOVE_1: Bound = [(v) => v > 1 && v < Number.POSITIVE_INFINITY, "a number above 1"];

const RULE: Rule<RpropHyperparameters> = {
  name: "Rprop",
  defaults: { lr: 1e-2, etas: [0.5, 1.2], stepSizes: [1e-6, 50], maximize: false },
  check({ etas, stepSizes }) {
    checkPair("Rprop", "etas", etas, [(v) => v > 0 && v < 1, "a number between 0 and 1"], ABOVE_1);
    checkPair("Rprop", "stepSizes", stepSizes, NONNEGATIVE);
  },
  step: ({ etas: [minus, plus], stepSizes: [min, max], maximize }) =>
    composed(["prev", "stepSize"], (p, grad, { step, prev, stepSize }, lr) => {
      const g = maximize ? neg(grad) : grad;
      const product = mul(g, prev);
      const back = lt(product, 0);
      const factor = where(back, minus, where(gt(product, 0), plus, 1));
      const size = mul(where(eq(step, 1), lr, stepSize), factor);
      set(stepSize, clamp(size, { min, max }));
      // Where the sign has changed nothing moves, in the next step neither.
      set(prev, where(back, 0, g));
      sub_(p, mul(sign(prev), stepSize));
    }),
};

/**
 * Each element has a step of its own, which grows by etas[1] while the gradient keeps its sign and shrinks by etas[0] where that has
 * changed, within stepSizes; p -= sign(g) step. https://pytorch.org/docs/stable/generated/torch.optim.Rprop.html
 */
export class Rprop extends Optimizer<RpropHyperparameters, ParamState> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<RpropHyperparameters>, options: RpropOptions = {}, ...none: []) {
    super(RULE, params, options, none);
  }
}
