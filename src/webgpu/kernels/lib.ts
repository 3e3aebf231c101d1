// WGSL functions that every kernel may call. WGSL's own exp, log, tanh, sin and cos may be off by many ulp, so these are
// the algorithms of assembly/math.ts (Cephes), one lane at a time. Infinities and NaN are made at run time: WGSL
// refuses them as constants.
export const lib = `
fn nan_() -> f32 { var u = 0x7fc00000u; return bitcast<f32>(u); }
fn inf_() -> f32 { var u = 0x7f800000u; return bitcast<f32>(u); }
fn isNan_(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn pow2_(n: i32) -> f32 { return bitcast<f32>(u32(n + 127) << 23u); }

// e^r - 1 for x = n ln 2 + r
fn expRest_(x: f32, n: f32) -> f32 {
  let r = fma(n, 2.12194440e-4, fma(n, -0.693359375, x));
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
`;
