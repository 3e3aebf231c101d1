// 2-d convolution, NCHW. The three products are ops of each other's gradients, so it differentiates twice.
import { expectOptions, fail, given } from "../core/error.ts";
import { empty } from "../core/make.ts";
import { apply, launch, type Op, save } from "../core/op.ts";
import { numel, sameShape, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { bringConvolutions } from "../program/winograd.ts";
import { done, like } from "./compose.ts";
import { expectDtype, sameDtypes } from "./expect.ts";
import { besides } from "./gradient.ts";
import { sum } from "./reduce.ts";

/** One number for both dims, or `[height, width]`. */
export type Pair = number | readonly [number, number];

/** Options of `conv2d`. */
export interface ConvOptions {
  /** Pixels from one window to the next; 1 by default. */
  stride?: Pair;
  /** Rows and columns of zeros around the image; 0 by default. */
  padding?: Pair;
  /** Pixels from one of the kernel's elements to the next; 1 by default. */
  dilation?: Pair;
  /** Groups of channels that do not mix; 1 by default. It divides both numbers of channels. */
  groups?: number;
}

/** Sizes of a padded image are words of a row. */
const MOST = 2 ** 30;

/** Both entries of a pair, checked to be integers not below `least`. @internal */
export function pair(op: string, what: string, value: Pair, least: number): [number, number] {
  const both = Array.isArray(value) ? value : [value, value];
  if (both.length !== 2 || !both.every((v) => Number.isInteger(v) && v >= least && v < MOST))
    fail(op, `${what} ${given(value)}: an integer of at least ${least}, below 2^30, or two of them, is expected`);
  return both as [number, number];
}

interface Geometry {
  /** Input [n, ci * groups, h, w]. */
  readonly x: readonly number[];
  /** Weight [co, ci, kh, kw]. */
  readonly w: readonly number[];
  readonly oh: number;
  readonly ow: number;
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

/**
 * Images a partial sum of the weight's gradient covers, and most partial sums: fixed, so that threads do not matter. 50 images give
 * 7 partial sums, each a whole gradient `[co, ci, kh, kw]` that one thread makes, and then their sum in one order.
 */
const IMAGES = 8;
const MOST_CHUNKS = 16;

function geometry(x: Tensor, w: Tensor, options: ConvOptions = {}): Geometry {
  const name = "conv2d";
  if (x.ndim !== 4 || w.ndim !== 4) {
    fail(name, `input ${show(x.shape)} and weight ${show(w.shape)}: [n,c,h,w] and [out,in/groups,kh,kw] are expected`);
  }
  const groups = options.groups ?? 1;
  const stride = pair(name, "stride", options.stride ?? 1, 1);
  const padding = pair(name, "padding", options.padding ?? 0, 0);
  const dilation = pair(name, "dilation", options.dilation ?? 1, 1);
  const [, c, h, wide] = x.shape as [number, number, number, number];
  const [co, ci, kh, kw] = w.shape as [number, number, number, number];
  if (!Number.isInteger(groups) || groups < 1 || co % groups !== 0) {
    fail(name, `groups ${given(groups)} for weight ${show(w.shape)}: a positive divisor of ${co} is expected`);
  }
  if (c !== ci * groups) {
    fail(
      name,
      `input ${show(x.shape)} and weight ${show(w.shape)}: ${ci * groups} input channels are expected, got ${c}`,
    );
  }
  if (kh === 0 || kw === 0) fail(name, `weight ${show(w.shape)}: a kernel of at least one row and column is expected`);
  const out = (size: number, k: number, i: 0 | 1): number =>
    Math.floor((size + 2 * padding[i] - dilation[i] * (k - 1) - 1) / stride[i]) + 1;
  const [oh, ow] = [out(h, kh, 0), out(wide, kw, 1)];
  if (oh < 1 || ow < 1) {
    fail(
      name,
      `input ${show(x.shape)} and weight ${show(w.shape)}, padding [${padding}]: the kernel is larger than the padded input`,
    );
  }
  return { x: x.shape, w: w.shape, oh, ow, stride, padding, dilation, groups };
}

function conv(x: Tensor, w: Tensor, b: Tensor | undefined, g: Geometry): Tensor {
  const [n, , h, wide] = g.x as [number, number, number, number];
  const [co, ci, kh, kw] = g.w as [number, number, number, number];
  const y = like(x, "conv2d", [n, co, g.oh, g.ow]);
  const kernel = b === undefined ? "conv2d_f32" : "conv2d_bias_f32";
  const scalars = [h, wide, ...g.stride, ...g.padding, ...g.dilation, g.groups, 0, 0]; // neither relu nor along lines
  launch(kernel, [y], b === undefined ? [x, w] : [x, w, b], [n, co, g.oh, g.ow, ci, kh, kw], scalars, "conv2d");
  return y;
}

const Conv2d: Op<Geometry> = {
  name: "conv2d",
  forward(inputs, g, wants) {
    sameDtypes("conv2d", inputs);
    const [x, w, b] = inputs;
    save(wants & A ? w! : null, wants & B ? x! : null);
    return conv(x!, w!, b, g);
  },
  vjp: (gy, { inputs, saved: [w, x], params: g }) => [
    () => besides(apply(VjpX, [gy, w!], g), inputs[0]!, "none"),
    () => besides(apply(VjpW, [gy, x!], g), inputs[1]!, "none"),
    () => sum(gy, { dim: [0, 2, 3] }),
  ],
};

/** Bits of `wants`. */
const [A, B] = [1, 2];

/** Gradient of the input, from that of the output and the weight. */
const VjpX: Op<Geometry> = {
  name: "conv2dVjpX",
  forward([gy, w], g, wants) {
    save(wants & A ? w! : null, wants & B ? gy! : null);
    const [n, c, h, wide] = g.x as [number, number, number, number];
    const [co, , kh, kw] = g.w as [number, number, number, number];
    const gx = like(gy!, "conv2d gradient", g.x);
    const scalars = [g.oh, g.ow, ...g.stride, ...g.padding, ...g.dilation, g.groups];
    launch("conv2d_vjp_x_f32", [gx], [gy!, w!], [n, c, h, wide, co, kh, kw], scalars, "conv2d");
    return gx;
  },
  vjp: (ggx, { saved: [w, gy], params: g }) => [() => apply(Conv2d, [ggx, w!], g), () => apply(VjpW, [gy!, ggx], g)],
};

/** Gradient of the weight, from that of the output and the input: partial sums over chunks of the batch, then their sum. */
const VjpW: Op<Geometry> = {
  name: "conv2dVjpW",
  forward([gy, x], g, wants) {
    save(wants & A ? x! : null, wants & B ? gy! : null);
    const [n, , h, wide] = g.x as [number, number, number, number];
    const [co, ci, kh, kw] = g.w as [number, number, number, number];
    const chunks = Math.max(1, Math.min(MOST_CHUNKS, Math.ceil(n / IMAGES)));
    const gw = like(x!, "conv2d gradient", g.w);
    const partial = chunks === 1 ? gw : empty([chunks, ...g.w], "float32", "conv2d gradient", gy!.device);
    const scalars = [h, wide, ...g.stride, ...g.padding, ...g.dilation, g.groups];
    launch("conv2d_vjp_w_f32", [partial], [gy!, x!], [chunks, n, co, g.oh, g.ow, ci, kh, kw], scalars, "conv2d");
    if (chunks > 1) {
      launch("sum_f32", [gw], [partial], [1, chunks, numel(g.w)], undefined, "conv2d");
      done(partial);
    }
    return gw;
  },
  vjp: (ggw, { saved: [x, gy], params: g }) => [() => apply(Conv2d, [x!, ggw], g), () => apply(VjpX, [gy!, ggw], g)],
};

/**
 * Convolution of x `[n, c, h, w]` with weight `[out, c / groups, kh, kw]` and bias `[out]` or null, to `[n, out, oh, ow]` with
 * oh = floor((h + 2 padding - dilation (kh - 1) - 1) / stride) + 1. Floats of one dtype.
 *
 * Kernels of 3x3 and 5x5 with stride 1 between 16 and more channels go by Winograd's algorithm, up to three times as fast. An
 * output is then within 2^-19 * |x| * |w| of the exact sum, where |x| is the norm of the 6 x 6 inputs of all channels around
 * it and |w| that of its kernel (largest seen: 15 * 2^-24, where sums term by term have 8). What is not finite spreads over
 * its tile, 4 x 4 outputs with 3x3. Other kernels five wide with stride 1 go by it along lines, up to 1.6 times as fast, with
 * tiles of two outputs side by side. `init({ deterministic: true })` keeps to sums term by term.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html
 */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options?: ConvOptions,
  ...none: []
): Tensor {
  expectDtype("conv2d", x, "float32");
  expectDtype("conv2d", weight, "float32", "weight");
  if (bias !== null) expectDtype("conv2d", bias, "float32", "bias");
  expectOptions("conv2d", options, "stride padding dilation groups", none);
  const g = geometry(x, weight, options);
  bringConvolutions();
  if (bias !== null && !sameShape(bias.shape, [g.w[0]!])) {
    fail("conv2d", `bias ${show(bias.shape)} and weight ${show(weight.shape)}: the bias must be [${g.w[0]}]`);
  }
  return apply(Conv2d, bias === null ? [x, weight] : [x, weight, bias], g);
}
