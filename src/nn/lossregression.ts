// Losses of predicted numbers and distributions as modules: forward(input, target).
import type { Tensor } from "../core/tensor.ts";
import { POSITIVE } from "../ops/bounds.ts";
import {
  type GaussianNllLossOptions,
  gaussianNllLoss,
  type HuberLossOptions,
  huberLoss,
  type KlDivOptions,
  klDiv,
  type LossOptions,
  l1Loss,
  type PoissonNllLossOptions,
  poissonNllLoss,
  type SmoothL1LossOptions,
  smoothL1Loss,
} from "../ops/index.ts";
import { DIVERGENCES, type Divergence } from "../ops/reduction.ts";
import { Loss } from "./loss.ts";
import { used } from "./watched.ts";

/** Absolute error |input - target| of two tensors of one shape. https://pytorch.org/docs/stable/generated/torch.nn.L1Loss.html */
export class L1Loss extends Loss {
  /** @internal */
  static override readonly name: string = "L1Loss";
  constructor(options: LossOptions = {}, ...none: []) {
    super("L1Loss", "l1Loss", options, none);
  }

  /** Two tensors of one shape to `[]`, or to that shape with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return l1Loss(input, target, used(this), ...none);
  }
}

/**
 * Squared below beta, absolute from there on: the error of two tensors of one shape.
 * https://pytorch.org/docs/stable/generated/torch.nn.SmoothL1Loss.html
 */
export class SmoothL1Loss extends Loss {
  /** @internal */
  static override readonly name: string = "SmoothL1Loss";
  /** Errors below it count squared. */
  declare readonly beta: number;

  constructor(options: SmoothL1LossOptions = {}, ...none: []) {
    super("SmoothL1Loss", "smoothL1Loss", options, none, [{ beta: 1 }]);
  }

  /** Two tensors of one shape to `[]`, or to that shape with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return smoothL1Loss(input, target, used(this), ...none);
  }
}

/**
 * Squared up to delta, in proportion above: the error of two tensors of one shape.
 * https://pytorch.org/docs/stable/generated/torch.nn.HuberLoss.html
 */
export class HuberLoss extends Loss {
  /** @internal */
  static override readonly name: string = "HuberLoss";
  /** Up to it errors count squared. */
  declare readonly delta: number;

  constructor(options: HuberLossOptions = {}, ...none: []) {
    super("HuberLoss", "huberLoss", options, none, [{ delta: 1 }, { delta: POSITIVE }]);
  }

  /** Two tensors of one shape to `[]`, or to that shape with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return huberLoss(input, target, used(this), ...none);
  }
}

/**
 * Kullback-Leibler divergence of log-probabilities and a target of one shape.
 * https://pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html
 */
export class KLDivLoss extends Loss<[Tensor, Tensor], Divergence> {
  /** @internal */
  static override readonly name: string = "KLDivLoss";
  /** Whether the target is log-probabilities too. */
  declare readonly logTarget: boolean;

  constructor(options: KlDivOptions = {}, ...none: []) {
    super("KLDivLoss", "klDiv", options, none, [{ logTarget: false }], DIVERGENCES);
  }

  /** Two tensors of one shape to `[]`, or to that shape with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return klDiv(input, target, used(this), ...none);
  }
}

/**
 * Negative log-likelihood of counts for a Poisson distribution.
 * https://pytorch.org/docs/stable/generated/torch.nn.PoissonNLLLoss.html
 */
export class PoissonNLLLoss extends Loss {
  /** @internal */
  static override readonly name: string = "PoissonNLLLoss";
  /** Whether the input is the logarithm of the expected count. */
  declare readonly logInput: boolean;
  /** Whether Stirling's approximation is added. */
  declare readonly full: boolean;
  /** Keeps the logarithm of an input of 0 finite. */
  declare readonly eps: number;

  constructor(options: PoissonNllLossOptions = {}, ...none: []) {
    super("PoissonNLLLoss", "poissonNllLoss", options, none, [{ logInput: true, full: false, eps: 1e-8 }]);
  }

  /** Two tensors of one shape to `[]`, or to that shape with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return poissonNllLoss(input, target, used(this), ...none);
  }
}

/**
 * Negative log-likelihood of targets for Gaussians of that mean and variance.
 * https://pytorch.org/docs/stable/generated/torch.nn.GaussianNLLLoss.html
 */
export class GaussianNLLLoss extends Loss<[Tensor, Tensor, Tensor]> {
  /** @internal */
  static override readonly name: string = "GaussianNLLLoss";
  /** Whether the constant is added. */
  declare readonly full: boolean;
  /** Variances are held above it. */
  declare readonly eps: number;

  constructor(options: GaussianNllLossOptions = {}, ...none: []) {
    super("GaussianNLLLoss", "gaussianNllLoss", options, none, [{ full: false, eps: 1e-6 }, { eps: POSITIVE }]);
  }

  /** Means, targets and variances, as `gaussianNllLoss` takes them, to `[]`, or to the means' shape with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, variance: Tensor, ...none: []): Tensor {
    return gaussianNllLoss(input, target, variance, used(this), ...none);
  }
}
