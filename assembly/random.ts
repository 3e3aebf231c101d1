// Random numbers: Threefry-2x32 with 20 rounds (Random123, JAX). Value i of a row is word i & 1 of block
// counter + i / 2, so it depends neither on the threads nor on what else is drawn. A state is the words
// key0 key1 counter_low counter_high.
import { extent, first, last, pointer, scalar, spare } from "./lib/args";
import { write } from "./lib/lanes";
import { logNear } from "./lib/math";
import { cosNear, quadrant, sinNear } from "./lib/waves";

/** slot:u32 state:u32 | | n |        slot = state, then the state's counter steps over the ceil(n / 2) blocks drawn. Serial. */
export function random_take_i32(args: usize, ith: u32, nth: u32): void {
  if (ith > 0) return;
  const state = pointer(args, 1);
  v128.store(pointer(args, 0), v128.load(state));
  const n = <u64>extent(args, 2);
  store<u64>(state, load<u64>(state, 8) + ((n + 1) >>> 1), 8);
}

// @ts-ignore: decorator
@inline
function mix(x0: v128, x1: v128, r: i32): v128 {
  return v128.xor(v128.or(i32x4.shl(x1, r), i32x4.shr_u(x1, 32 - r)), x0);
}

/** The words of four blocks from `block` on: the first ones, then the second ones. */
function blocks(to: usize, slot: usize, block: u64): void {
  const k0 = v128.load32_splat(slot);
  const k1 = v128.load32_splat(slot, 4);
  const low = i32x4.splat(<i32>block);
  let x0 = i32x4.add(low, i32x4(0, 1, 2, 3));
  let x1 = i32x4.sub(i32x4.splat(<i32>(block >>> 32)), i32x4.lt_u(x0, low)); // with the carry
  x0 = i32x4.add(x0, k0);
  x1 = i32x4.add(x1, k1);
  let a = k1; // the keys injected after each four rounds, one after the other
  let b = v128.xor(v128.xor(k0, k1), i32x4.splat(0x1bd11bda));
  let c = k0;
  for (let round = 1; round <= 5; round++) {
    if (round & 1) {
      x0 = i32x4.add(x0, x1);
      x1 = mix(x0, x1, 13);
      x0 = i32x4.add(x0, x1);
      x1 = mix(x0, x1, 15);
      x0 = i32x4.add(x0, x1);
      x1 = mix(x0, x1, 26);
      x0 = i32x4.add(x0, x1);
      x1 = mix(x0, x1, 6);
    } else {
      x0 = i32x4.add(x0, x1);
      x1 = mix(x0, x1, 17);
      x0 = i32x4.add(x0, x1);
      x1 = mix(x0, x1, 29);
      x0 = i32x4.add(x0, x1);
      x1 = mix(x0, x1, 16);
      x0 = i32x4.add(x0, x1);
      x1 = mix(x0, x1, 24);
    }
    x0 = i32x4.add(x0, a);
    x1 = i32x4.add(x1, i32x4.add(b, i32x4.splat(round)));
    const d = a;
    a = b;
    b = c;
    c = d;
  }
  v128.store(to, x0);
  v128.store(to, x1, 16);
}

/**
 * Draws this thread's values, four blocks at a time: `one` and `two` work on the blocks' first and second words, `even`
 * and `odd` make the values of both, in this order, with room for a vector.
 */
// @ts-ignore: decorator
@inline
function draw<F>(args: usize, ith: u32, nth: u32, p: v128, q: v128): void {
  const f = changetype<F>(0);
  const y = pointer(args, 0);
  const slot = pointer(args, 1);
  const n = extent(args, 2);
  const words = spare(ith);
  const counter = load<u64>(slot, 8);
  let i = first(n, 64, ith, nth);
  const end = last(args, n, 64, ith, nth);
  for (; i < end; i += 8) {
    blocks(words, slot, counter + <u64>(i >>> 1));
    const w0 = f.one(v128.load(words), p, q);
    const w1 = f.two(v128.load(words, 16), p, q);
    const v0 = f.even(w0, w1, p, words);
    const v1 = f.odd(w0, w1, p, words);
    const to = y + ((<usize>i) << 2);
    const m = end - i;
    write(to, i32x4.shuffle(v0, v1, 0, 4, 1, 5), m);
    if (m > 4) write(to + 16, i32x4.shuffle(v0, v1, 2, 6, 3, 7), m - 4);
  }
}

/** u in [0, 1): the upper 24 bits. */
// @ts-ignore: decorator
@inline
function unit(x: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(x, 8)), f32x4.splat(5.9604644775390625e-8));
}

