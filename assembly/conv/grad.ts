// The gradients of conv2d. Both keep a zero-bordered copy of a padded image in scratch; what does not fit goes the
// plain way. Groups of one channel: depthwise.ts.
//
// By w: for blocks of pixels, dw^T[ci*kh*kw, co] += patches[ci*kh*kw, pixels] * gy^T[pixels, co]. gy is transposed,
//   channels in lanes; a row of patches is a row of the image seen through a window, so x is read where it lies.
// By x: for panels of <= 24 pixels, every weight's share w^T[ci*kh*kw, co] * gy[co, pixels] is added to the pixels of
//   gx it met.
import { extent, first, last, pointer, scratch } from "../lib/args";
import { read } from "../lib/lanes";
import { transpose } from "../lib/nest";
import { ADD, NR, STORE, tile, tileRuns, tileScatter } from "../matmul/tile";
import { tallRows, tileTallRuns } from "../matmul/tiletall";
import { depthwise, depthwiseByW, isDepthwise } from "./depthwise";
import { column, gather, layPlanes, offsets, padPlanes, part } from "./planes";

// Scratch of the gradient by w: sums [k][co of a panel], gy^T, offsets of k, a spare row, planes of the padded image.
const SUMS_ROWS: u32 = 5461; // 96 bytes each: 512 KiB
const TRANSPOSED: usize = 512 << 10;
const TRANSPOSED_BYTES: u32 = 256 << 10;
const TABLE: usize = TRANSPOSED + TRANSPOSED_BYTES;
const SPARE: usize = TABLE + 32768;
const PLACES: usize = SPARE + 512; // of the gradient by x
// Of the gradient by x: w^T, a panel of gy; then both share the rest.
const PANEL: usize = 512 << 10;
const PANEL_ROWS: u32 = 2730; // 96 bytes each: 256 KiB
const IMAGE: usize = 1 << 20;
const IMAGE_BYTES: u32 = 1 << 20;

/**
 * part | gy x | chunks n co oh ow ci kh kw | h w sh sw ph pw dh dw groups: chunk c sums over images [n*c/chunks,
 * n*(c+1)/chunks)
 */
export function conv2d_vjp_w_f32(args: usize, ith: u32, nth: u32): void {
  const sums = pointer(args, 0);
  const gy = pointer(args, 1);
  const x = pointer(args, 2);
  const e = args + 12;
  const chunks = extent(e, 0);
  const n = extent(e, 1);
  const co = extent(e, 2);
  const oh = extent(e, 3);
  const ow = extent(e, 4);
  const ci = extent(e, 5);
  const kh = extent(e, 6);
  const kw = extent(e, 7);
  const h = extent(e, 8);
  const w = extent(e, 9);
  const sh = extent(e, 10);
  const sw = extent(e, 11);
  const ph = extent(e, 12);
  const pw = extent(e, 13);
  const dh = extent(e, 14);
  const dw = extent(e, 15);
  const groups = extent(e, 16);

  const cg = co / groups;
  const taps = kh * kw;
  const k = ci * taps;
  const pixels = oh * ow;
  if (k == 0 || cg == 0) return;
  if (isDepthwise(ci, co, groups, taps) && depthwiseByW(args, e, ith, nth)) return;
  const pad = (ph | pw) != 0;
  const paddedH = h + 2 * ph;
  const paddedW = w + 2 * pw;
  // Planes of x that a unit takes, and rows of y that are transposed at a time.
  let planes = min<u32>(ci, SUMS_ROWS / taps);
  if (pad) planes = <u32>min<f64>(planes, <f64>IMAGE_BYTES / (<f64>paddedH * paddedW * 4));
  if (planes == 0 || <f64>ow * 96 > <f64>TRANSPOSED_BYTES) return plainByW(args, ith, nth);
  const parts = (ci + planes - 1) / planes;
  const vectors = (cg + 3) >> 2;
  const panels = (vectors + NR - 1) / NR;

  const work = scratch(ith);
  offsets(work + TABLE, planes, kh, kw, paddedH, 1, paddedW, dh, dw);
  const units = chunks * groups * parts * panels;
  const u1 = last(args, units, 1, ith, nth);
  for (let u = first(units, 1, ith, nth); u < u1; ++u) {
    const p = u % panels;
    const c0 = ((u / panels) % parts) * planes;
    const g = (u / panels / parts) % groups;
    const chunk = u / panels / parts / groups;
    const some = min<u32>(planes, ci - c0);
    const v0 = (vectors * p) / panels;
    const v1 = (vectors * (p + 1)) / panels;
    const ld = <usize>(v1 - v0) << 4;
    const o = g * cg + (v0 << 2);
    const channels = min<u32>(v1 << 2, cg) - (v0 << 2);
    const lines = min<u32>(oh, max<u32>(1, 24576 / <u32>ld / max<u32>(ow, 1)));
    let mode = STORE;
    const end = <u32>((<u64>n * (chunk + 1)) / chunks);
    for (let i = <u32>((<u64>n * chunk) / chunks); i < end && pixels > 0; ++i) {
      let image = x + ((i * groups + g) * ci + c0) * h * w * 4;
      if (pad) {
        padPlanes(work + IMAGE, image, some, h, w, ph, pw);
        image = work + IMAGE;
      }
      for (let y0: u32 = 0; y0 < oh; y0 += lines) {
        const y1 = min<u32>(y0 + lines, oh);
        const b = work + TRANSPOSED;
        transpose(b, ld, gy + ((i * co + o) * pixels + y0 * ow) * 4, pixels << 2, channels, (y1 - y0) * ow, true);
        const at = image + y0 * sh * paddedW * 4;
        const jump = (sh * paddedW - ow * sw) << 2;
        windows(v1 - v0, some * taps, at, work + TABLE, sw << 2, jump, b, ow, y1 - y0, work, work + SPARE, mode);
        mode = ADD;
      }
    }
    if (mode == STORE) memory.fill(work, 0, ld * (some * taps));
    transpose(sums + ((chunk * co + o) * k + c0 * taps) * 4, k << 2, work, ld, some * taps, channels, false);
  }
}

