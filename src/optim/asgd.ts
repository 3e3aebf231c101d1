// ASGD: averaged stochastic gradient descent.
import { FINITE } from "../ops/bounds.ts";
import { full } from "../ops/create.ts";
import { add, add_, div, eq, exp, log, maximum, mul, mul_, sub, sub_ } from "../ops/index.ts";
import { Optimizer, type ParamState, type Params } from "./optimizer.ts";
import { composed, type Rule } from "./rule.ts";
import { corrections, direction, put, set } from "./terms.ts";

/** Hyperparameters of `ASGD` besides the learning rate. */
export interface ASGDHyperparameters {
  /** Decay of the weights, and of the rate; 1e-4 by default. */
  lambd: number;
  /** Power of the rate's decay; 0.75 by default. */
  alpha: number;
  /** Step from which on the average is taken; 1e6 by default. */
  t0: number;
  /** L2 penalty, added to the gradient; 0 by default. */
  weightDecay: number;
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `ASGD`. */
export interface ASGDOptions extends Partial<ASGDHyperparameters> {
  /** Learning rate; 0.01 by default. */
  lr?: number;
}

const SINGLE = ["eta", "mu"];

const RULE: Rule<ASGDHyperparameters> = {
  name: "ASGD",
  defaults: { lr: 1e-2, lambd: 1e-4, alpha: 0.75, t0: 1e6, weightDecay: 0, maximize: false },
  single: SINGLE,
  bounds: { alpha: FINITE, t0: FINITE },
  step: (h) =>
    composed(
      ["eta", "mu", "ax"],
      (p, grad, { step, eta, mu, ax }, lr) => {
        const g = direction(p, grad, h);
        const { t } = corrections(step, grad);
        const first = eq(t, 1);
        put(eta, lr, first);
        put(mu, full([], 1, { device: p.device }), first);
        mul_(p, sub(1, mul(eta, h.lambd)));
        sub_(p, mul(g, eta));
        add_(ax, mul(sub(p, ax), mu));
        put(ax, p, eq(mu, 1)); // a copy as long as nothing is averaged
        set(eta, mul(lr, exp(mul(log(add(mul(mul(lr, t), h.lambd), 1)), -h.alpha))));
        set(mu, div(1, maximum(sub(t, h.t0), full([], 1, { device: p.device }))));
      },
      SINGLE,
    ),
};

/**
 * p = (1 - lambd eta) p - eta g, ax += mu (p - ax), then eta = lr / (1 + lambd lr t)^alpha and mu = 1 / max(1, t - t0): the average
 * is `ax` in the state dict. weightDecay p is added to g. https://pytorch.org/docs/stable/generated/torch.optim.ASGD.html
 */
export class ASGD extends Optimizer<ASGDHyperparameters, ParamState> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<ASGDHyperparameters>, options: ASGDOptions = {}, ...none: []) {
    super(RULE, params, options, none);
  }
}