class Uniform {
  @inline one(x: v128, p: v128, q: v128): v128 {
    // not madd: both builds draw the same bits. q holds hi - lo, and in lane 3 the float below hi.
    const y = f32x4.add(p, f32x4.mul(unit(x), i32x4.shuffle(q, q, 0, 0, 0, 0)));
    return f32x4.pmin(y, i32x4.shuffle(q, q, 3, 3, 3, 3));
  }
  @inline two(x: v128, p: v128, q: v128): v128 {
    return this.one(x, p, q);
  }
  @inline even(a: v128, b: v128, p: v128, room: usize): v128 {
    return a;
  }
  @inline odd(a: v128, b: v128, p: v128, room: usize): v128 {
    return b;
  }
}

/** y | slot:u32 | n | lo:f32 hi:f32        lo + u (hi - lo), below hi */
export function uniform_f32(args: usize, ith: u32, nth: u32): void {
  const lo = scalar(args, 3);
  const hi = scalar(args, 4);
  const bits = reinterpret<i32>(hi);
  const below = reinterpret<f32>(hi > 0 ? bits - 1 : hi < 0 ? bits + 1 : 0x80000001);
  const span = hi - lo;
  draw<Uniform>(args, ith, nth, f32x4.splat(lo), f32x4(span, span, span, lo < hi ? below : lo));
}

// Box and Muller: r = std sqrt(-2 log(1 - u0)), angle 2 pi u1; the block's values are mean + r cos, mean + r sin.
class Normal {
  @inline one(x: v128, p: v128, q: v128): v128 {
    const u = f32x4.sub(f32x4.splat(1), unit(x));
    return f32x4.mul(q, f32x4.sqrt(f32x4.mul(f32x4.splat(-2), logNear(u))));
  }
  @inline two(x: v128, p: v128, q: v128): v128 {
    return f32x4.mul(unit(x), f32x4.splat(4)); // in quarter turns
  }
  // The quadrant and what is left of t are exact; sin and cos of that serve both values.
  @inline even(r: v128, t: v128, p: v128, room: usize): v128 {
    const m = f32x4.add(t, f32x4.splat(12582912)); // 1.5 * 2^23: rounds to an integer, whose low bits are the quadrant
    const rest = f32x4.mul(f32x4.sub(t, f32x4.sub(m, f32x4.splat(12582912))), f32x4.splat(1.5707963267948966));
    const sin = sinNear(rest);
    const cos = cosNear(rest);
    v128.store(room, f32x4.add(p, f32x4.mul(r, quadrant(sin, cos, m))));
    return f32x4.add(p, f32x4.mul(r, quadrant(sin, cos, i32x4.add(m, i32x4.splat(1)))));
  }
  @inline odd(r: v128, t: v128, p: v128, room: usize): v128 {
    return v128.load(room);
  }
}

/** y | slot:u32 | n | mean:f32 spread:f32 */
export function normal_f32(args: usize, ith: u32, nth: u32): void {
  draw<Normal>(args, ith, nth, f32x4.splat(scalar(args, 3)), f32x4.splat(scalar(args, 4)));
}

class Mask {
  @inline one(x: v128, p: v128, q: v128): v128 {
    return v128.andnot(q, f32x4.lt(unit(x), p));
  }
  @inline two(x: v128, p: v128, q: v128): v128 {
    return this.one(x, p, q);
  }
  @inline even(a: v128, b: v128, p: v128, room: usize): v128 {
    return a;
  }
  @inline odd(a: v128, b: v128, p: v128, room: usize): v128 {
    return b;
  }
}

/** y | slot:u32 | n | p:f32 scale:f32        u < p ? 0 : scale */
export function dropout_mask_f32(args: usize, ith: u32, nth: u32): void {
  draw<Mask>(args, ith, nth, f32x4.splat(scalar(args, 3)), f32x4.splat(scalar(args, 4)));
}

class Integer {
  @inline one(x: v128, p: v128, q: v128): v128 {
    const low = i64x2.extmul_low_i32x4_u(x, q);
    const high = i64x2.extmul_high_i32x4_u(x, q);
    return i32x4.add(p, i32x4.shuffle(low, high, 1, 3, 5, 7));
  }
  @inline two(x: v128, p: v128, q: v128): v128 {
    return this.one(x, p, q);
  }
  @inline even(a: v128, b: v128, p: v128, room: usize): v128 {
    return a;
  }
  @inline odd(a: v128, b: v128, p: v128, room: usize): v128 {
    return b;
  }
}

/** y:i32 | slot:u32 | n | lo:i32 hi:i32        lo + floor(x (hi - lo) / 2^32): a value's share is off by at most one in 2^32 */
export function randint_i32(args: usize, ith: u32, nth: u32): void {
  const lo = <i32>extent(args, 3);
  const hi = <i32>extent(args, 4);
  draw<Integer>(args, ith, nth, i32x4.splat(lo), i32x4.splat(hi - lo));
}
