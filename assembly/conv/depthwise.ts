// Convolutions whose groups have one channel of x (depthwise), and their gradients: every plane of y is a correlation of one plane with
// few weights, 4 rows by 8 pixels at a time, so that a weight is read once for 8 vectors. Planes are first laid out with their
// border of zeros, and with strides by the columns' remainders (planes.ts), so that pixels of a row always meet neighbours.
//
// By x: the correlation of gy, rows and columns as far apart as the stride and zeros between them, with the turned weights. With a
// stride of 2 three of four products are with zeros; to leave them out took longer (bench/lab, 256).
//
// By w: the products of gy with what a weight meets, nine weights at a time, summed in lanes, chain by chain joined in f64.
import { extent, first, last, pointer, scalar, scratch } from "../lib/args";
import { join, joined } from "../lib/lanes";
import { madd } from "../lib/simd";
import { column, copyRun, layPlanes, part, spreadPlanes } from "./planes";

// Scratch: a strip of y and a spare entry; the list of (offset, weight), or sums; then planes, where conv2d has its own (conv.ts).
const LIST: usize = 256;
const MOST_TAPS: u32 = 256; // in a chain of sums, as elsewhere (KC in gemm.ts)
const PLANES: usize = 512 << 10;
const PLANES_BYTES: f64 = 1571840; // 1535 KiB
/** Output channels to a channel of x from which the forms for groups of channels are as fast. */
const MANY: u32 = 8;

/** Whether groups of one channel come here. */
export function isDepthwise(ci: u32, co: u32, groups: u32, taps: u32): bool {
  return ci == 1 && groups > 1 && co / groups < MANY && (co / groups) * taps <= MOST_TAPS;
}

// 4 rows by 8 pixels: sums over a list of (offset from s, weight), one chain in its order. Rows of the source lie s1 s2 s3 bytes
// behind the first, those of the result d1 d2 d3.
function block(
  list: usize,
  end: usize,
  s: usize,
  s1: usize,
  s2: usize,
  s3: usize,
  d: usize,
  d1: usize,
  d2: usize,
  d3: usize,
  init: v128,
  floor: v128,
): void {
  let p0 = init;
  let p1 = init;
  let p2 = init;
  let p3 = init;
  let q0 = init;
  let q1 = init;
  let q2 = init;
  let q3 = init;
  for (; list < end; list += 8) {
    const a = s + load<usize>(list);
    const w = v128.load32_splat(list, 4);
    p0 = madd(w, v128.load(a), p0);
    q0 = madd(w, v128.load(a, 16), q0);
    p1 = madd(w, v128.load(a + s1), p1);
    q1 = madd(w, v128.load(a + s1, 16), q1);
    p2 = madd(w, v128.load(a + s2), p2);
    q2 = madd(w, v128.load(a + s2, 16), q2);
    p3 = madd(w, v128.load(a + s3), p3);
    q3 = madd(w, v128.load(a + s3, 16), q3);
  }
  v128.store(d, f32x4.pmax(p0, floor));
  v128.store(d, f32x4.pmax(q0, floor), 16);
  v128.store(d + d1, f32x4.pmax(p1, floor));
  v128.store(d + d1, f32x4.pmax(q1, floor), 16);
  v128.store(d + d2, f32x4.pmax(p2, floor));
  v128.store(d + d2, f32x4.pmax(q2, floor), 16);
  v128.store(d + d3, f32x4.pmax(p3, floor));
  v128.store(d + d3, f32x4.pmax(q3, floor), 16);
}

