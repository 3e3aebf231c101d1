// Layers with weights, and what shapes: thin objects over the ops.
// Static names: printing must not depend on what a bundler does to class names.
import type { Device } from "../core/device.ts";
import { CHECKED, checkNumber, expectOptions, fail, given, noMore } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Pair } from "../ops/conv.ts";
import { conv2d, dropout, flatten, layerNorm, linear } from "../ops/index.ts";
import { both, fraction, integer, pairOf, positive } from "./check.ts";
import { layerDefault } from "./fans.ts";
import { ones_, zeros_ } from "./init.ts";
import { type AnyModule, Module } from "./module.ts";
import { made, type Parameter } from "./parameter.ts";
import { pyBool, pyNumber, pyPair } from "./repr.ts";
import { used } from "./watched.ts";

/** Options of `Linear`. */
export interface LinearOptions {
  /** With a bias; true by default. */
  bias?: boolean;
  /** Where its parameters go; the default device by default. */
  device?: Device;
}

/**
 * y = x Wᵀ + b: `[..., inFeatures]` to `[..., outFeatures]`. Weight and bias begin as U(-b, b), b = 1 / sqrt(inFeatures).
 * https://pytorch.org/docs/stable/generated/torch.nn.Linear.html
 */
export class Linear extends Module {
  /** @internal */
  static override readonly name: string = "Linear";
  /** `[outFeatures, inFeatures]`. */
  weight: Parameter;
  /** `[outFeatures]`, or null with `bias: false`. */
  bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}, ...none: []) {
    super();
    expectOptions("Linear", options, "bias? device", none);
    positive("Linear", "inFeatures", inFeatures);
    positive("Linear", "outFeatures", outFeatures);
    const fill = layerDefault(inFeatures);
    this.weight = made("weight", [outFeatures, inFeatures], options.device, fill);
    this.bias = (options.bias ?? true) ? made("bias", [outFeatures], options.device, fill) : null;
  }

  /** Size of the input's last dim. */
  get inFeatures(): number {
    return this.weight.shape[1]!;
  }

  /** Size of the result's last dim. */
  get outFeatures(): number {
    return this.weight.shape[0]!;
  }

  /** `[..., inFeatures]` to `[..., outFeatures]`. */
  forward(x: Tensor, ...none: []): Tensor {
    return linear(x, this.weight, this.bias, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${pyBool(this.bias !== null)}`;
  }
}

/** Options of `Conv2d`. */
export interface Conv2dOptions {
  /** Pixels from one window to the next; 1 by default. */
  stride?: Pair;
  /** Rows and columns of zeros around the image; 0 by default. */
  padding?: Pair;
  /** Pixels from one of the kernel's elements to the next; 1 by default. */
  dilation?: Pair;
  /** Groups of channels that do not mix; 1 by default. */
  groups?: number;
  /** With a bias; true by default. */
  bias?: boolean;
  /** Where its parameters go; the default device by default. */
  device?: Device;
}

/**
 * Convolution: `[n, inChannels, h, w]` to `[n, outChannels, oh, ow]` with
 * oh = floor((h + 2 padding - dilation (kh - 1) - 1) / stride) + 1. Weight and bias begin as U(-b, b),
 * b = 1 / sqrt(inChannels / groups kh kw). Padding is zeros, given as numbers.
 * https://pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
 */
export class Conv2d extends Module {
  /** @internal */
  static override readonly name: string = "Conv2d";
  /** @internal */
  readonly [CHECKED] = "conv2d";
  /** Pixels from one window to the next, down and across. */
  readonly stride: readonly [number, number];
  /** Rows and columns of zeros around the image. */
  readonly padding: readonly [number, number];
  /** Pixels from one of the kernel's elements to the next, down and across. */
  readonly dilation: readonly [number, number];
  /** Groups of channels that do not mix. */
  readonly groups: number;
  /** `[outChannels, inChannels / groups, kh, kw]`. */
  weight: Parameter;
  /** `[outChannels]`, or null with `bias: false`. */
  bias: Parameter | null;

  constructor(inChannels: number, outChannels: number, kernelSize: Pair, options: Conv2dOptions = {}, ...none: []) {
    super();
    expectOptions("Conv2d", options, "stride padding dilation groups bias? device", none);
    positive("Conv2d", "inChannels", inChannels);
    positive("Conv2d", "outChannels", outChannels);
    const [kh, kw] = both(pairOf("Conv2d", "kernelSize", kernelSize, 1));
    this.stride = both(pairOf("Conv2d", "stride", options.stride ?? 1, 1));
    this.padding = both(pairOf("Conv2d", "padding", options.padding ?? 0, 0));
    this.dilation = both(pairOf("Conv2d", "dilation", options.dilation ?? 1, 1));
    this.groups = positive("Conv2d", "groups", options.groups ?? 1);
    if (inChannels % this.groups !== 0)
      fail("Conv2d", `inChannels ${inChannels}: groups ${this.groups} must divide it`);
    if (outChannels % this.groups !== 0)
      fail("Conv2d", `outChannels ${outChannels}: groups ${this.groups} must divide it`);
    const channels = inChannels / this.groups;
    const fill = layerDefault(channels * kh * kw);
    this.weight = made("weight", [outChannels, channels, kh, kw], options.device, fill);
    this.bias = (options.bias ?? true) ? made("bias", [outChannels], options.device, fill) : null;
  }

  /** Channels of the input. */
  get inChannels(): number {
    return this.weight.shape[1]! * this.groups;
  }

  /** Channels of the result. */
  get outChannels(): number {
    return this.weight.shape[0]!;
  }

  /** Height and width of the kernel. */
  get kernelSize(): readonly [number, number] {
    return [this.weight.shape[2]!, this.weight.shape[3]!];
  }

  /** `[n, inChannels, h, w]` to `[n, outChannels, oh, ow]`. */
  forward(x: Tensor, ...none: []): Tensor {
    return conv2d(x, this.weight, this.bias, this, ...none);
  }

  /** @internal */
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

/** Options of `LayerNorm`. */
export interface LayerNormOptions {
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
  /** With weight and bias; true by default. */
  elementwiseAffine?: boolean;
  /** With a bias beside the weight; true by default. */
  bias?: boolean;
  /** Where its parameters go; the default device by default. */
  device?: Device;
}

/**
 * Brings the last dims, whose sizes are `normalizedShape`, to mean 0 and (biased) variance 1, times weight, plus bias. The shape
 * stays.
 * https://pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html
 */
export class LayerNorm extends Module {
  /** @internal */
  static override readonly name: string = "LayerNorm";
  /** @internal */
  readonly [CHECKED] = "layerNorm";
  /** Sizes of the last dims, over which mean and variance are taken. */
  readonly normalizedShape: readonly number[];
  /** What is added to the variance. */
  readonly eps: number;
  /** `normalizedShape`, ones at first; null with `elementwiseAffine: false`. */
  weight: Parameter | null;
  /** `normalizedShape`, zeros at first; null with `elementwiseAffine: false` or `bias: false`. */
  bias: Parameter | null;

  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}, ...none: []) {
    super();
    expectOptions("LayerNorm", options, "eps elementwiseAffine? bias? device", none);
    const sizes = Array.isArray(normalizedShape) ? [...normalizedShape] : [normalizedShape];
    if (sizes.length === 0) fail("LayerNorm", "normalizedShape []: at least one size is expected");
    for (const n of sizes) positive("LayerNorm", "normalizedShape", n);
    this.normalizedShape = sizes;
    this.eps = options.eps ?? 1e-5;
    checkNumber("LayerNorm", "eps", this.eps);
    const affine = options.elementwiseAffine ?? true;
    this.weight = affine ? made("weight", sizes, options.device, ones_) : null;
    this.bias = affine && (options.bias ?? true) ? made("bias", sizes, options.device, zeros_) : null;
  }

  /** `[..., ...normalizedShape]` to the same shape. */
  forward(x: Tensor, ...none: []): Tensor {
    return layerNorm(x, this.normalizedShape, this.weight, this.bias, this, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    const sizes = this.normalizedShape;
    const shape = sizes.length === 1 ? `(${sizes[0]},)` : `(${sizes.join(", ")})`;
    return `${shape}, eps=${pyNumber(this.eps)}, elementwise_affine=${pyBool(this.weight !== null)}`;
  }
}

/**
 * While training, zeroes each element with probability p (0.5 by default) and scales the others by 1 / (1 - p); under `eval()`
 * it passes its input on.
 * https://pytorch.org/docs/stable/generated/torch.nn.Dropout.html
 */
export class Dropout extends Module {
  /** @internal */
  static override readonly name: string = "Dropout";
  /** Probability that an element becomes zero; may be changed. */
  p: number;

  constructor(p = 0.5, ...none: []) {
    super(...none);
    this.p = fraction("Dropout", "p", p);
  }

  /** `x` of any shape to the same shape; itself under `eval()`. */
  forward(x: Tensor, ...none: []): Tensor {
    return dropout(x, used(this).p, this.training, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `p=${pyNumber(this.p)}, inplace=False`;
  }
}

/** Options of `Flatten`. */
export interface FlattenOptions {
  /** The first dim to join; 1 by default: the batch stays. */
  startDim?: number;
  /** The last dim to join; -1 by default. */
  endDim?: number;
}

/**
 * Joins the dims from startDim to endDim, all but the first by default: `[n, c, h, w]` to `[n, c h w]`.
 * https://pytorch.org/docs/stable/generated/torch.nn.Flatten.html
 */
export class Flatten extends Module {
  /** @internal */
  static override readonly name: string = "Flatten";
  /** The first dim to join. */
  readonly startDim: number;
  /** The last dim to join. */
  readonly endDim: number;

  constructor(options: FlattenOptions = {}, ...none: []) {
    super();
    expectOptions("Flatten", options, "startDim endDim", none);
    this.startDim = integer("Flatten", "startDim", options.startDim ?? 1);
    this.endDim = integer("Flatten", "endDim", options.endDim ?? -1);
  }

  /** `[n, c, h, w]` to `[n, c h w]` by default. */
  forward(x: Tensor, ...none: []): Tensor {
    return flatten(x, used(this).startDim, this.endDim, ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`;
  }
}

