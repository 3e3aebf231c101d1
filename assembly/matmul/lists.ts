// Lists of what is not zero, and the tile of products whose one factor has many zeros (skip.ts, and ../conv/poolgrad.ts for the gradients of a pooled
// convolution): C[j] = sum over a list of value * row[j], up to 13 vectors at a time, 13 accumulators + 1 splat + 1 vector
// of the row = 15 registers. A list is values, four bytes each, and, PLACES behind each, where its row begins.
//
// For example the row 0 5 0 0 7 of A, over rows of B 64 bytes apart: the values 5 7, the places 64 256, and with rows = B
// the row of C is 5 * (B + 64) + 7 * (B + 256), vector by vector.
import { madd } from "../lib/simd";

/** Bytes of an entry of a list. */
export const ENTRY: usize = 4;
/** Most entries of a list. */
export const LISTED: u32 = 16384;
/** From a value to its place: room for a list and what is written behind it, and not a multiple of a page. */
export const PLACES: usize = (<usize>LISTED << 2) + 1600;
/** Vectors across a tile. */
export const MOST_ACROSS: u32 = 13;

const MAGIC: f32 = 12582912; // 1.5 * 2^23: adding it rounds to an integer in the low bits

// @ts-ignore: decorator
@inline
function body(
  N: i32,
  rows: usize,
  rowStep: usize,
  list: usize,
  end: usize,
  next: usize,
  c: usize,
  cStep: usize,
  times: u32,
  tail: v128,
  add: bool,
): void {
  do {
    let p0 = f32x4.splat(0);
    let p1 = p0;
    let p2 = p0;
    let p3 = p0;
    let p4 = p0;
    let p5 = p0;
    let p6 = p0;
    let p7 = p0;
    let p8 = p0;
    let p9 = p0;
    let p10 = p0;
    let p11 = p0;
    let p12 = p0;
    let at = list;
    let place = list + PLACES;
    // Two entries at a time in the widths that skip.ts asks for most: loads are what the tile waits for, and so one brings two
    // values and another two places. One x and one row for both keep the madds in this order: else the compiler takes
    // them sum by sum, and spills.
    if (N >= 10 && N <= 12) {
      for (const pairs = at + ((end - at) & ~7); at != pairs; at += 2 * ENTRY) {
        const places = load<u64>(place);
        place += 2 * ENTRY;
        const values = v128.load64_zero(at);
        let x = i32x4.shuffle(values, values, 0, 0, 0, 0);
        let row = rows + <usize>(<u32>places);
        p0 = madd(x, v128.load(row), p0);
        p1 = madd(x, v128.load(row, 16), p1);
        p2 = madd(x, v128.load(row, 32), p2);
        p3 = madd(x, v128.load(row, 48), p3);
        p4 = madd(x, v128.load(row, 64), p4);
        p5 = madd(x, v128.load(row, 80), p5);
        p6 = madd(x, v128.load(row, 96), p6);
        p7 = madd(x, v128.load(row, 112), p7);
        p8 = madd(x, v128.load(row, 128), p8);
        p9 = madd(x, v128.load(row, 144), p9);
        if (N > 10) p10 = madd(x, v128.load(row, 160), p10);
        if (N > 11) p11 = madd(x, v128.load(row, 176), p11);
        x = i32x4.shuffle(values, values, 1, 1, 1, 1);
        row = rows + <usize>(places >> 32);
        p0 = madd(x, v128.load(row), p0);
        p1 = madd(x, v128.load(row, 16), p1);
        p2 = madd(x, v128.load(row, 32), p2);
        p3 = madd(x, v128.load(row, 48), p3);
        p4 = madd(x, v128.load(row, 64), p4);
        p5 = madd(x, v128.load(row, 80), p5);
        p6 = madd(x, v128.load(row, 96), p6);
        p7 = madd(x, v128.load(row, 112), p7);
        p8 = madd(x, v128.load(row, 128), p8);
        p9 = madd(x, v128.load(row, 144), p9);
        if (N > 10) p10 = madd(x, v128.load(row, 160), p10);
        if (N > 11) p11 = madd(x, v128.load(row, 176), p11);
      }
    }
    while (at != end) {
      const x = v128.load32_splat(at);
      const row = rows + load<usize>(place);
      p0 = madd(x, v128.load(row), p0);
      if (N > 1) p1 = madd(x, v128.load(row, 16), p1);
      if (N > 2) p2 = madd(x, v128.load(row, 32), p2);
      if (N > 3) p3 = madd(x, v128.load(row, 48), p3);
      if (N > 4) p4 = madd(x, v128.load(row, 64), p4);
      if (N > 5) p5 = madd(x, v128.load(row, 80), p5);
      if (N > 6) p6 = madd(x, v128.load(row, 96), p6);
      if (N > 7) p7 = madd(x, v128.load(row, 112), p7);
      if (N > 8) p8 = madd(x, v128.load(row, 128), p8);
      if (N > 9) p9 = madd(x, v128.load(row, 144), p9);
      if (N > 10) p10 = madd(x, v128.load(row, 160), p10);
      if (N > 11) p11 = madd(x, v128.load(row, 176), p11);
      if (N > 12) p12 = madd(x, v128.load(row, 192), p12);
      at += ENTRY;
      place += ENTRY;
    }
    // Of the last vector only the lanes of the tail.
    if (N == 1) p0 = v128.and(p0, tail);
    if (N == 2) p1 = v128.and(p1, tail);
    if (N == 3) p2 = v128.and(p2, tail);
    if (N == 4) p3 = v128.and(p3, tail);
    if (N == 5) p4 = v128.and(p4, tail);
    if (N == 6) p5 = v128.and(p5, tail);
    if (N == 7) p6 = v128.and(p6, tail);
    if (N == 8) p7 = v128.and(p7, tail);
    if (N == 9) p8 = v128.and(p8, tail);
    if (N == 10) p9 = v128.and(p9, tail);
    if (N == 11) p10 = v128.and(p10, tail);
    if (N == 12) p11 = v128.and(p11, tail);
    if (N == 13) p12 = v128.and(p12, tail);
    if (add) {
      p0 = f32x4.add(v128.load(c), p0);
      if (N > 1) p1 = f32x4.add(v128.load(c, 16), p1);
      if (N > 2) p2 = f32x4.add(v128.load(c, 32), p2);
      if (N > 3) p3 = f32x4.add(v128.load(c, 48), p3);
      if (N > 4) p4 = f32x4.add(v128.load(c, 64), p4);
      if (N > 5) p5 = f32x4.add(v128.load(c, 80), p5);
      if (N > 6) p6 = f32x4.add(v128.load(c, 96), p6);
      if (N > 7) p7 = f32x4.add(v128.load(c, 112), p7);
      if (N > 8) p8 = f32x4.add(v128.load(c, 128), p8);
      if (N > 9) p9 = f32x4.add(v128.load(c, 144), p9);
      if (N > 10) p10 = f32x4.add(v128.load(c, 160), p10);
      if (N > 11) p11 = f32x4.add(v128.load(c, 176), p11);
      if (N > 12) p12 = f32x4.add(v128.load(c, 192), p12);
    }
    v128.store(c, p0);
    if (N > 1) v128.store(c, p1, 16);
    if (N > 2) v128.store(c, p2, 32);
    if (N > 3) v128.store(c, p3, 48);
    if (N > 4) v128.store(c, p4, 64);
    if (N > 5) v128.store(c, p5, 80);
    if (N > 6) v128.store(c, p6, 96);
    if (N > 7) v128.store(c, p7, 112);
    if (N > 8) v128.store(c, p8, 128);
    if (N > 9) v128.store(c, p9, 144);
    if (N > 10) v128.store(c, p10, 160);
    if (N > 11) v128.store(c, p11, 176);
    if (N > 12) v128.store(c, p12, 192);
    rows += rowStep;
    c += cStep;
    if (next) {
      list = end;
      end = load<usize>(next);
      next += 4;
    }
  } while (--times);
}

