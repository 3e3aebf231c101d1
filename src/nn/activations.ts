// Activations as modules.
import type { Tensor } from "../core/tensor.ts";
import { logSoftmax, relu, sigmoid, softmax, tanh } from "../ops/index.ts";
import { integer } from "./check.ts";
import { Module } from "./module.ts";
import { used } from "./watched.ts";

/** max(x, 0), element by element. https://pytorch.org/docs/stable/generated/torch.nn.ReLU.html */
export class ReLU extends Module {
  /** @internal */
  static override readonly name: string = "ReLU";
  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return relu(x, ...none);
  }
}

/** 1 / (1 + e^-x), element by element. https://pytorch.org/docs/stable/generated/torch.nn.Sigmoid.html */
export class Sigmoid extends Module {
  /** @internal */
  static override readonly name: string = "Sigmoid";
  /** `x` of any shape to the same shape, with values in [0, 1]. */
  forward(x: Tensor, ...none: []): Tensor {
    return sigmoid(x, ...none);
  }
}

/** Hyperbolic tangent, element by element. https://pytorch.org/docs/stable/generated/torch.nn.Tanh.html */
export class Tanh extends Module {
  /** @internal */
  static override readonly name: string = "Tanh";
  /** `x` of any shape to the same shape, with values in [-1, 1]. */
  forward(x: Tensor, ...none: []): Tensor {
    return tanh(x, ...none);
  }
}

/** e^x over its sum along `dim`. https://pytorch.org/docs/stable/generated/torch.nn.Softmax.html */
export class Softmax extends Module {
  /** @internal */
  static override readonly name: string = "Softmax";
  /** The dim along which it sums; negative ones count from the end. */
  readonly dim: number;

  constructor(dim: number, ...none: []) {
    super(...none);
    this.dim = integer("Softmax", "dim", dim);
  }

  /** `x` of any shape to the same shape; along `dim` the values add up to 1. */
  forward(x: Tensor, ...none: []): Tensor {
    return softmax(x, used(this).dim, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** The logarithm of softmax along `dim`. https://pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html */
export class LogSoftmax extends Module {
  /** @internal */
  static override readonly name: string = "LogSoftmax";
  /** The dim along which it sums; negative ones count from the end. */
  readonly dim: number;

  constructor(dim: number, ...none: []) {
    super(...none);
    this.dim = integer("LogSoftmax", "dim", dim);
  }

  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return logSoftmax(x, used(this).dim, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}
