// Functions of two tensors of int32, lane by lane where vectors have no instruction.
import { extent, fault, first, last, pointer } from "../lib/args";
import { GRAIN, pairs } from "../lib/map";

class And {
  @inline v(a: v128, b: v128): v128 {
    return v128.and(a, b);
  }
}
class Or {
  @inline v(a: v128, b: v128): v128 {
    return v128.or(a, b);
  }
}
class Xor {
  @inline v(a: v128, b: v128): v128 {
    return v128.xor(a, b);
  }
}

/** y:i32 | a:i32 b:i32 | n | */
export function and_i32(args: usize, ith: u32, nth: u32): void {
  pairs<And>(args, ith, nth);
}
export function or_i32(args: usize, ith: u32, nth: u32): void {
  pairs<Or>(args, ith, nth);
}
export function xor_i32(args: usize, ith: u32, nth: u32): void {
  pairs<Xor>(args, ith, nth);
}

/** a^b modulo 2^32; of a negative b the inverse, cut: 0 but for 1 and -1. */
function power(a: i32, b: i32): i32 {
  if (b < 0) return a == 1 || (a == -1 && (b & 1) == 0) ? 1 : a == -1 ? -1 : 0;
  let y = 1;
  for (; b > 0; b >>= 1, a *= a) if (b & 1) y *= a;
  return y;
}
export function pow_i32(args: usize, ith: u32, nth: u32): void {
  const n = extent(args, 3);
  const end = last(args, n, GRAIN, ith, nth);
  for (let i = first(n, GRAIN, ith, nth); i < end; i++) {
    const at = (<usize>i) << 2;
    store<i32>(pointer(args, 0) + at, power(load<i32>(pointer(args, 1) + at), load<i32>(pointer(args, 2) + at)));
  }
}

/** Quotients of this share, cut or the whole number below; the index of the first divisor of 0 where they end, or -1. */
function divided(args: usize, ith: u32, nth: u32, floor: bool): i32 {
  const n = extent(args, 3);
  const end = last(args, n, GRAIN, ith, nth);
  for (let i = first(n, GRAIN, ith, nth); i < end; i++) {
    const at = (<usize>i) << 2;
    const a = load<i32>(pointer(args, 1) + at);
    const b = load<i32>(pointer(args, 2) + at);
    if (b == 0) return i;
    let q = b == -1 ? -a : a / b; // -2^31 / -1 would trap
    if (floor && (a ^ b) < 0 && q * b != a) q--;
    store<i32>(pointer(args, 0) + at, q);
  }
  return -1;
}
export function trunc_divide_i32(args: usize, ith: u32, nth: u32): void {
  const bad = divided(args, ith, nth, false);
  if (bad >= 0) fault(args, bad, load<i32>(pointer(args, 1) + ((<usize>bad) << 2)));
}
export function floor_divide_i32(args: usize, ith: u32, nth: u32): void {
  const bad = divided(args, ith, nth, true);
  if (bad >= 0) fault(args, bad, load<i32>(pointer(args, 1) + ((<usize>bad) << 2)));
}
