// Functions of one tensor, and powers: those of assembly/lib/functions.ts, one lane at a time. A shader gets the functions that
// its kernel needs.
import { type Implementation, one, type Registry } from "../kernel.ts";

const sign = `
fn signed_(y: f32, x: f32) -> f32 { return bitcast<f32>((bitcast<u32>(y) & 0x7fffffffu) | (bitcast<u32>(x) & 0x80000000u)); }`;

// e^x - 1 = 2^n (e^r - 1) + (2^n - 1); far out e^x.
const expm1 = `${sign}
fn expm1_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  if (x > 64.0) { return exp_(x); }
  let z = max(x, -64.0);
  let n = round(z * 1.44269504);
  let scale = pow2_(i32(n));
  return signed_(fma(expRest_(z, n), scale, scale - 1.0), x);
}`;

const tail = `
fn logTail_(f: f32) -> f32 {
  var p = fma(7.0376836292e-2, f, -1.1514610310e-1);
  p = fma(p, f, 1.1676998740e-1);
  p = fma(p, f, -1.2420140846e-1);
  p = fma(p, f, 1.4249322787e-1);
  p = fma(p, f, -1.6668057665e-1);
  p = fma(p, f, 2.0000714765e-1);
  p = fma(p, f, -2.4999993993e-1);
  p = fma(p, f, 3.3333331174e-1);
  let f2 = f * f;
  return fma(f2, -0.5, p * f * f2);
}`;
const log1p = `${sign}${tail}
fn log1p_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  if (abs(x - 0.0606) < 0.3535) { return signed_(x + logTail_(x), x); }
  return log_(1.0 + x);
}`;

// By 2 or 10: n times the first part of log 2 by the base is exact, so powers of the base come out whole.
const logBy = `${tail}
fn logBy_(x: f32, first: f32, second: f32, scale: f32) -> f32 {
  let word = bitcast<u32>(x);
  if (word == 0u || word >= 0x7f800000u) { return log_(x); }
  var s = x;
  var shift = 0;
  if (word < 0x00800000u) { s = f32(word); shift = 149; }
  let power = (bitcast<i32>(s) - 0x3f3504f3) >> 23u;
  let n = f32(power - shift);
  let f = bitcast<f32>(bitcast<i32>(s) - (power << 23u)) - 1.0;
  return fma(n, first, fma(n, second, (f + logTail_(f)) * scale));
}`;

// erfc t for t >= 1/2: t is cut in two, since e^(-t^2) needs more digits of t^2 than a float has.
const erf = `${sign}
fn erfcFar_(x: f32) -> f32 {
  let t = min(x, 11.0);
  let h = bitcast<f32>(bitcast<u32>(t) & 0xfffff000u);
  let q = (t - 2.0) / (t + 2.0);
  var p = fma(-0.0013097727, q, 0.0009440095);
  p = fma(p, q, 0.00868878);
  p = fma(p, q, -0.0079447041);
  p = fma(p, q, -0.0542172119);
  p = fma(p, q, 0.1640419066);
  p = fma(p, q, -0.1660304666);
  p = fma(p, q, -0.0927635580);
  p = fma(p, q, 1.2769783735);
  let u = (t - h) * (t + h);
  let low = fma(fma(fma(fma(0.0416666667, u, -0.1666666667), u, 0.5), u, -1.0), u, 1.0);
  return p / fma(2.0, t, 1.0) * low * exp_(-h * h);
}
fn erfNear_(x: f32) -> f32 {
  let z = x * x;
  var p = fma(0.0047197379, z, -0.0267580729);
  p = fma(p, z, 0.1128283665);
  p = fma(p, z, -0.3761260808);
  p = fma(p, z, 0.1283791661);
  return fma(x, p, x);
}
fn erf_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  if (abs(x) < 0.5) { return signed_(erfNear_(x), x); }
  return signed_(1.0 - erfcFar_(abs(x)), x);
}
fn erfc_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  if (abs(x) < 0.5) { return 1.0 - erfNear_(x); }
  let far = erfcFar_(abs(x));
  return select(far, 2.0 - far, x < 0.0);
}`;

