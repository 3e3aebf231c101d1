// Losses with a margin as modules.
import { fail, given } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import { FINITE, POSITIVE } from "../ops/bounds.ts";
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
import { Loss } from "./loss.ts";
import { used } from "./watched.ts";

/**
 * max(0, margin - target (input1 - input2)), with targets of 1 and -1.
 * https://pytorch.org/docs/stable/generated/torch.nn.MarginRankingLoss.html
 */
export class MarginRankingLoss extends Loss<[Tensor, Tensor, Tensor]> {
  /** @internal */
  static override readonly name: string = "MarginRankingLoss";
  /** By how much one is to be above the other. */
  declare readonly margin: number;

  constructor(options: MarginLossOptions = {}, ...none: []) {
    super("MarginRankingLoss", "marginRankingLoss", options, none, [{ margin: 0 }, { margin: FINITE }]);
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
  /** How far apart costs nothing. */
  declare readonly margin: number;

  constructor(options: MarginLossOptions = {}, ...none: []) {
    super("HingeEmbeddingLoss", "hingeEmbeddingLoss", options, none, [{ margin: 1 }, { margin: FINITE }]);
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
  constructor(options: LossOptions = {}, ...none: []) {
    super("SoftMarginLoss", "softMarginLoss", options, none);
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
  /** The exponent of each term. */
  declare readonly p: 1 | 2;
  /** By how much the class must be above the others. */
  declare readonly margin: number;
  /** A weight for each class, `[classes]`, or null: a buffer. */
  declare weight: Tensor | null;

  constructor(options: MultiMarginLossOptions = {}, ...none: []) {
    super("MultiMarginLoss", "multiMarginLoss", options, none, [
      { p: 1, margin: 1, weight: null },
      { p: [(v: number) => v === 1 || v === 2, "1 or 2"], margin: FINITE },
    ]);
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
  constructor(options: LossOptions = {}, ...none: []) {
    super("MultiLabelMarginLoss", "multilabelMarginLoss", options, none);
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
  /** A factor for each class, or null: a buffer. */
  declare weight: Tensor | null;

  constructor(options: WeightedLossOptions = {}, ...none: []) {
    super("MultiLabelSoftMarginLoss", "multilabelSoftMarginLoss", options, none, [{ weight: null }]);
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
  /** The cosine up to which pairs that differ cost nothing. */
  declare readonly margin: number;

  constructor(options: CosineEmbeddingLossOptions = {}, ...none: []) {
    super("CosineEmbeddingLoss", "cosineEmbeddingLoss", options, none, [{ margin: 0 }, { margin: FINITE }]);
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
  /** By how much the negative must be farther than the positive. */
  declare readonly margin: number;
  /** The norm of the differences. */
  declare readonly p: number;
  /** Added to each difference. */
  declare readonly eps: number;
  /** Whether the distance from positive to negative counts where it is the smaller. */
  declare readonly swap: boolean;

  constructor(options: TripletMarginLossOptions = {}, ...none: []) {
    super("TripletMarginLoss", "tripletMarginLoss", options, none, [
      { margin: 1, p: 2, eps: 1e-6, swap: false },
      { margin: FINITE, p: POSITIVE, eps: FINITE },
    ]);
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
  /** By how much the negative must be farther than the positive. */
  declare readonly margin: number;
  /** Whether the distance from positive to negative counts where it is the smaller. */
  declare readonly swap: boolean;
  /** Of two tensors, a distance for each row; null for `pairwiseDistance`. */
  declare readonly distanceFunction: ((a: Tensor, b: Tensor) => Tensor) | null;

  constructor(options: TripletMarginWithDistanceLossOptions = {}, ...none: []) {
    super("TripletMarginWithDistanceLoss", "tripletMarginWithDistanceLoss", options, none, [
      { distanceFunction: null, margin: 1, swap: false },
      { margin: FINITE },
    ]);
    if (this.distanceFunction !== null && typeof this.distanceFunction !== "function")
      fail("TripletMarginWithDistanceLoss", `distanceFunction ${given(this.distanceFunction)}: a function is expected`);
  }

  /** Three tensors that the distance takes to `[]`, or to the distance's shape with reduction `"none"`. */
  forward(anchor: Tensor, positive: Tensor, negative: Tensor, ...none: []): Tensor {
    return tripletMarginWithDistanceLoss(anchor, positive, negative, used(this), ...none);
  }
}