/**
 * Sums of every weight over a block of pixels: c[k] (+)= sum over lines of ow pixels of x[table[k] + pixel] *
 * b[pixel].
 */
function windows(
  across: u32,
  k: u32,
  x: usize,
  table: usize,
  sa: usize,
  jump: usize,
  b: usize,
  ow: u32,
  lines: u32,
  c: usize,
  spare: usize,
  mode: i32,
): void {
  const ld = <usize>across << 4;
  const step = across <= 3 ? tallRows(across) : 2;
  for (let q: u32 = 0; q < k; q += step) {
    const left = k - q;
    const a0 = x + load<u32>(table);
    const a1 = left > 1 ? x + load<u32>(table, 4) : a0;
    const c1 = left > 1 ? c + ld : spare;
    if (across > 3) {
      tileRuns(across, a0, a1, sa, jump, b, ld, ow, lines, c, c1, 0, 0, mode);
    } else {
      const a2 = left > 2 ? x + load<u32>(table, 8) : a0;
      const a3 = left > 3 && step > 3 ? x + load<u32>(table, 12) : a0;
      const c2 = left > 2 ? c + 2 * ld : spare;
      const c3 = left > 3 ? c + 3 * ld : spare;
      tileTallRuns(across, a0, a1, a2, a3, sa, jump, b, ld, ow, lines, c, c1, c2, c3, mode);
    }
    c += ld * step;
    table += step << 2;
  }
}

