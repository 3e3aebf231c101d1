// Activations of straight lines as modules: rectifiers and their kin, shrinkage; and gates.

import type { Device } from "../core/device.ts";
import { checkNumber, expectOptions, fail } from "../core/error.ts";
import { show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { ANY, NOT_NAN } from "../ops/bounds.ts";
import { finite } from "../ops/expect.ts";
import {
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  leakyRelu,
  prelu,
  relu6,
  rrelu,
  softmax,
  softshrink,
  threshold,
} from "../ops/index.ts";
import { integer, positive } from "./check.ts";
import { constant_ } from "./init.ts";
import { Module } from "./module.ts";
import { made, type Parameter } from "./parameter.ts";
import { pyFloat, pyNumber } from "./repr.ts";
import { used } from "./watched.ts";

const anyNumber = (layer: string, name: string, value: unknown): number => {
  checkNumber(layer, name, value, NOT_NAN);
  return value;
};

/** x where it is positive, else negativeSlope x. https://pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html */
export class LeakyReLU extends Module {
  /** @internal */
  static override readonly name: string = "LeakyReLU";
  /** The slope below 0. */
  readonly negativeSlope: number;

  /** The slope is 0.01 by default. */
  constructor(negativeSlope = 0.01, ...none: []) {
    super(...none);
    this.negativeSlope = finite("LeakyReLU", "negativeSlope", negativeSlope);
  }

  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return leakyRelu(x, used(this).negativeSlope, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `negative_slope=${pyNumber(this.negativeSlope)}`;
  }
}

/** Options of `PReLU`. */
export interface PReLUOptions {
  /** What its weights begin as; 0.25 by default. */
  init?: number;
  /** Where its weights go; the default device by default. */
  device?: Device;
}

/**
 * x where it is positive, else w x, with a w that is learned: one, or one for each channel of `[n, channels, ...]`.
 * https://pytorch.org/docs/stable/generated/torch.nn.PReLU.html
 */
export class PReLU extends Module {
  /** @internal */
  static override readonly name: string = "PReLU";
  /** `[numParameters]`. */
  weight: Parameter;

  /** One weight by default. */
  constructor(numParameters = 1, options: PReLUOptions = {}, ...none: []) {
    super(...none);
    positive("PReLU", "numParameters", numParameters);
    expectOptions("PReLU", options, "init device");
    const init = finite("PReLU", "init", options.init ?? 0.25);
    this.weight = made("weight", [numParameters], options.device, (x) => constant_(x, init));
  }

  /** How many weights there are. */
  get numParameters(): number {
    return this.weight.numel;
  }

  /** `x` of any shape, or `[n, numParameters, ...]`, to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return prelu(x, this.weight, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `num_parameters=${this.numParameters}`;
  }
}

/**
 * In training x where it is positive, else x times a slope that is drawn for each element from [lower, upper); otherwise with the middle of the two.
 * https://pytorch.org/docs/stable/generated/torch.nn.RReLU.html
 */
export class RReLU extends Module {
  /** @internal */
  static override readonly name: string = "RReLU";
  /** The least slope. */
  readonly lower: number;
  /** The largest slope. */
  readonly upper: number;

  /** Slopes are from 1/8 to 1/3 by default. */
  constructor(lower = 1 / 8, upper = 1 / 3, ...none: []) {
    super(...none);
    this.lower = finite("RReLU", "lower", lower);
    this.upper = finite("RReLU", "upper", upper);
    if (lower > upper) fail("RReLU", `lower ${lower}, upper ${upper}: lower must not be the larger`);
  }

  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    const { lower, upper, training } = used(this);
    return rrelu(x, lower, upper, training, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `lower=${pyNumber(this.lower)}, upper=${pyNumber(this.upper)}`;
  }
}

/** x held between minVal and maxVal. https://pytorch.org/docs/stable/generated/torch.nn.Hardtanh.html */
export class Hardtanh extends Module {
  /** @internal */
  static override readonly name: string = "Hardtanh";
  /** The least value. */
  readonly minVal: number;
  /** The largest value. */
  readonly maxVal: number;

  /** From -1 to 1 by default. */
  constructor(minVal = -1, maxVal = 1, ...none: []) {
    super(...none);
    this.minVal = anyNumber("Hardtanh", "minVal", minVal);
    this.maxVal = anyNumber("Hardtanh", "maxVal", maxVal);
    if (minVal >= maxVal) fail("Hardtanh", `minVal ${minVal}, maxVal ${maxVal}: minVal must be the smaller`);
  }

  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    const { minVal, maxVal } = used(this);
    return hardtanh(x, minVal, maxVal, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `min_val=${pyFloat(this.minVal)}, max_val=${pyFloat(this.maxVal)}`;
  }
}

/** x held between 0 and 6. https://pytorch.org/docs/stable/generated/torch.nn.ReLU6.html */
export class ReLU6 extends Module {
  /** @internal */
  static override readonly name: string = "ReLU6";
  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return relu6(x, ...none);
  }
}

/** 0 up to -3, 1 from 3 on, (x + 3) / 6 between. https://pytorch.org/docs/stable/generated/torch.nn.Hardsigmoid.html */
export class Hardsigmoid extends Module {
  /** @internal */
  static override readonly name: string = "Hardsigmoid";
  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return hardsigmoid(x, ...none);
  }
}

