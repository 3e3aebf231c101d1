// Adamax: Adam by the infinity norm.
import { abs, add, add_, div, mul, mul_, sub_ } from "../ops/index.ts";
import { Optimizer, type ParamState, type Params } from "./optimizer.ts";
import { composed, type Rule } from "./rule.ts";
import { checkBetas, corrections, direction, raise } from "./terms.ts";

/** Hyperparameters of `Adamax` besides the learning rate. */
export interface AdamaxHyperparameters {
  /** Decay of the mean gradient and of the largest one; [0.9, 0.999] by default. */
  betas: readonly [number, number];
  /** Added to the gradient's size; 1e-8 by default. */
  eps: number;
  /** L2 penalty, added to the gradient; 0 by default. */
  weightDecay: number;
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `Adamax`. */
export interface AdamaxOptions extends Partial<AdamaxHyperparameters> {
  /** Learning rate; 0.002 by default. */
  lr?: number;
}

const RULE: Rule<AdamaxHyperparameters> = {
  name: "Adamax",
  defaults: { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maximize: false },
  check: ({ betas }) => checkBetas("Adamax", betas),
  step: (h) =>
    composed(["expAvg", "expInf"], (p, grad, { step, expAvg, expInf }, lr) => {
      const [beta1, beta2] = h.betas;
      const g = direction(p, grad, h);
      add_(mul_(expAvg, beta1), g, { alpha: 1 - beta1 });
      raise(mul_(expInf, beta2), add(abs(g), h.eps));
      const { first } = corrections(step, grad, h.betas);
      sub_(p, mul(div(expAvg, expInf), div(lr, first)));
    }),
};

/**
 * m = b1 m + (1 - b1) g, u = max(b2 u, |g| + eps), p -= lr / (1 - b1^t) m / u; weightDecay p is added to g.
 * https://pytorch.org/docs/stable/generated/torch.optim.Adamax.html
 */
export class Adamax extends Optimizer<AdamaxHyperparameters, ParamState> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<AdamaxHyperparameters>, options: AdamaxOptions = {}, ...none: []) {
    super(RULE, params, options, none);
  }
}
