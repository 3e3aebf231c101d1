// Max and average pooling over windows of [n, c, h, w].
import { checkNumber, expectOptions, fail } from "../core/error.ts";
import { empty } from "../core/make.ts";
import { apply, launch, type Op, save } from "../core/op.ts";
import { numel, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { bring } from "../program/passes/index.ts";
import { pooling } from "../program/passes/pool.ts";
import { eq } from "./compare.ts";
import { like } from "./compose.ts";
import { type Pair, pair } from "./conv.ts";
import { expectDtype } from "./expect.ts";
import { besides } from "./gradient.ts";
import { sum } from "./reduce.ts";
import { reshape } from "./shape.ts";
import { where } from "./where.ts";

/** Options of both pools. */
export interface PoolOptions {
  /** Pixels from one window to the next; the kernel's size by default. */
  stride?: Pair;
  /** Rows and columns around the image, at most half of the kernel; 0 by default. They count as -infinity, or as zeros. */
  padding?: Pair;
  /** Windows that start inside but end outside count too; false by default. */
  ceilMode?: boolean;
}

interface Geometry {
  readonly shape: readonly number[];
  readonly out: readonly number[];
  /** planes oh ow kh kw */
  readonly extents: readonly number[];
  /** h w sh sw ph pw */
  readonly scalars: readonly number[];
}

function geometry(
  name: string,
  x: Tensor,
  size: Pair,
  options: PoolOptions & { dilation?: Pair } = {},
  names: string,
  none: readonly unknown[],
): Geometry & { dilation: [number, number] } {
  expectDtype(name, x, "float32");
  expectOptions(name, options, names, none);
  const { ceilMode = false } = options;
  if (x.ndim !== 3 && x.ndim !== 4) fail(name, `input ${show(x.shape)}: [n,c,h,w] or [c,h,w] is expected`);
  const k = pair(name, "kernelSize", size, 1);
  const stride = pair(name, "stride", options.stride ?? size, 1);
  const padding = pair(name, "padding", options.padding ?? 0, 0);
  const dilated = pair(name, "dilation", options.dilation ?? 1, 1);
  const [h, w] = x.shape.slice(-2) as [number, number];
  const out = [h, w].map((n, i) => {
    if (padding[i]! * 2 > k[i]!) {
      fail(name, `kernelSize [${k}], padding [${padding}]: the padding should be at most half of the kernel size`);
    }
    const span = n + 2 * padding[i]! - dilated[i]! * (k[i]! - 1) - 1;
    let o = (ceilMode ? Math.ceil(span / stride[i]!) : Math.floor(span / stride[i]!)) + 1;
    // The last window must start inside the input or the left padding.
    if (ceilMode && (o - 1) * stride[i]! >= n + padding[i]!) o--;
    if (o < 1) fail(name, `input ${show(x.shape)}, kernelSize [${k}]: the window is larger than the padded input`);
    return o;
  }) as [number, number];
  const planes = numel(x.shape.slice(0, -2));
  return {
    shape: x.shape,
    out: [...x.shape.slice(0, -2), ...out],
    extents: [planes, ...out, ...k],
    scalars: [h, w, ...stride, ...padding],
    dilation: dilated,
  };
}

type MaxGeometry = Geometry & { dilation: [number, number] };

const MaxPool: Op<MaxGeometry> = {
  name: "maxPool2d",
  forward([x], g) {
    const y = like(x!, "maxPool2d", g.out);
    const index = empty(g.out, "int32", "maxPool2d index", x!.device);
    save(index);
    launch("max_pool2d_f32", [y, index], [x!], g.extents, [...g.scalars, ...g.dilation], "maxPool2d");
    return y;
  },
  vjp: (gy, { inputs: [x], params: g, saved: [index] }) => [besides(apply(MaxPoolVjp, [gy, index!], g), x!, "zeros")],
};

const MaxPoolVjp: Op<MaxGeometry> = {
  name: "maxPool2dVjp",
  forward([gy, index], g) {
    save(index!);
    const gx = like(gy!, "maxPool2d gradient", g.shape);
    const [planes, oh, ow] = g.extents as [number, number, number];
    launch(
      "max_pool2d_vjp_f32",
      [gx],
      [gy!, index!],
      [planes, oh, ow],
      [...g.scalars, ...g.dilation, ...g.extents.slice(3)],
      "maxPool2d",
    );
    return gx;
  },
  vjp: (h, { saved: [index], params: g }) => [gathered(h, index!, g), null],
};

/** The elements of each plane that the windows took, selected from all: for second derivatives only. */
function gathered(h: Tensor, index: Tensor, g: MaxGeometry): Tensor {
  const [planes, oh, ow] = g.extents as [number, number, number];
  const [height, width] = g.scalars as [number, number];
  const size = height * width;
  const positions = empty([size], "int32", "maxPool2d", h.device);
  launch("arange_i32", [positions], [], [size], [0, 1], "maxPool2d");
  const taken = eq(reshape(index, [planes, oh * ow, 1]), positions);
  return reshape(sum(where(taken, reshape(h, [planes, 1, size]), 0), { dim: 2 }), g.out);
}

/**
 * The largest of each window: `[n, c, h, w]` or `[c, h, w]` to `[..., oh, ow]` with
 * oh = floor((h + 2 padding - dilation (kh - 1) - 1) / stride) + 1. The first of a tie takes the gradient; NaN wins, of several
 * the last, as in PyTorch.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html
 */
export function maxPool2d(
  x: Tensor,
  kernelSize: Pair,
  options?: PoolOptions & {
    /** Pixels from one of the window's elements to the next; 1 by default. */
    dilation?: Pair;
  },
  ...none: []
): Tensor {
  bring(pooling);
  return apply(MaxPool, [x], geometry("maxPool2d", x, kernelSize, options, "stride padding dilation ceilMode?", none));
}

interface AvgGeometry extends Geometry {
  readonly counting: readonly [includePad: number, divisor: number];
}

const AvgPool: Op<AvgGeometry> = {
  name: "avgPool2d",
  forward([x], g) {
    const y = like(x!, "avgPool2d", g.out);
    launch("avg_pool2d_f32", [y], [x!], g.extents, [...g.scalars, ...g.counting], "avgPool2d");
    return y;
  },
  vjp: (gy, { inputs: [x], params: g }) => [besides(apply(AvgPoolVjp, [gy], g), x!, "zeros")],
};

const AvgPoolVjp: Op<AvgGeometry> = {
  name: "avgPool2dVjp",
  forward([gy], g) {
    const gx = like(gy!, "avgPool2d gradient", g.shape);
    launch("avg_pool2d_vjp_f32", [gx], [gy!], g.extents, [...g.scalars, ...g.counting], "avgPool2d");
    return gx;
  },
  vjp: (h, { params: g }) => [apply(AvgPool, [h], g)],
};

/**
 * The mean of each window: `[n, c, h, w]` or `[c, h, w]` to `[..., oh, ow]` with oh = floor((h + 2 padding - kh) / stride) + 1.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html
 */
export function avgPool2d(
  x: Tensor,
  kernelSize: Pair,
  options?: PoolOptions & {
    /** Padding counts in the mean; true by default. */
    countIncludePad?: boolean;
    /** Sums are divided by this integer instead of the window's size. */
    divisorOverride?: number;
  },
  ...none: []
): Tensor {
  const g = geometry(
    "avgPool2d",
    x,
    kernelSize,
    options,
    "stride padding ceilMode? countIncludePad? divisorOverride",
    none,
  );
  const { countIncludePad = true, divisorOverride } = options ?? {};
  if (divisorOverride !== undefined)
    checkNumber("avgPool2d", "divisorOverride", divisorOverride, [
      (v) => Number.isInteger(v) && v !== 0,
      "an integer other than 0",
    ]);
  return apply(AvgPool, [x], { ...g, counting: [Number(countIncludePad), divisorOverride ?? 0] as const });
}