/** x hardsigmoid(x). https://pytorch.org/docs/stable/generated/torch.nn.Hardswish.html */
export class Hardswish extends Module {
  /** @internal */
  static override readonly name: string = "Hardswish";
  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return hardswish(x, ...none);
  }
}

/** x outside [-lambd, lambd], 0 inside. https://pytorch.org/docs/stable/generated/torch.nn.Hardshrink.html */
export class Hardshrink extends Module {
  /** @internal */
  static override readonly name: string = "Hardshrink";
  /** Up to it all is 0. */
  readonly lambd: number;

  /** lambd is 0.5 by default. */
  constructor(lambd = 0.5, ...none: []) {
    super(...none);
    this.lambd = finite("Hardshrink", "lambd", lambd);
  }

  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return hardshrink(x, used(this).lambd, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return pyNumber(this.lambd);
  }
}

/** x nearer to 0 by lambd, and 0 where it is not as far. https://pytorch.org/docs/stable/generated/torch.nn.Softshrink.html */
export class Softshrink extends Module {
  /** @internal */
  static override readonly name: string = "Softshrink";
  /** How much nearer. */
  readonly lambd: number;

  /** lambd is at least 0, 0.5 by default. */
  constructor(lambd = 0.5, ...none: []) {
    super(...none);
    checkNumber("Softshrink", "lambd", lambd);
    this.lambd = lambd;
  }

  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return softshrink(x, used(this).lambd, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return pyNumber(this.lambd);
  }
}

/** x above `threshold`, else `value`. https://pytorch.org/docs/stable/generated/torch.nn.Threshold.html */
export class Threshold extends Module {
  /** @internal */
  static override readonly name: string = "Threshold";
  /** Up to it there is the value. */
  readonly threshold: number;
  /** What stands for what is not above. */
  readonly value: number;

  constructor(threshold: number, value: number, ...none: []) {
    super(...none);
    this.threshold = anyNumber("Threshold", "threshold", threshold);
    checkNumber("Threshold", "value", value, ANY);
    this.value = value;
  }

  /** `x` of any shape to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    const { threshold: at, value } = used(this);
    return threshold(x, at, value, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `threshold=${pyNumber(this.threshold)}, value=${pyNumber(this.value)}`;
  }
}

/** The first half along `dim` times the sigmoid of the second. https://pytorch.org/docs/stable/generated/torch.nn.GLU.html */
export class GLU extends Module {
  /** @internal */
  static override readonly name: string = "GLU";
  /** The dim that is halved; negative ones count from the end. */
  readonly dim: number;

  /** The last dim by default. */
  constructor(dim = -1, ...none: []) {
    super(...none);
    this.dim = integer("GLU", "dim", dim);
  }

  /** `x` to its shape with half the size at `dim`. */
  forward(x: Tensor, ...none: []): Tensor {
    return glu(x, used(this).dim, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** Softmax over the channels of images. https://pytorch.org/docs/stable/generated/torch.nn.Softmax2d.html */
export class Softmax2d extends Module {
  /** @internal */
  static override readonly name: string = "Softmax2d";
  /** `[n, channels, h, w]` or `[channels, h, w]` to the same shape; at each pixel the values add up to 1. */
  forward(x: Tensor, ...none: []): Tensor {
    alive("Softmax2d", x);
    if (x.ndim !== 3 && x.ndim !== 4)
      fail("Softmax2d", `input ${show(x.shape)}: [n, c, h, w] or [c, h, w] is expected`);
    return softmax(x, -3, ...none);
  }
}