const atan = `${sign}
fn atan2_(y: f32, x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  if (isNan_(y)) { return y; }
  let ax = bitcast<u32>(x) & 0x7fffffffu;
  let ay = bitcast<u32>(y) & 0x7fffffffu;
  let small = min(ax, ay);
  let large = max(ax, ay);
  var a = 0.0;
  if (small == 0x7f800000u) { a = 1.0; }
  else if (large < 0x7f800000u && large > 0u) {
    // Where the larger is so small that its inverse may not be a float, both are scaled.
    let by = select(1.0, 16777216.0, large < 0x01800000u);
    a = bitcast<f32>(small) * by / (bitcast<f32>(large) * by);
    if (large > 0x7e000000u) { a = bitcast<f32>(small) * 0.0625 / (bitcast<f32>(large) * 0.0625); }
  }
  let z = a * a;
  var p = fma(0.0029206774, z, -0.0163678527);
  p = fma(p, z, 0.0432117134);
  p = fma(p, z, -0.0755219907);
  p = fma(p, z, 0.1066599637);
  p = fma(p, z, -0.1421105266);
  p = fma(p, z, 0.1999377310);
  p = fma(p, z, -0.3333315253);
  var r = fma(z * a, p, a);
  if (ay > ax) { r = 1.57079637 - (r + 4.37113883e-8); }
  if (bitcast<u32>(x) >= 0x80000000u) { r = 3.14159274 - (r + 8.74227766e-8); }
  return signed_(r, y);
}
fn leg_(x: f32) -> f32 {
  if (isNan_(x) || abs(x) > 1.0) { return nan_(); }
  return sqrt((1.0 - x) * (1.0 + x));
}`;

// Of E = e^|x| / 2, by the square of e^(|x| / 2).
const sinh = `${sign}
fn sinh_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  let a = abs(x);
  if (a < 1.0) {
    let z = x * x;
    return signed_(fma(z * x, fma(fma(0.0002037220, z, 0.0083302837), z, 0.1666671634), x), x);
  }
  let h = exp_(a * 0.5);
  let e = h * 0.5 * h;
  return signed_(e - 0.25 / e, x);
}
fn cosh_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  let h = exp_(abs(x) * 0.5);
  let e = h * 0.5 * h;
  return e + 0.25 / e;
}`;

const inverse = `${log1p}
fn asinh_(x: f32) -> f32 {
  let a = abs(x);
  if (isNan_(x) || a > 1048576.0) { return signed_(log_(a) + 0.69314718, x); }
  let z = a * a;
  return signed_(log1p_(a + z / (1.0 + sqrt(z + 1.0))), x);
}
fn acosh_(x: f32) -> f32 {
  if (isNan_(x) || x > 1048576.0) { return log_(x) + 0.69314718; }
  if (x < 1.0) { return nan_(); }
  let t = x - 1.0;
  return log1p_(t + sqrt(t * (t + 2.0)));
}
fn atanh_(x: f32) -> f32 {
  let a = abs(x);
  if (isNan_(x) || a > 1.0) { return nan_(); }
  if (a == 1.0) { return signed_(inf_(), x); }
  return signed_(0.5 * log1p_(2.0 * a / (1.0 - a)), x);
}`;

