// The gamma function's logarithm and the derivatives of that, and the inverse of erf.
import { horner, signOf } from "../lib/functions";
import { unary } from "../lib/map";
import { log } from "../lib/math";
import { madd } from "../lib/simd";
import { sinAbs } from "../lib/waves";

/** log Gamma(2 + u) / u, |u| up to 1/2 (Remez, 2.4e-9 of it). */
// biome-ignore format: a table
const GAMMA = memory.data<f32>([
  -0.000269850338, 0.000569823198, -0.00117784215, 0.00287905592, -0.00738742715, 0.0205816012, -0.0673522204, 0.322467029,
  0.422784328,
]);
/** Stirling's series by 1 / x^2, of (log Gamma - ..) x. */
const STIRLING = memory.data<f32>([0.000793650794, -0.00277777778, 0.0833333333]);
/** The series behind digamma and trigamma by 1 / x^2. */
const DIGAMMA = memory.data<f32>([0.00396825397, -0.00833333333, 0.0833333333]);
const TRIGAMMA = memory.data<f32>([0.0238095238, -0.0333333333, 0.166666667]);
const PI: f32 = 3.14159274;

/** |a - its nearest whole number| pi */
// @ts-ignore: decorator
@inline
function turn(a: v128): v128 {
  return f32x4.mul(f32x4.sub(a, f32x4.nearest(a)), f32x4.splat(PI));
}

/**
 * For a > 0: near 2 by the polynomial; up to 7.5 the factors down to there, or up, as one logarithm; then Stirling's formula. Below 0
 * by Gamma(a) Gamma(-a) = -pi / (a sin pi a).
 */
function lgamma(x: v128): v128 {
  const one = f32x4.splat(1);
  const a = f32x4.abs(x);
  const tiny = f32x4.lt(a, f32x4.splat(0.5));
  const low = f32x4.lt(a, f32x4.splat(1.5));
  const far = f32x4.ge(a, f32x4.splat(7.5));
  // Of x < 1.5 the factors stand in the denominator.
  let z = f32x4.add(a, v128.bitselect(f32x4.splat(2), v128.and(one, low), tiny));
  let p = v128.bitselect(f32x4.mul(a, v128.bitselect(f32x4.add(a, one), one, tiny)), one, low);
  for (let k = 0; k < 5; k++) {
    const above = v128.andnot(f32x4.gt(z, f32x4.splat(2.5)), far);
    z = f32x4.sub(z, v128.and(one, above));
    p = v128.bitselect(f32x4.mul(p, z), p, above);
  }
  const l = log(v128.bitselect(a, p, far));
  const u = f32x4.sub(z, f32x4.splat(2));
  const near = madd(u, horner(u, GAMMA, 9), v128.bitselect(f32x4.neg(l), l, low));
  const inverse = f32x4.div(one, a);
  const series = f32x4.mul(horner(f32x4.mul(inverse, inverse), STIRLING, 3), inverse);
  const line = f32x4.mul(f32x4.sub(a, f32x4.splat(0.5)), f32x4.sub(l, one));
  const y = v128.bitselect(f32x4.add(line, f32x4.add(series, f32x4.splat(0.418938533))), near, far);
  // Nearer to 0 than 2^-20 both are -log a.
  const s = f32x4.mul(a, sinAbs(f32x4.abs(turn(a)), 0));
  const mirrored = f32x4.sub(log(f32x4.div(f32x4.splat(PI), s)), y);
  const other = v128.and(f32x4.lt(x, f32x4.splat(0)), f32x4.gt(a, f32x4.splat(9.5e-7)));
  const inf = f32x4.splat(Infinity);
  const poles = v128.or(f32x4.eq(a, inf), v128.and(other, f32x4.eq(s, f32x4.splat(0))));
  return v128.bitselect(inf, v128.bitselect(mirrored, y, other), poles);
}

