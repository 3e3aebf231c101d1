// exp, log and tanh on four lanes: one algorithm each. Every lane is computed alone, so a result does not
// depend on its neighbours. Constants are read from tables in memory: written in line, V8 rebuilds them in each iteration,
// which costs half the speed. Polynomials are those of Cephes.
import { madd } from "./simd";

// exp(x) = 2^n * e^r, n = round(x / ln 2), |r| <= ln 2 / 2. MAGIC = 1.5 * 2^23: adding it rounds to an integer, whose
// low bits go to the exponent by a shift of 23; with 127 more they are the float 2^n. e^r is a polynomial of degree 5
// (minimax with value 1 at 0, 9.2e-8 of the value) or, where there is a division anyway, (E + r) / (E - r) with
// E = r / tanh(r / 2) = 2 + r^2 / 6 - ... (two terms, 5e-10).
// biome-ignore format: a line a constant
export const EXP = memory.data<f32>([
  1.44269504, 1.44269504, 1.44269504, 1.44269504,
  12582912, 12582912, 12582912, 12582912,
  12583039, 12583039, 12583039, 12583039,
  -0.693359375, -0.693359375, -0.693359375, -0.693359375,
  2.12194440e-4, 2.12194440e-4, 2.12194440e-4, 2.12194440e-4,
  -0.69314718, -0.69314718, -0.69314718, -0.69314718,
  0.0082902722, 0.0082902722, 0.0082902722, 0.0082902722,
  0.0418981612, 0.0418981612, 0.0418981612, 0.0418981612,
  0.1666763872, 0.1666763872, 0.1666763872, 0.1666763872,
  0.4999914765, 0.4999914765, 0.4999914765, 0.4999914765,
  0.9999997020, 0.9999997020, 0.9999997020, 0.9999997020,
  1, 1, 1, 1,
  -0.0027659638, -0.0027659638, -0.0027659638, -0.0027659638,
  0.1666661799, 0.1666661799, 0.1666661799, 0.1666661799,
  2, 2, 2, 2,
  87.33, 87.33, 87.33, 87.33,
  -87.33654, -87.33654, -87.33654, -87.33654,
  -88, -88, -88, -88,
  24, 24, 24, 24,
  1.000244140625, 1.000244140625, 1.000244140625, 1.000244140625,
  -1.00048828125, -1.00048828125, -1.00048828125, -1.00048828125,
], 16);
const MAGIC: usize = EXP + 16;
export const MAGIC127: usize = EXP + 32;
export const ONE: usize = EXP + 176;
const TWO: usize = EXP + 224;
const FAR: usize = EXP + 240;

/** c - a * b */
// @ts-ignore: decorator
@inline
function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/** Past this |x|, r needs ln 2 in two parts, so that n * the first is exact: e^x would be off by 3 ulp and more. */
// @ts-ignore: decorator
@inline
export function expLimit(): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return v128.load(FAR);
  // (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24 with one rounding; with two it is 0, and so is the limit.
  const a = v128.load(EXP, 304);
  return v128.and(v128.load(EXP, 288), f32x4.gt(madd(a, a, v128.load(EXP, 320)), f32x4.splat(0)));
}

/** r, with ln 2 in two parts. */
// @ts-ignore: decorator
@inline
export function rest(x: v128, n: v128): v128 {
  return madd(n, v128.load(EXP, 64), madd(n, v128.load(EXP, 48), x));
}

/** r within the limit. */
// @ts-ignore: decorator
@inline
function restNear(x: v128, n: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? madd(n, v128.load(EXP, 80), x) : rest(x, n);
}

/** e^r */
// @ts-ignore: decorator
@inline
function power(r: v128): v128 {
  let q = madd(v128.load(EXP, 96), r, v128.load(EXP, 112));
  q = madd(q, r, v128.load(EXP, 128));
  q = madd(q, r, v128.load(EXP, 144));
  q = madd(q, r, v128.load(EXP, 160));
  return madd(q, r, v128.load(ONE));
}

/** E */
// @ts-ignore: decorator
@inline
export function ratio(r: v128): v128 {
  const z = f32x4.mul(r, r);
  return madd(madd(v128.load(EXP, 192), z, v128.load(EXP, 208)), z, v128.load(TWO));
}

/** exp within the limit and of NaN. */
// @ts-ignore: decorator
@inline
function expNear(x: v128): v128 {
  const t = madd(x, v128.load(EXP), v128.load(MAGIC127));
  return f32x4.mul(power(restNear(x, f32x4.sub(t, v128.load(MAGIC127)))), i32x4.shl(t, 23));
}

