// conv2d as a matrix product: y[co, pixels] = w[co, ci*kh*kw] * patches[ci*kh*kw, pixels], a panel of <= 24 pixels at
// a time. An image with padding or columns that lie apart is first copied with its border of zeros, columns by their remainders
// (planes.ts), so that pixels of a row always read neighbours. Where a row of y is a multiple of 8 pixels the tile reads the image
// itself through a table of offsets; else the panel's patches are packed. Groups of one channel: depthwise.ts.
//
// For example x [3, 30, 30], w [16, 3, 7, 7]: lines of y are 24 pixels long, a panel is a line, 6 vectors. k = 147 steps; step
// (c, r, q) reads 24 neighbours that begin ((c * 30 + r) * 30 + q) * 4 bytes behind the line's first patch, which is what the
// table holds. With 8 calls of the tile, two channels each, the line is done in all 16.
import { extent, first, last, pointer, scalar, scratch } from "../lib/args";
import { chain, KC, unstrip } from "../matmul/gemm";
import { ADD, NR, RELU, STORE, tileRuns, tileTable } from "../matmul/tile";
import { depthwise, isDepthwise } from "./depthwise";
import { convolveLines } from "./lines";
import { layPlanes, offsets, part } from "./planes";

// A thread's scratch: a panel of patches, the second row of an unpaired channel, offsets of the table, the padded
// image.
export const STRIP: usize = (KC * NR) << 4;
export const TABLE: usize = STRIP + 512;
const MAX_TABLE: u32 = 65536;
export const IMAGE: usize = 512 << 10;
const IMAGE_BYTES: usize = 1536 << 10;
/** Where scratch memory begins that conv2d leaves alone, up to IMAGE. */
export const LEFT: usize = TABLE + (<usize>MAX_TABLE << 2);

// What weights meet at a run of n pixels of one row of y, none of them beyond the image: row after row of w, ldd apart, each from
// the next offset of the table on.
// N: vectors to a row, the last one ending with the run; 0: n < 4.
// @ts-ignore: decorator
@inline
function packTaps(N: u32, dst: usize, ldd: usize, n: u32, table: usize, k: u32, x: usize): void {
  const end = N ? <usize>(n - 4) << 2 : 0;
  for (const stop = table + (<usize>k << 2); table < stop; table += 4) {
    const s = x + load<usize>(table);
    if (N) {
      if (N > 1) v128.store(dst, v128.load(s));
      if (N > 2) v128.store(dst, v128.load(s, 16), 16);
      if (N > 3) v128.store(dst, v128.load(s, 32), 32);
      if (N > 4) v128.store(dst, v128.load(s, 48), 48);
      if (N > 5) v128.store(dst, v128.load(s, 64), 64);
      v128.store(dst + end, v128.load(s + end));
    } else {
      store<u32>(dst, load<u32>(s));
      if (n > 1) store<u32>(dst, load<u32>(s, 4), 4);
      if (n > 2) store<u32>(dst, load<u32>(s, 8), 8);
    }
    dst += ldd;
  }
}

/** packPatches for pixels that read neighbours, weight k from table[k] on; `row`: words from what a row of y reads to what the next does. */
function packNeighbours(dst: usize, ldd: usize, p0: u32, p1: u32, table: usize, k: u32, x: usize, ow: u32, row: u32): void {
  while (p0 < p1) {
    const n = min<u32>(ow - (p0 % ow), p1 - p0);
    const s = x + corner(p0, ow, row);
    const vectors = (n + 3) >> 2;
    if (n < 4) packTaps(0, dst, ldd, n, table, k, s);
    else if (vectors == 1) packTaps(1, dst, ldd, n, table, k, s);
    else if (vectors == 2) packTaps(2, dst, ldd, n, table, k, s);
    else if (vectors == 3) packTaps(3, dst, ldd, n, table, k, s);
    else if (vectors == 4) packTaps(4, dst, ldd, n, table, k, s);
    else if (vectors == 5) packTaps(5, dst, ldd, n, table, k, s);
    else packTaps(6, dst, ldd, n, table, k, s);
    p0 += n;
    dst += <usize>n << 2;
  }
}