// 2^(y log2 x) by integers, which no driver rounds in another way. x = m 2^n with m in [sqrt 1/2, sqrt 2); log2(m) is f Q(f), f = m - 1,
// Q by u = 0.4143 - f (minimax, 2.4e-11) as a fixed-point number with 30 bits behind the point. y log2 x has 24 there.
const pow = `${sign}
const powers_ = array<i32, 12>(85444443, -269682179, 416183006, -361790369, 223114812, -65817532, 47710538, 39489944,
  73042023, 126861583, 235098110, 484623934);
fn high_(a: u32, b: u32) -> u32 { let w = wide_(a, b); return w.y + (w.x >> 31u); }
fn powAbs_(x: f32, y: f32) -> f32 {
  let yWord = bitcast<u32>(y) & 0x7fffffffu;
  var word = bitcast<u32>(x) & 0x7fffffffu;
  var n = 0;
  let down = bitcast<i32>(y) < 0;
  if (word == 0u) { return select(0.0, inf_(), down); }
  if (word == 0x7f800000u) { return select(inf_(), 0.0, down); }
  if (word < 0x00800000u) {
    let up = countLeadingZeros(word) - 8u;
    word <<= up;
    n = 1 - i32(up);
  } else { n = i32(word >> 23u); word = (word & 0x7fffffu) | 0x800000u; }
  n -= 127;
  // f in units of 2^-24; u is 0.4143 - f with 32 bits behind the point.
  var f = i32(word << 1u) - 16777216;
  if (word > 0xb504f3u) { n += 1; f = i32(word) - 16777216; }
  let u = bitcast<u32>(1779404950 - (f << 8u));
  var q = 0;
  for (var k = 0u; k < 12u; k++) {
    let h = i32(high_(u32(abs(q)), u));
    q = select(h, -h, q < 0) + powers_[k];
  }
  let last = i32(high_(u32(abs(q)), u));
  let slope = 2592158291u + bitcast<u32>(select(last, -last, q < 0) << 1u);
  // log2 x = n + f slope, with 55 bits behind the point, as size and sign.
  let part = wide_(u32(abs(f)), slope);
  var low = part.x;
  var high = bitcast<i32>(part.y);
  if (f < 0) { low = 0u - low; high = ~high + i32(low == 0u); }
  high += n << 23u;
  let negative = high < 0;
  if (negative) { low = 0u - low; high = ~high + i32(low == 0u); }
  var top = bitcast<u32>(high);
  if (top == 0u && low == 0u) { return 1.0; }
  if (yWord >= 0x7f800000u) { return select(inf_(), 0.0, negative != down); }
  var exponent = -23;
  if (top == 0u) { top = low; low = 0u; exponent -= 32; }
  let zeros = countLeadingZeros(top);
  if (zeros > 0u) { top = (top << zeros) | (low >> (32u - zeros)); }
  exponent -= i32(zeros);
  // |y log2 x| = product 2^exponent
  var size = yWord & 0x7fffffu;
  var power = i32(yWord >> 23u);
  if (power == 0) { power = 1; } else { size |= 0x800000u; }
  let product = high_(top, size << 8u);
  exponent += power - 127 + 1;
  // with 24 bits behind the point
  let left = exponent + 24;
  let rises = negative == down;
  if (product == 0u || left < -31) { return 1.0; }
  if (left > 0 || (product >> u32(-left)) > 0x98000000u) { return select(0.0, inf_(), rises); }
  var size24 = product >> u32(-left);
  if (left < 0) { size24 += (product >> u32(-left - 1)) & 1u; }
  // From 2^127 on the factor 2^64 comes last.
  var last64 = 1.0;
  if (size24 >= 0x7f000000u) {
    if (rises && size24 >= 0x80000000u) { return inf_(); }
    size24 -= 0x40000000u;
    last64 = select(5.421010862427522e-20, 1.8446744073709552e19, rises);
  }
  let t = select(-i32(size24), i32(size24), rises);
  let whole = (t + 0x800000) >> 24u;
  let r = f32(t - (whole << 24u)) * 5.9604644775390625e-8;
  var p = fma(0.0001535336, r, 0.0013398875);
  p = fma(p, r, 0.0096184369);
  p = fma(p, r, 0.0555033237);
  p = fma(p, r, 0.2402264774);
  p = fma(p, r, 0.6931471825);
  let half = whole >> 1u;
  return fma(p, r, 1.0) * pow2_(half) * pow2_(whole - half) * last64;
}
fn pow_(x: f32, y: f32) -> f32 {
  let yWord = bitcast<u32>(y) & 0x7fffffffu;
  let xWord = bitcast<u32>(x) & 0x7fffffffu;
  if (yWord == 0u || bitcast<u32>(x) == 0x3f800000u) { return 1.0; }
  if (isNan_(x)) { return x; }
  if (isNan_(y)) { return y; }
  // From 2^23 on floats are whole, from 2^24 on even.
  let bits = 150u - min(yWord >> 23u, 150u);
  let fractional = yWord < 0x4b000000u && (yWord < 0x3f800000u || (yWord & ((1u << bits) - 1u)) != 0u);
  let odd = !fractional && yWord < 0x4b800000u && ((((yWord & 0x7fffffu) | 0x800000u) >> bits) & 1u) != 0u;
  let negative = bitcast<u32>(x) >= 0x80000000u;
  if (negative && xWord != 0u && xWord != 0x7f800000u && fractional) { return nan_(); }
  let p = powAbs_(x, y);
  return select(p, -p, negative && odd);
}`;

// By long division of the 24 bits of each, bit by bit.
const fmod = `
fn fmod_(a: f32, b: f32) -> f32 {
  let aWord = bitcast<u32>(a) & 0x7fffffffu;
  let bWord = bitcast<u32>(b) & 0x7fffffffu;
  if (isNan_(a)) { return a; }
  if (isNan_(b)) { return b; }
  if (aWord == 0x7f800000u || bWord == 0u) { return nan_(); }
  if (aWord < bWord) { return a; }
  var ea = i32(aWord >> 23u);
  var eb = i32(bWord >> 23u);
  var m = (aWord & 0x7fffffu) | 0x800000u;
  var d = (bWord & 0x7fffffu) | 0x800000u;
  if (ea == 0) { let up = countLeadingZeros(aWord) - 8u; m = aWord << up; ea = 1 - i32(up); }
  if (eb == 0) { let up = countLeadingZeros(bWord) - 8u; d = bWord << up; eb = 1 - i32(up); }
  for (var k = ea - eb; k > 0; k--) {
    if (m >= d) { m -= d; }
    m <<= 1u;
  }
  if (m >= d) { m -= d; }
  var word = 0u;
  if (m > 0u) {
    let up = countLeadingZeros(m) - 8u;
    let e = eb - i32(up);
    m <<= up;
    if (e > 0) { word = (m & 0x7fffffu) | (u32(e) << 23u); } else { word = m >> u32(1 - e); }
  }
  return bitcast<f32>(word | (bitcast<u32>(a) & 0x80000000u));
}
fn across_(m: f32, b: f32) -> bool {
  return (bitcast<u32>(m) & 0x7fffffffu) != 0u && !isNan_(m) && (bitcast<u32>(m) ^ bitcast<u32>(b)) >= 0x80000000u;
}
fn remainder_(a: f32, b: f32) -> f32 {
  let m = fmod_(a, b);
  if (across_(m, b)) { return m + b; }
  return m;
}
fn floorDivide_(a: f32, b: f32) -> f32 {
  if ((bitcast<u32>(b) & 0x7fffffffu) == 0u) { return a / b; }
  let m = fmod_(a, b);
  if (isNan_(m)) { return m; }
  let d = (a - m) / b;
  return round(select(d, d - 1.0, across_(m, b)));
}`;