/** exp for every x: 2^n is applied in two factors, so that it overflows and underflows as it should. */
function expAll(x: v128): v128 {
  x = f32x4.pmax(f32x4.pmin(x, f32x4.splat(89)), f32x4.splat(-104));
  const t = madd(x, v128.load(EXP), v128.load(MAGIC));
  const p = power(rest(x, f32x4.sub(t, v128.load(MAGIC))));
  const n = i32x4.sub(t, v128.load(MAGIC));
  const half = i32x4.shr_s(n, 1);
  const one = v128.load(ONE);
  return f32x4.mul(
    f32x4.mul(p, i32x4.add(i32x4.shl(half, 23), one)),
    i32x4.add(i32x4.shl(i32x4.sub(n, half), 23), one),
  );
}

export function exp(x: v128): v128 {
  return v128.bitselect(expNear(x), expAll(x), f32x4.lt(f32x4.abs(x), expLimit()));
}

/** exp for x <= 0 (softmax), 0 where the result would be subnormal: subnormals cost later kernels 45 times. */
// @ts-ignore: decorator
@inline
export function expFlush(x: v128): v128 {
  return v128.andnot(expNear(f32x4.pmax(x, v128.load(EXP, 272))), f32x4.lt(x, v128.load(EXP, 256)));
}

/**
 * Four vectors in step, so that a constant is loaded once for them. With minus: exp(-x), otherwise exp(x). Within the
 * limit, and not for NaN: 2^n is added to the exponent. Returns the sum of the vectors.
 */
// @ts-ignore: decorator
@inline
export function expFour(minus: bool, y: usize, x0: v128, x1: v128, x2: v128, x3: v128): v128 {
  const m = v128.load(MAGIC);
  let c = v128.load(EXP);
  const t0 = step(minus, x0, c, m);
  const t1 = step(minus, x1, c, m);
  const t2 = step(minus, x2, c, m);
  const t3 = step(minus, x3, c, m);
  const n0 = f32x4.sub(t0, m);
  const n1 = f32x4.sub(t1, m);
  const n2 = f32x4.sub(t2, m);
  const n3 = f32x4.sub(t3, m);
  if (ASC_FEATURE_RELAXED_SIMD) {
    c = v128.load(EXP, 80);
  } else {
    c = v128.load(EXP, 48);
    x0 = step(minus, n0, c, x0);
    x1 = step(minus, n1, c, x1);
    x2 = step(minus, n2, c, x2);
    x3 = step(minus, n3, c, x3);
    c = v128.load(EXP, 64);
  }
  x0 = step(minus, n0, c, x0);
  x1 = step(minus, n1, c, x1);
  x2 = step(minus, n2, c, x2);
  x3 = step(minus, n3, c, x3);
  c = v128.load(EXP, 96);
  let d = v128.load(EXP, 112);
  let q0 = step(minus, c, x0, d);
  let q1 = step(minus, c, x1, d);
  let q2 = step(minus, c, x2, d);
  let q3 = step(minus, c, x3, d);
  d = v128.load(EXP, 128);
  q0 = step(minus, q0, x0, d);
  q1 = step(minus, q1, x1, d);
  q2 = step(minus, q2, x2, d);
  q3 = step(minus, q3, x3, d);
  d = v128.load(EXP, 144);
  q0 = step(minus, q0, x0, d);
  q1 = step(minus, q1, x1, d);
  q2 = step(minus, q2, x2, d);
  q3 = step(minus, q3, x3, d);
  d = v128.load(EXP, 160);
  q0 = step(minus, q0, x0, d);
  q1 = step(minus, q1, x1, d);
  q2 = step(minus, q2, x2, d);
  q3 = step(minus, q3, x3, d);
  d = v128.load(ONE);
  q0 = step(minus, q0, x0, d);
  q1 = step(minus, q1, x1, d);
  q2 = step(minus, q2, x2, d);
  q3 = step(minus, q3, x3, d);
  q0 = i32x4.add(q0, i32x4.shl(t0, 23));
  q1 = i32x4.add(q1, i32x4.shl(t1, 23));
  q2 = i32x4.add(q2, i32x4.shl(t2, 23));
  q3 = i32x4.add(q3, i32x4.shl(t3, 23));
  v128.store(y, q0);
  v128.store(y, q1, 16);
  v128.store(y, q2, 32);
  v128.store(y, q3, 48);
  return f32x4.add(f32x4.add(q0, q1), f32x4.add(q2, q3));
}

