// Elementwise kernels of one tensor, of a tensor and a number, and the gradients that need only g and y.
//   y | x | n |        y | x | n | s        gx | g y | n |
import { extent, first, last, pointer } from "../lib/args";
import { Add, Div, Eq, EqI, Ge, GeI, Gt, GtI, Le, LeI, Lt, LtI, Mul, Ne, NeI, Sub } from "../lib/arith";
import { read, write } from "../lib/lanes";
import { binary, each, GRAIN, unary, unary4, withScalar } from "../lib/map";
import { exp, expFour, expLimit, sigmoid, sigmoidFour, tanh } from "../lib/math";
import { sinAbs } from "../lib/waves";

class Neg {
  @inline v(x: v128): v128 {
    return f32x4.neg(x);
  }
}
class Exp {
  @inline v(x: v128): v128 {
    return exp(x);
  }
  /** What `four` can do is |x| below this. */
  @inline limit(): v128 {
    return expLimit();
  }
  @inline four(y: usize, x0: v128, x1: v128, x2: v128, x3: v128): void {
    expFour(false, y, x0, x1, x2, x3);
  }
}
class Sqrt {
  @inline v(x: v128): v128 {
    return f32x4.sqrt(x);
  }
}
class Tanh {
  @inline v(x: v128): v128 {
    return tanh(x);
  }
}
class Sigmoid {
  @inline v(x: v128): v128 {
    return sigmoid(x);
  }
  @inline limit(): v128 {
    return f32x4.splat(87.33);
  }
  @inline four(y: usize, x0: v128, x1: v128, x2: v128, x3: v128): void {
    sigmoidFour(y, x0, x1, x2, x3);
  }
}
class Relu {
  @inline v(x: v128): v128 {
    return f32x4.pmax(x, f32x4.splat(0)); // x < 0 ? 0 : x, so NaN stays
  }
}
class Abs {
  @inline v(x: v128): v128 {
    return f32x4.abs(x);
  }
}
class Floor {
  @inline v(x: v128): v128 {
    return f32x4.floor(x);
  }
}
class Ceil {
  @inline v(x: v128): v128 {
    return f32x4.ceil(x);
  }
}
class Round {
  @inline v(x: v128): v128 {
    return f32x4.nearest(x);
  }
}
class Trunc {
  @inline v(x: v128): v128 {
    return f32x4.trunc(x);
  }
}
class FloatOfInt {
  @inline v(x: v128): v128 {
    return f32x4.convert_i32x4_s(x);
  }
}
class IntOfFloat {
  @inline v(x: v128): v128 {
    return i32x4.trunc_sat_f32x4_s(x);
  }
}
class BoolOfFloat {
  @inline v(x: v128): v128 {
    return i32x4.shr_u(f32x4.ne(x, f32x4.splat(0)), 31);
  }
}
class BoolOfInt {
  @inline v(x: v128): v128 {
    return i32x4.shr_u(i32x4.ne(x, i32x4.splat(0)), 31);
  }
}

export function neg_f32(args: usize, ith: u32, nth: u32): void {
  unary4<Neg>(args, ith, nth);
}
export function sqrt_f32(args: usize, ith: u32, nth: u32): void {
  unary<Sqrt>(args, ith, nth);
}
export function relu_f32(args: usize, ith: u32, nth: u32): void {
  unary4<Relu>(args, ith, nth);
}
export function abs_f32(args: usize, ith: u32, nth: u32): void {
  unary4<Abs>(args, ith, nth);
}
export function floor_f32(args: usize, ith: u32, nth: u32): void {
  unary4<Floor>(args, ith, nth);
}
export function ceil_f32(args: usize, ith: u32, nth: u32): void {
  unary4<Ceil>(args, ith, nth);
}
export function round_f32(args: usize, ith: u32, nth: u32): void {
  unary4<Round>(args, ith, nth);
}
export function trunc_f32(args: usize, ith: u32, nth: u32): void {
  unary4<Trunc>(args, ith, nth);
}
// |float| + room for two floats at once: a sign bit is set where it is not below the limit, which is 2^31 - room.
// @ts-ignore: decorator
@inline
function over(v: u64, room: u64): u64 {
  return (v & 0x7fffffff7fffffff) + room;
}

/** Four vectors in step; integer units, which are idle, test whether one of the 16 is beyond what F.four can do. */
// @ts-ignore: decorator
@inline
function fours<F>(args: usize, ith: u32, nth: u32): void {
  const f = changetype<F>(0);
  const n = extent(args, 2);
  const i = first(n, GRAIN, ith, nth);
  const count = last(args, n, GRAIN, ith, nth) - i;
  let y = pointer(args, 0) + ((<usize>i) << 2);
  let x = pointer(args, 1) + ((<usize>i) << 2);
  const room = <u64>(0x80000000 - i32x4.extract_lane(f.limit(), 0)) * 0x100000001;
  for (const stop = y + ((<usize>count) << 2); y < stop; y += 64, x += 64) {
    const left = <u32>(stop - y) >>> 2;
    let w: u64 = -1;
    if (left >= 16) {
      w = over(load<u64>(x), room) | over(load<u64>(x, 8), room);
      w |= over(load<u64>(x, 16), room) | over(load<u64>(x, 24), room);
      w |= over(load<u64>(x, 32), room) | over(load<u64>(x, 40), room);
      w |= over(load<u64>(x, 48), room) | over(load<u64>(x, 56), room);
    }
    if (w & 0x8000000080000000) each<F>(y, x, min(left, 16));
    else f.four(y, v128.load(x), v128.load(x, 16), v128.load(x, 32), v128.load(x, 48));
  }
}