/**
 * C = the sum of a list, n vectors of it, or with `add` C += it; of the last vector only the lanes of `tail`. Then again for
 * the next of `times` rows of C: rows and c each a step further, by the same list or, where `next` is not 0, by the one
 * behind it, which ends where the word at `next` says.
 */
export function sumLists(
  n: u32,
  rows: usize,
  rowStep: usize,
  list: usize,
  end: usize,
  next: usize,
  c: usize,
  cStep: usize,
  times: u32,
  tail: v128,
  add: bool,
): void {
  if (n == 13) return body(13, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 12) return body(12, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 11) return body(11, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 10) return body(10, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 9) return body(9, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 8) return body(8, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 7) return body(7, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 6) return body(6, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 5) return body(5, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 4) return body(4, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 3) return body(3, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 2) return body(2, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  if (n == 1) return body(1, rows, rowStep, list, end, next, c, cStep, times, tail, add);
  const parts = (n + MOST_ACROSS - 1) / MOST_ACROSS;
  for (let p: u32 = 0; p < parts; ++p) {
    const v0 = (n * p) / parts;
    const v1 = (n * (p + 1)) / parts;
    const lanes = p + 1 < parts ? i32x4.splat(-1) : tail;
    sumLists(v1 - v0, rows + (v0 << 4), rowStep, list, end, next, c + (v0 << 4), cStep, times, lanes, add);
  }
}

/** The lanes of the last vector of a run of n floats. */
export function lanesOf(n: u32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(((n - 1) & 3) + 1));
}

