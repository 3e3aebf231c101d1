// Convolution by kernels five wide, stride 1, with Winograd's algorithm along the lines alone: F(2, 5), 6 products for
// two pixels instead of 10. Down the columns and over the channels sums are as usual, so transforms are few and two
// channels are enough; in two dimensions (winograd.ts) they cost what few channels gain.
//
//   for some images: transform their lines, four tiles in lanes: v[6][ci][line][image][across]
//     6 products m[6][co][line][image][across] = u[6][co][(ci, kh)] * v, whose rows the tile finds through a table
//     transform back: 8 pixels of a line of y from 6 vectors
import { extent, first, last, pointer, scalar, scratch } from "../lib/args";
import { STORE, tileTable } from "../matmul/tile";
import { IMAGE, STRIP, TABLE } from "./conv";
import { offsets, padPlanes } from "./planes";
import { evaluateN, loadLanes } from "./winograd";
import { APART, moment, POINTS, SCALE, spread } from "./winogradtile";

/** The scalar `lines` of a row: along lines, or so with the weights that the call before transformed. */
export const LINES: u32 = 1;
export const AGAIN: u32 = 2;

// Scratch behind IMAGE: four rows of weights and a piece of y; the transformed weights; then a padded image, v and m.
// What fits is for src/program/winograd.ts to see.
const PAIR: usize = 96;
const WEIGHTS: usize = 128;
const WEIGHT_BYTES: usize = 256 << 10;
const BLOCK: usize = WEIGHTS + WEIGHT_BYTES;
/** Vectors of a channel of m that images are put together for. */
const VECTORS: u32 = 24;

/** Bytes from one of six to the next: a line more than it has, so that they don't share places in a cache. */
// @ts-ignore: decorator
@inline
function apart(bytes: usize): usize {
  return ((bytes + 63) & ~63) + 64;
}

/** u[6][rows] from w[rows, 5], four rows in lanes; rows >= 4. */
function weights(u: usize, pitch: usize, w: usize, rows: u32, raw: usize): void {
  for (let r: u32 = 0; r < rows; r += 4) {
    r = min<u32>(r, rows - 4);
    const s = w + r * 20;
    for (let t: usize = 0; t < 20; t += 4) {
      v128.store(raw + (t << 2), loadLanes(s + t, s + t + 20, s + t + 40, s + t + 60));
    }
    let d = u + (r << 2);
    evaluateN(5, d, pitch, raw, 16);
    for (let p: u32 = 0; p < 6; ++p) {
      v128.store(d, f32x4.mul(v128.load32_splat(SCALE + (p << 2)), v128.load(d)));
      d += pitch;
    }
  }
}

/** Four tiles, of 12 words at s, to six vectors. */
// @ts-ignore: decorator
@inline
function forth(d: usize, pitch: usize, s: usize): void {
  const a = v128.load(s);
  const b = v128.load(s, 16);
  const c = v128.load(s, 32);
  const ab = v128.load(s, 8);
  const bc = v128.load(s, 24);
  spread(
    APART,
    d,
    pitch,
    v128.load(POINTS, 128),
    v128.load(POINTS, 144),
    v128.load(POINTS),
    v128.load(POINTS, 16),
    i32x4.shuffle(a, b, 0, 2, 4, 6),
    i32x4.shuffle(a, b, 1, 3, 5, 7),
    i32x4.shuffle(ab, bc, 0, 2, 4, 6),
    i32x4.shuffle(ab, bc, 1, 3, 5, 7),
    i32x4.shuffle(b, c, 0, 2, 4, 6),
    i32x4.shuffle(b, c, 1, 3, 5, 7),
  );
}

