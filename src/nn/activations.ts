// Activations as modules.
import type { Tensor } from "../core/tensor.ts";
import { logSoftmax, relu, sigmoid, softmax, tanh } from "../ops/index.ts";
import { integer } from "./check.ts";
import { Module } from "./module.ts";

/** max(x, 0). https://pytorch.org/docs/stable/generated/torch.nn.ReLU.html */
export class ReLU extends Module {
  static override readonly name: string = "ReLU";
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** 1 / (1 + e^-x). https://pytorch.org/docs/stable/generated/torch.nn.Sigmoid.html */
export class Sigmoid extends Module {
  static override readonly name: string = "Sigmoid";
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** https://pytorch.org/docs/stable/generated/torch.nn.Tanh.html */
export class Tanh extends Module {
  static override readonly name: string = "Tanh";
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** e^x over its sum along `dim`. https://pytorch.org/docs/stable/generated/torch.nn.Softmax.html */
export class Softmax extends Module {
  static override readonly name: string = "Softmax";
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = integer("Softmax", "dim", dim);
  }

  forward(x: Tensor): Tensor {
    return softmax(x, this.dim);
  }

  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** The logarithm of softmax along `dim`. https://pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html */
export class LogSoftmax extends Module {
  static override readonly name: string = "LogSoftmax";
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = integer("LogSoftmax", "dim", dim);
  }

  forward(x: Tensor): Tensor {
    return logSoftmax(x, this.dim);
  }

  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}