// For each mask the bytes of its lanes, in order, as swizzle takes them; lane 0 is bit 0.
const LANES: usize = memory.data<u32>([
  0, 0, 0, 0,
  0x03020100, 0, 0, 0,
  0x07060504, 0, 0, 0,
  0x03020100, 0x07060504, 0, 0,
  0x0b0a0908, 0, 0, 0,
  0x03020100, 0x0b0a0908, 0, 0,
  0x07060504, 0x0b0a0908, 0, 0,
  0x03020100, 0x07060504, 0x0b0a0908, 0,
  0x0f0e0d0c, 0, 0, 0,
  0x03020100, 0x0f0e0d0c, 0, 0,
  0x07060504, 0x0f0e0d0c, 0, 0,
  0x03020100, 0x07060504, 0x0f0e0d0c, 0,
  0x0b0a0908, 0x0f0e0d0c, 0, 0,
  0x03020100, 0x0b0a0908, 0x0f0e0d0c, 0,
  0x07060504, 0x0b0a0908, 0x0f0e0d0c, 0,
  0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c,
]);

/** Appends the lanes of a mask to a list and gives its new end; four entries beyond it may be overwritten. */
// @ts-ignore: decorator
@inline
function append(list: usize, value: v128, place: v128, mask: i32): usize {
  const lanes = v128.load(LANES + (mask << 4));
  v128.store(list, i8x16.swizzle(value, lanes));
  v128.store(list, i8x16.swizzle(place, lanes), PLACES);
  return list + <usize>popcnt(mask) * ENTRY;
}

/**
 * Appends the nonzero ones of n gradients to a list and gives its new end; four entries beyond it may be overwritten.
 * A gradient whose maximum was at (y, x) of a plane ow wide gets the offset y * dy + x * dx + base. The plane has at
 * most 2^20 pixels.
 */
export function listGrads(
  list: usize,
  g: usize,
  idx: usize,
  n: u32,
  ow: u32,
  dy: u32,
  dx: u32,
  base: u32,
): usize {
  const per = f32x4.splat(1 / <f32>ow);
  const half = f32x4.splat(0.5 / <f32>ow - 0.5);
  const magic = f32x4.splat(MAGIC);
  const bits = i32x4.splat(reinterpret<i32>(MAGIC));
  const across = i32x4.splat(dx);
  const down = i32x4.splat(dy - ow * dx);
  const from = i32x4.splat(base);
  const zero = f32x4.splat(0);
  const end = g + ((n & ~3) << 2);
  for (; g < end; g += 16) {
    const v = v128.load(g);
    const i = v128.load(idx);
    // y = floor((i + 0.5) / ow), by rounding what is half less
    const y = f32x4.add(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i), per), half), magic);
    const a = i32x4.add(i32x4.mul(i, across), from);
    const o = i32x4.add(a, i32x4.mul(i32x4.sub(y, bits), down));
    list = append(list, v, o, i32x4.bitmask(f32x4.ne(v, zero)));
    idx += 16;
  }
  for (let k: u32 = n & 3; k > 0; --k) {
    const v = load<f32>(g);
    const i = load<u32>(idx);
    if (v != 0) {
      store<f32>(list, v);
      store<u32>(list, (i / ow) * dy + (i % ow) * dx + base, PLACES);
      list += ENTRY;
    }
    g += 4;
    idx += 4;
  }
  return list;
}

/** Lists the nonzero ones of n floats, each with its index times `pitch`; gives the end, behind which four may change. */
export function listRow(list: usize, x: usize, n: u32, pitch: u32): usize {
  const zero = f32x4.splat(0);
  const step = i32x4.splat(pitch << 2);
  let o = i32x4.mul(i32x4(0, 1, 2, 3), i32x4.splat(pitch));
  for (const end = x + ((n & ~3) << 2); x < end; x += 16) {
    const v = v128.load(x);
    list = append(list, v, o, i32x4.bitmask(f32x4.ne(v, zero)));
    o = i32x4.add(o, step);
  }
  for (let q: u32 = n & ~3; q < n; ++q) {
    const v = load<f32>(x);
    store<f32>(list, v);
    store<u32>(list, q * pitch, PLACES);
    if (v != 0) list += ENTRY;
    x += 4;
  }
  return list;
}
