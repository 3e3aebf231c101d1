// One row of n consecutive floats: its maximum, its exponentials and their sum. For softmax.ts and loss.ts.
import { CHAIN, join, joined, pick, pickOver, storeLanes } from "../lib/lanes";
import { expFlush, expFour, log } from "../lib/math";

/** Maximum of n floats, NaN passed over. */
export function maxLine(x: usize, n: u32): f32 {
  let m0 = f32x4.splat(-Infinity);
  let m1 = m0;
  let m2 = m0;
  let m3 = m0;
  for (; n >= 16; n -= 16, x += 64) {
    m0 = f32x4.pmax(m0, v128.load(x));
    m1 = f32x4.pmax(m1, v128.load(x, 16));
    m2 = f32x4.pmax(m2, v128.load(x, 32));
    m3 = f32x4.pmax(m3, v128.load(x, 48));
  }
  for (; n >= 4; n -= 4, x += 16) m0 = f32x4.pmax(m0, v128.load(x));
  if (n > 0) m1 = f32x4.pmax(m1, pickOver(m1, x, n));
  m0 = f32x4.pmax(f32x4.pmax(m0, m1), f32x4.pmax(m2, m3));
  m0 = f32x4.pmax(m0, i32x4.shuffle(m0, m0, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(m0, i32x4.shuffle(m0, m0, 1, 0, 3, 2)), 0);
}

/** 2^31 less the bits of 87.33. */
const ROOM = memory.data<u32>([0x3d51570a, 0x3d51570a, 0x3d51570a, 0x3d51570a], 16);

/** y = exp(-y) for four vectors, flushed, and their sum. */
function flushFour(y: usize): v128 {
  let a = f32x4.splat(0);
  for (const stop = y + 64; y < stop; y += 16) {
    const e = expFlush(f32x4.neg(v128.load(y)));
    v128.store(y, e);
    a = f32x4.add(a, e);
  }
  return a;
}

/** y = exp(x - most), and its sum. y moves by `pace` bytes for 16 floats: 64, or 0 where only the sum is wanted. */
export function expLine(y: usize, pace: usize, x: usize, n: u32, most: f32): f32 {
  const m = f32x4.splat(most);
  let total = f64x2.splat(0);
  for (let left = n >>> 4; left > 0; ) {
    let a = f32x4.splat(0); // one only: expFour needs 13 registers
    const chain = min(left, CHAIN);
    left -= chain;
    for (const stop = x + ((<usize>chain) << 6); x < stop; x += 64, y += pace) {
      const d0 = f32x4.sub(m, v128.load(x));
      const d1 = f32x4.sub(m, v128.load(x, 16));
      const d2 = f32x4.sub(m, v128.load(x, 32));
      const d3 = f32x4.sub(m, v128.load(x, 48));
      // d >= 0 or NaN: as integers, one maximum tells whether a lane is 87.33 and more or NaN (of either sign)
      const w = i32x4.max_u(i32x4.max_u(d0, d1), i32x4.max_u(d2, d3));
      if (i32x4.bitmask(v128.or(w, i32x4.add(w, v128.load(ROOM))))) {
        v128.store(y, d0);
        v128.store(y, d1, 16);
        v128.store(y, d2, 32);
        v128.store(y, d3, 48);
        a = f32x4.add(a, flushFour(y));
      } else {
        a = f32x4.add(a, expFour(true, y, d0, d1, d2, d3));
      }
    }
    total = join(total, a);
  }
  n &= 15;
  if (n > 0) {
    let a = f32x4.splat(0);
    for (; n > 0; n -= min(n, 4), x += 16, y += 16) {
      const e = expFlush(f32x4.sub(n >= 4 ? v128.load(x) : pickOver(f32x4.splat(-Infinity), x, n), m));
      if (n >= 4) v128.store(y, e);
      else storeLanes(y, e, n);
      a = f32x4.add(a, e);
    }
    total = join(total, a);
  }
  return <f32>joined(total);
}

/** Vector k of a row of n floats, -inf past its end. */
// @ts-ignore: decorator
@inline
function padded(x: usize, n: u32, k: u32): v128 {
  const none = f32x4.splat(-Infinity);
  if (n >= 4 * k + 4) return v128.load(x + ((<usize>k) << 4));
  return n > 4 * k ? pickOver(none, x + ((<usize>k) << 4), n - 4 * k) : none;
}

/** y = softmax x for n of 1 to 16, all in registers. The sum of exp(x - most) goes to `about`, most to about + 16. */
function softmaxSmall(y: usize, x: usize, n: u32, about: usize): void {
  const x0 = padded(x, n, 0);
  const x1 = padded(x, n, 1);
  const x2 = padded(x, n, 2);
  const x3 = padded(x, n, 3);
  let most = f32x4.pmax(f32x4.pmax(x0, x1), f32x4.pmax(x2, x3));
  most = f32x4.pmax(most, i32x4.shuffle(most, most, 2, 3, 0, 1));
  most = f32x4.pmax(most, i32x4.shuffle(most, most, 1, 0, 3, 2));
  const e0 = expFlush(f32x4.sub(x0, most));
  const e1 = expFlush(f32x4.sub(x1, most));
  const e2 = n > 8 ? expFlush(f32x4.sub(x2, most)) : f32x4.splat(0);
  const e3 = n > 12 ? expFlush(f32x4.sub(x3, most)) : f32x4.splat(0);
  const sum = <f32>joined(join(f64x2.splat(0), f32x4.add(f32x4.add(e0, e1), f32x4.add(e2, e3))));
  store<f32>(about, sum);
  v128.store32_lane(about, most, 0, 16);
  const scale = f32x4.splat(1 / sum);
  const last = y + ((<usize>(n & ~3)) << 2);
  let tail = f32x4.mul(e0, scale);
  if (n >= 4) {
    v128.store(y, tail);
    tail = f32x4.mul(e1, scale);
  }
  if (n >= 8) {
    v128.store(y, tail, 16);
    tail = f32x4.mul(e2, scale);
  }
  if (n >= 12) {
    v128.store(y, tail, 32);
    tail = f32x4.mul(e3, scale);
  }
  if (n == 16) v128.store(y, tail, 48);
  else if (n & 3) storeLanes(last, tail, n & 3);
}

/** The same for any n. */
export function softmaxLine(y: usize, x: usize, n: u32, about: usize): void {
  if (n - 1 < 16) return softmaxSmall(y, x, n, about);
  const most = maxLine(x, n);
  const sum = expLine(y, 64, x, n, most);
  store<f32>(about, sum);
  store<f32>(about, most, 16);
  scaleLine(y, n, 1 / sum);
}

/** y *= s */
function scaleLine(y: usize, n: u32, s: f32): void {
  const v = f32x4.splat(s);
  for (; n >= 16; n -= 16, y += 64) {
    const y0 = f32x4.mul(v128.load(y), v);
    const y1 = f32x4.mul(v128.load(y, 16), v);
    const y2 = f32x4.mul(v128.load(y, 32), v);
    const y3 = f32x4.mul(v128.load(y, 48), v);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    v128.store(y, y2, 32);
    v128.store(y, y3, 48);
  }
  for (; n >= 4; n -= 4, y += 16) v128.store(y, f32x4.mul(v128.load(y), v));
  if (n > 0) storeLanes(y, f32x4.mul(pick(y, 4, n), v), n);
}

// @ts-ignore: decorator
@inline
export function logOf(x: f32): f32 {
  return f32x4.extract_lane(log(f32x4.splat(x)), 0);
}

/** y = (x - most) - shift */
export function shiftLine(y: usize, x: usize, n: u32, most: f32, shift: f32): void {
  const m = f32x4.splat(most);
  const s = f32x4.splat(shift);
  for (; n >= 16; n -= 16, x += 64, y += 64) {
    const y0 = f32x4.sub(f32x4.sub(v128.load(x), m), s);
    const y1 = f32x4.sub(f32x4.sub(v128.load(x, 16), m), s);
    const y2 = f32x4.sub(f32x4.sub(v128.load(x, 32), m), s);
    const y3 = f32x4.sub(f32x4.sub(v128.load(x, 48), m), s);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    v128.store(y, y2, 32);
    v128.store(y, y3, 48);
  }
  for (; n >= 4; n -= 4, x += 16, y += 16) v128.store(y, f32x4.sub(f32x4.sub(v128.load(x), m), s));
  if (n > 0) storeLanes(y, f32x4.sub(f32x4.sub(pick(x, 4, n), m), s), n);
}