// 4 rows of the result, 4 pixels at a time, of 3x3 neighbours: the weights stay in registers, and a vector that is read serves three
// rows. The same chains as in `block`.
function nineOf(list: usize, s: usize, from: usize, d: usize, line: usize, cols: u32, init: v128, floor: v128): void {
  const w0 = v128.load32_splat(list, 4);
  const w1 = v128.load32_splat(list, 12);
  const w2 = v128.load32_splat(list, 20);
  const w3 = v128.load32_splat(list, 28);
  const w4 = v128.load32_splat(list, 36);
  const w5 = v128.load32_splat(list, 44);
  const w6 = v128.load32_splat(list, 52);
  const w7 = v128.load32_splat(list, 60);
  const w8 = v128.load32_splat(list, 68);
  s += load<usize>(list);
  for (let x: u32 = 0; x < cols; x += 4) {
    x = min<u32>(x, cols - 4);
    let a = s + (x << 2);
    let u = v128.load(a);
    let v = v128.load(a, 4);
    let w = v128.load(a, 8);
    let p = madd(w2, w, madd(w1, v, madd(w0, u, init)));
    a += from;
    u = v128.load(a);
    v = v128.load(a, 4);
    w = v128.load(a, 8);
    p = madd(w5, w, madd(w4, v, madd(w3, u, p)));
    let q = madd(w2, w, madd(w1, v, madd(w0, u, init)));
    a += from;
    u = v128.load(a);
    v = v128.load(a, 4);
    w = v128.load(a, 8);
    let to = d + (x << 2);
    v128.store(to, f32x4.pmax(madd(w8, w, madd(w7, v, madd(w6, u, p))), floor));
    q = madd(w5, w, madd(w4, v, madd(w3, u, q)));
    p = madd(w2, w, madd(w1, v, madd(w0, u, init)));
    a += from;
    u = v128.load(a);
    v = v128.load(a, 4);
    w = v128.load(a, 8);
    to += line;
    v128.store(to, f32x4.pmax(madd(w8, w, madd(w7, v, madd(w6, u, q))), floor));
    p = madd(w5, w, madd(w4, v, madd(w3, u, p)));
    q = madd(w2, w, madd(w1, v, madd(w0, u, init)));
    a += from;
    u = v128.load(a);
    v = v128.load(a, 4);
    w = v128.load(a, 8);
    to += line;
    v128.store(to, f32x4.pmax(madd(w8, w, madd(w7, v, madd(w6, u, p))), floor));
    q = madd(w5, w, madd(w4, v, madd(w3, u, q)));
    a += from;
    u = v128.load(a);
    v = v128.load(a, 4);
    w = v128.load(a, 8);
    v128.store(to + line, f32x4.pmax(madd(w8, w, madd(w7, v, madd(w6, u, q))), floor));
  }
}

/**
 * d[rows][cols] = max(floor, init + sum over the list), rows `line` bytes apart, those of the source `from`. The last blocks
 * of rows and columns overlap the ones before. nine: the list is of 3x3 neighbours.
 */
function correlate(
  nine: bool,
  strip: usize,
  list: usize,
  end: usize,
  s: usize,
  from: usize,
  d: usize,
  line: usize,
  rows: u32,
  cols: u32,
  init: f32,
  floor: v128,
): void {
  const start = f32x4.splat(init);
  for (let y: u32 = 0; y < rows; y += 4) {
    if (y + 4 > rows && rows >= 4) y = rows - 4;
    const more = rows - 1 - y; // of fewer than four rows the last is made again
    const y1 = min<usize>(more, 1);
    const y2 = min<usize>(more, 2);
    const y3 = min<usize>(more, 3);
    const s0 = s + from * y;
    const d0 = d + line * y;
    if (nine && rows >= 4 && cols >= 4) {
      nineOf(list, s0, from, d0, line, cols, start, floor);
      continue;
    }
    for (let x: u32 = 0; x < cols; x += 8) {
      if (x + 8 > cols && cols >= 8) x = cols - 8;
      const at = <usize>x << 2;
      // Of fewer than 8 pixels those behind the row go no further than the strip.
      const to = cols < 8 ? strip : d0 + at;
      const gap = cols < 8 ? <usize>32 : line;
      block(list, end, s0 + at, from * y1, from * y2, from * y3, to, gap * y1, gap * y2, gap * y3, start, floor);
    }
    for (let r: u32 = 0; r < min<u32>(rows - y, 4) && cols < 8; ++r) copyRun(d0 + line * r, strip + (r << 5), cols);
  }
}

/**
 * conv2d (conv.ts) or, turned, conv2d_vjp_x (grad.ts); e: the extents, bias: 0 for none. False where planes are too large for scratch
 * memory: nothing is done then.
 */
