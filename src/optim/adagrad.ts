// Adagrad: steps that shrink with the sum of squared gradients.
import { toFloat } from "../ops/copy.ts";
import { add, add_, div, eq, mul, sqrt, sub, sub_ } from "../ops/index.ts";
import { Optimizer, type ParamState, type Params } from "./optimizer.ts";
import { composed, type Rule } from "./rule.ts";
import { direction } from "./terms.ts";

/** Hyperparameters of `Adagrad` besides the learning rate. */
export interface AdagradHyperparameters {
  /** The learning rate is divided by 1 + (t - 1) lrDecay in step t; 0 by default. */
  lrDecay: number;
  /** L2 penalty, added to the gradient; 0 by default. */
  weightDecay: number;
  /** Where the sum of squares begins, taken in with the first step; 0 by default. */
  initialAccumulatorValue: number;
  /** Added to the denominator; 1e-10 by default. */
  eps: number;
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `Adagrad`. */
export interface AdagradOptions extends Partial<AdagradHyperparameters> {
  /** Learning rate; 0.01 by default. */
  lr?: number;
}

const RULE: Rule<AdagradHyperparameters> = {
  name: "Adagrad",
  defaults: { lr: 1e-2, lrDecay: 0, weightDecay: 0, initialAccumulatorValue: 0, eps: 1e-10, maximize: false },
  step: (h) =>
    composed(["sum"], (p, grad, { step, sum }, lr) => {
      const g = direction(p, grad, h);
      const square = mul(g, g);
      const begin = h.initialAccumulatorValue;
      add_(sum, begin === 0 ? square : add(square, mul(toFloat(eq(step, 1)), begin)));
      const rate = h.lrDecay === 0 ? lr : div(lr, add(mul(sub(step, 1), h.lrDecay), 1));
      sub_(p, mul(div(g, add(sqrt(sum), h.eps)), rate));
    }),
};

/**
 * s += g², p -= lr / (1 + (t - 1) lrDecay) g / (sqrt(s) + eps); weightDecay p is added to g. The sum is made by the first step, in PyTorch
 * with the optimizer. https://pytorch.org/docs/stable/generated/torch.optim.Adagrad.html
 */
export class Adagrad extends Optimizer<AdagradHyperparameters, ParamState> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<AdagradHyperparameters>, options: AdagradOptions = {}, ...none: []) {
    super(RULE, params, options, none);
  }
}
