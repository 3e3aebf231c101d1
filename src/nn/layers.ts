// Layers with weights, pooling, and what shapes: thin objects over the ops.
// Static names: printing must not depend on what a bundler does to class names.
import type { Device } from "../core/device.ts";
import { fail } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import { avgPool2d, conv2d, dropout, flatten, layerNorm, linear, maxPool2d } from "../ops/index.ts";
import { both, fraction, integer, known, type Pair, pairOf, positive, pyBool, pyNumber, pyPair } from "./check.ts";
import { layerDefault, ones_, zeros_ } from "./init.ts";
import { type AnyModule, Module } from "./module.ts";
import { made, type Parameter } from "./parameter.ts";

export interface LinearOptions {
  /** With a bias; true by default. */
  bias?: boolean;
  device?: Device;
}

/**
 * y = x Wᵀ + b: [..., inFeatures] to [..., outFeatures]; weight [outFeatures, inFeatures], bias [outFeatures].
 * https://pytorch.org/docs/stable/generated/torch.nn.Linear.html
 */
export class Linear extends Module {
  static override readonly name: string = "Linear";
  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    known("Linear", options, ["bias", "device"]);
    this.inFeatures = positive("Linear", "inFeatures", inFeatures);
    this.outFeatures = positive("Linear", "outFeatures", outFeatures);
    const fill = layerDefault(inFeatures);
    this.weight = made("weight", [outFeatures, inFeatures], options.device, fill);
    this.bias = (options.bias ?? true) ? made("bias", [outFeatures], options.device, fill) : null;
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }

  protected override extraRepr(): string {
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${pyBool(this.bias !== null)}`;
  }
}

export interface Conv2dOptions {
  /** 1 by default. */
  stride?: Pair;
  /** Zeros around the image; 0 by default. */
  padding?: Pair;
  /** 1 by default. */
  dilation?: Pair;
  /** Groups of channels that do not mix; 1 by default. */
  groups?: number;
  /** With a bias; true by default. */
  bias?: boolean;
  device?: Device;
}

/**
 * Convolution: [n, inChannels, h, w] to [n, outChannels, oh, ow]; weight [outChannels, inChannels / groups, kh, kw].
 * https://pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
 */
export class Conv2d extends Module {
  static override readonly name: string = "Conv2d";
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
  weight: Parameter;
  bias: Parameter | null;

  constructor(inChannels: number, outChannels: number, kernelSize: Pair, options: Conv2dOptions = {}) {
    super();
    known("Conv2d", options, ["stride", "padding", "dilation", "groups", "bias", "device"]);
    this.inChannels = positive("Conv2d", "inChannels", inChannels);
    this.outChannels = positive("Conv2d", "outChannels", outChannels);
    this.kernelSize = both(pairOf("Conv2d", "kernelSize", kernelSize, 1));
    this.stride = both(pairOf("Conv2d", "stride", options.stride ?? 1, 1));
    this.padding = both(pairOf("Conv2d", "padding", options.padding ?? 0, 0));
    this.dilation = both(pairOf("Conv2d", "dilation", options.dilation ?? 1, 1));
    this.groups = positive("Conv2d", "groups", options.groups ?? 1);
    if (inChannels % this.groups !== 0)
      fail("Conv2d", `inChannels ${inChannels}: groups ${this.groups} must divide it`);
    if (outChannels % this.groups !== 0)
      fail("Conv2d", `outChannels ${outChannels}: groups ${this.groups} must divide it`);
    const [kh, kw] = this.kernelSize;
    const channels = inChannels / this.groups;
    const fill = layerDefault(channels * kh * kw);
    this.weight = made("weight", [outChannels, channels, kh, kw], options.device, fill);
    this.bias = (options.bias ?? true) ? made("bias", [outChannels], options.device, fill) : null;
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias, this);
  }

  protected override extraRepr(): string {
    const all = (pair: Pair, value: number): boolean => both(pair).every((v) => v === value);
    let text = `${this.inChannels}, ${this.outChannels}`;
    text += `, kernel_size=${pyPair(this.kernelSize)}, stride=${pyPair(this.stride)}`;
    if (!all(this.padding, 0)) text += `, padding=${pyPair(this.padding)}`;
    if (!all(this.dilation, 1)) text += `, dilation=${pyPair(this.dilation)}`;
    if (this.groups !== 1) text += `, groups=${this.groups}`;
    return this.bias === null ? `${text}, bias=False` : text;
  }
}

export interface MaxPool2dOptions {
  /** The kernel's size by default. */
  stride?: Pair;
  /** Minus infinity around the image, at most half the kernel; 0 by default. */
  padding?: Pair;
  dilation?: Pair;
  /** Also windows that reach over the edge; false by default. */
  ceilMode?: boolean;
}

/**
 * The largest value of each window: [n, c, h, w] to [n, c, oh, ow].
 * https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
 */
export class MaxPool2d extends Module {
  static override readonly name: string = "MaxPool2d";
  readonly kernelSize: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly ceilMode: boolean;

  constructor(kernelSize: Pair, options: MaxPool2dOptions = {}) {
    super();
    known("MaxPool2d", options, ["stride", "padding", "dilation", "ceilMode"]);
    this.kernelSize = pairOf("MaxPool2d", "kernelSize", kernelSize, 1);
    this.stride = pairOf("MaxPool2d", "stride", options.stride ?? kernelSize, 1);
    this.padding = halfOf("MaxPool2d", options.padding ?? 0, this.kernelSize);
    this.dilation = pairOf("MaxPool2d", "dilation", options.dilation ?? 1, 1);
    this.ceilMode = options.ceilMode ?? false;
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this);
  }

  protected override extraRepr(): string {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return (
      `kernel_size=${pyPair(kernelSize)}, stride=${pyPair(stride)}, padding=${pyPair(padding)}, ` +
      `dilation=${pyPair(dilation)}, ceil_mode=${pyBool(ceilMode)}`
    );
  }
}

export interface AvgPool2dOptions {
  /** The kernel's size by default. */
  stride?: Pair;
  /** Zeros around the image, at most half the kernel; 0 by default. */
  padding?: Pair;
  /** Also windows that reach over the edge; false by default. */
  ceilMode?: boolean;
  /** Padding counts in the average; true by default. */
  countIncludePad?: boolean;
  /** Divides by this instead of the window's size. */
  divisorOverride?: number | null;
}

/**
 * The average of each window: [n, c, h, w] to [n, c, oh, ow].
 * https://pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html
 */
export class AvgPool2d extends Module {
  static override readonly name: string = "AvgPool2d";
  readonly kernelSize: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
  readonly divisorOverride: number | null;

  constructor(kernelSize: Pair, options: AvgPool2dOptions = {}) {
    super();
    known("AvgPool2d", options, ["stride", "padding", "ceilMode", "countIncludePad", "divisorOverride"]);
    this.kernelSize = pairOf("AvgPool2d", "kernelSize", kernelSize, 1);
    this.stride = pairOf("AvgPool2d", "stride", options.stride ?? kernelSize, 1);
    this.padding = halfOf("AvgPool2d", options.padding ?? 0, this.kernelSize);
    this.ceilMode = options.ceilMode ?? false;
    this.countIncludePad = options.countIncludePad ?? true;
    const divisor = options.divisorOverride ?? null;
    this.divisorOverride = divisor === null ? null : positive("AvgPool2d", "divisorOverride", divisor);
  }

  forward(x: Tensor): Tensor {
    const { stride, padding, ceilMode, countIncludePad } = this;
    const divisorOverride = this.divisorOverride ?? undefined;
    return avgPool2d(x, this.kernelSize, { stride, padding, ceilMode, countIncludePad, divisorOverride });
  }

  protected override extraRepr(): string {
    return `kernel_size=${pyPair(this.kernelSize)}, stride=${pyPair(this.stride)}, padding=${pyPair(this.padding)}`;
  }
}

function halfOf(layer: string, padding: Pair, kernelSize: Pair): Pair {
  const pads = both(pairOf(layer, "padding", padding, 0));
  const sizes = both(kernelSize);
  if (pads.some((p, i) => 2 * p > sizes[i]!)) {
    fail(layer, `padding ${pyPair(padding)}: at most half of kernelSize ${pyPair(kernelSize)} is expected`);
  }
  return padding;
}

export interface LayerNormOptions {
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
  /** With weight and bias; true by default. */
  elementwiseAffine?: boolean;
  /** With a bias beside the weight; true by default. */
  bias?: boolean;
  device?: Device;
}

/**
 * Each run of the last dims, which are `normalizedShape`, to mean 0 and variance 1, times weight, plus bias.
 * https://pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html
 */
export class LayerNorm extends Module {
  static override readonly name: string = "LayerNorm";
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super();
    known("LayerNorm", options, ["eps", "elementwiseAffine", "bias", "device"]);
    const sizes = typeof normalizedShape === "number" ? [normalizedShape] : [...normalizedShape];
    if (sizes.length === 0) fail("LayerNorm", "normalizedShape []: at least one size is expected");
    for (const n of sizes) positive("LayerNorm", "normalizedShape", n);
    this.normalizedShape = sizes;
    this.eps = options.eps ?? 1e-5;
    if (!(this.eps >= 0)) fail("LayerNorm", `eps ${this.eps}: a number of at least 0 is expected`);
    const affine = options.elementwiseAffine ?? true;
    this.weight = affine ? made("weight", sizes, options.device, ones_) : null;
    this.bias = affine && (options.bias ?? true) ? made("bias", sizes, options.device, zeros_) : null;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.normalizedShape, this.weight, this.bias, this);
  }

  protected override extraRepr(): string {
    const sizes = this.normalizedShape;
    const shape = sizes.length === 1 ? `(${sizes[0]},)` : `(${sizes.join(", ")})`;
    return `${shape}, eps=${pyNumber(this.eps)}, elementwise_affine=${pyBool(this.weight !== null)}`;
  }
}

/**
 * While training, zeroes each element with probability p and scales the others by 1 / (1 - p).
 * https://pytorch.org/docs/stable/generated/torch.nn.Dropout.html
 */
export class Dropout extends Module {
  static override readonly name: string = "Dropout";
  readonly p: number;

  constructor(p = 0.5) {
    super();
    this.p = fraction("Dropout", "p", p);
  }

  forward(x: Tensor): Tensor {
    return dropout(x, this.p, this.isTraining);
  }

  protected override extraRepr(): string {
    return `p=${pyNumber(this.p)}, inplace=False`;
  }
}

export interface FlattenOptions {
  /** 1 by default: the batch stays. */
  startDim?: number;
  /** -1 by default. */
  endDim?: number;
}

/**
 * Joins the dims from startDim to endDim: [n, c, h, w] to [n, chw].
 * https://pytorch.org/docs/stable/generated/torch.nn.Flatten.html
 */
export class Flatten extends Module {
  static override readonly name: string = "Flatten";
  readonly startDim: number;
  readonly endDim: number;

  constructor(options: FlattenOptions = {}) {
    super();
    known("Flatten", options, ["startDim", "endDim"]);
    this.startDim = integer("Flatten", "startDim", options.startDim ?? 1);
    this.endDim = integer("Flatten", "endDim", options.endDim ?? -1);
  }

  forward(x: Tensor): Tensor {
    return flatten(x, this.startDim, this.endDim);
  }

  protected override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`;
  }
}