/** Returns its input. https://pytorch.org/docs/stable/generated/torch.nn.Identity.html */
export class Identity extends Module {
  /** @internal */
  static override readonly name: string = "Identity";
  /** `x` itself. */
  forward(x: Tensor, ...none: []): Tensor {
    noMore("Identity", none);
    return x;
  }
}

/** What a `Sequential` is made of. */
export type Stage = Module<[Tensor], Tensor>;

/**
 * Modules one behind the other, given one by one or as an array: each takes one tensor and returns one. `net[0]` is the first.
 * https://pytorch.org/docs/stable/generated/torch.nn.Sequential.html
 */
export class Sequential extends Module {
  /** @internal */
  static override readonly name: string = "Sequential";
  /** The module at that place; from the end on undefined. */
  [index: number]: Stage;

  constructor(...modules: Stage[] | [Stage[]]) {
    super();
    for (const m of modules.flat()) this.append(m);
  }

  /** Adds a module at the end; returns this one. */
  append(module: Stage, ...none: []): this {
    noMore("Sequential", none);
    const count = this.length;
    if (!(module instanceof Module)) fail("Sequential", `item ${count} is ${given(module)}: a module is expected`);
    this[count] = module;
    return this;
  }

  /** Number of modules. */
  get length(): number {
    let count = 0;
    while (this[count] !== undefined) count++;
    return count;
  }

  /** The module at `index`; negative ones count from the end. */
  at(index: number, ...none: []): AnyModule | undefined {
    noMore("Sequential", none);
    integer("Sequential", "index", index);
    return this[index < 0 ? this.length + index : index];
  }

  /** The modules in order. */
  *[Symbol.iterator](): IterableIterator<Stage> {
    for (let i = 0; this[i] !== undefined; i++) yield this[i]!;
  }

  /** `x` through all modules, the first one first; `x` itself where there are none. */
  forward(x: Tensor, ...none: []): Tensor {
    noMore("Sequential", none);
    let y = x;
    used(this);
    for (let i = 0; this[i] !== undefined; i++) y = this[i]!.forward(y);
    return y;
  }
}
