// More functions on four lanes, over those of math.ts. Polynomials are minimax fits of relative error (Remez, in 40 digits, then
// rounded to f32), but where it says otherwise; `horner` keeps them short, since nobody spends a step's time here.
import { rounded } from "./lanes";
import { EXP, exp, LOG, log, logEnds, logTail, MAGIC127, ONE, ratio, rest } from "./math";
import { madd } from "./simd";
import { sinAbs } from "./waves";

/** The polynomial in x with the coefficients from `at` on, the highest first. */
export function horner(x: v128, at: usize, terms: usize): v128 {
  let p = v128.load32_splat(at);
  for (const end = at + (terms << 2); (at += 4) < end; ) p = madd(p, x, v128.load32_splat(at));
  return p;
}

// @ts-ignore: decorator
@inline
export function signOf(x: v128): v128 {
  return v128.and(x, i32x4.splat(i32.MIN_VALUE));
}

/** e^x - 1 = 2^n (e^r - 1) + (2^n - 1) with e^r - 1 = 2 r / (E - r), see `tanh`; far out e^x. */
export function expm1(x: v128): v128 {
  const z = f32x4.pmax(f32x4.pmin(x, f32x4.splat(64)), f32x4.splat(-64));
  const t = madd(z, v128.load(EXP), v128.load(MAGIC127));
  const r = rest(z, f32x4.sub(t, v128.load(MAGIC127)));
  const scale = i32x4.shl(t, 23);
  const below = f32x4.sub(ratio(r), r);
  const twice = f32x4.mul(f32x4.add(r, r), scale);
  const y = f32x4.div(madd(f32x4.sub(scale, v128.load(ONE)), below, twice), below);
  return v128.bitselect(exp(x), v128.or(y, signOf(x)), f32x4.gt(x, f32x4.splat(64)));
}

/** log(1 + x): by the polynomial of log in x itself where 1 + x is in [sqrt 1/2, sqrt 2]. */
export function log1p(x: v128): v128 {
  const near = f32x4.lt(f32x4.abs(f32x4.sub(x, v128.load(LOG, 240))), v128.load(LOG, 256));
  const x2 = f32x4.mul(x, x);
  const y = f32x4.add(x, madd(x2, v128.load(LOG, 160), logTail(x, x2)));
  return v128.bitselect(v128.or(y, signOf(x)), log(f32x4.add(x, v128.load(LOG, 224))), near);
}

// log 2 by the base in two parts, of which n times the first is exact, and 1 / log of the base: for 2 and 10.
export const BASE2 = memory.data<f32>([1, 0, 1.44269504]);
export const BASE10 = memory.data<f32>([0.301025390625, 4.60503898e-6, 0.434294482]);

/** log x by another base: powers of it come out whole. */
export function logBy(x: v128, base: usize): v128 {
  const small = f32x4.lt(x, v128.load(LOG, 192));
  const s = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, small);
  const power = i32x4.shr_s(i32x4.sub(s, v128.load(LOG, 208)), 23);
  const n = f32x4.convert_i32x4_s(i32x4.sub(power, v128.and(small, i32x4.splat(23))));
  const f = f32x4.sub(i32x4.sub(s, i32x4.shl(power, 23)), v128.load(LOG, 224));
  const f2 = f32x4.mul(f, f);
  const y = f32x4.add(f, madd(f2, f32x4.splat(-0.5), logTail(f, f2)));
  const part = madd(n, v128.load32_splat(base, 4), f32x4.mul(y, v128.load32_splat(base, 8)));
  return logEnds(x, madd(n, v128.load32_splat(base), part));
}

// (1 + 2 t) e^(t^2) erfc t by (t - 2) / (t + 2), for t from 0.49 to 10.1 (1.5e-8 of it); e^-u for u to 0.1 (Taylor).
// biome-ignore format: a table
const ERFC = memory.data<f32>([
  -0.0013097727, 0.0009440095, 0.00868878, -0.0079447041, -0.0542172119, 0.1640419066, -0.1660304666, -0.0927635580,
  1.2769783735,
]);
const SHORT = memory.data<f32>([0.0416666667, -0.1666666667, 0.5, -1, 1]);
/** erf(x) / x - 1 by x^2, up to 1/4 (1.5e-9). */
const ERF = memory.data<f32>([0.0047197379, -0.0267580729, 0.1128283665, -0.3761260808, 0.1283791661]);

