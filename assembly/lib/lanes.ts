// Lanes: the last one to three words of a run, runs of words, and f32 sums joined in f64.

/** Lane i of the result is the word at p + i * stride (bytes), for m of 1 to 4 lanes; the others repeat the first. */
export function pick(p: usize, stride: i32, m: u32): v128 {
  let v = v128.load32_splat(p);
  if (stride == 0) return v;
  if (m > 1) v = v128.load32_lane(p + stride, v, 1);
  if (m > 2) v = v128.load32_lane(p + 2 * stride, v, 2);
  if (m > 3) v = v128.load32_lane(p + 3 * stride, v, 3);
  return v;
}

/** m of 1 to 3 words at p in the first lanes of `pad`. */
export function pickOver(pad: v128, p: usize, m: u32): v128 {
  let v = v128.load32_lane(p, pad, 0);
  if (m > 1) v = v128.load32_lane(p, v, 1, 4);
  if (m > 2) v = v128.load32_lane(p, v, 2, 8);
  return v;
}

/** Stores the first m of 1 to 3 lanes. */
export function storeLanes(p: usize, v: v128, m: u32): void {
  v128.store32_lane(p, v, 0);
  if (m > 1) v128.store32_lane(p, v, 1, 4);
  if (m > 2) v128.store32_lane(p, v, 2, 8);
}

/** The vector at p; where fewer than four words are left (m), these, and the first repeated. */
// @ts-ignore: decorator
@inline
export function read(p: usize, m: u32): v128 {
  return m >= 4 ? v128.load(p) : pick(p, 4, m);
}

/** Stores v at p, or its first m lanes where fewer than four words are left. */
// @ts-ignore: decorator
@inline
export function write(p: usize, v: v128, m: u32): void {
  if (m >= 4) v128.store(p, v);
  else storeLanes(p, v, m);
}

/** n words from x to y. */
export function words(y: usize, x: usize, n: u32): void {
  if (n >= 512) {
    memory.copy(y, x, (<usize>n) << 2);
    return;
  }
  for (const stop = y + ((<usize>(n & ~3)) << 2); y < stop; y += 16, x += 16) v128.store(y, v128.load(x));
  if (n & 3) storeLanes(y, pick(x, 4, n & 3), n & 3);
}

/** n times the same word. */
export function fill(y: usize, v: v128, n: u32): void {
  for (const stop = y + ((<usize>(n & ~15)) << 2); y < stop; y += 64) {
    v128.store(y, v);
    v128.store(y, v, 16);
    v128.store(y, v, 32);
    v128.store(y, v, 48);
  }
  n &= 15;
  for (const stop = y + ((<usize>(n & ~3)) << 2); y < stop; y += 16) v128.store(y, v);
  if (n & 3) storeLanes(y, v, n & 3);
}

/** Additions of a chain in f32, after which it is joined to an f64 total: rounding stays below eight steps. */
export const CHAIN: u32 = 8;

/** s as two f64 lanes, added to total. */
// @ts-ignore: decorator
@inline
export function join(total: v128, s: v128): v128 {
  const high = f64x2.promote_low_f32x4(i32x4.shuffle(s, s, 2, 3, 0, 1));
  return f64x2.add(f64x2.add(total, f64x2.promote_low_f32x4(s)), high);
}

// @ts-ignore: decorator
@inline
export function joined(total: v128): f64 {
  return f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1);
}

/** Rounds the pairs of f64 to four floats. */
// @ts-ignore: decorator
@inline
export function rounded(low: v128, high: v128): v128 {
  return i64x2.shuffle(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}

// @ts-ignore: decorator
@inline
export function lowHalf(total: v128, s: v128): v128 {
  return f64x2.add(total, f64x2.promote_low_f32x4(s));
}

// @ts-ignore: decorator
@inline
export function highHalf(total: v128, s: v128): v128 {
  return f64x2.add(total, f64x2.promote_low_f32x4(i32x4.shuffle(s, s, 2, 3, 0, 1)));
}

/** Most columns that are reduced together, eight rows at a time: so memory is read in its order. */
export const WIDE: u32 = 1024;

/** a added to four totals in f64. */
// @ts-ignore: decorator
@inline
export function addTo(totals: usize, a: v128): void {
  v128.store(totals, lowHalf(v128.load(totals), a));
  v128.store(totals, highHalf(v128.load(totals, 16), a), 16);
}
