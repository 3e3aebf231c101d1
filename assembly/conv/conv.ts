// conv2d as a matrix product: y[co, pixels] = w[co, ci*kh*kw] * patches[ci*kh*kw, pixels], a panel of <= 24 pixels at
// a time. A padded image is first copied with its border of zeros. Where 8 pixels in a row of y read 8 neighbours in
// x (stride 1, ow a multiple of 8) the tile reads the image itself through a table of offsets; else the panel's
// patches are packed.
//
// For example x [3, 30, 30], w [16, 3, 7, 7]: lines of y are 24 pixels long, a panel is a line, 6 vectors. k = 147 steps; step
// (c, r, q) reads 24 neighbours that begin ((c * 30 + r) * 30 + q) * 4 bytes behind the line's first patch, which is what the
// table holds. With 8 calls of the tile, two channels each, the line is done in all 16.
import { extent, first, last, pointer, scalar, scratch } from "../lib/args";
import { chain, KC, unstrip } from "../matmul/gemm";
import { ADD, NR, RELU, STORE, tileRuns, tileTable } from "../matmul/tile";
import { convolveLines } from "./lines";

// A thread's scratch: a panel of patches, the second row of an unpaired channel, offsets of the table, the padded
// image.
export const STRIP: usize = (KC * NR) << 4;
export const TABLE: usize = STRIP + 512;
const MAX_TABLE: u32 = 65536;
export const IMAGE: usize = 512 << 10;
const IMAGE_BYTES: usize = 1536 << 10;
/** Where scratch memory begins that conv2d leaves alone, up to IMAGE. */
export const LEFT: usize = TABLE + (<usize>MAX_TABLE << 2);

/** Copies planes of h rows of w words into the middle of zeroed planes of h + 2 ph rows of w + 2 pw. */
export function padPlanes(dst: usize, src: usize, planes: u32, h: u32, w: u32, ph: u32, pw: u32): void {
  const pitch = (w + 2 * pw) << 2;
  memory.fill(dst, 0, <usize>planes * (h + 2 * ph) * pitch);
  dst += ph * pitch + (pw << 2);
  for (let p: u32 = 0; p < planes; ++p) {
    for (let i: u32 = 0; i < h; ++i) {
      copyRun(dst, src, w);
      dst += pitch;
      src += w << 2;
    }
    dst += 2 * ph * pitch;
  }
}

/** Copies a run of words, neither reading nor writing beyond it. */
// @ts-ignore: decorator
@inline
export function copyRun(dst: usize, src: usize, n: u32): void {
  if (n >= 4) {
    const end = <usize>(n - 4) << 2;
    for (let o: usize = 0; o < end; o += 16) v128.store(dst + o, v128.load(src + o));
    v128.store(dst + end, v128.load(src + end));
  } else {
    for (let i: u32 = 0; i < n; ++i) store<u32>(dst + (i << 2), load<u32>(src + (i << 2)));
  }
}

// What weights [k0, k1) meet at a run of n pixels of one row of y, no weight beyond the image: row after row of w,
// ldd apart.
// N: vectors to a row, the last one ending with the run; 0: n < 4.
// @ts-ignore: decorator
@inline
function packTaps(
  N: u32,
  dst: usize,
  ldd: usize,
  n: u32,
  k0: u32,
  k1: u32,
  x: usize,
  line: usize,
  plane: usize,
  kh: u32,
  kw: u32,
  tap: usize,
): void {
  const end = N ? <usize>(n - 4) << 2 : 0;
  let r = (k0 / kw) % kh;
  let q = k0 % kw;
  x += plane * (k0 / kw / kh);
  let row = x + line * r;
  let s = row + tap * q;
  for (let k = k0; k < k1; ++k) {
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
    s += tap;
    if (++q == kw) {
      q = 0;
      row += line;
      if (++r == kh) {
        r = 0;
        x += plane;
        row = x;
      }
      s = row;
    }
  }
}