export function depthwise(args: usize, e: usize, turned: bool, bias: usize, relu: u32, ith: u32, nth: u32): bool {
  // The same words in both rows: a plane of the result is [oh, ow], one that is read [h, w].
  const oh = extent(e, 2);
  const ow = extent(e, 3);
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
  const outs = extent(e, 1) / groups;
  const ins = turned ? extent(e, 4) / groups : 1;

  const taps = kh * kw;
  const nine = taps == 9 && kh == kw && (dh | dw) == 1 && ins == 1 && (turned || (sh | sw) == 1);
  let top = ph;
  let left = pw;
  let rows = h + 2 * ph;
  let split = sw;
  let pitch = part(w + 2 * pw, sw);
  let step = sh;
  let start: u32 = 0; // of what the first pixel meets, in words
  if (turned) {
    // Rows and columns of zeros that weights reach before gy; less than none where the padding is more.
    const above = (kh - 1) * dh - ph;
    const before = (kw - 1) * dw - pw;
    top = <u32>max<i32>(0, above);
    left = <u32>max<i32>(0, before);
    rows = top + max<u32>((h - 1) * sh + 1, oh + ph);
    pitch = left + max<u32>((w - 1) * sw + 1, ow + pw);
    start = (top - above) * pitch + left - before;
    split = step = 1;
  }
  const line = split * pitch;
  if (<f64>rows * <f64>line * <f64>ins * 4 > PLANES_BYTES) return false;
  // Of rows of fewer than 8 pixels what lies behind them is read too.
  const copied = turned || (ph | pw) != 0 || sw > 1 || ow < 8;
  const spread = turned && (sh | sw) != 1;
  const work = scratch(ith);
  const list = work + LIST;
  const end = list + ((ins * taps) << 3);
  const planes = work + PLANES;
  for (let t: u32 = 0; t < ins * taps; ++t) {
    const row = (t / taps) * rows + ((t % taps) / kw) * dh;
    store<usize>(list + (t << 3), (start + row * line + column((t % kw) * dw, split, pitch)) << 2);
  }
  const floor = f32x4.splat(relu ? 0 : -Infinity);
  const behind = taps - 1;
  const units = extent(e, 0) * groups;
  const u0 = first(units, 1, ith, nth);
  const u1 = last(args, units, 1, ith, nth);
  for (let u = u0; u < u1; ++u) {
    let s = pointer(args, 1) + ((u * ins * h * w) << 2);
    if (spread) spreadPlanes(planes, s, ins, h, w, rows, top, left, sh, sw, line, u > u0);
    else if (copied) layPlanes(planes, s, ins, h, w, rows, top, left, split, pitch, u > u0);
    if (copied) s = planes;
    const g = u % groups;
    for (let c: u32 = 0; c < outs; ++c) {
      let weight = pointer(args, 2) + (((g * outs * ins + c) * taps) << 2);
      for (let to = list; to < end; to += taps << 3) {
        for (let t: u32 = 0; t < taps; ++t, weight += 4) {
          store<u32>(to + ((turned ? behind - t : t) << 3), load<u32>(weight), 4);
        }
      }
      const init: f32 = bias ? scalar(bias, g * outs + c) : 0;
      const d = pointer(args, 0) + (((u * outs + c) * oh * ow) << 2);
      correlate(nine, work, list, end, s, <usize>(step * line) << 2, d, ow << 2, oh, ow, init, floor);
    }
  }
  return true;
}

/** Weights whose sums are made at once. */
const SUMS: u32 = 9;
/** Vectors of gy in a chain. */
const CHAIN: u32 = 256;