/** c + a * b or, with minus, c - a * b. */
// @ts-ignore: decorator
@inline
function step(minus: bool, a: v128, b: v128, c: v128): v128 {
  return minus ? nmadd(a, b, c) : madd(a, b, c);
}

/** tanh |x| = (e - 1) / (e + 1), e = exp(2 |x|) = 2^n (E + r) / (E - r), all by E - r. Past 10 it is 1. */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  const a = f32x4.abs(x);
  const z = f32x4.pmin(f32x4.add(a, a), f32x4.splat(20));
  const t = madd(z, v128.load(EXP), v128.load(MAGIC127));
  const r = rest(z, f32x4.sub(t, v128.load(MAGIC127)));
  const scale = i32x4.shl(t, 23);
  const one = v128.load(ONE);
  const below = f32x4.sub(ratio(r), r);
  const twice = f32x4.mul(f32x4.add(r, r), scale);
  const y = f32x4.div(madd(f32x4.sub(scale, one), below, twice), madd(f32x4.add(scale, one), below, twice));
  return v128.or(y, v128.xor(x, a));
}

/** 1 / (1 + e^-x) = (E + r) / ((E + r) + 2^-n (E - r)) for x = n ln 2 + r; where that ends, 1 or e^x itself. */
export function sigmoid(x: v128): v128 {
  const t = nmadd(x, v128.load(EXP), v128.load(MAGIC127));
  const n = f32x4.sub(t, v128.load(MAGIC127)); // of -x
  const r = nmadd(n, v128.load(EXP, 64), nmadd(n, v128.load(EXP, 48), x));
  const e = ratio(r);
  const above = f32x4.add(e, r);
  const near = f32x4.div(above, f32x4.add(above, f32x4.mul(f32x4.sub(e, r), i32x4.shl(t, 23))));
  const far = f32x4.gt(f32x4.abs(x), v128.load(FAR));
  const end = v128.bitselect(expAll(x), v128.load(ONE), i32x4.shr_s(x, 31));
  return v128.bitselect(end, near, far);
}

/** Four vectors of at most 87.33, in step. */
// @ts-ignore: decorator
@inline
export function sigmoidFour(y: usize, x0: v128, x1: v128, x2: v128, x3: v128): void {
  const m = v128.load(MAGIC);
  let c = v128.load(EXP);
  const t0 = nmadd(x0, c, m);
  const t1 = nmadd(x1, c, m);
  const t2 = nmadd(x2, c, m);
  const t3 = nmadd(x3, c, m);
  const n0 = f32x4.sub(t0, m);
  const n1 = f32x4.sub(t1, m);
  const n2 = f32x4.sub(t2, m);
  const n3 = f32x4.sub(t3, m);
  c = v128.load(EXP, 48);
  x0 = nmadd(n0, c, x0);
  x1 = nmadd(n1, c, x1);
  x2 = nmadd(n2, c, x2);
  x3 = nmadd(n3, c, x3);
  c = v128.load(EXP, 64);
  x0 = nmadd(n0, c, x0);
  x1 = nmadd(n1, c, x1);
  x2 = nmadd(n2, c, x2);
  x3 = nmadd(n3, c, x3);
  let q0 = f32x4.mul(x0, x0);
  let q1 = f32x4.mul(x1, x1);
  let q2 = f32x4.mul(x2, x2);
  let q3 = f32x4.mul(x3, x3);
  c = v128.load(EXP, 192);
  const d = v128.load(EXP, 208);
  let e0 = madd(c, q0, d);
  let e1 = madd(c, q1, d);
  let e2 = madd(c, q2, d);
  let e3 = madd(c, q3, d);
  c = v128.load(TWO);
  e0 = madd(e0, q0, c);
  e1 = madd(e1, q1, c);
  e2 = madd(e2, q2, c);
  e3 = madd(e3, q3, c);
  q0 = i32x4.add(f32x4.sub(e0, x0), i32x4.shl(t0, 23));
  e0 = f32x4.add(e0, x0);
  q1 = i32x4.add(f32x4.sub(e1, x1), i32x4.shl(t1, 23));
  e1 = f32x4.add(e1, x1);
  q2 = i32x4.add(f32x4.sub(e2, x2), i32x4.shl(t2, 23));
  e2 = f32x4.add(e2, x2);
  q3 = i32x4.add(f32x4.sub(e3, x3), i32x4.shl(t3, 23));
  e3 = f32x4.add(e3, x3);
  v128.store(y, f32x4.div(e0, f32x4.add(e0, q0)));
  v128.store(y, f32x4.div(e1, f32x4.add(e1, q1)), 16);
  v128.store(y, f32x4.div(e2, f32x4.add(e2, q2)), 32);
  v128.store(y, f32x4.div(e3, f32x4.add(e3, q3)), 48);
}

