// Adadelta: steps as large as those of before.
import { FRACTION } from "../ops/bounds.ts";
import { add, add_, div, mul, mul_, sqrt, sub_ } from "../ops/index.ts";
import { Optimizer, type ParamState, type Params } from "./optimizer.ts";
import { composed, type Rule } from "./rule.ts";
import { direction } from "./terms.ts";

/** Hyperparameters of `Adadelta` besides the learning rate. */
export interface AdadeltaHyperparameters {
  /** Decay of the means of the gradient's and the step's square, from 0 to 1; 0.9 by default. */
  rho: number;
  /** Added to both means; 1e-6 by default. */
  eps: number;
  /** L2 penalty, added to the gradient; 0 by default. */
  weightDecay: number;
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `Adadelta`. */
export interface AdadeltaOptions extends Partial<AdadeltaHyperparameters> {
  /** Learning rate, a factor of the step; 1 by default. */
  lr?: number;
}

const RULE: Rule<AdadeltaHyperparameters> = {
  name: "Adadelta",
  defaults: { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false },
  bounds: { rho: FRACTION },
  step: (h) =>
    composed(["squareAvg", "accDelta"], (p, grad, { squareAvg, accDelta }, lr) => {
      const g = direction(p, grad, h);
      add_(mul_(squareAvg, h.rho), mul(g, g), { alpha: 1 - h.rho });
      const delta = mul(div(sqrt(add(accDelta, h.eps)), sqrt(add(squareAvg, h.eps))), g);
      add_(mul_(accDelta, h.rho), mul(delta, delta), { alpha: 1 - h.rho });
      sub_(p, mul(delta, lr));
    }),
};

/**
 * v = rho v + (1 - rho) g², d = sqrt(u + eps) / sqrt(v + eps) g, u = rho u + (1 - rho) d², p -= lr d; weightDecay p is added to g.
 * https://pytorch.org/docs/stable/generated/torch.optim.Adadelta.html
 */
export class Adadelta extends Optimizer<AdadeltaHyperparameters, ParamState> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<AdadeltaHyperparameters>, options: AdadeltaOptions = {}, ...none: []) {
    super(RULE, params, options, none);
  }
}
