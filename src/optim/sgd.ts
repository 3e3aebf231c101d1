// Stochastic gradient descent.

import { fail } from "../core/error.ts";
import { FINITE } from "../ops/bounds.ts";
import { words64 } from "../row/words.ts";
import { Optimizer, type ParamState, type Params } from "./optimizer.ts";
import type { Rule } from "./rule.ts";

/** Hyperparameters of `SGD` besides the learning rate. */
export interface SGDHyperparameters {
  /** Share of the last step that goes on; 0 by default. */
  momentum: number;
  /** What the gradient loses on its way into the momentum; 0 by default. */
  dampening: number;
  /** L2 penalty, added to the gradient; 0 by default. */
  weightDecay: number;
  /** Nesterov's momentum, which takes a `momentum` above 0 and no `dampening`; false by default. */
  nesterov: boolean;
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `SGD`. */
export interface SGDOptions extends Partial<SGDHyperparameters> {
  /** Learning rate; 0.001 by default. */
  lr?: number;
}

const RULE: Rule<SGDHyperparameters> = {
  name: "SGD",
  defaults: { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false },
  bounds: { dampening: FINITE },
  check({ momentum, dampening, nesterov }) {
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      fail(
        "SGD",
        `momentum ${momentum}, dampening ${dampening}: nesterov momentum requires a momentum and zero dampening`,
      );
    }
  },
  step({ momentum, dampening, weightDecay, nesterov, maximize }) {
    const decay = words64(weightDecay);
    if (momentum === 0) return [[], "sgd_f32", [...decay, Number(maximize)]];
    const scalars = [...decay, ...words64(momentum), ...words64(dampening), Number(nesterov), Number(maximize)];
    return [["momentumBuffer"], "sgd_momentum_f32", scalars];
  },
};

/**
 * p -= lr d with d = g + weightDecay p; with momentum b = momentum b + (1 - dampening) d (d in the first step) and d = b,
 * or d + momentum b with nesterov. https://pytorch.org/docs/stable/generated/torch.optim.SGD.html
 */
export class SGD extends Optimizer<SGDHyperparameters, ParamState> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<SGDHyperparameters>, options: SGDOptions = {}, ...none: []) {
    super(RULE, params, options, none);
  }
}
