// Smooth activations as modules: exponential units, gates by sigmoids, and what is made of logarithms.

import { CHECKED, checkNumber, expectOptions } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import { NOT_0 } from "../ops/bounds.ts";
import { finite } from "../ops/expect.ts";
import {
  celu,
  elu,
  type GeluOptions,
  gelu,
  logsigmoid,
  mish,
  selu,
  silu,
  softmin,
  softplus,
  softsign,
  tanhshrink,
} from "../ops/index.ts";
import { integer, oneOf } from "./check.ts";
import { Module } from "./module.ts";
import { pyFloat, pyNumber } from "./repr.ts";
import { used } from "./watched.ts";

const notZero = (layer: string, name: string, value: unknown): number => {
  checkNumber(layer, name, value, NOT_0);
  return value;
};

/** x where it is positive, else alpha (e^x - 1). https://pytorch.org/docs/stable/generated/torch.nn.ELU.html */
export class ELU extends Module {
  /** @internal */
  static override readonly name: string = "ELU";
  /** What the exponential part is multiplied with. */
  readonly alpha: number;

  /** alpha is 1 by default. */
  constructor(alpha = 1, ...none: []) {
    super(...none);
    this.alpha = finite("ELU", "alpha", alpha);
  }

  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return elu(x, used(this).alpha, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `alpha=${pyFloat(this.alpha)}`;
  }
}

/**
 * x where it is positive, else alpha (e^x - 1), all times a scale: both are those of self-normalizing networks.
 * https://pytorch.org/docs/stable/generated/torch.nn.SELU.html
 */
export class SELU extends Module {
  /** @internal */
  static override readonly name: string = "SELU";
  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return selu(x, ...none);
  }
}

/** x where it is positive, else alpha (e^(x / alpha) - 1). https://pytorch.org/docs/stable/generated/torch.nn.CELU.html */
export class CELU extends Module {
  /** @internal */
  static override readonly name: string = "CELU";
  /** What the exponential part is multiplied with, and x in it divided by. */
  readonly alpha: number;

  /** alpha is not 0, 1 by default. */
  constructor(alpha = 1, ...none: []) {
    super(...none);
    this.alpha = notZero("CELU", "alpha", alpha);
  }

  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return celu(x, used(this).alpha, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `alpha=${pyFloat(this.alpha)}`;
  }
}

/** x times the normal distribution at x. https://pytorch.org/docs/stable/generated/torch.nn.GELU.html */
export class GELU extends Module {
  /** @internal */
  static override readonly name: string = "GELU";
  /** @internal */
  readonly [CHECKED] = "gelu";
  /** `"none"`, or `"tanh"`: an approximation by tanh. */
  readonly approximate: "none" | "tanh";

  constructor(options: GeluOptions = {}, ...none: []) {
    super();
    expectOptions("GELU", options, "approximate", none);
    this.approximate = oneOf("GELU", "approximate", options.approximate ?? "none", ["none", "tanh"] as const);
  }

  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return gelu(x, used(this), ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `approximate='${this.approximate}'`;
  }
}

/** x sigmoid(x). https://pytorch.org/docs/stable/generated/torch.nn.SiLU.html */
export class SiLU extends Module {
  /** @internal */
  static override readonly name: string = "SiLU";
  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return silu(x, ...none);
  }
}

/** x tanh(softplus(x)). https://pytorch.org/docs/stable/generated/torch.nn.Mish.html */
export class Mish extends Module {
  /** @internal */
  static override readonly name: string = "Mish";
  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return mish(x, ...none);
  }
}

/**
 * log(1 + e^(beta x)) / beta, and x itself where beta x is above the threshold.
 * https://pytorch.org/docs/stable/generated/torch.nn.Softplus.html
 */
export class Softplus extends Module {
  /** @internal */
  static override readonly name: string = "Softplus";
  /** How fast it bends. */
  readonly beta: number;
  /** From there on it is x itself. */
  readonly threshold: number;

  /** beta is not 0, 1 by default; the threshold is 20. */
  constructor(beta = 1, threshold = 20, ...none: []) {
    super(...none);
    this.beta = notZero("Softplus", "beta", beta);
    this.threshold = finite("Softplus", "threshold", threshold);
  }

  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    const { beta, threshold } = used(this);
    return softplus(x, beta, threshold, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `beta=${pyNumber(this.beta)}, threshold=${pyNumber(this.threshold)}`;
  }
}

/** x / (1 + |x|). https://pytorch.org/docs/stable/generated/torch.nn.Softsign.html */
export class Softsign extends Module {
  /** @internal */
  static override readonly name: string = "Softsign";
  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return softsign(x, ...none);
  }
}

/** log(1 / (1 + e^-x)). https://pytorch.org/docs/stable/generated/torch.nn.LogSigmoid.html */
export class LogSigmoid extends Module {
  /** @internal */
  static override readonly name: string = "LogSigmoid";
  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return logsigmoid(x, ...none);
  }
}

/** x - tanh(x). https://pytorch.org/docs/stable/generated/torch.nn.Tanhshrink.html */
export class Tanhshrink extends Module {
  /** @internal */
  static override readonly name: string = "Tanhshrink";
  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return tanhshrink(x, ...none);
  }
}

/** The softmax of -x along `dim`. https://pytorch.org/docs/stable/generated/torch.nn.Softmin.html */
export class Softmin extends Module {
  /** @internal */
  static override readonly name: string = "Softmin";
  /** The dim along which it sums; negative ones count from the end. */
  readonly dim: number;

  constructor(dim: number, ...none: []) {
    super(...none);
    this.dim = integer("Softmin", "dim", dim);
  }

  /** `x` of any shape to the same shape; along `dim` the values add up to 1. */
  forward(x: Tensor, ...none: []): Tensor {
    return softmin(x, used(this).dim, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}
