// WGSL functions that every kernel may call. WGSL's own exp, log, tanh, sin and cos may be off by many ulp, so these are
// the algorithms of assembly/lib/math.ts (Cephes), one lane at a time. Infinities and NaN are made at run time: WGSL
// refuses them as constants.
export const lib = `
fn nan_() -> f32 { var u = 0x7fc00000u; return bitcast<f32>(u); }
fn inf_() -> f32 { var u = 0x7f800000u; return bitcast<f32>(u); }
fn isNan_(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
// 0 for what is below; NaN stays
fn relu_(x: f32) -> f32 { let u = bitcast<u32>(x); return select(x, 0.0, u > 0x80000000u && u <= 0xff800000u); }
// subnormals, which a driver may flush, by their integer w: sqrt(w 2^-149) = sqrt(2 w) 2^-75
fn sqrt_(x: f32) -> f32 {
  let u = bitcast<u32>(x);
  if (u < 0x00800000u) { return sqrt(2.0 * f32(u)) * 2.6469779601696886e-23; }
  if (u > 0x80000000u && !isNan_(x)) { return nan_(); }
  return sqrt(x);
}
fn pow2_(n: i32) -> f32 { return bitcast<f32>(u32(n + 127) << 23u); }

// e^r - 1 for x = n ln 2 + r
fn expRest_(x: f32, n: f32) -> f32 {
  // The first step is exact. A compiler that would add up the two factors of n (SwiftShader's does) is kept off by select.
  let near = select(fma(n, -0.693359375, x), x, n == 0.0);
  let r = fma(n, 2.12194440e-4, near);
  var q = fma(1.9875691500e-4, r, 1.3981999507e-3);
  q = fma(q, r, 8.3334519073e-3);
  q = fma(q, r, 4.1665795894e-2);
  q = fma(q, r, 1.6666665459e-1);
  q = fma(q, r, 5.0000001201e-1);
  return fma(q, r * r, r);
}
// 2^n goes in by two factors, so that it overflows and underflows as it should
fn exp_(v: f32) -> f32 {
  if (isNan_(v)) { return v; }
  let x = clamp(v, -104.0, 89.0);
  let n = round(x * 1.44269504);
  let half = i32(n) >> 1u;
  return (1.0 + expRest_(x, n)) * pow2_(half) * pow2_(i32(n) - half);
}
fn tanh_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  let z = min(2.0 * abs(x), 20.0);
  let n = round(z * 1.44269504);
  let scale = pow2_(i32(n));
  let e = fma(expRest_(z, n), scale, scale - 1.0);
  let t = e / (e + 2.0);
  return bitcast<f32>(bitcast<u32>(t) | (bitcast<u32>(x) & 0x80000000u));
}
fn sigmoid_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  if (x < -87.0) { return exp_(x); }
  return 1.0 / (1.0 + exp_(-x));
}
// log x = n ln 2 + log(1 + f), 1 + f in [sqrt 1/2, sqrt 2)
fn log_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  let word = bitcast<u32>(x);
  if ((word & 0x7fffffffu) == 0u) { return -inf_(); }
  if (word >= 0x80000000u) { return nan_(); }
  if (word == 0x7f800000u) { return x; }
  var s = x;
  var shift = 0;
  if (word < 0x00800000u) { s = f32(word); shift = 149; } // subnormal: word * 2^-149
  let bits = bitcast<i32>(s) - 0x3f3504f3;
  let power = bits >> 23u;
  let n = f32(power - shift);
  let f = bitcast<f32>(bitcast<i32>(s) - (power << 23u)) - 1.0;
  var p = fma(7.0376836292e-2, f, -1.1514610310e-1);
  p = fma(p, f, 1.1676998740e-1);
  p = fma(p, f, -1.2420140846e-1);
  p = fma(p, f, 1.4249322787e-1);
  p = fma(p, f, -1.6668057665e-1);
  p = fma(p, f, 2.0000714765e-1);
  p = fma(p, f, -2.4999993993e-1);
  p = fma(p, f, 3.3333331174e-1);
  let f2 = f * f;
  var y = p * f * f2;
  y = fma(n, -2.12194440e-4, y);
  y = fma(f2, -0.5, y);
  return fma(n, 0.693359375, f + y);
}
// 1 - e^-x for x >= 0, without cancellation
fn grown_(x: f32) -> f32 {
  if (x < 0.34) { return -expRest_(-x, 0.0); }
  return 1.0 - exp_(-x);
}
// a * b as (low, high)
fn wide_(a: u32, b: u32) -> vec2<u32> {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let m = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let n = (a & 0xffffu) * (b >> 16u) + (m & 0xffffu);
  return vec2<u32>(a * b, (a >> 16u) * (b >> 16u) + (m >> 16u) + (n >> 16u));
}
// sin r, or cos r where the quadrant q is odd, negated where q & 2; r in [-pi/4, pi/4]
fn sinQuadrant_(r: f32, q: u32) -> f32 {
  let z = r * r;
  var p = fma(-1.9515295891e-4, z, 8.3321608736e-3);
  p = fma(p, z, -1.6666654611e-1);
  let s = fma(p * z, r, r);
  p = fma(2.443315711809948e-5, z, -1.388731625493765e-3);
  p = fma(p, z, 4.166664568298827e-2);
  let c = fma(p * z, z, fma(-0.5, z, 1.0));
  return bitcast<f32>(bitcast<u32>(select(s, c, (q & 1u) != 0u)) ^ ((q & 2u) << 30u));
}
// 2 / pi in bits: word i holds 32 bits from bit 8 i - 32 on, so that any exponent finds its window
const twoOverPi_ = array<u32, 25>(
  0u, 0xa2u, 0xa2f9u, 0xa2f983u, 0xa2f9836eu, 0xf9836e4eu, 0x836e4e44u, 0x6e4e4415u, 0x4e441529u, 0x441529fcu,
  0x1529fc27u, 0x29fc2757u, 0xfc2757d1u, 0x2757d1f5u, 0x57d1f534u, 0xd1f534ddu, 0xf534ddc0u, 0x34ddc0dbu,
  0xddc0db62u, 0xc0db6295u, 0xdb629599u, 0x6295993cu, 0x95993c43u, 0x993c4390u, 0x3c439041u);
// sin |x| or, with turn = 1, cos |x|. From pi/4 on the quadrant and the rest are those of |x| 2 / pi as a fixed-point
// number of 62 fractional bits (Payne and Hanek): integers, since drivers reassociate (x - p) - q.
fn sinAbs_(x: f32, turn: u32) -> f32 {
  let a = abs(x);
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  if (a < 0.78539819) { return sinQuadrant_(a, turn); }
  if (bits >= 0x7f800000u) { return nan_(); }
  let at = (bits >> 26u) - 15u;
  let m = ((bits & 0xffffffu) | 0x800000u) << ((bits >> 23u) & 7u);
  let middle = wide_(m, twoOverPi_[at + 4u]);
  let sum = wide_(m, twoOverPi_[at + 8u]).y + middle.x;
  var low = sum;
  var high = m * twoOverPi_[at] + middle.y + u32(sum < middle.x);
  let q = (high + 0x20000000u) >> 30u;
  high -= q << 30u;
  let negative = high >= 0x80000000u;
  if (negative) { // to its size
    high = ~high + u32(low == 0u);
    low = 0u - low;
  }
  let zeros = min(countLeadingZeros(high), 31u);
  var top = high << zeros;
  if (zeros > 0u) { top |= low >> (32u - zeros); }
  let r = f32(top) * 1.5707963267948966 * pow2_(-30 - i32(zeros));
  return sinQuadrant_(select(r, -r, negative), q + turn);
}
fn sin_(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(sinAbs_(x, 0u)) ^ (bitcast<u32>(x) & 0x80000000u)); }
fn cos_(x: f32) -> f32 { return sinAbs_(x, 1u); }
// Comparisons by the order of the bits: a driver may flush subnormals, and may have no NaN. Both zeros are 0.
fn order_(x: f32) -> i32 {
  let size = bitcast<i32>(x) & 0x7fffffff;
  return select(size, -size, bitcast<i32>(x) < 0);
}
fn ordered_(p: f32, q: f32) -> bool { return !(isNan_(p) || isNan_(q)); }
`;
