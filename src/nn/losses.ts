// Losses on classes and of yes and no as modules, and the squared error: forward(input, target).
import type { Tensor } from "../core/tensor.ts";
import { COUNT, FRACTION, INT32 } from "../ops/bounds.ts";
import {
  type BceWithLogitsOptions,
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  type ClassLossOptions,
  type CtcLossOptions,
  crossEntropy,
  ctcLoss,
  type Lengths,
  type LossOptions,
  mseLoss,
  nllLoss,
  type Reduction,
} from "../ops/index.ts";
import { Loss } from "./loss.ts";
import { used } from "./watched.ts";

export type { Reduction };

/** Options of `CrossEntropyLoss`. */
export interface CrossEntropyLossOptions extends ClassLossOptions {
  /** Share of the target that is spread over all classes, 0 to 1; 0 by default. */
  labelSmoothing?: number;
}

/**
 * Cross-entropy of logits `[n, classes, ...]` and int32 labels `[n, ...]`, or probabilities of the logits' shape. A label outside [0, classes) other than `ignoreIndex` is
 * an error at the next wait.
 * https://pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
 */
export class CrossEntropyLoss extends Loss {
  /** @internal */
  static override readonly name: string = "CrossEntropyLoss";
  /** Rows with this label do not count. */
  declare readonly ignoreIndex: number;
  /** Share of the target that is spread over all classes. */
  declare readonly labelSmoothing: number;
  /** A weight for each class, `[classes]`, or null: a buffer. */
  declare weight: Tensor | null;

  constructor(options: CrossEntropyLossOptions = {}, ...none: []) {
    super("CrossEntropyLoss", "crossEntropy", options, none, [
      { weight: null, ignoreIndex: -100, labelSmoothing: 0 },
      { ignoreIndex: INT32, labelSmoothing: FRACTION },
    ]);
  }

  /** Logits `[n, classes, ...]` and int32 labels `[n, ...]`, or probabilities, to `[]`, or to `[n, ...]` with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return crossEntropy(input, target, used(this), ...none);
  }
}

/**
 * Negative log-likelihood of log-probabilities `[n, classes, ...]` and int32 labels `[n, ...]`.
 * https://pytorch.org/docs/stable/generated/torch.nn.NLLLoss.html
 */
export class NLLLoss extends Loss {
  /** @internal */
  static override readonly name: string = "NLLLoss";
  /** Rows with this label do not count. */
  declare readonly ignoreIndex: number;
  /** A weight for each class, `[classes]`, or null: a buffer. */
  declare weight: Tensor | null;

  constructor(options: ClassLossOptions = {}, ...none: []) {
    super("NLLLoss", "nllLoss", options, none, [{ weight: null, ignoreIndex: -100 }, { ignoreIndex: INT32 }]);
  }

  /** Log-probabilities `[n, classes, ...]` and int32 labels `[n, ...]` to `[]`, or to `[n, ...]` with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return nllLoss(input, target, used(this), ...none);
  }
}

/** Squared error (input - target)² of two tensors of one shape. https://pytorch.org/docs/stable/generated/torch.nn.MSELoss.html */
export class MSELoss extends Loss {
  /** @internal */
  static override readonly name: string = "MSELoss";
  constructor(options: LossOptions = {}, ...none: []) {
    super("MSELoss", "mseLoss", options, none);
  }

  /** Two tensors of one shape to `[]`, or to that shape with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return mseLoss(input, target, used(this), ...none);
  }
}

/** Options of `BCELoss`. */
export interface BCELossOptions extends LossOptions {
  /** A factor for each element's loss, of a shape that broadcasts to the input's. */
  weight?: Tensor | null;
}

/**
 * Binary cross-entropy of probabilities and targets of one shape, both in [0, 1].
 * https://pytorch.org/docs/stable/generated/torch.nn.BCELoss.html
 */
export class BCELoss extends Loss {
  /** @internal */
  static override readonly name: string = "BCELoss";
  /** A factor for each element's loss, or null: a buffer. */
  declare weight: Tensor | null;

  constructor(options: BCELossOptions = {}, ...none: []) {
    super("BCELoss", "binaryCrossEntropy", options, none, [{ weight: null }]);
  }

  /** Probabilities and targets of one shape to `[]`, or to that shape with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return binaryCrossEntropy(input, target, used(this), ...none);
  }
}

/**
 * Binary cross-entropy of sigmoid(input) and targets of one shape, for inputs of any size.
 * https://pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
 */
export class BCEWithLogitsLoss extends Loss {
  /** @internal */
  static override readonly name: string = "BCEWithLogitsLoss";
  /** A factor for each element's loss, or null: a buffer. */
  declare weight: Tensor | null;
  /** A factor for the part of positive targets, or null: a buffer. */
  declare posWeight: Tensor | null;

  constructor(options: BceWithLogitsOptions = {}, ...none: []) {
    super("BCEWithLogitsLoss", "binaryCrossEntropyWithLogits", options, none, [{ weight: null, posWeight: null }]);
  }

  /** Logits and targets of one shape to `[]`, or to that shape with reduction `"none"`. */
  forward(input: Tensor, target: Tensor, ...none: []): Tensor {
    return binaryCrossEntropyWithLogits(input, target, used(this), ...none);
  }
}

/**
 * The loss of sequences of labels whose alignment to the input is not known.
 * https://pytorch.org/docs/stable/generated/torch.nn.CTCLoss.html
 */
export class CTCLoss extends Loss<[Tensor, Tensor, Lengths, Lengths]> {
  /** @internal */
  static override readonly name: string = "CTCLoss";
  /** The class that stands for no label. */
  declare readonly blank: number;
  /** Whether infinite losses become 0. */
  declare readonly zeroInfinity: boolean;

  constructor(options: CtcLossOptions = {}, ...none: []) {
    super("CTCLoss", "ctcLoss", options, none, [{ blank: 0, zeroInfinity: false }, { blank: COUNT }]);
  }

  /**
   * Log-probabilities `[time, n, classes]`, targets `[n, labels]` and the lengths of both, as `ctcLoss` takes them, to `[]`, or to `[n]` with reduction
   * `"none"`.
   */
  forward(logProbs: Tensor, targets: Tensor, inputLengths: Lengths, targetLengths: Lengths, ...none: []): Tensor {
    return ctcLoss(logProbs, targets, inputLengths, targetLengths, used(this), ...none);
  }
}
