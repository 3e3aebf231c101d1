// gelu, x Phi(x) with the normal distribution Phi, and its derivative Phi(x) + x phi(x). Both are made of a tail at
// a = -|x|, which keeps its digits where it is tiny: gelu(x) = max(x, 0) + a Phi(a), and the derivative is
// D = Phi(a) + a phi(a) for x < 0, else 1 - D.
import { extent, first, last, pointer } from "../lib/args";
import { read, write } from "../lib/lanes";
import { GRAIN } from "../lib/map";
import { madd } from "../lib/simd";

// e^(-a^2 / 2) = 2^n (E - r) / (E + r) for r = a^2 + 2 n ln 2 and E = r / tanh(r / 4) = 4 + r^2 / 12 - ..., so that one
// division serves the exponential and the tail: Phi(a) = e^(-a^2 / 2) P / Q of degrees 4 and 5, D = e^(-a^2 / 2) P / Q
// of degrees 5 and 4 (minimax fits up to 13.28; of the value to 1e-8, of |Phi(a)| + |a phi(a)| to 2e-8). 2 ln 2 is
// taken as a float, in two parts where products are rounded; P / Q take back the e^(1.4e-9 a^2) which that makes. From
// the second constant on, n is -127, and the bits that should be 2^n are those of 0.
// biome-ignore format: a line a constant
const GELU = memory.data<f32>([
  -0, -0, -0, -0,
  -13.27, -13.27, -13.27, -13.27,
  -0.7213475, -0.7213475, -0.7213475, -0.7213475,
  12583039, 12583039, 12583039, 12583039,
  1.3862944, 1.3862944, 1.3862944, 1.3862944,
  1.38671875, 1.38671875, 1.38671875, 1.38671875,
  -0.00042438507, -0.00042438507, -0.00042438507, -0.00042438507,
  -0.00034574547, -0.00034574547, -0.00034574547, -0.00034574547,
  0.08333309, 0.08333309, 0.08333309, 0.08333309,
  4, 4, 4, 4,
  1, 1, 1, 1,
], 16);
const MASK = memory.data<u32>([0xfffff000, 0xfffff000, 0xfffff000, 0xfffff000], 16);
const SIGN: usize = GELU;
const FAR: usize = GELU + 16;

// P in a from its highest coefficient down, but for the last one of degree 5, which stands at the end; then Q behind its
// highest coefficient, 1. P and Q of gelu both have the other sign.
// biome-ignore format: a line a constant
const VALUE = memory.data<f32>([
  -0.39894682, -0.39894682, -0.39894682, -0.39894682,
  3.9577277, 3.9577277, 3.9577277, 3.9577277,
  -17.909657, -17.909657, -17.909657, -17.909657,
  42.962452, 42.962452, 42.962452, 42.962452,
  -49.183365, -49.183365, -49.183365, -49.183365,
  -9.921208, -9.921208, -9.921208, -9.921208,
  45.877518, 45.877518, 45.877518, 45.877518,
  -117.81591, -117.81591, -117.81591, -117.81591,
  164.41023, 164.41023, 164.41023, 164.41023,
  -98.36673, -98.36673, -98.36673, -98.36673,
], 16);
// biome-ignore format: a line a constant
const SLOPE = memory.data<f32>([
  0.39894366, 0.39894366, 0.39894366, 0.39894366,
  -3.328839, -3.328839, -3.328839, -3.328839,
  11.521499, 11.521499, 11.521499, 11.521499,
  -17.557222, -17.557222, -17.557222, -17.557222,
  3.5585544, 3.5585544, 3.5585544, 3.5585544,
  -8.344381, -8.344381, -8.344381, -8.344381,
  29.875166, 29.875166, 29.875166, 29.875166,
  -52.415234, -52.415234, -52.415234, -52.415234,
  37.306374, 37.306374, 37.306374, 37.306374,
  18.653187, 18.653187, 18.653187, 18.653187,
], 16);

/** Vector k of four, of which m words are left in all; where the vector has none, the first word repeated. */
function part(p: usize, k: u32, m: u32): v128 {
  return m > 4 * k ? read(p + 16 * k, m - 4 * k) : v128.load32_splat(p);
}
/** Stores what is left of vector k. */
function putPart(p: usize, k: u32, v: v128, m: u32): void {
  if (m > 4 * k) write(p + 16 * k, v, m - 4 * k);
}

/**
 * Four vectors in step, so that a constant is loaded once for them and their operations need not wait for each other:
 * 0.7 of the time of one after another (bench/lab, 261). The last elements go the same way: bits do not depend on
 * where an element stands.
 */