/** erfc t for t of 1/2 and more. e^(-t^2) needs more digits of t^2 than a float has: t is cut in two, whose first half has 12. */
function erfcFar(t: v128): v128 {
  t = f32x4.pmin(t, f32x4.splat(11)); // where it is 0
  const h = v128.and(t, i32x4.splat(0xfffff000));
  const q = f32x4.div(f32x4.sub(t, f32x4.splat(2)), f32x4.add(t, f32x4.splat(2)));
  const p = f32x4.div(horner(q, ERFC, 9), f32x4.add(f32x4.add(t, t), f32x4.splat(1)));
  const low = horner(f32x4.mul(f32x4.sub(t, h), f32x4.add(t, h)), SHORT, 5);
  return f32x4.mul(f32x4.mul(p, low), exp(f32x4.neg(f32x4.mul(h, h))));
}

/** erf x, or erfc x. */
export function erf(x: v128, rest: bool): v128 {
  const t = f32x4.abs(x);
  const one = f32x4.splat(1);
  const near = madd(x, horner(f32x4.mul(x, x), ERF, 5), x);
  const beyond = erfcFar(t);
  const inside = f32x4.lt(t, f32x4.splat(0.5));
  if (!rest) return v128.bitselect(near, v128.or(f32x4.sub(one, beyond), signOf(x)), inside);
  const far = v128.bitselect(f32x4.sub(f32x4.splat(2), beyond), beyond, f32x4.lt(x, f32x4.splat(0)));
  return v128.bitselect(f32x4.sub(one, near), far, inside);
}

// @ts-ignore: decorator
@inline
export function tan(x: v128): v128 {
  const a = f32x4.abs(x);
  return v128.xor(f32x4.div(sinAbs(a, 0), sinAbs(a, 1)), signOf(x));
}

/** (atan(x) / x - 1) / x^2 by x^2, up to 1 (1.7e-8 of the value). */
// biome-ignore format: a table
const ATAN = memory.data<f32>([
  0.0029206774, -0.0163678527, 0.0432117134, -0.0755219907, 0.1066599637, -0.1421105266, 0.1999377310, -0.3333315253,
]);

/** The angle of the point (x, y), all quadrants and both zeros of each told apart. */
export function atan2(y: v128, x: v128): v128 {
  const ax = f32x4.abs(x);
  const ay = f32x4.abs(y);
  const small = f32x4.min(ax, ay);
  const large = f32x4.max(ax, ay);
  // The ratio is 1 of two infinities, 0 of two zeros.
  let a = v128.bitselect(f32x4.splat(1), f32x4.div(small, large), f32x4.eq(small, f32x4.splat(Infinity)));
  a = v128.andnot(a, f32x4.eq(large, f32x4.splat(0)));
  const z = f32x4.mul(a, a);
  let r = madd(f32x4.mul(z, a), horner(z, ATAN, 8), a);
  // pi is 3.14159274 - 8.7422777e-8
  const steep = f32x4.sub(f32x4.splat(1.57079637), f32x4.add(r, f32x4.splat(4.37113883e-8)));
  r = v128.bitselect(steep, r, f32x4.gt(ay, ax));
  const left = f32x4.sub(f32x4.splat(3.14159274), f32x4.add(r, f32x4.splat(8.74227766e-8)));
  r = v128.bitselect(left, r, i32x4.shr_s(x, 31));
  return v128.or(r, signOf(y));
}

/** The other leg of the triangle of x and 1; NaN beyond 1. */
// @ts-ignore: decorator
@inline
export function leg(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.sqrt(f32x4.mul(f32x4.sub(one, x), f32x4.add(one, x)));
}

/** (sinh(x) / x - 1) / x^2 by x^2, up to 1 (2.4e-8 of the value). */
const SINH = memory.data<f32>([0.0002037220, 0.0083302837, 0.1666671634]);

/** sinh x, or cosh x: of E = e^|x| / 2, by the square of e^(|x| / 2), which does not overflow before them. */
export function sinh(x: v128, cosh: bool): v128 {
  const a = f32x4.abs(x);
  const h = exp(f32x4.mul(a, f32x4.splat(0.5)));
  const e = f32x4.mul(f32x4.mul(h, f32x4.splat(0.5)), h);
  const q = f32x4.div(f32x4.splat(0.25), e);
  if (cosh) return f32x4.add(e, q);
  const z = f32x4.mul(x, x);
  const near = madd(f32x4.mul(z, x), horner(z, SINH, 3), x);
  return v128.bitselect(near, v128.or(f32x4.sub(e, q), signOf(x)), f32x4.lt(a, f32x4.splat(1)));
}

/** From here on squares leave the range of floats soon, and 1 beside them is nothing. */
const LARGE: f32 = 1048576;