/** psi(x), or its derivative: steps up to 8, and the series there; below 0 by psi(-a) = psi(a) + 1 / a + pi / tan pi a. */
function digamma(x: v128, derivative: bool): v128 {
  const one = f32x4.splat(1);
  const negative = f32x4.lt(x, f32x4.splat(0));
  const a = v128.bitselect(f32x4.neg(x), x, negative);
  const first = f32x4.div(one, a);
  let z = a;
  let s = f32x4.splat(0);
  for (let k = 0; k < 8; k++) {
    const below = f32x4.lt(z, f32x4.splat(8));
    const r = f32x4.div(one, z);
    s = f32x4.add(s, v128.and(derivative ? f32x4.mul(r, r) : r, below));
    z = f32x4.add(z, v128.and(one, below));
  }
  const r = f32x4.div(one, z);
  const r2 = f32x4.mul(r, r);
  const angle = turn(a);
  const sine = f32x4.div(f32x4.splat(PI), v128.or(sinAbs(f32x4.abs(angle), 0), signOf(angle)));
  if (derivative) {
    const series = madd(f32x4.mul(r2, r), horner(r2, TRIGAMMA, 3), madd(r2, f32x4.splat(0.5), r));
    const y = f32x4.add(s, series);
    // psi'(-a) = (pi / sin pi a)^2 - psi'(a) + 1 / a^2
    const mirrored = f32x4.add(f32x4.mul(sine, sine), f32x4.sub(f32x4.mul(first, first), y));
    return v128.bitselect(mirrored, y, negative);
  }
  const series = madd(f32x4.neg(r2), horner(r2, DIGAMMA, 3), madd(r, f32x4.splat(-0.5), log(z)));
  const y = f32x4.sub(series, s);
  const cosine = sinAbs(f32x4.abs(angle), 1);
  const mirrored = f32x4.add(f32x4.add(y, first), f32x4.mul(cosine, sine));
  const whole = v128.and(negative, f32x4.eq(f32x4.nearest(x), x)); // poles, where PyTorch has NaN
  return v128.or(v128.bitselect(mirrored, y, negative), whole);
}

// By M. Giles, "Approximating the erfinv function" (GPU Computing Gems, 2012): erfinv(x) / x by w = -log(1 - x^2), below 5 by w - 2.5,
// else by sqrt(w) - 3.
// biome-ignore format: a line a function
const NEAR = memory.data<f32>([
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
]);
// biome-ignore format: a line a function
const FAR = memory.data<f32>([
  -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
]);
function erfinv(x: v128): v128 {
  const one = f32x4.splat(1);
  const w = f32x4.neg(log(f32x4.mul(f32x4.sub(one, x), f32x4.add(one, x))));
  const near = horner(f32x4.sub(w, f32x4.splat(2.5)), NEAR, 9);
  const far = horner(f32x4.sub(f32x4.sqrt(w), f32x4.splat(3)), FAR, 9);
  const y = v128.bitselect(near, far, f32x4.lt(w, f32x4.splat(5)));
  return f32x4.mul(v128.bitselect(f32x4.splat(Infinity), y, f32x4.eq(f32x4.abs(x), one)), x);
}

class Lgamma {
  @inline v(x: v128): v128 {
    return lgamma(x);
  }
}
class Digamma {
  @inline v(x: v128): v128 {
    return digamma(x, false);
  }
}
class Trigamma {
  @inline v(x: v128): v128 {
    return digamma(x, true);
  }
}
class Erfinv {
  @inline v(x: v128): v128 {
    return erfinv(x);
  }
}

/** y | x | n | */
export function lgamma_f32(args: usize, ith: u32, nth: u32): void {
  unary<Lgamma>(args, ith, nth);
}
export function digamma_f32(args: usize, ith: u32, nth: u32): void {
  unary<Digamma>(args, ith, nth);
}
export function trigamma_f32(args: usize, ith: u32, nth: u32): void {
  unary<Trigamma>(args, ith, nth);
}
export function erfinv_f32(args: usize, ith: u32, nth: u32): void {
  unary<Erfinv>(args, ith, nth);
}
