// Pooling as modules: thin objects over the ops.
import { CHECKED, expectOptions, fail } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Pair } from "../ops/conv.ts";
import { avgPool2d, maxPool2d } from "../ops/index.ts";
import { both, pairOf, positive } from "./check.ts";
import { Module } from "./module.ts";
import { pyBool, pyPair } from "./repr.ts";
import { used } from "./watched.ts";

/** Options of `MaxPool2d`. */
export interface MaxPool2dOptions {
  /** Pixels from one window to the next; the kernel's size by default. */
  stride?: Pair;
  /** Rows and columns of minus infinity around the image, at most half the kernel; 0 by default. */
  padding?: Pair;
  /** Pixels from one of the window's elements to the next; 1 by default. */
  dilation?: Pair;
  /** Windows that start inside but end outside count too; false by default. */
  ceilMode?: boolean;
}

/**
 * The largest value of each window: `[n, c, h, w]` to `[n, c, oh, ow]` with
 * oh = floor((h + 2 padding - dilation (kh - 1) - 1) / stride) + 1. PyTorch's `return_indices` is not there.
 * https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
 */
export class MaxPool2d extends Module {
  /** @internal */
  static override readonly name: string = "MaxPool2d";
  /** @internal */
  readonly [CHECKED] = "maxPool2d";
  /** Size of the window. */
  readonly kernelSize: Pair;
  /** Pixels from one window to the next. */
  readonly stride: Pair;
  /** Rows and columns around the image. */
  readonly padding: Pair;
  /** Pixels from one of the window's elements to the next. */
  readonly dilation: Pair;
  /** Whether windows that end outside count too. */
  readonly ceilMode: boolean;

  constructor(kernelSize: Pair, options: MaxPool2dOptions = {}, ...none: []) {
    super();
    expectOptions("MaxPool2d", options, "stride padding dilation ceilMode?", none);
    this.kernelSize = pairOf("MaxPool2d", "kernelSize", kernelSize, 1);
    this.stride = pairOf("MaxPool2d", "stride", options.stride ?? kernelSize, 1);
    this.padding = halfOf("MaxPool2d", options.padding ?? 0, this.kernelSize);
    this.dilation = pairOf("MaxPool2d", "dilation", options.dilation ?? 1, 1);
    this.ceilMode = options.ceilMode ?? false;
  }

  /** `[n, c, h, w]` or `[c, h, w]` to `[..., oh, ow]`. */
  forward(x: Tensor, ...none: []): Tensor {
    return maxPool2d(x, this.kernelSize, used(this), ...none);
  }

  /** @internal */
  protected override extraRepr(): string {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return (
      `kernel_size=${pyPair(kernelSize)}, stride=${pyPair(stride)}, padding=${pyPair(padding)}, ` +
      `dilation=${pyPair(dilation)}, ceil_mode=${pyBool(ceilMode)}`
    );
  }
}

/** Options of `AvgPool2d`. */
export interface AvgPool2dOptions {
  /** Pixels from one window to the next; the kernel's size by default. */
  stride?: Pair;
  /** Rows and columns of zeros around the image, at most half the kernel; 0 by default. */
  padding?: Pair;
  /** Windows that start inside but end outside count too; false by default. */
  ceilMode?: boolean;
  /** Padding counts in the mean; true by default. */
  countIncludePad?: boolean;
  /** Divides by this positive integer instead of the window's size; null by default. */
  divisorOverride?: number | null;
}

/**
 * The mean of each window: `[n, c, h, w]` to `[n, c, oh, ow]` with oh = floor((h + 2 padding - kh) / stride) + 1.
 * https://pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html
 */
export class AvgPool2d extends Module {
  /** @internal */
  static override readonly name: string = "AvgPool2d";
  /** Size of the window. */
  readonly kernelSize: Pair;
  /** Pixels from one window to the next. */
  readonly stride: Pair;
  /** Rows and columns around the image. */
  readonly padding: Pair;
  /** Whether windows that end outside count too. */
  readonly ceilMode: boolean;
  /** Whether padding counts in the mean. */
  readonly countIncludePad: boolean;
  /** What sums are divided by, or null for the window's size. */
  readonly divisorOverride: number | null;

  constructor(kernelSize: Pair, options: AvgPool2dOptions = {}, ...none: []) {
    super();
    expectOptions("AvgPool2d", options, "stride padding ceilMode? countIncludePad? divisorOverride", none);
    this.kernelSize = pairOf("AvgPool2d", "kernelSize", kernelSize, 1);
    this.stride = pairOf("AvgPool2d", "stride", options.stride ?? kernelSize, 1);
    this.padding = halfOf("AvgPool2d", options.padding ?? 0, this.kernelSize);
    this.ceilMode = options.ceilMode ?? false;
    this.countIncludePad = options.countIncludePad ?? true;
    const divisor = options.divisorOverride ?? null;
    this.divisorOverride = divisor === null ? null : positive("AvgPool2d", "divisorOverride", divisor);
  }

  /** `[n, c, h, w]` or `[c, h, w]` to `[..., oh, ow]`. */
  forward(x: Tensor, ...none: []): Tensor {
    const { stride, padding, ceilMode, countIncludePad } = this;
    const divisorOverride = this.divisorOverride ?? undefined;
    return avgPool2d(
      x,
      used(this).kernelSize,
      { stride, padding, ceilMode, countIncludePad, divisorOverride },
      ...none,
    );
  }

  /** @internal */
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