/** log 2 x for large x, else log1p y. */
// @ts-ignore: decorator
@inline
function logOr(x: v128, y: v128): v128 {
  const far = f32x4.add(log(x), f32x4.splat(0.69314718));
  return v128.bitselect(far, log1p(y), f32x4.gt(x, f32x4.splat(LARGE)));
}

/** sign x log1p(a + a^2 / (1 + sqrt(a^2 + 1))), a = |x| */
export function asinh(x: v128): v128 {
  const a = f32x4.abs(x);
  const z = f32x4.mul(a, a);
  const one = f32x4.splat(1);
  const below = f32x4.add(one, f32x4.sqrt(f32x4.add(z, one)));
  return v128.or(logOr(a, f32x4.add(a, f32x4.div(z, below))), signOf(x));
}

/** log1p(t + sqrt(t (t + 2))), t = x - 1; NaN below 1. */
export function acosh(x: v128): v128 {
  const t = f32x4.sub(x, f32x4.splat(1));
  const y = f32x4.add(t, f32x4.sqrt(f32x4.mul(t, f32x4.add(t, f32x4.splat(2)))));
  return v128.or(logOr(x, y), f32x4.lt(x, f32x4.splat(1)));
}

/** sign x log1p(2 a / (1 - a)) / 2, a = |x|; NaN beyond 1. */
export function atanh(x: v128): v128 {
  const a = f32x4.abs(x);
  const y = log1p(f32x4.div(f32x4.add(a, a), f32x4.sub(f32x4.splat(1), a)));
  return v128.or(f32x4.mul(y, f32x4.splat(0.5)), signOf(x));
}

// In f64: log2((1 + s) / (1 - s)) / s by s^2, up to (3 - 2 sqrt 2)^2 (3e-14); 2^r for |r| up to 1/2 (4e-11).
// biome-ignore format: a line a function
const LOG2 = memory.data<f64>([
  0.28291749323968662, 0.31990448341798641, 0.41220928203444433, 0.57707794206996003, 0.96179669411436442, 2.8853900817778494,
]);
// biome-ignore format: a line a function
const EXP2 = memory.data<f64>([
  1.5201928657274308e-5, 0.00015469292228075806, 0.0013333922541673226, 0.00961802725048123, 0.05550410353466001,
  0.24022651198170034, 0.69314718072843372, 0.99999999996168837,
]);

/** c[0] x + c[1]. Polynomials are put together of such pairs (Estrin): the way of one element waits on itself, not on others. */
// @ts-ignore: decorator
@inline
function pair(x: v128, at: usize): v128 {
  return step(v128.load64_splat(at), x, v128.load64_splat(at, 8));
}

// @ts-ignore: decorator
@inline
function step(p: v128, x: v128, q: v128): v128 {
  return f64x2.add(f64x2.mul(p, x), q);
}

/** 1.5 * 2^52: added to it, a number is rounded to an integer, which the low bits are. */
const MAGIC64: f64 = 6755399441055744;

/** x^y = 2^(y log2 x) of two pairs of f64 that were floats, x >= 0: y log2 x has eight digits behind the point where it counts. */
function power(x: v128, y: v128): v128 {
  const zero = f64x2.splat(0);
  const one = f64x2.splat(1);
  const bits = i64x2.sub(x, i64x2.splat(0x3fe6a09e667f3bcd)); // against sqrt 1/2
  const m = i64x2.sub(x, v128.and(bits, i64x2.splat(0xfff0000000000000)));
  const k = i32x4.shr_s(i32x4.shuffle(bits, bits, 1, 3, 1, 3), 20);
  const s = f64x2.div(f64x2.sub(m, one), f64x2.add(m, one));
  const z = f64x2.mul(s, s);
  const z2 = f64x2.mul(z, z);
  let log2 = step(step(pair(z, LOG2), z2, pair(z, LOG2 + 16)), z2, pair(z, LOG2 + 32));
  log2 = f64x2.add(f64x2.mul(log2, s), f64x2.convert_low_i32x4_s(k));
  log2 = v128.bitselect(log2, x, f64x2.lt(x, f64x2.splat(Infinity)));
  log2 = v128.bitselect(f64x2.splat(-Infinity), log2, f64x2.eq(x, zero));
  const t = f64x2.pmax(f64x2.pmin(f64x2.mul(y, log2), f64x2.splat(200)), f64x2.splat(-200));
  const n = f64x2.add(t, f64x2.splat(MAGIC64));
  const r = f64x2.sub(t, f64x2.sub(n, f64x2.splat(MAGIC64)));
  const r2 = f64x2.mul(r, r);
  const high = step(pair(r, EXP2), r2, pair(r, EXP2 + 16));
  const p = step(high, f64x2.mul(r2, r2), step(pair(r, EXP2 + 32), r2, pair(r, EXP2 + 48)));
  return i64x2.add(p, i64x2.shl(n, 52));
}