/**
 * Patches of pixels [p0, p1) for steps [k0, k1) of (ci, kh, kw): row k - k0 of dst, ldd bytes long, holds what weight k
 * meets at each pixel, zero outside the image: where not even the rows that a panel reads can be copied. e: the row's extents.
 */
function packPatches(dst: usize, ldd: usize, p0: u32, p1: u32, k0: u32, k1: u32, x: usize, e: usize): void {
  const ow = extent(e, 3);
  const kh = extent(e, 5);
  const kw = extent(e, 6);
  const h = extent(e, 7);
  const w = extent(e, 8);
  for (let k = k0; k < k1; ++k) {
    for (let p = p0; p < p1; ++p) {
      const iy = (p / ow) * extent(e, 9) + ((k / kw) % kh) * extent(e, 13) - extent(e, 11);
      const ix = (p % ow) * extent(e, 10) + (k % kw) * extent(e, 14) - extent(e, 12);
      const at = x + (((k / kw / kh) * h + iy) * w + ix) * 4;
      store<u32>(dst + ((p - p0) << 2), iy < h && ix < w ? load<u32>(at) : 0);
    }
    dst += ldd;
  }
}

function convolve(biased: bool, args: usize, ith: u32, nth: u32): void {
  const y = pointer(args, 0);
  const x = pointer(args, 1);
  const weight = pointer(args, 2);
  const e = args + (biased ? 16 : 12);
  const bias = biased ? pointer(args, 3) : 0;
  const relu = extent(e, 16);
  const lines = extent(e, 17);
  if (lines) return convolveLines(args, e, bias, relu, lines, ith, nth);
  const n = extent(e, 0);
  const co = extent(e, 1);
  const oh = extent(e, 2);
  let ow = extent(e, 3);
  const ci = extent(e, 4);
  const kh = extent(e, 5);
  const kw = extent(e, 6);
  const h = extent(e, 7);
  const w = extent(e, 8);
  const sh = extent(e, 9);
  const sw = extent(e, 10);
  const ph = extent(e, 11);
  const pw = extent(e, 12);
  const dh = extent(e, 13);
  const dw = extent(e, 14);
  const groups = extent(e, 15);

  if (isDepthwise(ci, co, groups, kh * kw) && depthwise(args, e, false, bias, relu, ith, nth)) return;
  const work = scratch(ith);
  const plane = h * w; // of x as it lies in memory
  const cg = co / groups;
  const k = ci * kh * kw;
  const pixels = oh * ow;
  const high = h + 2 * ph;
  const pitch = part(w + 2 * pw, sw);
  const row = sw * pitch;
  const apart = (ph | pw) != 0 || sw > 1;
  // Copied are all rows of an image, or so many as there is room for, but no fewer than a panel reads.
  const reach = (kh - 1) * dh + 1;
  const least = min<u32>(((NR << 2) + ow - 2) / ow, oh - 1) * sh + reach;
  const band = <u32>min<f64>(high, <f64>IMAGE_BYTES / (<f64>max<u32>(ci, 1) * <f64>row * 4));
  // Whether pixels of a row read neighbours: in a copy, or where the image lies.
  const neighbours = k <= MAX_TABLE && (!apart || band >= least);
  if (!apart && (sh | kh | kw) == 1) ow = pixels; // a plane is one row
  const direct = neighbours && (ow & 7) == 0 && k > 0;
  if (neighbours) offsets(work + TABLE, ci, kh, kw, apart ? band : h, sw, pitch, dh, dw);
  // Panels of up to 6 vectors, spread evenly; in the direct form of pairs of vectors.
  const grain: u32 = direct ? 2 : 1;
  const vectors = (pixels + 3) / 4 / grain;
  const panels = (vectors + NR / grain - 1) / (NR / grain);
  const kc = chain(k);

  const units = n * groups * panels;
  const u1 = last(args, units, 1, ith, nth);
  let padded: u32 = -1;
  let begin: u32 = 0; // row of the padded image from which on it is copied
  for (let u = first(units, 1, ith, nth); u < u1; ++u) {
    const p = u % panels;
    const ng = u / panels;
    const g = ng % groups;
    let image = x + ng * ci * plane * 4;
    const v0 = ((vectors * p) / panels) * grain;
    const v1 = ((vectors * (p + 1)) / panels) * grain;
    const across = v1 - v0;
    const p0 = v0 << 2;
    const p1 = min<u32>(v1 << 2, pixels);
    if (apart && neighbours) {
      if (padded != ng || ((p1 - 1) / ow) * sh + reach > begin + band) {
        const again = padded != -1 && band == high;
        begin = min<u32>((p0 / ow) * sh, high - band);
        layPlanes(work + IMAGE, image, ci, h, w, band, ph - begin, pw, sw, pitch, again);
        padded = ng;
      }
      image = work + IMAGE - (<usize>(begin * row) << 2);
    }
    const odd = (p1 - p0) & 3;
    let base: usize = 0;
    let b2: usize = 0;
    let b4: usize = 0;
    if (direct) {
      base = image + corner(p0, ow, sh * row);
      b2 = image + corner(p0 + 8, ow, sh * row) - base;
      b4 = image + corner(p0 + 16, ow, sh * row) - base;
    }
    let k0: u32 = 0;
    do {
      const depth = min<u32>(kc, k - k0);
      if (!direct) {
        if (odd) memory.fill(work, 0, (<usize>depth * across) << 4);
        const ldd = <usize>across << 4;
        if (neighbours) packNeighbours(work, ldd, p0, p1, work + TABLE + (k0 << 2), depth, image, ow, sh * row);
        else packPatches(work, ldd, p0, p1, k0, k0 + depth, image, e);
      }
      let mode = k0 > 0 ? ADD : STORE;
      if (relu && k0 + kc >= k) mode |= RELU;
      for (let c: u32 = 0; c < cg; c += 2) {
        const o = g * cg + c;
        const single = c + 1 == cg;
        const a0 = weight + (o * k + k0) * 4;
        const a1 = single ? a0 : a0 + k * 4;
        const c0 = y + ((ng / groups * co + o) * pixels + p0) * 4;
        const c1 = c0 + pixels * 4;
        let i0: f32 = 0;
        let i1: f32 = 0;
        if (bias && k0 == 0) {
          i0 = scalar(bias, o);
          if (!single) i1 = scalar(bias, o + 1);
        }
        const strip = work + STRIP;
        if (direct) {
          tileTable(across, a0, a1, base, b2, b4, work + TABLE + (k0 << 2), depth, c0, single ? strip : c1, i0, i1, mode);
        } else if (odd) {
          tileRuns(across, a0, a1, 4, 0, work, <usize>across << 4, depth, 1, strip, strip + 96, i0, i1, STORE);
          unstrip(strip, c0, pixels << 2, single ? 1 : 2, p1 - p0, mode);
        } else {
          tileRuns(across, a0, a1, 4, 0, work, <usize>across << 4, depth, 1, c0, single ? strip : c1, i0, i1, mode);
        }
      }
      k0 += kc;
    } while (k0 < k);
  }
}

/** Where the patch of output pixel p begins in an unpadded image whose rows of y lie `row` words apart. */
// @ts-ignore: decorator
@inline
function corner(p: u32, ow: u32, row: u32): usize {
  const oy = p / ow;
  return (oy * row + (p - oy * ow)) << 2;
}

/**
 * y | x weight | n co oh ow ci kh kw | h w sh sw ph pw dh dw groups relu lines: y[n, co, oh, ow], ci counts the channels
 * of a group; lines: lines.ts
 */
export function conv2d_f32(args: usize, ith: u32, nth: u32): void {
  convolve(false, args, ith, nth);
}

/** y | x weight bias | n co oh ow ci kh kw | h w sh sw ph pw dh dw groups relu lines */
export function conv2d_bias_f32(args: usize, ith: u32, nth: u32): void {
  convolve(true, args, ith, nth);
}
