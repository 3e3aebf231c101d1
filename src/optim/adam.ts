// Adam and AdamW.

import { fail } from "../core/error.ts";
import { guard } from "../core/recording.ts";
import type { Tensor } from "../core/tensor.ts";
import { words64 } from "../row/words.ts";
import { atLeastZero, expectRule, Optimizer, type ParamGroup, type Params } from "./optimizer.ts";
import { withDefaults } from "./sgd.ts";

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

/** What Adam and AdamW share. */
abstract class AdamFamily extends Optimizer<AdamHyperparameters> {
  /** @internal */
  protected abstract readonly decoupled: boolean;

  /** @internal */
  constructor(name: string, params: Params<AdamHyperparameters>, options: AdamOptions, weightDecay: number) {
    const betas: readonly [number, number] = [0.9, 0.999];
    const defaults = { lr: 1e-3, betas, eps: 1e-8, weightDecay, amsgrad: false, maximize: false };
    super(name, params, withDefaults(name, defaults, options));
  }

  /** @internal */
  protected check({ betas, eps, weightDecay }: AdamHyperparameters): void {
    if (!Array.isArray(betas) || betas.length !== 2)
      fail(this.name, `betas ${String(betas)}: two numbers are expected`);
    betas.forEach((beta, i) => {
      expectRule(this.name, `betas[${i}]`, beta, (v) => v >= 0 && v < 1, "a number of at least 0 and below 1");
    });
    expectRule(this.name, "eps", eps, atLeastZero, "a number of at least 0");
    expectRule(this.name, "weightDecay", weightDecay, atLeastZero, "a number of at least 0");
  }

  /** @internal */
  protected update(group: ParamGroup<AdamHyperparameters>, segments: readonly { p: Tensor; g: Tensor }[]): void {
    const scalars = [
      ...words64(guard(() => group.betas[0])),
      ...words64(guard(() => group.betas[1])),
      ...words64(guard(() => group.eps)),
      ...words64(guard(() => group.weightDecay)),
      Number(guard(() => group.maximize)),
      Number(this.decoupled),
    ];
    const moments = ["expAvg", "expAvgSq"];
    if (guard(() => group.amsgrad)) {
      this.launch(group, segments, "adam_amsgrad_f32", [...moments, "maxExpAvgSq"], scalars);
    } else {
      this.launch(group, segments, "adam_f32", moments, scalars);
    }
  }
}

/**
 * m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g², p -= lr m̂ / (sqrt(v̂) + eps), with m̂ and v̂ corrected for their start
 * at zero; weightDecay p is added to g. https://pytorch.org/docs/stable/generated/torch.optim.Adam.html
 */
export class Adam extends AdamFamily {
  /** @internal */
  protected readonly decoupled = false;

  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<AdamHyperparameters>, options: AdamOptions = {}) {
    super("Adam", params, options, 0);
  }
}

/** Adam whose decay works on the weights: p *= 1 - lr weightDecay. https://pytorch.org/docs/stable/generated/torch.optim.AdamW.html */
export class AdamW extends AdamFamily {
  /** @internal */
  protected readonly decoupled = true;

  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<AdamHyperparameters>, options: AdamOptions = {}) {
    super("AdamW", params, options, 0.01);
  }
}
