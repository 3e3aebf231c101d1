// The tile behind the gradients of a pooled convolution, where most of the gradient is zero: C[j] += sum over a list of
// value * row[j], up to 13 vectors at a time, 13 accumulators + 1 splat + 1 vector of the row = 15 registers. An entry
// of a list is eight bytes: the value, and where its row begins.
import { madd } from "./simd";

/** Bytes of an entry of a list. */
export const ENTRY: usize = 8;
/** Vectors across a tile. */
export const WIDE: u32 = 13;

const MAGIC: f32 = 12582912; // 1.5 * 2^23: adding it rounds to an integer in the low bits

// @ts-ignore: decorator
@inline
function add(c: usize, v: v128): void {
  v128.store(c, f32x4.add(v128.load(c), v));
}

// @ts-ignore: decorator
@inline
function body(
  N: i32,
  rows: usize,
  rowStep: usize,
  list: usize,
  end: usize,
  c: usize,
  cStep: usize,
  times: u32,
  tail: v128,
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
    do {
      const x = v128.load32_splat(at);
      const row = rows + load<usize>(at, 4);
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
    } while (at != end);
    add(c, N == 1 ? v128.and(p0, tail) : p0);
    if (N > 1) add(c + 16, N == 2 ? v128.and(p1, tail) : p1);
    if (N > 2) add(c + 32, N == 3 ? v128.and(p2, tail) : p2);
    if (N > 3) add(c + 48, N == 4 ? v128.and(p3, tail) : p3);
    if (N > 4) add(c + 64, N == 5 ? v128.and(p4, tail) : p4);
    if (N > 5) add(c + 80, N == 6 ? v128.and(p5, tail) : p5);
    if (N > 6) add(c + 96, N == 7 ? v128.and(p6, tail) : p6);
    if (N > 7) add(c + 112, N == 8 ? v128.and(p7, tail) : p7);
    if (N > 8) add(c + 128, N == 9 ? v128.and(p8, tail) : p8);
    if (N > 9) add(c + 144, N == 10 ? v128.and(p9, tail) : p9);
    if (N > 10) add(c + 160, N == 11 ? v128.and(p10, tail) : p10);
    if (N > 11) add(c + 176, N == 12 ? v128.and(p11, tail) : p11);
    if (N > 12) add(c + 192, v128.and(p12, tail));
    rows += rowStep;
    c += cStep;
  } while (--times);
}

/**
 * C += the sum of a list that is not empty, n vectors of it; of the last one the lanes of `tail`. Then again for the
 * next of `times` rows of the kernel: rows and c each a step further.
 */
export function gather(
  n: u32,
  rows: usize,
  rowStep: usize,
  list: usize,
  end: usize,
  c: usize,
  cStep: usize,
  times: u32,
  tail: v128,
): void {
  if (n == 13) return body(13, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 12) return body(12, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 11) return body(11, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 10) return body(10, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 9) return body(9, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 8) return body(8, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 7) return body(7, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 6) return body(6, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 5) return body(5, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 4) return body(4, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 3) return body(3, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 2) return body(2, rows, rowStep, list, end, c, cStep, times, tail);
  if (n == 1) return body(1, rows, rowStep, list, end, c, cStep, times, tail);
  const parts = (n + WIDE - 1) / WIDE;
  for (let p: u32 = 0; p < parts; ++p) {
    const v0 = (n * p) / parts;
    const v1 = (n * (p + 1)) / parts;
    const lanes = p + 1 < parts ? i32x4.splat(-1) : tail;
    gather(v1 - v0, rows + (v0 << 4), rowStep, list, end, c + (v0 << 4), cStep, times, lanes);
  }
}

/** The lanes of the last vector of a run of n floats. */
export function lanesOf(n: u32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(((n - 1) & 3) + 1));
}

/**
 * Appends the nonzero ones of n gradients to a list and gives its new end; one entry beyond it may be overwritten. A
 * gradient whose maximum was at (y, x) of a plane ow wide gets the offset y * dy + x * dx + base. The plane has at most
 * 2^20 pixels.
 */
export function nonzeros(
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
    const m = i32x4.bitmask(f32x4.ne(v, zero));
    const low = i32x4.shuffle(v, o, 0, 4, 1, 5);
    const high = i32x4.shuffle(v, o, 2, 6, 3, 7);
    v128.store64_lane(list, low, 0);
    list += (m & 1) << 3;
    v128.store64_lane(list, low, 1);
    list += (m & 2) << 2;
    v128.store64_lane(list, high, 0);
    list += (m & 4) << 1;
    v128.store64_lane(list, high, 1);
    list += m & 8;
    idx += 16;
  }
  for (let k: u32 = n & 3; k > 0; --k) {
    const v = load<f32>(g);
    const i = load<u32>(idx);
    if (v != 0) {
      store<f32>(list, v);
      store<u32>(list, (i / ow) * dy + (i % ow) * dx + base, 4);
      list += ENTRY;
    }
    g += 4;
    idx += 4;
  }
  return list;
}