// @ts-ignore: decorator
@inline
function upper(x: v128): v128 {
  return f64x2.promote_low_f32x4(i32x4.shuffle(x, x, 2, 3, 0, 1));
}

/** x^y, as C's pow has it at zeros, infinities and NaN. */
export function pow(x: v128, y: v128): v128 {
  const a = f32x4.abs(x);
  const one = f32x4.splat(1);
  const low = power(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(y));
  let p = rounded(low, power(upper(a), upper(y)));
  // x^0 and 1^y are 1, whatever the other is; so is (-1)^inf.
  const ends = v128.and(f32x4.eq(a, one), f32x4.eq(f32x4.abs(y), f32x4.splat(Infinity)));
  p = v128.bitselect(one, p, v128.or(ends, v128.or(f32x4.eq(x, one), f32x4.eq(y, f32x4.splat(0)))));
  const half = f32x4.mul(y, f32x4.splat(0.5));
  const whole = f32x4.eq(f32x4.trunc(y), y);
  const odd = v128.and(whole, f32x4.ne(f32x4.trunc(half), half));
  const below = v128.and(f32x4.lt(x, f32x4.splat(0)), f32x4.lt(a, f32x4.splat(Infinity)));
  return v128.or(v128.xor(p, v128.and(odd, signOf(x))), v128.andnot(below, whole));
}

// |a| without whole |b| of it, exactly, of two pairs of f64 that were floats. A quotient is cut to 24 bits, so that the product is
// exact and so is the difference: each round leaves 2^-23 of |a|, or less than |b|.
function rest64(r: v128, b: v128): v128 {
  while (true) {
    const q = v128.and(f64x2.trunc(f64x2.div(r, b)), i64x2.splat(0xffffffffe0000000));
    const more = f64x2.ge(q, f64x2.splat(1)); // not of NaN
    if (!v128.any_true(more)) return r;
    r = f64x2.sub(r, v128.and(f64x2.mul(q, b), more));
  }
}

/** a - b trunc(a / b), with the sign of a; NaN of an infinite a, or where b is 0. */
export function fmod(a: v128, b: v128): v128 {
  const x = f32x4.abs(a);
  const y = f32x4.abs(b);
  const low = rest64(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(y));
  const none = v128.or(f32x4.eq(x, f32x4.splat(Infinity)), v128.or(f32x4.ne(b, b), f32x4.eq(b, f32x4.splat(0))));
  return v128.or(v128.or(rounded(low, rest64(upper(x), upper(y))), signOf(a)), none);
}

/** Where a rest is not 0 and has not the sign of b. */
// @ts-ignore: decorator
@inline
function across(m: v128, b: v128): v128 {
  const zero = f32x4.splat(0);
  return v128.and(f32x4.ne(m, zero), v128.xor(f32x4.lt(m, zero), f32x4.lt(b, zero)));
}

/** a - b floor(a / b), with the sign of b. */
export function remainder(a: v128, b: v128): v128 {
  const m = fmod(a, b);
  return v128.bitselect(f32x4.add(m, b), m, across(m, b));
}

/** floor(a / b), of the exact quotient; a / b where b is 0. */
export function floorDivide(a: v128, b: v128): v128 {
  const m = fmod(a, b);
  const one = f32x4.splat(1);
  const d = f32x4.sub(f32x4.div(f32x4.sub(a, m), b), v128.and(across(m, b), one));
  const q = f32x4.div(a, b);
  const y = v128.or(f32x4.nearest(d), v128.and(signOf(q), f32x4.eq(d, f32x4.splat(0))));
  return v128.bitselect(q, y, f32x4.eq(b, f32x4.splat(0)));
}

/** sqrt(a^2 + b^2), infinite where one is. */
export function hypot(a: v128, b: v128): v128 {
  const la = f64x2.promote_low_f32x4(a);
  const lb = f64x2.promote_low_f32x4(b);
  const ha = upper(a);
  const hb = upper(b);
  const low = f64x2.sqrt(f64x2.add(f64x2.mul(la, la), f64x2.mul(lb, lb)));
  const y = rounded(low, f64x2.sqrt(f64x2.add(f64x2.mul(ha, ha), f64x2.mul(hb, hb))));
  const inf = f32x4.splat(Infinity);
  return v128.bitselect(inf, y, v128.or(f32x4.eq(f32x4.abs(a), inf), f32x4.eq(f32x4.abs(b), inf)));
}