/** conv2d (conv.ts) with kw = 5, strides and dilations 1 and one group; e: its extents; bias: 0 for none. */
export function convolveLines(args: usize, e: usize, bias: usize, relu: u32, lines: u32, ith: u32, nth: u32): void {
  const y = pointer(args, 0);
  const x = pointer(args, 1);
  const n = extent(e, 0);
  const all = extent(e, 1);
  const oh = extent(e, 2);
  const ow = extent(e, 3);
  const ci = extent(e, 4);
  const kh = extent(e, 5);
  const h = extent(e, 7);
  const w = extent(e, 8);
  const ph = extent(e, 11);
  const pw = extent(e, 12);
  const floor = f32x4.splat(relu ? 0 : -Infinity);

  const work = scratch(ith);
  const piece = work + IMAGE;
  const pair = piece + PAIR;
  const k = ci * kh;
  const across = (ow + 7) >> 3;
  const paddedH = h + 2 * ph;
  const paddedW = w + 2 * pw;
  const padded = (ph | pw) != 0;
  const image = (ci * h * w) << 2;
  const block = max<u32>(1, VECTORS / (oh * across));
  // Threads share images; of few images the channels.
  const many = n >= nth;
  const share = many ? n : all;
  const begin = first(share, 1, ith, nth);
  const stop = last(args, share, 1, ith, nth);
  if (begin == stop) return;
  const c0 = many ? 0 : begin;
  const co = many ? all : stop - begin;
  const end = many ? stop : n;
  let i = many ? begin : 0;
  const u = piece + WEIGHTS;
  const uPitch = apart(<usize>(co * k) << 2);
  if (lines != AGAIN) weights(u, uPitch, pointer(args, 2) + c0 * k * 20, co * k, piece);
  while (i < end) {
    const images = min<u32>(block, end - i);
    // Tiles take pairs of vectors: of an odd number the last one computes what nobody reads.
    const vectors = (images * across * oh + 1) & ~1;
    const row = images * across;
    const v = piece + BLOCK + (<usize>(ci * paddedH * paddedW) << 2) + 64;
    const vPitch = apart((<usize>(ci * paddedH * row) << 4) + 16);
    const m = v + 6 * vPitch;
    const mPitch = apart(<usize>(co * vectors) << 4);
    offsets(work + TABLE, ci, kh, 1, paddedH, 1, row << 2, 1, 1);
    // What follows a line stands in lanes that nobody reads; but no line may follow the last image.
    for (let j: u32 = 0; j < images; ++j) {
      let line = x + (i + j) * image;
      if (padded || (i + j + 1 == n && ow & 7)) {
        padPlanes(piece + BLOCK, line, ci, h, w, ph, pw);
        line = piece + BLOCK;
      }
      for (let r: u32 = 0; r < ci * paddedH; ++r) {
        const to = v + ((r * row + j * across) << 4);
        for (let a: usize = 0; a < across; ++a) forth(to + (a << 4), vPitch, line + (a << 5));
        line += paddedW << 2;
      }
    }
    const panels = (vectors + 5) / 6;
    for (let p: u32 = 0; p < 6; ++p) {
      for (let q: u32 = 0; q < panels; ++q) {
        const p0 = ((vectors >> 1) * q / panels) << 1;
        const size = (((vectors >> 1) * (q + 1) / panels) << 1) - p0;
        const b = v + vPitch * p + (p0 << 4);
        for (let c: u32 = 0; c < co; c += 2) {
          const a0 = u + uPitch * p + (c * k << 2);
          const to = m + mPitch * p + ((c * vectors + p0) << 4);
          const single = c + 1 == co;
          const a1 = single ? a0 : a0 + (k << 2);
          const below = single ? work + STRIP : to + (vectors << 4);
          tileTable(size, a0, a1, b, 32, 64, work + TABLE, k, to, below, 0, 0, STORE);
        }
      }
    }
    for (let c: u32 = 0; c < co; ++c) {
      const add = f32x4.splat(bias ? scalar(bias, c0 + c) : 0);
      let s = m + ((c * vectors) << 4);
      for (let r: u32 = 0; r < oh; ++r) {
        for (let j: u32 = 0; j < images; ++j) {
          let d = y + ((((i + j) * all + c0 + c) * oh + r) * ow << 2);
          for (let left = ow; ; left -= 8) {
            const v1 = v128.load(s + mPitch);
            const v2 = v128.load(s + 2 * mPitch);
            const v3 = v128.load(s + 3 * mPitch);
            const v4 = v128.load(s + 4 * mPitch);
            const v5 = v128.load(s + 5 * mPitch);
            const s1 = f32x4.add(v1, v2);
            const d1 = f32x4.sub(v1, v2);
            const s2 = f32x4.add(v3, v4);
            const d2 = f32x4.sub(v3, v4);
            const v0 = f32x4.add(v128.load(s), add);
            const even = f32x4.pmax(moment(0, false, v0, s1, d1, s2, d2, v5), floor);
            const odd = f32x4.pmax(moment(1, true, v0, s1, d1, s2, d2, f32x4.add(v5, add)), floor);
            const low = i32x4.shuffle(even, odd, 0, 4, 1, 5);
            const upper = i32x4.shuffle(even, odd, 2, 6, 3, 7);
            s += 16;
            if (left >= 8) {
              v128.store(d, low);
              v128.store(d, upper, 16);
            } else {
              v128.store(pair, low);
              v128.store(pair, upper, 16);
              for (let q: u32 = 0; q < left << 2; q += 4) store<u32>(d + q, load<u32>(pair + q));
            }
            if (left <= 8) break;
            d += 32;
          }
        }
      }
    }
    i += images;
  }
}