/** Adds to nine pairs of f64 the products of `lines` lines of n vectors of gy with what the weights in the list meet. */
function products(spare: usize, totals: usize, list: usize, g: usize, n: u32, lines: u32, s: usize, from: usize): void {
  const o0 = load<usize>(list);
  const o1 = load<usize>(list, 4);
  const o2 = load<usize>(list, 8);
  const o3 = load<usize>(list, 12);
  const o4 = load<usize>(list, 16);
  const o5 = load<usize>(list, 20);
  const o6 = load<usize>(list, 24);
  const o7 = load<usize>(list, 28);
  const o8 = load<usize>(list, 32);
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let a4 = a0;
  let a5 = a0;
  let a6 = a0;
  let a7 = a0;
  let a8 = a0;
  for (let i: u32 = 0; i < lines; ++i) {
    for (let j: usize = 0; j < <usize>n << 4; j += 16) {
      const v = v128.load(g);
      const at = s + j;
      a0 = madd(v, v128.load(at + o0), a0);
      a1 = madd(v, v128.load(at + o1), a1);
      a2 = madd(v, v128.load(at + o2), a2);
      a3 = madd(v, v128.load(at + o3), a3);
      a4 = madd(v, v128.load(at + o4), a4);
      a5 = madd(v, v128.load(at + o5), a5);
      a6 = madd(v, v128.load(at + o6), a6);
      a7 = madd(v, v128.load(at + o7), a7);
      a8 = madd(v, v128.load(at + o8), a8);
      g += 16;
    }
    s += from;
  }
  v128.store(spare, a0);
  v128.store(spare, a1, 16);
  v128.store(spare, a2, 32);
  v128.store(spare, a3, 48);
  v128.store(spare, a4, 64);
  v128.store(spare, a5, 80);
  v128.store(spare, a6, 96);
  v128.store(spare, a7, 112);
  v128.store(spare, a8, 128);
  for (const stop = spare + (SUMS << 4); spare < stop; spare += 16, totals += 16) {
    v128.store(totals, join(v128.load(totals), v128.load(spare)));
  }
}

/** conv2d_vjp_w (grad.ts); false where planes are too large. */
export function depthwiseByW(args: usize, e: usize, ith: u32, nth: u32): bool {
  const chunks = extent(e, 0);
  const n = extent(e, 1);
  const co = extent(e, 2);
  const oh = extent(e, 3);
  const ow = extent(e, 4);
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
  // Lines of gy are filled up to vectors with zeros, which must meet zeros too, nothing that isn't finite.
  const wide = (ow + 3) & ~3;
  const high = h + 2 * ph;
  const pitch = max<u32>(part(w + 2 * pw, sw), wide + ((kw - 1) * dw) / sw);
  const gradient = oh * wide;
  if ((<f64>high * <f64>(sw * pitch) + <f64>gradient) * 4 > PLANES_BYTES) return false;
  const line = <usize>(sw * pitch) << 2;
  const work = scratch(ith);
  const list = work + LIST;
  const totals = list + ((MOST_TAPS + SUMS) << 2);
  const plane = work + PLANES + (gradient << 2);
  const sums = ((taps + SUMS - 1) / SUMS) * SUMS; // those behind the last weight are nobody's
  for (let t: u32 = 0; t < sums; ++t) {
    const k = t < taps ? t : 0;
    store<usize>(list + (t << 2), line * ((k / kw) * dh) + (column((k % kw) * dw, sw, pitch) << 2));
  }
  const units = chunks * co;
  const u1 = last(args, units, 1, ith, nth);
  const across = wide >> 2;
  const lines = max<u32>(1, CHAIN / across);
  let laid = false;
  for (let u = first(units, 1, ith, nth); u < u1; ++u) {
    const chunk = u / co;
    const o = u % co;
    memory.fill(totals, 0, sums << 4);
    const stop = <u32>((<u64>n * (chunk + 1)) / chunks);
    for (let i = <u32>((<u64>n * chunk) / chunks); i < stop; ++i) {
      layPlanes(plane, pointer(args, 2) + (((i * groups + o / cg) * h * w) << 2), 1, h, w, high, ph, pw, sw, pitch, laid);
      let g = pointer(args, 1) + (((i * co + o) * oh * ow) << 2);
      if (wide != ow) {
        layPlanes(work + PLANES, g, 1, oh, ow, oh, 0, 0, 1, wide, laid);
        g = work + PLANES;
      }
      laid = true;
      for (let y: u32 = 0; y < oh; y += lines) {
        const some = min<u32>(lines, oh - y);
        for (let v: u32 = 0; v < across; v += CHAIN) {
          const from = g + ((y * across + v) << 4);
          const to = plane + line * sh * y + (v << 4);
          for (let t: u32 = 0; t < sums; t += SUMS) {
            products(work, totals + (t << 4), list + (t << 2), from, min<u32>(across - v, CHAIN), some, to, line * sh);
          }
        }
      }
    }
    const out = pointer(args, 0) + ((u * taps) << 2);
    for (let t: u32 = 0; t < taps; ++t) store<f32>(out + (t << 2), <f32>joined(v128.load(totals + (t << 4))));
  }
  return true;
}