/** Returns its input. https://pytorch.org/docs/stable/generated/torch.nn.Identity.html */
export class Identity extends Module {
  static override readonly name: string = "Identity";
  forward(x: Tensor): Tensor {
    return x;
  }
}

type Stage = Module<[Tensor], Tensor>;

/**
 * Modules one behind the other, given one by one or as an array; `net[0]` is the first.
 * https://pytorch.org/docs/stable/generated/torch.nn.Sequential.html
 */
export class Sequential extends Module {
  static override readonly name: string = "Sequential";
  [index: number]: Stage;

  constructor(...modules: Stage[] | [Stage[]]) {
    super();
    for (const m of modules.flat()) this.append(m);
  }

  /** Adds a module at the end. */
  append(module: Stage): this {
    const count = this.length;
    if (!(module instanceof Module)) fail("Sequential", `item ${count} is ${typeof module}: a module is expected`);
    this[count] = module;
    return this;
  }

  get length(): number {
    let count = 0;
    while (this[count] !== undefined) count++;
    return count;
  }

  /** The module at `index`; negative ones count from the end. */
  at(index: number): AnyModule | undefined {
    return this[index < 0 ? this.length + index : index];
  }

  *[Symbol.iterator](): IterableIterator<Stage> {
    for (let i = 0; this[i] !== undefined; i++) yield this[i]!;
  }

  forward(x: Tensor): Tensor {
    let y = x;
    for (let i = 0; this[i] !== undefined; i++) y = this[i]!.forward(y);
    return y;
  }
}
