// gelu: x times the normal distribution Phi(x), and its gradient. One exponential and one division: Phi(-a) = e^(-a^2/2) P / (1 + a).
import { pairs, unary } from "../lib/map";
import { expFlush } from "../lib/math";
import { madd } from "../lib/simd";

/** Where Phi(-a) leaves the normal floats. */
const MOST: f32 = 13.5;

/** e^(-a^2/2), 0 where it would be subnormal: a is cut in two, whose first half has 12 bits, since the square needs more than a float has. */
// @ts-ignore: decorator
@inline
function density(a: v128): v128 {
  const h = v128.and(a, i32x4.splat(0xfffff000));
  const half = f32x4.splat(-0.5);
  const u = f32x4.mul(f32x4.mul(f32x4.sub(a, h), f32x4.add(a, h)), half); // to -0.05: Taylor
  let low = madd(u, f32x4.splat(0.0416666667), f32x4.splat(0.1666666667));
  low = madd(low, u, f32x4.splat(0.5));
  low = madd(low, u, f32x4.splat(1));
  low = madd(low, u, f32x4.splat(1));
  return f32x4.mul(low, expFlush(f32x4.mul(f32x4.mul(h, h), half)));
}

/**
 * Phi(x) for a = |x| and e = density(a): e^(a^2/2) (1 + a) Phi(-a) by q = (a - 2.8125) / (a + 2.8125), up to MOST (minimax fit of relative
 * error, 1e-8).
 */
// @ts-ignore: decorator
@inline
function below(x: v128, a: v128, e: v128): v128 {
  const one = f32x4.splat(1);
  const b = f32x4.add(a, one);
  const c = f32x4.add(a, f32x4.splat(2.8125));
  const r = f32x4.div(one, f32x4.mul(b, c));
  const q = f32x4.mul(f32x4.mul(f32x4.sub(a, f32x4.splat(2.8125)), b), r);
  let p = madd(q, f32x4.splat(-0.000133782), f32x4.splat(-0.0004227896));
  p = madd(p, q, f32x4.splat(0.0003833175));
  p = madd(p, q, f32x4.splat(0.0028966488));
  p = madd(p, q, f32x4.splat(-0.002082479));
  p = madd(p, q, f32x4.splat(-0.0181970373));
  p = madd(p, q, f32x4.splat(0.046510525));
  p = madd(p, q, f32x4.splat(-0.0239735972));
  p = madd(p, q, f32x4.splat(-0.0952234268));
  p = madd(p, q, f32x4.splat(0.4891509116));
  const tail = f32x4.mul(f32x4.mul(p, f32x4.mul(c, r)), e);
  return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, f32x4.splat(0)));
}

/** |x| up to MOST; NaN stays. */
// @ts-ignore: decorator
@inline
function size(x: v128): v128 {
  return f32x4.pmin(f32x4.abs(x), f32x4.splat(MOST));
}

class Gelu {
  @inline v(x: v128): v128 {
    const a = size(x);
    return f32x4.mul(x, below(x, a, density(a)));
  }
}
/** Phi(x) + x e / sqrt(2 pi) */
class GeluVjp {
  @inline v(g: v128, x: v128): v128 {
    const a = size(x);
    const e = density(a);
    return f32x4.mul(g, madd(x, f32x4.mul(e, f32x4.splat(0.3989422804)), below(x, a, e)));
  }
}

/** y | x | n | */
export function gelu_f32(args: usize, ith: u32, nth: u32): void {
  unary<Gelu>(args, ith, nth);
}
/** gx | g x | n | */
export function gelu_vjp_f32(args: usize, ith: u32, nth: u32): void {
  pairs<GeluVjp>(args, ith, nth);
}
