// log, log1p and the logarithms to base 2 and 10 of many elements: two vectors in step, so that a constant is loaded once
// for them and their operations need not wait for each other. The arithmetic is that of lib/math.ts and lib/functions.ts,
// which take over where one of eight elements is 0, subnormal, negative, infinite or NaN.
//   y | x | n |
import { extent, first, last, pointer } from "../lib/args";
import { BASE10, BASE2, log1p, logBy } from "../lib/functions";
import { read, write } from "../lib/lanes";
import { GRAIN } from "../lib/map";
import { LOG, log } from "../lib/math";
import { choose, madd } from "../lib/simd";

// Bits of the smallest normal float, and how far from there to infinity; the sign.
const NORMAL = memory.data<u32>([0x00800000, 0x00800000, 0x00800000, 0x00800000], 16);
const SPAN = memory.data<u32>([0x7f000000, 0x7f000000, 0x7f000000, 0x7f000000], 16);
const SIGN = memory.data<u32>([0x80000000, 0x80000000, 0x80000000, 0x80000000], 16);

/** Eight elements of log x, of log(1 + x) where `plus`, or by `base`; false, and nothing, where one is out of range. */
function two(y: usize, x: usize, plus: bool, base: usize): bool {
  let c = v128.load(LOG, 224);
  const x0 = v128.load(x);
  const x1 = v128.load(x, 16);
  const s0 = plus ? f32x4.add(x0, c) : x0;
  const s1 = plus ? f32x4.add(x1, c) : x1;
  c = v128.load(NORMAL);
  const far = i32x4.max_u(i32x4.sub(s0, c), i32x4.sub(s1, c));
  if (v128.any_true(i32x4.ge_u(far, v128.load(SPAN)))) return false;
  c = v128.load(LOG, 208);
  const d = v128.load(LOG, 224);
  let n0 = i32x4.shr_s(i32x4.sub(s0, c), 23);
  let n1 = i32x4.shr_s(i32x4.sub(s1, c), 23);
  let f0 = f32x4.sub(i32x4.sub(s0, i32x4.shl(n0, 23)), d);
  let f1 = f32x4.sub(i32x4.sub(s1, i32x4.shl(n1, 23)), d);
  n0 = f32x4.convert_i32x4_s(n0);
  n1 = f32x4.convert_i32x4_s(n1);
  if (plus) {
    // x itself where 1 + x is near 1.
    c = v128.load(LOG, 240);
    const e = v128.load(LOG, 256);
    const near0 = f32x4.lt(f32x4.abs(f32x4.sub(x0, c)), e);
    const near1 = f32x4.lt(f32x4.abs(f32x4.sub(x1, c)), e);
    f0 = choose(x0, f0, near0);
    f1 = choose(x1, f1, near1);
    n0 = v128.andnot(n0, near0);
    n1 = v128.andnot(n1, near1);
  }
  const q0 = f32x4.mul(f0, f0);
  const q1 = f32x4.mul(f1, f1);
  c = v128.load(LOG);
  let e = v128.load(LOG, 16);
  let p0 = madd(c, f0, e);
  let p1 = madd(c, f1, e);
  e = v128.load(LOG, 32);
  p0 = madd(p0, f0, e);
  p1 = madd(p1, f1, e);
  e = v128.load(LOG, 48);
  p0 = madd(p0, f0, e);
  p1 = madd(p1, f1, e);
  e = v128.load(LOG, 64);
  p0 = madd(p0, f0, e);
  p1 = madd(p1, f1, e);
  e = v128.load(LOG, 80);
  p0 = madd(p0, f0, e);
  p1 = madd(p1, f1, e);
  e = v128.load(LOG, 96);
  p0 = madd(p0, f0, e);
  p1 = madd(p1, f1, e);
  e = v128.load(LOG, 112);
  p0 = madd(p0, f0, e);
  p1 = madd(p1, f1, e);
  e = v128.load(LOG, 128);
  p0 = madd(p0, f0, e);
  p1 = madd(p1, f1, e);
  p0 = f32x4.mul(f32x4.mul(p0, f0), q0);
  p1 = f32x4.mul(f32x4.mul(p1, f1), q1);
  if (!base) {
    c = v128.load(LOG, 144);
    p0 = madd(n0, c, p0);
    p1 = madd(n1, c, p1);
  }
  c = v128.load(LOG, 160);
  p0 = f32x4.add(f0, madd(q0, c, p0));
  p1 = f32x4.add(f1, madd(q1, c, p1));
  if (base) {
    c = v128.load32_splat(base, 4);
    e = v128.load32_splat(base, 8);
    p0 = madd(n0, c, f32x4.mul(p0, e));
    p1 = madd(n1, c, f32x4.mul(p1, e));
  }
  c = base ? v128.load32_splat(base) : v128.load(LOG, 176);
  p0 = madd(n0, c, p0);
  p1 = madd(n1, c, p1);
  if (plus) {
    c = v128.load(SIGN); // of zeros
    p0 = v128.or(p0, v128.and(x0, c));
    p1 = v128.or(p1, v128.and(x1, c));
  }
  v128.store(y, p0);
  v128.store(y, p1, 16);
  return true;
}

/** One loop for all. */
function logs(args: usize, ith: u32, nth: u32, plus: bool, base: usize): void {
  const n = extent(args, 2);
  const i = first(n, GRAIN, ith, nth);
  const count = last(args, n, GRAIN, ith, nth) - i;
  let y = pointer(args, 0) + ((<usize>i) << 2);
  let x = pointer(args, 1) + ((<usize>i) << 2);
  for (let left = <i32>count; left > 0; left -= 8, y += 32, x += 32) {
    if (left >= 8 && two(y, x, plus, base)) continue;
    for (let j = 0; j < min(left, 8); j += 4) {
      const at = <usize>j << 2;
      const v = read(x + at, left - j);
      write(y + at, plus ? log1p(v) : base ? logBy(v, base) : log(v), left - j);
    }
  }
}

export function log_f32(args: usize, ith: u32, nth: u32): void {
  logs(args, ith, nth, false, 0);
}
export function log1p_f32(args: usize, ith: u32, nth: u32): void {
  logs(args, ith, nth, true, 0);
}
export function log2_f32(args: usize, ith: u32, nth: u32): void {
  logs(args, ith, nth, false, BASE2);
}
export function log10_f32(args: usize, ith: u32, nth: u32): void {
  logs(args, ith, nth, false, BASE10);
}