/**
 * Patches of pixels [p0, p1) for steps [k0, k1) of (ci, kh, kw): row k - k0 of dst, ldd bytes long, holds what weight k
 * meets at each pixel, zero outside the image. Run by run of pixels in one row of y. e: the row's extents, but for those of an
 * image that has its border of zeros.
 */
function packPatches(
  dst: usize,
  ldd: usize,
  p0: u32,
  p1: u32,
  k0: u32,
  k1: u32,
  x: usize,
  h: u32,
  w: u32,
  ph: u32,
  pw: u32,
  e: usize,
): void {
  const ow = extent(e, 3);
  const kh = extent(e, 5);
  const kw = extent(e, 6);
  const sh = extent(e, 9);
  const sw = extent(e, 10);
  const dh = extent(e, 13);
  const dw = extent(e, 14);
  while (p0 < p1) {
    const oy = p0 / ow;
    const ox = p0 - oy * ow;
    const n = min<u32>(ow - ox, p1 - p0);
    const top = oy * sh - ph;
    const left = ox * sw - pw;
    if (sw == 1 && (ph | pw) == 0) {
      const s = x + (top * w + left) * 4;
      const line = (dh * w) << 2;
      const plane = (h * w) << 2;
      const tap = dw << 2;
      const vectors = (n + 3) >> 2;
      if (n < 4) packTaps(0, dst, ldd, n, k0, k1, s, line, plane, kh, kw, tap);
      else if (vectors == 1) packTaps(1, dst, ldd, n, k0, k1, s, line, plane, kh, kw, tap);
      else if (vectors == 2) packTaps(2, dst, ldd, n, k0, k1, s, line, plane, kh, kw, tap);
      else if (vectors == 3) packTaps(3, dst, ldd, n, k0, k1, s, line, plane, kh, kw, tap);
      else if (vectors == 4) packTaps(4, dst, ldd, n, k0, k1, s, line, plane, kh, kw, tap);
      else if (vectors == 5) packTaps(5, dst, ldd, n, k0, k1, s, line, plane, kh, kw, tap);
      else packTaps(6, dst, ldd, n, k0, k1, s, line, plane, kh, kw, tap);
    } else {
      let d = dst;
      for (let k = k0; k < k1; ++k) {
        const iy = top + ((k / kw) % kh) * dh;
        const ix = left + (k % kw) * dw;
        const s = x + (((k / kw / kh) * h + iy) * w + ix) * 4;
        if (iy >= h) memory.fill(d, 0, n << 2);
        else if (<i32>ix >= 0 && ix + (n - 1) * sw < w) copyEvery(d, s, n, sw);
        else {
          for (let i: u32 = 0; i < n; ++i) {
            store<u32>(d + (i << 2), ix + i * sw < w ? load<u32>(s + (i * sw << 2)) : 0);
          }
        }
        d += ldd;
      }
    }
    p0 += n;
    dst += <usize>n << 2;
  }
}

/** Every sw-th word of a run, n of them. */
// @ts-ignore: decorator
@inline
function copyEvery(dst: usize, src: usize, n: u32, sw: u32): void {
  if (sw == 1) return copyRun(dst, src, n);
  let i: u32 = 0;
  if (sw == 2) {
    for (; i + 4 <= n; i += 4) {
      v128.store(dst + (i << 2), i32x4.shuffle(v128.load(src), v128.load(src, 12), 0, 2, 5, 7));
      src += 32;
    }
  }
  for (; i < n; ++i) {
    store<u32>(dst + (i << 2), load<u32>(src));
    src += sw << 2;
  }
}

/** Offsets in bytes of what weight k meets, from what the first weight meets: (ci, kh, kw) in an image [ci, h, w]. */
export function offsets(table: usize, ci: u32, kh: u32, kw: u32, h: u32, w: u32, dh: u32, dw: u32): void {
  for (let c: u32 = 0; c < ci; ++c) {
    for (let r: u32 = 0; r < kh; ++r) {
      for (let q: u32 = 0; q < kw; ++q) {
        store<u32>(table, ((c * h + r * dh) * w + q * dw) << 2);
        table += 4;
      }
    }
  }
}

