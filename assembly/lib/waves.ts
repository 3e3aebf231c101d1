// sin and cos on four lanes, by the polynomials of Cephes.
import { rounded } from "./lanes";
import { LOG, ONE } from "./math";
import { choose, madd } from "./simd";

// sin and cos of r in [-pi/4, pi/4].
// biome-ignore format: a line a constant
const SIN = memory.data<f32>([
  -1.9515295891e-4, -1.9515295891e-4, -1.9515295891e-4, -1.9515295891e-4,
  8.3321608736e-3, 8.3321608736e-3, 8.3321608736e-3, 8.3321608736e-3,
  -1.6666654611e-1, -1.6666654611e-1, -1.6666654611e-1, -1.6666654611e-1,
  2.443315711809948e-5, 2.443315711809948e-5, 2.443315711809948e-5, 2.443315711809948e-5,
  -1.388731625493765e-3, -1.388731625493765e-3, -1.388731625493765e-3, -1.388731625493765e-3,
  4.166664568298827e-2, 4.166664568298827e-2, 4.166664568298827e-2, 4.166664568298827e-2,
  1048576, 1048576, 1048576, 1048576,
], 16);
const REDUCED: usize = SIN + 96; // beyond it the lanes are reduced one by one

// @ts-ignore: decorator
@inline
export function sinNear(r: v128): v128 {
  const z = f32x4.mul(r, r);
  let p = madd(v128.load(SIN), z, v128.load(SIN, 16));
  p = madd(p, z, v128.load(SIN, 32));
  return madd(f32x4.mul(p, z), r, r);
}

// @ts-ignore: decorator
@inline
export function cosNear(r: v128): v128 {
  const z = f32x4.mul(r, r);
  let p = madd(v128.load(SIN, 48), z, v128.load(SIN, 64));
  p = madd(p, z, v128.load(SIN, 80));
  return madd(f32x4.mul(p, z), z, madd(v128.load(LOG, 160), z, v128.load(ONE)));
}

/** sin where the quadrant q is even, cos where it is odd, negated where q & 2. */
// @ts-ignore: decorator
@inline
export function quadrant(sin: v128, cos: v128, q: v128): v128 {
  const odd = i32x4.shr_s(i32x4.shl(q, 31), 31);
  const sign = i32x4.shl(i32x4.shr_u(q, 1), 31);
  return v128.xor(choose(cos, sin, odd), sign);
}

// 2 / pi; 1.5 * 2^52, which rounds to an integer, whose low bits are the quadrant; pi / 2 in two parts, the first of 33 bits:
// n times it is exact for n < 2^20.
// biome-ignore format: a line a constant
const PI = memory.data<f64>([
  0.6366197723675814, 0.6366197723675814,
  6755399441055744, 6755399441055744,
  1.5707963267341256, 1.5707963267341256,
  6.077100506506192e-11, 6.077100506506192e-11,
], 16);

// @ts-ignore: decorator
@inline
function turns(x: v128): v128 {
  return f64x2.add(f64x2.mul(x, v128.load(PI)), v128.load(PI, 16));
}

// @ts-ignore: decorator
@inline
function restOf(x: v128, t: v128): v128 {
  const n = f64x2.sub(t, v128.load(PI, 16));
  return f64x2.sub(f64x2.sub(x, f64x2.mul(n, v128.load(PI, 32))), f64x2.mul(n, v128.load(PI, 48)));
}

/** sin |x| or, with quarter = 1, cos |x|. */
export function sinAbs(a: v128, quarter: i32): v128 {
  const far = f32x4.gt(a, v128.load(REDUCED));
  const x0 = f64x2.promote_low_f32x4(a);
  const x1 = f64x2.promote_low_f32x4(i32x4.shuffle(a, a, 2, 3, 0, 1));
  const t0 = turns(x0);
  const t1 = turns(x1);
  let r = rounded(restOf(x0, t0), restOf(x1, t1));
  let q = i32x4.shuffle(t0, t1, 0, 2, 4, 6);
  if (v128.any_true(far)) {
    r = v128.bitselect(lanes(a, 0), r, far);
    q = v128.bitselect(lanes(a, 1), q, far);
  }
  return quadrant(sinNear(r), cosNear(r), i32x4.add(q, i32x4.splat(quarter)));
}

/** The rests of four floats, or their quadrants. */
function lanes(a: v128, quadrants: i32): v128 {
  let y = a;
  for (let i = 0; i < 4; i++) {
    const bits = i32x4.extract_lane(a, 0);
    const word = quadrants ? quadrantFar(bits) : reinterpret<i32>(restFar(bits));
    y = i32x4.replace_lane(i32x4.shuffle(y, y, 1, 2, 3, 0), 3, word);
    a = i32x4.shuffle(a, a, 1, 2, 3, 0);
  }
  return y;
}

// 2 / pi in bits: word i holds 32 bits from bit 8 i - 24 on, so that any exponent finds its window.
// biome-ignore format: a table
const INV_PIO4 = memory.data<u32>([
  0xa2, 0xa2f9, 0xa2f983, 0xa2f9836e, 0xf9836e4e, 0x836e4e44, 0x6e4e4415, 0x4e441529, 0x441529fc, 0x1529fc27,
  0x29fc2757, 0xfc2757d1, 0x2757d1f5, 0x57d1f534, 0xd1f534dd, 0xf534ddc0, 0x34ddc0db, 0xddc0db62, 0xc0db6295,
  0xdb629599, 0x6295993c, 0x95993c43, 0x993c4390, 0x3c439041,
]);

/** |x| * 2 / pi modulo 4 as a fixed-point number with 62 bits behind the point (Payne and Hanek). */
function reduceFar(bits: u32): u64 {
  const words = INV_PIO4 + <usize>(((bits >>> 26) & 15) << 2);
  const m = ((bits & 0xffffff) | 0x800000) << ((bits >>> 23) & 7);
  const high = (<u64>(m * load<u32>(words))) << 32;
  const middle = <u64>m * load<u32>(words, 16);
  const low = <u64>m * load<u32>(words, 32);
  return (high | (low >>> 32)) + middle;
}

function quadrantFar(bits: u32): i32 {
  return <i32>((reduceFar(bits) + (1 << 61)) >>> 62);
}

function restFar(bits: u32): f32 {
  const turns = reduceFar(bits);
  const rest = <i64>(turns - (((turns + (1 << 61)) >>> 62) << 62));
  return bits < 0x7f800000 ? <f32>(<f64>rest * 3.4061215800865545e-19) : NaN; // pi / 2 * 2^-62
}
