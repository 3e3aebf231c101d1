// RAdam: Adam that goes without the second moment until there is enough of it.
import { add, add_, div, gt, mul, mul_, sqrt, sub, sub_, where } from "../ops/index.ts";
import { Optimizer, type ParamState, type Params } from "./optimizer.ts";
import { composed, type Rule } from "./rule.ts";
import { checkBetas, corrections, direction } from "./terms.ts";

/** Hyperparameters of `RAdam` besides the learning rate. */
export interface RAdamHyperparameters {
  /** Decay of the means of the gradient and of its square; [0.9, 0.999] by default. */
  betas: readonly [number, number];
  /** Added to the denominator; 1e-8 by default. */
  eps: number;
  /** L2 penalty, added to the gradient, or decay of the weights themselves with `decoupledWeightDecay`; 0 by default. */
  weightDecay: number;
  /** Decays the weights themselves, as AdamW does; false by default. */
  decoupledWeightDecay: boolean;
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `RAdam`. */
export interface RAdamOptions extends Partial<RAdamHyperparameters> {
  /** Learning rate; 0.001 by default. */
  lr?: number;
}

const RULE: Rule<RAdamHyperparameters> = {
  name: "RAdam",
  defaults: {
    ...{ lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 },
    ...{ decoupledWeightDecay: false, maximize: false },
  },
  check: ({ betas }) => checkBetas("RAdam", betas),
  step: (h) =>
    composed(["expAvg", "expAvgSq"], (p, grad, { step, expAvg, expAvgSq }, lr) => {
      const [beta1, beta2] = h.betas;
      if (h.decoupledWeightDecay) mul_(p, sub(1, mul(lr, h.weightDecay)));
      const g = direction(p, grad, h.decoupledWeightDecay ? { ...h, weightDecay: 0 } : h);
      add_(mul_(expAvg, beta1), g, { alpha: 1 - beta1 });
      add_(mul_(expAvgSq, beta2), mul(g, g), { alpha: 1 - beta2 });
      const { first, second, length } = corrections(step, grad, h.betas);
      const plain = mul(expAvg, div(lr, first));
      // The length never exceeds its limit: with a small beta2 there is no rectification.
      const limit = 2 / (1 - beta2) - 1;
      if (limit <= 5) {
        sub_(p, plain);
        return;
      }
      const size = mul(mul(sub(length, 4), div(sub(length, 2), length)), limit / ((limit - 4) * (limit - 2)));
      const factor = div(sqrt(mul(size, second)), add(sqrt(expAvgSq), h.eps));
      sub_(p, where(gt(length, 5), mul(plain, factor), plain));
    }),
};

/**
 * m and v as in Adam; p -= lr m̂ r / (sqrt(v̂) + eps) with the rectification r = sqrt((l - 4)(l - 2) L / ((L - 4)(L - 2) l)) of the
 * length l = L - 2 t b2^t / (1 - b2^t), L = 2 / (1 - b2) - 1, and p -= lr m̂ while l is at most 5. weightDecay p is added to g.
 * https://pytorch.org/docs/stable/generated/torch.optim.RAdam.html
 */
export class RAdam extends Optimizer<RAdamHyperparameters, ParamState> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<RAdamHyperparameters>, options: RAdamOptions = {}, ...none: []) {
    super(RULE, params, options, none);
  }
}