/** gx | gy weight | n channels h w co kh kw | oh ow sh sw ph pw dh dw groups */
export function conv2d_vjp_x_f32(args: usize, ith: u32, nth: u32): void {
  const gx = pointer(args, 0);
  const gy = pointer(args, 1);
  const weight = pointer(args, 2);
  const e = args + 12;
  const n = extent(e, 0);
  const groups = extent(e, 15);
  const ci = extent(e, 1) / groups;
  const h = extent(e, 2);
  const w = extent(e, 3);
  const co = extent(e, 4);
  const kh = extent(e, 5);
  const kw = extent(e, 6);
  const oh = extent(e, 7);
  let ow = extent(e, 8);
  const sh = extent(e, 9);
  const sw = extent(e, 10);
  const ph = extent(e, 11);
  const pw = extent(e, 12);
  const dh = extent(e, 13);
  const dw = extent(e, 14);

  const cg = co / groups;
  const lda = <usize>((cg + 3) & ~3) << 2; // of w^T
  const taps = kh * kw;
  const k = ci * taps;
  const pixels = oh * ow;
  if (ci == 0) return;
  if (isDepthwise(ci, co, groups, taps) && depthwise(args, e, true, 0, 0, ith, nth)) return;
  // Columns of gx lie by their remainders (planes.ts), so that what one weight meets are neighbours.
  const pad = (ph | pw) != 0 || sw > 1 || ow < 4;
  const paddedH = h + 2 * ph;
  const pitch = part(w + 2 * pw, sw);
  const line = sw * pitch;
  const plane = paddedH * line;
  if (!pad && (sh | kh | kw) == 1) ow = pixels; // a plane is one row
  // Planes of gx that a unit takes: few enough to give each thread some when there is only one image.
  let planes = min<u32>(ci, max<u32>(2, (ci * n * groups) / 16));
  planes = <u32>min<f64>(planes, <f64>PANEL / (<f64>taps * lda));
  if (pad) planes = <u32>min<f64>(planes, <f64>IMAGE_BYTES / (<f64>plane * 4));
  if (planes == 0 || cg > PANEL_ROWS) return plainByX(args, ith, nth);
  const parts = (ci + planes - 1) / planes;
  // Panels of up to 6 vectors, spread evenly. A vector stays within a row of gy, so that it can be added to gx as it
  // is; the last one of a row ends with it, masked where it overlaps the one before.
  const across = (ow + 3) >> 2;
  const vectors = (pixels / ow) * across;
  const panels = (vectors + NR - 1) / NR;

  const work = scratch(ith);
  const units = groups * parts * n;
  const u1 = last(args, units, 1, ith, nth);
  let packed: u32 = -1;
  for (let u = first(units, 1, ith, nth); u < u1; ++u) {
    const i = u % n;
    const c0 = ((u / n) % parts) * planes;
    const g = u / n / parts;
    const some = min<u32>(planes, ci - c0);
    if (packed != u / n) {
      packed = u / n;
      transpose(work, lda, weight + (g * cg * k + c0 * taps) * 4, k << 2, cg, some * taps, true);
    }
    const out = gx + ((i * groups + g) * ci + c0) * h * w * 4;
    const grad = pad ? work + IMAGE : out;
    memory.fill(grad, 0, (<usize>some * plane) << 2);
    for (let p: u32 = 0; p < panels; ++p) {
      const v0 = (vectors * p) / panels;
      const v1 = (vectors * (p + 1)) / panels;
      const from = gy + (i * co + g * cg) * pixels * 4;
      const places = work + PLACES;
      let b = from + (v0 << 4);
      let ldb = <usize>pixels << 2;
      place(places, v0, v1, across, ow, sh * line);
      if (ow & 3 || cg > 64 || (pixels & 255) == 0) {
        b = work + PANEL;
        ldb = <usize>(v1 - v0) << 4;
        packVectors(b, from, pixels << 2, cg, v0, v1, across, ow);
      }
      // Two planes after another, so that what weights add to stays in the first cache.
      for (let c: u32 = 0; c < some; c += 2) {
        let a0 = work + lda * (c * taps);
        for (let r: u32 = 0; r < kh; ++r) {
          for (let q: u32 = 0; q < kw; ++q) {
            const to = grad + ((c * plane + r * dh * line + column(q * dw, sw, pitch)) << 2);
            if (c + 1 < some) {
              tileScatter(v1 - v0, a0, a0 + lda * taps, b, ldb, cg, to, to + plane * 4, places);
            } else {
              const strip = work + SPARE;
              tile(v1 - v0, a0, a0, b, ldb, cg, strip, strip + 96, STORE);
              scatterVectors(to, strip, places, v1 - v0);
            }
            a0 += lda;
          }
        }
      }
    }
    if (pad) {
      let s = grad + ph * line * 4;
      let d = out;
      for (let c: u32 = 0; c < some; ++c) {
        for (let r: u32 = 0; r < h; ++r) {
          gather(d, s, pw, w, sw, pitch);
          s += line << 2;
          d += w << 2;
        }
        s += ph * line << 3;
      }
    }
  }
}

/**
 * For tileScatter: where vectors [v0, v1) of gy, `across` to a row, lie in gx, and the lanes that are not the
 * previous one's.
 */
function place(places: usize, v0: u32, v1: u32, across: u32, ow: u32, row: u32): void {
  let masked: u32 = 0;
  for (let v = v0; v < v1; ++v) {
    const oy = v / across;
    const j = (v - oy * across) << 2;
    const ox = ow < 4 ? 0 : min<u32>(j, ow - 4);
    const lane = i32x4(0, 1, 2, 3);
    store<u32>(places + ((v - v0) << 2), (oy * row + ox) << 2);
    const mask = v128.and(i32x4.ge_s(lane, i32x4.splat(j - ox)), i32x4.lt_s(lane, i32x4.splat(ow)));
    v128.store(places + ((v - v0) << 4), mask, 32);
    masked |= ow < 4 ? 1 : j - ox;
  }
  store<u32>(places, masked, 24);
}

/** Vectors [v0, v1) of k planes of gy, `across` to a row, the last one of a row ending with it, if it has four pixels. */
function packVectors(dst: usize, gy: usize, plane: usize, k: u32, v0: u32, v1: u32, across: u32, ow: u32): void {
  const ldd = <usize>(v1 - v0) << 4;
  for (let v = v0; v < v1; ++v) {
    const oy = v / across;
    let s = gy + ((oy * ow + (ow < 4 ? 0 : min<u32>((v - oy * across) << 2, ow - 4))) << 2);
    let d = dst;
    for (let q: u32 = 0; q < k; ++q) {
      v128.store(d, read(s, ow));
      s += plane;
      d += ldd;
    }
    dst += 16;
  }
}

