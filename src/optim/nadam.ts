// NAdam: Adam with Nesterov's momentum.
import { add, add_, div, eq, exp, mul, mul_, sqrt, sub, sub_, where } from "../ops/index.ts";
import { Optimizer, type ParamState, type Params } from "./optimizer.ts";
import { composed, type Rule } from "./rule.ts";
import { checkBetas, corrections, direction, set } from "./terms.ts";

/** Hyperparameters of `NAdam` besides the learning rate. */
export interface NAdamHyperparameters {
  /** Decay of the means of the gradient and of its square; [0.9, 0.999] by default. */
  betas: readonly [number, number];
  /** Added to the denominator; 1e-8 by default. */
  eps: number;
  /** L2 penalty, added to the gradient, or decay of the weights themselves with `decoupledWeightDecay`; 0 by default. */
  weightDecay: number;
  /** How fast the momentum rises to the first beta; 0.004 by default. */
  momentumDecay: number;
  /** Decays the weights themselves, as AdamW does; false by default. */
  decoupledWeightDecay: boolean;
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `NAdam`. */
export interface NAdamOptions extends Partial<NAdamHyperparameters> {
  /** Learning rate; 0.002 by default. */
  lr?: number;
}

const SINGLE = ["muProduct"];

const RULE: Rule<NAdamHyperparameters> = {
  name: "NAdam",
  defaults: {
    ...{ lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, momentumDecay: 4e-3 },
    ...{ decoupledWeightDecay: false, maximize: false },
  },
  single: SINGLE,
  check: ({ betas }) => checkBetas("NAdam", betas),
  step: (h) =>
    composed(
      ["muProduct", "expAvg", "expAvgSq"],
      (p, grad, { step, muProduct, expAvg, expAvgSq }, lr) => {
        const [beta1, beta2] = h.betas;
        if (h.decoupledWeightDecay) mul_(p, sub(1, mul(lr, h.weightDecay)));
        const g = direction(p, grad, h.decoupledWeightDecay ? { ...h, weightDecay: 0 } : h);
        const { t, second } = corrections(step, grad, h.betas);
        // mu = b1 (1 - e / 2) with e = 0.96^(t momentumDecay); 1 - mu = 1 - b1 + b1 e / 2 cancels nowhere.
        const half = mul(exp(mul(t, Math.log(0.96) * h.momentumDecay)), beta1 / 2);
        const next = sub(beta1, mul(half, 0.96 ** h.momentumDecay));
        const mu = sub(beta1, half);
        set(muProduct, mul(where(eq(t, 1), 1, muProduct), mu));
        add_(mul_(expAvg, beta1), g, { alpha: 1 - beta1 });
        add_(mul_(expAvgSq, beta2), mul(g, g), { alpha: 1 - beta2 });
        const denominator = add(sqrt(div(expAvgSq, second)), h.eps);
        const ofGradient = div(add(half, 1 - beta1), sub(1, muProduct));
        // PyTorch's recorded steps (1.13) have mu_t twice in the product behind the mean.
        const ofMean = div(next, sub(1, mul(mul(muProduct, mu), next)));
        sub_(p, div(add(mul(g, mul(lr, ofGradient)), mul(expAvg, mul(lr, ofMean))), denominator));
      },
      SINGLE,
    ),
};

/**
 * m and v as in Adam; p -= lr ((1 - mu_t) / (1 - mu_1 .. mu_t) g + mu_t+1 / (1 - mu_1 .. mu_t mu_t mu_t+1) m) / (sqrt(v̂) + eps) with
 * mu_t = b1 (1 - 0.96^(t momentumDecay) / 2); weightDecay p is added to g. State: `muProduct` [1] besides Adam's.
 * https://pytorch.org/docs/stable/generated/torch.optim.NAdam.html
 */
export class NAdam extends Optimizer<NAdamHyperparameters, ParamState> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<NAdamHyperparameters>, options: NAdamOptions = {}, ...none: []) {
    super(RULE, params, options, none);
  }
}
