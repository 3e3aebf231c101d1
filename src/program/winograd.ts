// Convolutions by Winograd's algorithm, in two dimensions or along lines, where that is faster than sums term by term. Only shapes
// decide, so that eager and captured steps agree.
import type { Row } from "../core/device.ts";
import { type Choice, offer } from "./choices.ts";
import { rows as conv } from "./kernels/conv.ts";
import { reader } from "./kernels/reader.ts";
import { reluBehind } from "./passes/activation.ts";

const named = /* @__PURE__ */ reader(conv);

/** Channels below which it does not pay, and most channels that it adds up. */
const FEW_CHANNELS = 16;
const MOST_CHANNELS = 512;
/** Tiles below which it does not pay. */
const FEW_TILES = 16;

/** The numbers that a row of a convolution or of its gradients has in any case. */
interface Geometry {
  readonly kh: number;
  readonly kw: number;
  readonly ph: number;
  readonly pw: number;
  /** Columns of the input and of the output. */
  readonly w: number;
  readonly ow: number;
}

const plain = (row: Row): boolean => named.numbers(row, "sh", "sw", "dh", "dw", "groups").every((s) => s === 1);

function geometry(row: Row): Geometry {
  const [kh, kw, ph, pw, w, ow] = named.numbers(row, "kh", "kw", "ph", "pw", "w", "ow");
  return { kh, kw, ph, pw, w, ow };
}

/**
 * Whether it serves in two dimensions: stride 1, kernels of 3x3 or 5x5 that reach over every border, enough channels `from` and `to`,
 * and tiles of [high, wide] for n images.
 */
function serves(row: Row, from: number, to: number, n: number, high: number, wide: number): boolean {
  const { kh, kw, ph, pw, w, ow } = geometry(row);
  if (kh !== kw || (kh !== 3 && kh !== 5) || !plain(row) || Math.max(ph, pw) >= kh) return false;
  if (w < 4 || ow < 4 || Math.min(from, to) < FEW_CHANNELS || from > MOST_CHANNELS) return false;
  return n * Math.ceil(high / (7 - kh)) * Math.ceil(wide / (7 - kh)) >= FEW_TILES;
}

/** Least terms down the columns that pay for the transforms along lines, and least vectors of 8 pixels for those of the weights. */
const FEW_TERMS = 10;
const FEW_VECTORS = 8;
/** What its scratch memory holds: rows of weights, and bytes of inputs and sums, for images that make so many vectors. */
const MOST_ROWS = 10000;
const BLOCK_BYTES = 1300000;
const BLOCK_VECTORS = 24;

/** Whether it serves along lines: kernels five wide that reach over the borders, stride 1, one group. */
function servesLines(row: Row): boolean {
  const { kh, kw, pw, w, ow } = geometry(row);
  if (named.numbers(row, "lines")[0] !== 0) return false; // it does already
  if (kw !== 5 || !plain(row) || w < 4 || pw >= kw) return false;
  const [n, co, ci, oh, h, ph] = named.numbers(row, "n", "co", "ci", "oh", "h", "ph");
  const across = Math.ceil(ow / 8);
  const terms = ci * kh;
  if (terms < FEW_TERMS || co * terms > MOST_ROWS || n * oh * across < FEW_VECTORS) return false;
  const high = h + 2 * ph;
  const vectors = across * Math.max(1, Math.floor(BLOCK_VECTORS / (oh * across)));
  const image = 4 * ci * high * (w + 2 * pw);
  return image + 96 * (vectors * (ci * high + co * oh) + co) <= BLOCK_BYTES;
}

/** The transform of a weight [rows, k] or, flipped, [k, rows], and the product with it. */
const transformed = (
  row: Row,
  rows: number,
  k: number,
  flipped: number,
  make: Parameters<Choice>[1],
  values: object,
): Row[] => {
  const [weight] = named.buffers(row, "weight");
  const [size] = named.numbers(row, "kw");
  const u = { storage: make(36 * 4 * (rows * Math.ceil(k / 4) * 4 + 16)), offset: 0 };
  return [
    named.row("winograd_weight_f32", row.op, { u, weight, rows, k, size, flipped }),
    named.changed(row, { u, size, ...values }, "conv2d_winograd_f32"),
  ];
};

const forward: Choice = (row, make) => {
  const [n, co, ci, oh, ow] = named.numbers(row, "n", "co", "ci", "oh", "ow");
  if (serves(row, ci, co, n, oh, ow)) return transformed(row, co, ci, 0, make, {});
  return servesLines(row) ? [named.changed(row, { lines: 1 })] : null;
};

/** The gradient of the input: the convolution of the output's with the flipped weight, padded as a full one less the forward's. */
const byInput: Choice = (row, make) => {
  const [n, c, co, h, w, oh, ow] = named.numbers(row, "n", "channels", "co", "h", "w", "oh", "ow");
  if (!serves(row, co, c, n, h, w)) return null;
  const [gx, gy] = named.buffers(row, "gx", "gy");
  const { kh, ph, pw } = geometry(row);
  const values = { y: gx, x: gy, co: c, ci: co, oh: h, ow: w, h: oh, w: ow, ph: kh - 1 - ph, pw: kh - 1 - pw, relu: 0 };
  return transformed(row, c, co, 1, make, values);
};

const byWeight: Choice = (row) => {
  const [n, co, ci, oh, ow, size] = named.numbers(row, "n", "co", "ci", "oh", "ow", "kw");
  if (!serves(row, ci, co, n, oh, ow)) return null;
  return [named.changed(row, { size }, "conv2d_winograd_vjp_w_f32")];
};

/** Of a convolution with a pool behind it the convolution. */
const pooled: Choice = (row) => {
  const [oh, ow, ph, pw] = named.numbers(row, "oh", "ow", "padh", "padw");
  const plain = named.changed(row, { y: row.buffers[0], oh, ow, ph, pw, relu: 0 }, "conv2d_bias_f32");
  return servesLines(plain) ? [named.changed(row, { lines: 1 })] : null;
};

export const winograd: Readonly<Record<string, Choice>> = {
  conv2d_f32: forward,
  conv2d_bias_f32: forward,
  conv2d_vjp_x_f32: byInput,
  conv2d_vjp_w_f32: byWeight,
  conv2d_pool_f32: pooled,
};

/** From now on devices choose among the algorithms of convolutions, and relu goes into their rows. @internal */
export function bringConvolutions(): void {
  offer(winograd);
  reluBehind(conv);
}
