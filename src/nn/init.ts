// Initialisers: they fill a tensor in place, unrecorded, and return it. https://pytorch.org/docs/stable/nn.init.html
import { checkNumber, expectOptions, fail, given, noMore } from "../core/error.ts";
import { show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { normal_ as drawNormal, uniform_ as drawUniform, fill_ } from "../ops/index.ts";
import { noGrad } from "../ops/modes.ts";

/** What a layer feeds, for `calculateGain`. */
export type Nonlinearity =
  | "linear"
  | "conv1d"
  | "conv2d"
  | "conv3d"
  | "sigmoid"
  | "tanh"
  | "relu"
  | "leakyRelu"
  | "selu";

/** Options of `xavierUniform_` and `xavierNormal_`. */
export interface XavierOptions {
  /** Factor of the standard deviation; 1 by default. */
  gain?: number;
}

/** Options of `kaimingUniform_` and `kaimingNormal_`. */
export interface KaimingOptions {
  /** Negative slope of the leaky relu behind the layer, for `nonlinearity: "leakyRelu"`; 0 by default. */
  a?: number;
  /** Keeps the variance in the forward pass ("fanIn", the default) or the backward one. */
  mode?: "fanIn" | "fanOut";
  /** What stands behind the layer; `"leakyRelu"` by default. */
  nonlinearity?: Nonlinearity;
}

/** Fills with numbers drawn uniformly from [a, b), 0 and 1 by default. */
export function uniform_(x: Tensor, a = 0, b = 1, ...none: []): Tensor {
  noMore("uniform_", none);
  return noGrad(() => drawUniform(x, a, b));
}

/** Fills with normal numbers, of mean 0 and standard deviation 1 by default. */
export function normal_(x: Tensor, mean = 0, std = 1, ...none: []): Tensor {
  noMore("normal_", none);
  return noGrad(() => drawNormal(x, mean, std));
}

/** Fills with `value`. */
export function constant_(x: Tensor, value: number, ...none: []): Tensor {
  noMore("constant_", none);
  return noGrad(() => fill_(x, value));
}

/** Fills with 0. */
export function zeros_(x: Tensor, ...none: []): Tensor {
  noMore("zeros_", none);
  return constant_(x, 0);
}
/** Fills with 1. */
export function ones_(x: Tensor, ...none: []): Tensor {
  noMore("ones_", none);
  return constant_(x, 1);
}

/**
 * Fills a weight `[out, in, ...]` from U(-b, b), b = gain sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio 2010). Fans are the sizes
 * of the first two dims (out, in) times those of the others.
 */
export function xavierUniform_(x: Tensor, options?: XavierOptions, ...none: []): Tensor {
  noMore("xavierUniform_", none);
  const bound = xavier("xavierUniform_", x, 6, options);
  return uniform_(x, -bound, bound);
}

/** Fills a weight `[out, in, ...]` from N(0, s²), s = gain sqrt(2 / (fanIn + fanOut)). */
export function xavierNormal_(x: Tensor, options?: XavierOptions, ...none: []): Tensor {
  noMore("xavierNormal_", none);
  return normal_(x, 0, xavier("xavierNormal_", x, 2, options));
}

function xavier(op: string, x: Tensor, by: number, options?: XavierOptions): number {
  expectOptions(op, options, "gain");
  const { gain = 1 } = options ?? {};
  checkNumber(op, "gain", gain);
  const { fanIn, fanOut } = fans(op, x);
  return gain * Math.sqrt(by / (fanIn + fanOut));
}

/** Fills a weight `[out, in, ...]` from U(-b, b), b = gain sqrt(3 / fan) (He et al. 2015), with the gain of `calculateGain`. */
export function kaimingUniform_(x: Tensor, options?: KaimingOptions, ...none: []): Tensor {
  noMore("kaimingUniform_", none);
  const bound = Math.sqrt(3) * kaimingStd("kaimingUniform_", x, options);
  return uniform_(x, -bound, bound);
}

/** Fills a weight `[out, in, ...]` from N(0, s²), s = gain / sqrt(fan), with the gain of `calculateGain`. */
export function kaimingNormal_(x: Tensor, options?: KaimingOptions, ...none: []): Tensor {
  noMore("kaimingNormal_", none);
  return normal_(x, 0, kaimingStd("kaimingNormal_", x, options));
}

function kaimingStd(op: string, x: Tensor, options?: KaimingOptions): number {
  expectOptions(op, options, "a mode nonlinearity");
  alive(op, x);
  const { a = 0, mode = "fanIn", nonlinearity = "leakyRelu" } = options ?? {};
  if (mode !== "fanIn" && mode !== "fanOut") fail(op, `mode ${given(mode)}: fanIn or fanOut is expected`);
  if (x.shape.includes(0)) return 0;
  return calculateGain(nonlinearity, a) / Math.sqrt(fans(op, x)[mode]);
}

/** The recommended factor for a nonlinearity; `param` is the slope of leakyRelu, 0.01 by default. */
export function calculateGain(nonlinearity: Nonlinearity, param = 0.01, ...none: []): number {
  noMore("calculateGain", none);
  checkNumber("calculateGain", "param", param, Number.isFinite, "a finite number");
  switch (nonlinearity) {
    case "linear":
    case "conv1d":
    case "conv2d":
    case "conv3d":
    case "sigmoid":
      return 1;
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "leakyRelu":
      return Math.sqrt(2 / (1 + param * param));
    case "selu":
      return 3 / 4;
    default:
      return fail("calculateGain", `nonlinearity ${given(nonlinearity)}: it is not one of PyTorch's`);
  }
}

/** Inputs and outputs of one unit: weight [out, in, ...receptive field]. @internal */
export function fans(op: string, x: Tensor): { fanIn: number; fanOut: number } {
  alive(op, x);
  const { shape } = x;
  if (shape.length < 2) fail(op, `${show(shape)}: fan in and fan out need at least 2 dims`);
  const field = shape.slice(2).reduce((a, b) => a * b, 1);
  return { fanIn: shape[1]! * field, fanOut: shape[0]! * field };
}

/**
 * PyTorch's default for a layer's weight and bias: U(-1/sqrt(fanIn), 1/sqrt(fanIn)), which is kaiming with a = sqrt 5.
 * @internal
 */
export function layerDefault(fanIn: number): (x: Tensor) => void {
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  return (x) => {
    uniform_(x, -bound, bound);
  };
}