export function exp_f32(args: usize, ith: u32, nth: u32): void {
  fours<Exp>(args, ith, nth);
}
export function tanh_f32(args: usize, ith: u32, nth: u32): void {
  unary<Tanh>(args, ith, nth);
}
export function sigmoid_f32(args: usize, ith: u32, nth: u32): void {
  fours<Sigmoid>(args, ith, nth);
}
/** sin, or with quarter = 1 cos: one loop for both. */
function wave(args: usize, ith: u32, nth: u32, quarter: i32): void {
  const n = extent(args, 2);
  const sign = i32x4.splat(quarter ? 0 : i32.MIN_VALUE);
  const i = first(n, GRAIN, ith, nth);
  let y = pointer(args, 0) + ((<usize>i) << 2);
  let x = pointer(args, 1) + ((<usize>i) << 2);
  const stop = y + ((<usize>(last(args, n, GRAIN, ith, nth) - i)) << 2);
  for (; y < stop; y += 16, x += 16) {
    const m = <u32>(stop - y) >>> 2;
    const v = read(x, m);
    write(y, v128.xor(sinAbs(f32x4.abs(v), quarter), v128.and(v, sign)), m);
  }
}
export function sin_f32(args: usize, ith: u32, nth: u32): void {
  wave(args, ith, nth, 0);
}
export function cos_f32(args: usize, ith: u32, nth: u32): void {
  wave(args, ith, nth, 1);
}
/** y | x:i32 | n | */
export function cast_f32_i32(args: usize, ith: u32, nth: u32): void {
  unary4<FloatOfInt>(args, ith, nth);
}
/** y:i32 | x | n | */
export function cast_i32_f32(args: usize, ith: u32, nth: u32): void {
  unary4<IntOfFloat>(args, ith, nth);
}
export function cast_bool_f32(args: usize, ith: u32, nth: u32): void {
  unary<BoolOfFloat>(args, ith, nth);
}
/** y:i32 | x:i32 | n | */
export function cast_bool_i32(args: usize, ith: u32, nth: u32): void {
  unary<BoolOfInt>(args, ith, nth);
}

class TanhVjp {
  @inline v(g: v128, y: v128): v128 {
    return f32x4.mul(g, f32x4.sub(f32x4.splat(1), f32x4.mul(y, y)));
  }
}
class SigmoidVjp {
  @inline v(g: v128, y: v128): v128 {
    return f32x4.mul(g, f32x4.mul(y, f32x4.sub(f32x4.splat(1), y)));
  }
}
class ReluVjp {
  @inline v(g: v128, y: v128): v128 {
    return v128.andnot(g, f32x4.le(y, f32x4.splat(0))); // the gradient passes where y is NaN
  }
}
class SqrtVjp {
  @inline v(g: v128, y: v128): v128 {
    return f32x4.div(g, f32x4.add(y, y));
  }
}

/** gx | g y | n | */
export function tanh_vjp_f32(args: usize, ith: u32, nth: u32): void {
  binary<TanhVjp>(args, ith, nth);
}
export function sigmoid_vjp_f32(args: usize, ith: u32, nth: u32): void {
  binary<SigmoidVjp>(args, ith, nth);
}
export function relu_vjp_f32(args: usize, ith: u32, nth: u32): void {
  binary<ReluVjp>(args, ith, nth);
}
export function sqrt_vjp_f32(args: usize, ith: u32, nth: u32): void {
  binary<SqrtVjp>(args, ith, nth);
}

class AtLeast {
  @inline v(x: v128, s: v128): v128 {
    return f32x4.pmax(x, s); // x < s ? s : x, so NaN stays, and x where s is NaN
  }
}
class AtMost {
  @inline v(x: v128, s: v128): v128 {
    return f32x4.pmin(x, s);
  }
}

/** y | x | n | s:f32 */
export function atleast_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<AtLeast>(args, ith, nth);
}
export function atmost_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<AtMost>(args, ith, nth);
}
export function add_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<Add>(args, ith, nth);
}
export function mul_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<Mul>(args, ith, nth);
}
export function div_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<Div>(args, ith, nth);
}
export function rsub_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<Sub>(args, ith, nth, true);
}
export function rdiv_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<Div>(args, ith, nth, true);
}
/** y:i32 | x | n | s:f32 */
export function eq_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<Eq>(args, ith, nth);
}
export function ne_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<Ne>(args, ith, nth);
}
export function lt_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<Lt>(args, ith, nth);
}
export function le_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<Le>(args, ith, nth);
}
export function gt_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<Gt>(args, ith, nth);
}
export function ge_scalar_f32(args: usize, ith: u32, nth: u32): void {
  withScalar<Ge>(args, ith, nth);
}
/** y:i32 | x:i32 | n | s:i32 */
export function eq_scalar_i32(args: usize, ith: u32, nth: u32): void {
  withScalar<EqI>(args, ith, nth);
}
export function ne_scalar_i32(args: usize, ith: u32, nth: u32): void {
  withScalar<NeI>(args, ith, nth);
}
export function lt_scalar_i32(args: usize, ith: u32, nth: u32): void {
  withScalar<LtI>(args, ith, nth);
}
export function le_scalar_i32(args: usize, ith: u32, nth: u32): void {
  withScalar<LeI>(args, ith, nth);
}
export function gt_scalar_i32(args: usize, ith: u32, nth: u32): void {
  withScalar<GtI>(args, ith, nth);
}
export function ge_scalar_i32(args: usize, ith: u32, nth: u32): void {
  withScalar<GeI>(args, ith, nth);
}
