// Functions of one tensor that lib/functions.ts has, and powers.
//   y | x | n |        y | a b | n |
import {
  acosh,
  asinh,
  atan2,
  atanh,
  erf,
  expm1,
  floorDivide,
  fmod,
  hypot,
  leg,
  pow,
  remainder,
  sinh,
  tan,
} from "../lib/functions";
import { pairs, unary } from "../lib/map";

class Expm1 {
  @inline v(x: v128): v128 {
    return expm1(x);
  }
}
class Erf {
  @inline v(x: v128): v128 {
    return erf(x, false);
  }
}
class Erfc {
  @inline v(x: v128): v128 {
    return erf(x, true);
  }
}
class Tan {
  @inline v(x: v128): v128 {
    return tan(x);
  }
}
class Sinh {
  @inline v(x: v128): v128 {
    return sinh(x, false);
  }
}
class Cosh {
  @inline v(x: v128): v128 {
    return sinh(x, true);
  }
}
class Asin {
  @inline v(x: v128): v128 {
    return atan2(x, leg(x));
  }
}
class Acos {
  @inline v(x: v128): v128 {
    return atan2(leg(x), x);
  }
}
class Atan {
  @inline v(x: v128): v128 {
    return atan2(x, f32x4.splat(1));
  }
}
class Asinh {
  @inline v(x: v128): v128 {
    return asinh(x);
  }
}
class Acosh {
  @inline v(x: v128): v128 {
    return acosh(x);
  }
}
class Atanh {
  @inline v(x: v128): v128 {
    return atanh(x);
  }
}
class Atan2 {
  @inline v(a: v128, b: v128): v128 {
    return atan2(a, b);
  }
}
class Pow {
  @inline v(a: v128, b: v128): v128 {
    return pow(a, b);
  }
}
class Fmod {
  @inline v(a: v128, b: v128): v128 {
    return fmod(a, b);
  }
}
class Remainder {
  @inline v(a: v128, b: v128): v128 {
    return remainder(a, b);
  }
}
class FloorDivide {
  @inline v(a: v128, b: v128): v128 {
    return floorDivide(a, b);
  }
}
class Hypot {
  @inline v(a: v128, b: v128): v128 {
    return hypot(a, b);
  }
}

/** y | x | n | */
export function expm1_f32(args: usize, ith: u32, nth: u32): void {
  unary<Expm1>(args, ith, nth);
}
export function erf_f32(args: usize, ith: u32, nth: u32): void {
  unary<Erf>(args, ith, nth);
}
export function erfc_f32(args: usize, ith: u32, nth: u32): void {
  unary<Erfc>(args, ith, nth);
}
export function tan_f32(args: usize, ith: u32, nth: u32): void {
  unary<Tan>(args, ith, nth);
}
export function sinh_f32(args: usize, ith: u32, nth: u32): void {
  unary<Sinh>(args, ith, nth);
}
export function cosh_f32(args: usize, ith: u32, nth: u32): void {
  unary<Cosh>(args, ith, nth);
}
export function asin_f32(args: usize, ith: u32, nth: u32): void {
  unary<Asin>(args, ith, nth);
}
export function acos_f32(args: usize, ith: u32, nth: u32): void {
  unary<Acos>(args, ith, nth);
}
export function atan_f32(args: usize, ith: u32, nth: u32): void {
  unary<Atan>(args, ith, nth);
}
export function asinh_f32(args: usize, ith: u32, nth: u32): void {
  unary<Asinh>(args, ith, nth);
}
export function acosh_f32(args: usize, ith: u32, nth: u32): void {
  unary<Acosh>(args, ith, nth);
}
export function atanh_f32(args: usize, ith: u32, nth: u32): void {
  unary<Atanh>(args, ith, nth);
}

/** y | a b | n | */
export function atan2_f32(args: usize, ith: u32, nth: u32): void {
  pairs<Atan2>(args, ith, nth);
}
export function pow_f32(args: usize, ith: u32, nth: u32): void {
  pairs<Pow>(args, ith, nth);
}
export function fmod_f32(args: usize, ith: u32, nth: u32): void {
  pairs<Fmod>(args, ith, nth);
}
export function remainder_f32(args: usize, ith: u32, nth: u32): void {
  pairs<Remainder>(args, ith, nth);
}
export function floor_divide_f32(args: usize, ith: u32, nth: u32): void {
  pairs<FloorDivide>(args, ith, nth);
}
export function hypot_f32(args: usize, ith: u32, nth: u32): void {
  pairs<Hypot>(args, ith, nth);
}
