// RMSprop: steps over the root of the mean squared gradient.
import { add, add_, div, mul, mul_, sqrt, sub, sub_ } from "../ops/index.ts";
import { Optimizer, type ParamState, type Params } from "./optimizer.ts";
import { composed, type Rule } from "./rule.ts";
import { direction } from "./terms.ts";

/** Hyperparameters of `RMSprop` besides the learning rate. */
export interface RMSpropHyperparameters {
  /** Decay of the mean square; 0.99 by default. */
  alpha: number;
  /** Added to the denominator; 1e-8 by default. */
  eps: number;
  /** L2 penalty, added to the gradient; 0 by default. */
  weightDecay: number;
  /** Share of the last step that goes on; 0 by default. */
  momentum: number;
  /** Divides by the root of the variance, not of the mean square; false by default. */
  centered: boolean;
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `RMSprop`. */
export interface RMSpropOptions extends Partial<RMSpropHyperparameters> {
  /** Learning rate; 0.01 by default. */
  lr?: number;
}

const RULE: Rule<RMSpropHyperparameters> = {
  name: "RMSprop",
  defaults: { lr: 1e-2, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false, maximize: false },
  step(h) {
    const { alpha, eps, momentum, centered } = h;
    const names: ("squareAvg" | "momentumBuffer" | "gradAvg")[] = ["squareAvg"];
    if (momentum > 0) names.push("momentumBuffer");
    if (centered) names.push("gradAvg");
    return composed(names, (p, grad, { squareAvg, momentumBuffer, gradAvg }, lr) => {
      const g = direction(p, grad, h);
      add_(mul_(squareAvg, alpha), mul(g, g), { alpha: 1 - alpha });
      let square = squareAvg;
      if (centered) {
        add_(mul_(gradAvg, alpha), g, { alpha: 1 - alpha });
        square = sub(squareAvg, mul(gradAvg, gradAvg));
      }
      let d = div(g, add(sqrt(square), eps));
      if (momentum > 0) d = add_(mul_(momentumBuffer, momentum), d);
      sub_(p, mul(d, lr));
    });
  },
};

/**
 * v = alpha v + (1 - alpha) g², p -= lr g / (sqrt(v) + eps). Centered, v - m² stands for v, with the mean m of g; with momentum
 * b = momentum b + that quotient, and p -= lr b. weightDecay p is added to g.
 * https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
 */
export class RMSprop extends Optimizer<RMSpropHyperparameters, ParamState> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<RMSpropHyperparameters>, options: RMSpropOptions = {}, ...none: []) {
    super(RULE, params, options, none);
  }
}