// @ts-ignore: decorator
@inline
function fours(vjp: bool, args: usize, ith: u32, nth: u32): void {
  const fit = vjp ? SLOPE : VALUE;
  const n = extent(args, vjp ? 3 : 2);
  const i = first(n, GRAIN, ith, nth);
  const at = (<usize>i) << 2;
  let y = pointer(args, 0) + at;
  let g = pointer(args, 1) + at;
  let x = vjp ? pointer(args, 2) + at : g;
  const stop = y + ((<usize>(last(args, n, GRAIN, ith, nth) - i)) << 2);
  for (; y < stop; y += 64, g += 64, x += 64) {
    const m = <u32>(stop - y) >>> 2;
    const whole = m >= 16;
    const x0 = whole ? v128.load(x) : part(x, 0, m);
    const x1 = whole ? v128.load(x, 16) : part(x, 1, m);
    const x2 = whole ? v128.load(x, 32) : part(x, 2, m);
    const x3 = whole ? v128.load(x, 48) : part(x, 3, m);
    let c = v128.load(SIGN);
    let d = v128.load(FAR);
    const a0 = f32x4.pmax(v128.or(x0, c), d);
    const a1 = f32x4.pmax(v128.or(x1, c), d);
    const a2 = f32x4.pmax(v128.or(x2, c), d);
    const a3 = f32x4.pmax(v128.or(x3, c), d);
    // a^2 in two parts, h^2, which is exact, and (a - h) (a + h): the tail needs more of it than a float has.
    c = v128.load(MASK);
    const h0 = v128.and(a0, c);
    const h1 = v128.and(a1, c);
    const h2 = v128.and(a2, c);
    const h3 = v128.and(a3, c);
    const s0 = f32x4.mul(h0, h0);
    const s1 = f32x4.mul(h1, h1);
    const s2 = f32x4.mul(h2, h2);
    const s3 = f32x4.mul(h3, h3);
    c = v128.load(GELU, 32);
    d = v128.load(GELU, 48);
    const t0 = madd(s0, c, d);
    const t1 = madd(s1, c, d);
    const t2 = madd(s2, c, d);
    const t3 = madd(s3, c, d);
    const n0 = f32x4.sub(t0, d);
    const n1 = f32x4.sub(t1, d);
    const n2 = f32x4.sub(t2, d);
    const n3 = f32x4.sub(t3, d);
    c = v128.load(GELU, ASC_FEATURE_RELAXED_SIMD ? 64 : 80);
    let r0 = madd(n0, c, s0);
    let r1 = madd(n1, c, s1);
    let r2 = madd(n2, c, s2);
    let r3 = madd(n3, c, s3);
    if (!ASC_FEATURE_RELAXED_SIMD) {
      c = v128.load(GELU, 96);
      r0 = madd(n0, c, r0);
      r1 = madd(n1, c, r1);
      r2 = madd(n2, c, r2);
      r3 = madd(n3, c, r3);
    }
    r0 = madd(f32x4.sub(a0, h0), f32x4.add(a0, h0), r0);
    r1 = madd(f32x4.sub(a1, h1), f32x4.add(a1, h1), r1);
    r2 = madd(f32x4.sub(a2, h2), f32x4.add(a2, h2), r2);
    r3 = madd(f32x4.sub(a3, h3), f32x4.add(a3, h3), r3);
    const z0 = f32x4.mul(r0, r0);
    const z1 = f32x4.mul(r1, r1);
    const z2 = f32x4.mul(r2, r2);
    const z3 = f32x4.mul(r3, r3);
    c = v128.load(GELU, 112);
    d = v128.load(GELU, 128);
    let e0 = madd(c, z0, d);
    let e1 = madd(c, z1, d);
    let e2 = madd(c, z2, d);
    let e3 = madd(c, z3, d);
    c = v128.load(GELU, 144);
    e0 = madd(e0, z0, c);
    e1 = madd(e1, z1, c);
    e2 = madd(e2, z2, c);
    e3 = madd(e3, z3, c);
    let u0 = f32x4.mul(f32x4.sub(e0, r0), i32x4.shl(t0, 23));
    let u1 = f32x4.mul(f32x4.sub(e1, r1), i32x4.shl(t1, 23));
    let u2 = f32x4.mul(f32x4.sub(e2, r2), i32x4.shl(t2, 23));
    let u3 = f32x4.mul(f32x4.sub(e3, r3), i32x4.shl(t3, 23));
    const l0 = f32x4.add(e0, r0);
    const l1 = f32x4.add(e1, r1);
    const l2 = f32x4.add(e2, r2);
    const l3 = f32x4.add(e3, r3);
    c = v128.load(fit);
    d = v128.load(fit, 16);
    let p0 = madd(c, a0, d);
    let p1 = madd(c, a1, d);
    let p2 = madd(c, a2, d);
    let p3 = madd(c, a3, d);
    c = v128.load(fit, 32);
    p0 = madd(p0, a0, c);
    p1 = madd(p1, a1, c);
    p2 = madd(p2, a2, c);
    p3 = madd(p3, a3, c);
    c = v128.load(fit, 48);
    p0 = madd(p0, a0, c);
    p1 = madd(p1, a1, c);
    p2 = madd(p2, a2, c);
    p3 = madd(p3, a3, c);
    c = v128.load(fit, 64);
    p0 = madd(p0, a0, c);
    p1 = madd(p1, a1, c);
    p2 = madd(p2, a2, c);
    p3 = madd(p3, a3, c);
    if (vjp) {
      c = v128.load(fit, 144);
      p0 = madd(p0, a0, c);
      p1 = madd(p1, a1, c);
      p2 = madd(p2, a2, c);
      p3 = madd(p3, a3, c);
    }
    u0 = f32x4.mul(u0, p0);
    u1 = f32x4.mul(u1, p1);
    u2 = f32x4.mul(u2, p2);
    u3 = f32x4.mul(u3, p3);
    c = v128.load(fit, 80);
    let q0 = f32x4.add(a0, c);
    let q1 = f32x4.add(a1, c);
    let q2 = f32x4.add(a2, c);
    let q3 = f32x4.add(a3, c);
    c = v128.load(fit, 96);
    q0 = madd(q0, a0, c);
    q1 = madd(q1, a1, c);
    q2 = madd(q2, a2, c);
    q3 = madd(q3, a3, c);
    c = v128.load(fit, 112);
    q0 = madd(q0, a0, c);
    q1 = madd(q1, a1, c);
    q2 = madd(q2, a2, c);
    q3 = madd(q3, a3, c);
    c = v128.load(fit, 128);
    q0 = madd(q0, a0, c);
    q1 = madd(q1, a1, c);
    q2 = madd(q2, a2, c);
    q3 = madd(q3, a3, c);
    if (!vjp) {
      c = v128.load(fit, 144);
      q0 = madd(q0, a0, c);
      q1 = madd(q1, a1, c);
      q2 = madd(q2, a2, c);
      q3 = madd(q3, a3, c);
    }
    u0 = f32x4.div(u0, f32x4.mul(l0, q0));
    u1 = f32x4.div(u1, f32x4.mul(l1, q1));
    u2 = f32x4.div(u2, f32x4.mul(l2, q2));
    u3 = f32x4.div(u3, f32x4.mul(l3, q3));
    if (vjp) {
      c = v128.load(GELU, 160);
      u0 = f32x4.mul(whole ? v128.load(g) : part(g, 0, m), slope(x0, u0, c));
      u1 = f32x4.mul(whole ? v128.load(g, 16) : part(g, 1, m), slope(x1, u1, c));
      u2 = f32x4.mul(whole ? v128.load(g, 32) : part(g, 2, m), slope(x2, u2, c));
      u3 = f32x4.mul(whole ? v128.load(g, 48) : part(g, 3, m), slope(x3, u3, c));
    } else {
      c = v128.load(SIGN);
      u0 = ends(x0, a0, u0, c);
      u1 = ends(x1, a1, u1, c);
      u2 = ends(x2, a2, u2, c);
      u3 = ends(x3, a3, u3, c);
    }
    if (whole) {
      v128.store(y, u0);
      v128.store(y, u1, 16);
      v128.store(y, u2, 32);
      v128.store(y, u3, 48);
    } else {
      putPart(y, 0, u0, m);
      putPart(y, 1, u1, m);
      putPart(y, 2, u2, m);
      putPart(y, 3, u3, m);
    }
  }
}

/**
 * max(x, 0) + a tail, by x itself where that is less than a: -infinity makes NaN, as in PyTorch. -0 is `zero`, so that
 * -0 stays.
 */
// @ts-ignore: decorator
@inline
function ends(x: v128, a: v128, tail: v128, zero: v128): v128 {
  return madd(f32x4.pmin(x, a), tail, f32x4.pmax(x, zero));
}

/** D or 1 - D; NaN at infinities, as in PyTorch. */
// @ts-ignore: decorator
@inline
function slope(x: v128, tail: v128, one: v128): v128 {
  const d = f32x4.add(tail, f32x4.sub(x, x));
  const rest = f32x4.sub(one, d);
  const left = i32x4.shr_s(x, 31);
  return ASC_FEATURE_RELAXED_SIMD ? i32x4.relaxed_laneselect(d, rest, left) : v128.bitselect(d, rest, left);
}

/** y | x | n | */
export function gelu_f32(args: usize, ith: u32, nth: u32): void {
  fours(false, args, ith, nth);
}
/** gx | g x | n | */
export function gelu_vjp_f32(args: usize, ith: u32, nth: u32): void {
  fours(true, args, ith, nth);
}