// log x = n ln 2 + log(1 + f), 1 + f in [sqrt 1/2, sqrt 2).
// biome-ignore format: a line a constant
export const LOG = memory.data<f32>([
  7.0376836292e-2, 7.0376836292e-2, 7.0376836292e-2, 7.0376836292e-2,
  -1.1514610310e-1, -1.1514610310e-1, -1.1514610310e-1, -1.1514610310e-1,
  1.1676998740e-1, 1.1676998740e-1, 1.1676998740e-1, 1.1676998740e-1,
  -1.2420140846e-1, -1.2420140846e-1, -1.2420140846e-1, -1.2420140846e-1,
  1.4249322787e-1, 1.4249322787e-1, 1.4249322787e-1, 1.4249322787e-1,
  -1.6668057665e-1, -1.6668057665e-1, -1.6668057665e-1, -1.6668057665e-1,
  2.0000714765e-1, 2.0000714765e-1, 2.0000714765e-1, 2.0000714765e-1,
  -2.4999993993e-1, -2.4999993993e-1, -2.4999993993e-1, -2.4999993993e-1,
  3.3333331174e-1, 3.3333331174e-1, 3.3333331174e-1, 3.3333331174e-1,
  -2.12194440e-4, -2.12194440e-4, -2.12194440e-4, -2.12194440e-4,
  -0.5, -0.5, -0.5, -0.5,
  0.693359375, 0.693359375, 0.693359375, 0.693359375,
  1.17549435e-38, 1.17549435e-38, 1.17549435e-38, 1.17549435e-38,
  0.70710677, 0.70710677, 0.70710677, 0.70710677,
  1, 1, 1, 1,
  0.0606, 0.0606, 0.0606, 0.0606,
  0.3535, 0.3535, 0.3535, 0.3535,
], 16);

/** log(1 + f) - f + f^2 / 2 */
// @ts-ignore: decorator
@inline
export function logTail(f: v128, f2: v128): v128 {
  let p = madd(v128.load(LOG), f, v128.load(LOG, 16));
  p = madd(p, f, v128.load(LOG, 32));
  p = madd(p, f, v128.load(LOG, 48));
  p = madd(p, f, v128.load(LOG, 64));
  p = madd(p, f, v128.load(LOG, 80));
  p = madd(p, f, v128.load(LOG, 96));
  p = madd(p, f, v128.load(LOG, 112));
  p = madd(p, f, v128.load(LOG, 128));
  return f32x4.mul(f32x4.mul(p, f), f2);
}

// log of s = x or, where x was subnormal, x * 2^23; shift is the 23 to be taken back.
// @ts-ignore: decorator
@inline
function logRest(s: v128, shift: v128): v128 {
  const bits = i32x4.sub(s, v128.load(LOG, 208)); // against sqrt 1/2
  const power = i32x4.shr_s(bits, 23);
  const n = f32x4.convert_i32x4_s(i32x4.sub(power, shift));
  const f = f32x4.sub(i32x4.sub(s, i32x4.shl(power, 23)), v128.load(LOG, 224));
  const f2 = f32x4.mul(f, f);
  let y = logTail(f, f2);
  y = madd(n, v128.load(LOG, 144), y);
  y = madd(f2, v128.load(LOG, 160), y);
  return madd(n, v128.load(LOG, 176), f32x4.add(f, y));
}

/** log for finite x that are not subnormal, 0 or less. */
// @ts-ignore: decorator
@inline
export function logNear(x: v128): v128 {
  return logRest(x, i32x4.splat(0));
}

export function log(x: v128): v128 {
  // Subnormals are scaled up first.
  const small = f32x4.lt(x, v128.load(LOG, 192));
  const s = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, small);
  return logEnds(x, logRest(s, v128.and(small, i32x4.splat(23))));
}

/** y, or log inf = inf, log NaN = NaN, log 0 = -inf, log of less = NaN */
// @ts-ignore: decorator
@inline
export function logEnds(x: v128, y: v128): v128 {
  y = v128.bitselect(y, x, f32x4.lt(x, f32x4.splat(Infinity)));
  y = v128.bitselect(f32x4.splat(-Infinity), y, f32x4.eq(x, f32x4.splat(0)));
  return v128.or(y, f32x4.lt(x, f32x4.splat(0)));
}
