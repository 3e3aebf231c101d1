// Adam and AdamW.

import { words64 } from "../row/words.ts";
import { Optimizer, type ParamState, type Params } from "./optimizer.ts";
import type { Rule } from "./rule.ts";
import { checkBetas } from "./terms.ts";

/** Hyperparameters of `Adam` and `AdamW` besides the learning rate. */
export interface AdamHyperparameters {
  /** Decay of the means of the gradient and of its square; [0.9, 0.999] by default. */
  betas: readonly [number, number];
  /** Added to the denominator; 1e-8 by default. */
  eps: number;
  /** L2 penalty for Adam (0 by default), decay of the weights themselves for AdamW (0.01 by default). */
  weightDecay: number;
  /** Divides by the largest mean square so far; false by default. */
  amsgrad: boolean;
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `Adam` and `AdamW`. */
export interface AdamOptions extends Partial<AdamHyperparameters> {
  /** Learning rate; 0.001 by default. */
  lr?: number;
}

/** Adam's L2 penalty is 0 by default; AdamW's decay works on the weights themselves. */
const adam = (name: string, weightDecay: number, decoupled: boolean): Rule<AdamHyperparameters> => ({
  name,
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay, amsgrad: false, maximize: false },
  check: ({ betas }) => checkBetas(name, betas),
  step({ betas, eps, weightDecay, amsgrad, maximize }) {
    const scalars = [...[...betas, eps, weightDecay].flatMap(words64), Number(maximize), Number(decoupled)];
    return amsgrad
      ? [["expAvg", "expAvgSq", "maxExpAvgSq"], "adam_amsgrad_f32", scalars]
      : [["expAvg", "expAvgSq"], "adam_f32", scalars];
  },
});

/**
 * m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g², p -= lr m̂ / (sqrt(v̂) + eps), with m̂ and v̂ corrected for their start
 * at zero; weightDecay p is added to g. https://pytorch.org/docs/stable/generated/torch.optim.Adam.html
 */
export class Adam extends Optimizer<AdamHyperparameters, ParamState> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<AdamHyperparameters>, options: AdamOptions = {}, ...none: []) {
    super(adam("Adam", 0, false), params, options, none);
  }
}

/** Adam whose decay works on the weights: p *= 1 - lr weightDecay. https://pytorch.org/docs/stable/generated/torch.optim.AdamW.html */
export class AdamW extends Optimizer<AdamHyperparameters, ParamState> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<AdamHyperparameters>, options: AdamOptions = {}, ...none: []) {
    super(adam("AdamW", 0.01, true), params, options, none);
  }
}