const hypot = `
fn hypot_(a: f32, b: f32) -> f32 {
  let x = abs(a);
  let y = abs(b);
  if (bitcast<u32>(x) == 0x7f800000u || bitcast<u32>(y) == 0x7f800000u) { return inf_(); }
  if (isNan_(x)) { return x; }
  if (isNan_(y)) { return y; }
  let large = max(x, y);
  if (large == 0.0) { return large; }
  // By a power of two that brings the larger to about 1.
  let e = clamp(127 - i32(bitcast<u32>(large) >> 23u), -126, 126);
  let p = x * pow2_(e);
  let q = y * pow2_(e);
  return sqrt_(fma(p, p, q * q)) * pow2_(-e);
}`;

const powWhole = `
fn powWhole_(base: i32, exponent: i32) -> i32 {
  var a = base;
  var b = exponent;
  if (b < 0) {
    if (a == 1) { return 1; }
    if (a != -1) { return 0; }
    return select(1, -1, (b & 1) != 0);
  }
  var y = 1;
  while (b > 0) {
    if ((b & 1) != 0) { y *= a; }
    a *= a;
    b >>= 1u;
  }
  return y;
}`;
const quotient = `
fn quotient_(a: i32, b: i32) -> i32 {
  if (b == -1) { return 0 - a; }
  return a / b;
}
fn floorQuotient_(a: i32, b: i32) -> i32 {
  let q = quotient_(a, b);
  return select(q, q - 1, (a ^ b) < 0 && q * b != a);
}`;
const divided = (value: string): Implementation =>
  one({
    head: quotient,
    body: `let p = a[i]; let q = b[i]; if (q == 0) { fault(i, p); } else { y[i] = ${value}; }`,
  });

const map = (head: string, value: string): Implementation => one({ head, body: `let v = x[i]; y[i] = ${value};` });
const pair = (head: string, value: string): Implementation =>
  one({ head, body: `let p = a[i]; let q = b[i]; y[i] = ${value};` });

export const math: Registry = {
  expm1_f32: map(expm1, "expm1_(v)"),
  log1p_f32: map(log1p, "log1p_(v)"),
  log2_f32: map(logBy, "logBy_(v, 1.0, 0.0, 1.44269504)"),
  log10_f32: map(logBy, "logBy_(v, 0.301025390625, 4.60503898e-6, 0.434294482)"),
  erf_f32: map(erf, "erf_(v)"),
  erfc_f32: map(erf, "erfc_(v)"),
  tan_f32: map("", "sin_(v) / cos_(v)"),
  sinh_f32: map(sinh, "sinh_(v)"),
  cosh_f32: map(sinh, "cosh_(v)"),
  asin_f32: map(atan, "atan2_(v, leg_(v))"),
  acos_f32: map(atan, "atan2_(leg_(v), v)"),
  atan_f32: map(atan, "atan2_(v, 1.0)"),
  asinh_f32: map(inverse, "asinh_(v)"),
  acosh_f32: map(inverse, "acosh_(v)"),
  atanh_f32: map(inverse, "atanh_(v)"),
  atan2_f32: pair(atan, "atan2_(p, q)"),
  pow_f32: pair(pow, "pow_(p, q)"),
  fmod_f32: pair(fmod, "fmod_(p, q)"),
  remainder_f32: pair(fmod, "remainder_(p, q)"),
  floor_divide_f32: pair(fmod, "floorDivide_(p, q)"),
  hypot_f32: pair(hypot, "hypot_(p, q)"),
  and_i32: pair("", "p & q"),
  or_i32: pair("", "p | q"),
  xor_i32: pair("", "p ^ q"),
  pow_i32: pair(powWhole, "powWhole_(p, q)"),
  trunc_divide_i32: divided("quotient_(p, q)"),
  floor_divide_i32: divided("floorQuotient_(p, q)"),
};