/** Adds one row of a tile as tileScatter does. */
function scatterVectors(to: usize, from: usize, places: usize, n: u32): void {
  for (let v: u32 = 0; v < n; ++v) {
    const d = to + load<usize>(places + (v << 2));
    const x = v128.and(v128.load(from + (v << 4)), v128.load(places + (v << 4), 32));
    v128.store(d, f32x4.add(v128.load(d), x));
  }
}

/** One sum in f64 for each element of part. */
function plainByW(args: usize, ith: u32, nth: u32): void {
  const e = args + 12;
  const chunks = extent(e, 0);
  const n = extent(e, 1);
  const co = extent(e, 2);
  const oh = extent(e, 3);
  const ow = extent(e, 4);
  const ci = extent(e, 5);
  const kh = extent(e, 6);
  const kw = extent(e, 7);
  const h = extent(e, 8);
  const w = extent(e, 9);
  const groups = extent(e, 16);
  const total = chunks * co * ci * kh * kw;
  const end = last(args, total, 1, ith, nth);
  for (let u = first(total, 1, ith, nth); u < end; ++u) {
    const q = u % kw;
    const r = (u / kw) % kh;
    const c = (u / (kw * kh)) % ci;
    const o = (u / (kw * kh * ci)) % co;
    const chunk = u / (kw * kh * ci * co);
    const i1 = <u32>((<u64>n * (chunk + 1)) / chunks);
    let sum: f64 = 0;
    for (let i = <u32>((<u64>n * chunk) / chunks); i < i1; ++i) {
      const plane = pointer(args, 2) + (i * groups + o / (co / groups)) * ci * h * w * 4 + c * h * w * 4;
      for (let oy: u32 = 0; oy < oh; ++oy) {
        const iy = oy * extent(e, 10) + r * extent(e, 14) - extent(e, 12);
        if (iy >= h) continue;
        const line = pointer(args, 1) + ((i * co + o) * oh + oy) * ow * 4;
        for (let ox: u32 = 0; ox < ow; ++ox) {
          const ix = ox * extent(e, 11) + q * extent(e, 15) - extent(e, 13);
          if (ix < w) sum += <f64>load<f32>(line + (ox << 2)) * <f64>load<f32>(plane + ((iy * w + ix) << 2));
        }
      }
    }
    store<f32>(pointer(args, 0) + (u << 2), <f32>sum);
  }
}

/** One sum in f64 for each element of gx. */
function plainByX(args: usize, ith: u32, nth: u32): void {
  const e = args + 12;
  const groups = extent(e, 15);
  const ci = extent(e, 1) / groups;
  const h = extent(e, 2);
  const w = extent(e, 3);
  const co = extent(e, 4);
  const kh = extent(e, 5);
  const kw = extent(e, 6);
  const oh = extent(e, 7);
  const ow = extent(e, 8);
  const sh = extent(e, 9);
  const sw = extent(e, 10);
  const cg = co / groups;
  const total = extent(e, 0) * groups * ci * h * w;
  const end = last(args, total, 1, ith, nth);
  for (let u = first(total, 1, ith, nth); u < end; ++u) {
    const ix = u % w;
    const iy = (u / w) % h;
    const c = (u / (w * h)) % ci;
    const ng = u / (w * h * ci);
    let sum: f64 = 0;
    for (let o: u32 = 0; o < cg; ++o) {
      const filter = pointer(args, 2) + (((ng % groups) * cg + o) * ci + c) * kh * kw * 4;
      const grad = pointer(args, 1) + (ng * cg + o) * oh * ow * 4;
      for (let r: u32 = 0; r < kh; ++r) {
        const ty = iy + extent(e, 11) - r * extent(e, 13);
        if (<i32>ty < 0 || ty % sh != 0 || ty / sh >= oh) continue;
        for (let q: u32 = 0; q < kw; ++q) {
          const tx = ix + extent(e, 12) - q * extent(e, 14);
          if (<i32>tx < 0 || tx % sw != 0 || tx / sw >= ow) continue;
          const at = (ty / sh) * ow + tx / sw;
          sum += <f64>load<f32>(filter + ((r * kw + q) << 2)) * <f64>load<f32>(grad + (at << 2));
        }
      }
    }
    store<f32>(pointer(args, 0) + (u << 2), <f32>sum);
  }
}