function convolve(biased: bool, args: usize, ith: u32, nth: u32): void {
  const y = pointer(args, 0);
  const x = pointer(args, 1);
  const weight = pointer(args, 2);
  const e = args + (biased ? 16 : 12);
  const relu = extent(e, 16);
  const lines = extent(e, 17);
  if (lines) return convolveLines(args, e, biased ? pointer(args, 3) : 0, relu, lines, ith, nth);
  const n = extent(e, 0);
  const co = extent(e, 1);
  const oh = extent(e, 2);
  const ow = extent(e, 3);
  const ci = extent(e, 4);
  const kh = extent(e, 5);
  const kw = extent(e, 6);
  let h = extent(e, 7);
  let w = extent(e, 8);
  const sh = extent(e, 9);
  const sw = extent(e, 10);
  let ph = extent(e, 11);
  let pw = extent(e, 12);
  const dh = extent(e, 13);
  const dw = extent(e, 14);
  const groups = extent(e, 15);

  const work = scratch(ith);
  const plane = h * w; // of x as it lies in memory
  const cg = co / groups;
  const k = ci * kh * kw;
  const pixels = oh * ow;
  const fits = <f64>ci * (h + 2 * ph) * (w + 2 * pw) * 4 <= <f64>IMAGE_BYTES;
  const pad = (ph | pw) != 0 && fits;
  if (pad) {
    h += 2 * ph;
    w += 2 * pw;
    ph = 0;
    pw = 0;
  }
  const direct = (ph | pw) == 0 && sw == 1 && (ow & 7) == 0 && k > 0 && k <= MAX_TABLE;
  if (direct) offsets(work + TABLE, ci, kh, kw, h, w, dh, dw);
  // Panels of up to 6 vectors, spread evenly; in the direct form of pairs of vectors.
  const grain: u32 = direct ? 2 : 1;
  const vectors = (pixels + 3) / 4 / grain;
  const panels = (vectors + NR / grain - 1) / (NR / grain);
  const kc = chain(k);

  const units = n * groups * panels;
  const u1 = last(args, units, 1, ith, nth);
  let padded: u32 = -1;
  for (let u = first(units, 1, ith, nth); u < u1; ++u) {
    const p = u % panels;
    const ng = u / panels;
    const g = ng % groups;
    let image = x + ng * ci * plane * 4;
    if (pad) {
      if (padded != ng) padPlanes(work + IMAGE, image, ci, extent(e, 7), extent(e, 8), extent(e, 11), extent(e, 12));
      padded = ng;
      image = work + IMAGE;
    }
    const v0 = ((vectors * p) / panels) * grain;
    const v1 = ((vectors * (p + 1)) / panels) * grain;
    const across = v1 - v0;
    const p0 = v0 << 2;
    const p1 = min<u32>(v1 << 2, pixels);
    const odd = (p1 - p0) & 3;
    let base: usize = 0;
    let b2: usize = 0;
    let b4: usize = 0;
    if (direct) {
      base = image + corner(p0, ow, sh * w);
      b2 = image + corner(p0 + 8, ow, sh * w) - base;
      b4 = image + corner(p0 + 16, ow, sh * w) - base;
    }
    let k0: u32 = 0;
    do {
      const depth = min<u32>(kc, k - k0);
      if (!direct) {
        if (odd) memory.fill(work, 0, (<usize>depth * across) << 4);
        packPatches(work, <usize>across << 4, p0, p1, k0, k0 + depth, image, h, w, ph, pw, e);
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
        if (biased && k0 == 0) {
          i0 = scalar(pointer(args, 3), o);
          if (!single) i1 = scalar(pointer(args, 3), o + 1);
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
