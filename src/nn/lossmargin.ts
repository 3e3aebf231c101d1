// Losses with a margin as modules.
import { CHECKED, fail, given } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import { finite } from "../ops/expect.ts";
import {
  type CosineEmbeddingLossOptions,
  cosineEmbeddingLoss,
  hingeEmbeddingLoss,
  type LossOptions,
  type MarginLossOptions,
  type MultiMarginLossOptions,
  marginRankingLoss,
  multilabelMarginLoss,
  multilabelSoftMarginLoss,
  multiMarginLoss,
  softMarginLoss,
  type TripletMarginLossOptions,
  type TripletMarginWithDistanceLossOptions,
  tripletMarginLoss,
  tripletMarginWithDistanceLoss,
  type WeightedLossOptions,
} from "../ops/index.ts";
import { above } from "../ops/reduction.ts";
import { Loss } from "./loss.ts";
import { used } from "./watched.ts";

/**
 * max(0, margin - target (input1 - input2)), with targets of 1 and -1.
 * https://pytorch.org/docs/stable/generated/torch.nn.MarginRankingLoss.html
 */
export class MarginRankingLoss extends Loss<[Tensor, Tensor, Tensor]> {
  /** @internal */
  static override readonly name: string = "MarginRankingLoss";
  /** @internal */
  readonly [CHECKED] = "marginRankingLoss";
  /** By how much one is to be above the other. */
  readonly margin: number;

  constructor(options: MarginLossOptions = {}, ...none: []) {
    super("MarginRankingLoss", options, " margin", none);
    this.margin = finite("MarginRankingLoss", "margin", options.margin ?? 0);
  }

  /** Three tensors of one shape to `[]`, or to that shape with reduction `"none"`. */
  forward(input1: Tensor, input2: Tensor, target: Tensor, ...none: []): Tensor {
    return marginRankingLoss(input1, input2, target, used(this), ...none);
  }
}

/**
 * Of distances, themselves where the target is 1, max(0, margin - input) where it is -1.
 * https://pytorch.org/docs/stable/generated/torch.nn.HingeEmbeddingLoss.html
 */
export class HingeEmbeddingLoss extends Loss {
  /** @internal */
  static override readonly name: string = "HingeEmbeddingLoss";
  /** @internal */
  readonly [CHECKED] = "hingeEmbeddingLoss";
  /** How far apart costs nothing. */
  readonly margin: number;

  constructor(options: MarginLossOptions = {}, ...none: []) {
    super("HingeEmbeddingLoss", options, " margin", none);
    this.margin = finite("HingeEmbeddingLoss", "margin", options.margin ?? 1);
  }

  /** Two tensors of one shape to `[]`, or to that shape with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return hingeEmbeddingLoss(input, target, used(this), ...none);
  }
}

/**
 * log(1 + e^(-target input)), with targets of 1 and -1.
 * https://pytorch.org/docs/stable/generated/torch.nn.SoftMarginLoss.html
 */
export class SoftMarginLoss extends Loss {
  /** @internal */
  static override readonly name: string = "SoftMarginLoss";
  /** @internal */
  readonly [CHECKED] = "softMarginLoss";
  constructor(options: LossOptions = {}, ...none: []) {
    super("SoftMarginLoss", options, "", none);
  }

  /** Two tensors of one shape to `[]`, or to that shape with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return softMarginLoss(input, target, used(this), ...none);
  }
}

/**
 * By how much the other classes come near the class of each row, or above it.
 * https://pytorch.org/docs/stable/generated/torch.nn.MultiMarginLoss.html
 */
export class MultiMarginLoss extends Loss {
  /** @internal */
  static override readonly name: string = "MultiMarginLoss";
  /** @internal */
  readonly [CHECKED] = "multiMarginLoss";
  /** The exponent of each term. */
  readonly p: 1 | 2;
  /** By how much the class must be above the others. */
  readonly margin: number;
  /** A weight for each class, `[classes]`, or null: a buffer. */
  declare weight: Tensor | null;

  constructor(options: MultiMarginLossOptions = {}, ...none: []) {
    super("MultiMarginLoss", options, " p margin weight", none);
    const { p = 1 } = options;
    if (p !== 1 && p !== 2) fail("MultiMarginLoss", `p ${given(p)}: 1 or 2 is expected`);
    this.p = p;
    this.margin = finite("MultiMarginLoss", "margin", options.margin ?? 1);
    this.registerBuffer("weight", options.weight ?? null);
  }

  /** An input `[n, classes]` and int32 labels `[n]` to `[]`, or to `[n]` with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return multiMarginLoss(input, target, used(this), ...none);
  }
}

/**
 * As `MultiMarginLoss` for several labels a row, whose list -1 ends.
 * https://pytorch.org/docs/stable/generated/torch.nn.MultiLabelMarginLoss.html
 */
export class MultiLabelMarginLoss extends Loss {
  /** @internal */
  static override readonly name: string = "MultiLabelMarginLoss";
  /** @internal */
  readonly [CHECKED] = "multilabelMarginLoss";
  constructor(options: LossOptions = {}, ...none: []) {
    super("MultiLabelMarginLoss", options, "", none);
  }

  /** An input `[n, classes]` and an int32 target of that shape to `[]`, or to `[n]` with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return multilabelMarginLoss(input, target, used(this), ...none);
  }
}

/**
 * Binary cross-entropy of sigmoid(input), its mean over the classes.
 * https://pytorch.org/docs/stable/generated/torch.nn.MultiLabelSoftMarginLoss.html
 */
export class MultiLabelSoftMarginLoss extends Loss {
  /** @internal */
  static override readonly name: string = "MultiLabelSoftMarginLoss";
  /** @internal */
  readonly [CHECKED] = "multilabelSoftMarginLoss";
  /** A factor for each class, or null: a buffer. */
  declare weight: Tensor | null;

  constructor(options: WeightedLossOptions = {}, ...none: []) {
    super("MultiLabelSoftMarginLoss", options, " weight", none);
    this.registerBuffer("weight", options.weight ?? null);
  }

  /** Two tensors `[n, classes]` to `[]`, or to `[n]` with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return multilabelSoftMarginLoss(input, target, used(this), ...none);
  }
}

/**
 * 1 - cos of pairs of rows that belong together (target 1), max(0, cos - margin) of those that do not (-1).
 * https://pytorch.org/docs/stable/generated/torch.nn.CosineEmbeddingLoss.html
 */
export class CosineEmbeddingLoss extends Loss<[Tensor, Tensor, Tensor]> {
  /** @internal */
  static override readonly name: string = "CosineEmbeddingLoss";
  /** @internal */
  readonly [CHECKED] = "cosineEmbeddingLoss";
  /** The cosine up to which pairs that differ cost nothing. */
  readonly margin: number;

  constructor(options: CosineEmbeddingLossOptions = {}, ...none: []) {
    super("CosineEmbeddingLoss", options, " margin", none);
    this.margin = finite("CosineEmbeddingLoss", "margin", options.margin ?? 0);
  }

  /** Inputs `[n, d]` and a target `[n]` to `[]`, or to `[n]` with reduction `"none"`. */
  forward(input1: Tensor, input2: Tensor, target: Tensor, ...none: []): Tensor {
    return cosineEmbeddingLoss(input1, input2, target, used(this), ...none);
  }
}

/**
 * By how much the negative is not farther from the anchor than the positive.
 * https://pytorch.org/docs/stable/generated/torch.nn.TripletMarginLoss.html
 */
export class TripletMarginLoss extends Loss<[Tensor, Tensor, Tensor]> {
  /** @internal */
  static override readonly name: string = "TripletMarginLoss";
  /** @internal */
  readonly [CHECKED] = "tripletMarginLoss";
  /** By how much the negative must be farther than the positive. */
  readonly margin: number;
  /** The norm of the differences. */
  readonly p: number;
  /** Added to each difference. */
  readonly eps: number;
  /** Whether the distance from positive to negative counts where it is the smaller. */
  readonly swap: boolean;

  constructor(options: TripletMarginLossOptions = {}, ...none: []) {
    super("TripletMarginLoss", options, " margin p eps swap?", none);
    this.margin = finite("TripletMarginLoss", "margin", options.margin ?? 1);
    this.p = above("TripletMarginLoss", "p", options.p ?? 2);
    this.eps = finite("TripletMarginLoss", "eps", options.eps ?? 1e-6);
    this.swap = options.swap ?? false;
  }

  /** Three tensors `[n, d]` to `[]`, or to `[n]` with reduction `"none"`. */
  forward(anchor: Tensor, positive: Tensor, negative: Tensor, ...none: []): Tensor {
    return tripletMarginLoss(anchor, positive, negative, used(this), ...none);
  }
}

/**
 * As `TripletMarginLoss`, with a distance of one's own.
 * https://pytorch.org/docs/stable/generated/torch.nn.TripletMarginWithDistanceLoss.html
 */
export class TripletMarginWithDistanceLoss extends Loss<[Tensor, Tensor, Tensor]> {
  /** @internal */
  static override readonly name: string = "TripletMarginWithDistanceLoss";
  /** @internal */
  readonly [CHECKED] = "tripletMarginWithDistanceLoss";
  /** By how much the negative must be farther than the positive. */
  readonly margin: number;
  /** Whether the distance from positive to negative counts where it is the smaller. */
  readonly swap: boolean;
  /** Of two tensors, a distance for each row; null for `pairwiseDistance`. */
  readonly distanceFunction: ((a: Tensor, b: Tensor) => Tensor) | null;

  constructor(options: TripletMarginWithDistanceLossOptions = {}, ...none: []) {
    super("TripletMarginWithDistanceLoss", options, " distanceFunction margin swap?", none);
    this.margin = finite("TripletMarginWithDistanceLoss", "margin", options.margin ?? 1);
    this.swap = options.swap ?? false;
    this.distanceFunction = options.distanceFunction ?? null;
    if (this.distanceFunction !== null && typeof this.distanceFunction !== "function")
      fail("TripletMarginWithDistanceLoss", `distanceFunction ${given(this.distanceFunction)}: a function is expected`);
  }

  /** Three tensors that the distance takes to `[]`, or to the distance's shape with reduction `"none"`. */
  forward(anchor: Tensor, positive: Tensor, negative: Tensor, ...none: []): Tensor {
    return tripletMarginWithDistanceLoss(anchor, positive, negative, used(this), ...none);
  }
}
