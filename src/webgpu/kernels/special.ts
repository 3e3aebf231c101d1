// The gamma function's logarithm and the derivatives of that, and the inverse of erf: as assembly/elementwise/special.ts.
import { one, type Registry } from "../kernel.ts";

const turn = `
const pi_ = 3.14159274;
fn turn_(a: f32) -> f32 { return (a - round(a)) * pi_; }`;

const lgamma = `${turn}
fn lgamma_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  let a = abs(x);
  if (bitcast<u32>(a) == 0x7f800000u) { return inf_(); }
  var y = 0.0;
  if (a >= 7.5) {
    let r = 1.0 / a;
    let series = fma(fma(0.000793650794, r * r, -0.00277777778), r * r, 0.0833333333) * r;
    y = (a - 0.5) * (log_(a) - 1.0) + (series + 0.418938533);
  } else {
    var z = a;
    var p = 1.0;
    let low = a < 1.5;
    if (a < 0.5) { z = a + 2.0; p = a * (a + 1.0); } else if (low) { z = a + 1.0; p = a; }
    while (z > 2.5) { z -= 1.0; p *= z; }
    let l = log_(p);
    let u = z - 2.0;
    var q = fma(-0.000269850338, u, 0.000569823198);
    q = fma(q, u, -0.00117784215);
    q = fma(q, u, 0.00287905592);
    q = fma(q, u, -0.00738742715);
    q = fma(q, u, 0.0205816012);
    q = fma(q, u, -0.0673522204);
    q = fma(q, u, 0.322467029);
    q = fma(q, u, 0.422784328);
    y = fma(u, q, select(l, -l, low));
  }
  if (x >= 0.0 || a <= 9.5e-7) { return y; }
  let s = a * sin_(abs(turn_(a)));
  if (s == 0.0) { return inf_(); }
  return log_(pi_ / s) - y;
}`;

const digamma = `${turn}
fn digamma_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  let word = bitcast<u32>(x);
  if ((word & 0x7fffffffu) == 0u) { return select(-inf_(), inf_(), word != 0u); }
  if (word == 0x7f800000u) { return x; }
  if (x < 0.0 && round(x) == x) { return nan_(); }
  let a = abs(x);
  var z = a;
  var s = 0.0;
  while (z < 8.0) { s += 1.0 / z; z += 1.0; }
  let r = 1.0 / z;
  let r2 = r * r;
  let series = fma(-r2, fma(fma(0.00396825397, r2, -0.00833333333), r2, 0.0833333333), fma(r, -0.5, log_(z)));
  let y = series - s;
  if (x > 0.0) { return y; }
  let t = turn_(a);
  return y + 1.0 / a + cos_(t) * (pi_ / sin_(t));
}
fn trigamma_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  let a = abs(x);
  if (bitcast<u32>(x) == 0x7f800000u) { return 0.0; }
  if ((bitcast<u32>(a)) == 0u || (x < 0.0 && round(x) == x)) { return inf_(); }
  var z = a;
  var s = 0.0;
  while (z < 8.0) { s += 1.0 / z / z; z += 1.0; }
  let r = 1.0 / z;
  let r2 = r * r;
  let y = s + fma(r2 * r, fma(fma(0.0238095238, r2, -0.0333333333), r2, 0.166666667), fma(r2, 0.5, r));
  if (x > 0.0) { return y; }
  let q = pi_ / sin_(turn_(a));
  return q * q + (1.0 / a / a - y);
}`;

const erfinv = `
fn erfinv_(x: f32) -> f32 {
  if (isNan_(x)) { return x; }
  if (abs(x) == 1.0) { return x * inf_(); }
  var w = -log_((1.0 - x) * (1.0 + x));
  if (isNan_(w)) { return w; }
  if (w < 5.0) {
    w -= 2.5;
    var p = fma(2.81022636e-8, w, 3.43273939e-7);
    p = fma(p, w, -3.5233877e-6);
    p = fma(p, w, -4.39150654e-6);
    p = fma(p, w, 0.00021858087);
    p = fma(p, w, -0.00125372503);
    p = fma(p, w, -0.00417768164);
    p = fma(p, w, 0.246640727);
    return fma(p, w, 1.50140941) * x;
  }
  w = sqrt_(w) - 3.0;
  var p = fma(-0.000200214257, w, 0.000100950558);
  p = fma(p, w, 0.00134934322);
  p = fma(p, w, -0.00367342844);
  p = fma(p, w, 0.00573950773);
  p = fma(p, w, -0.0076224613);
  p = fma(p, w, 0.00943887047);
  p = fma(p, w, 1.00167406);
  return fma(p, w, 2.83297682) * x;
}`;

// x Phi(x) and Phi(x) + x phi(x) with Phi(-a) = e^(-a^2/2) P / (1 + a), P in q = (a - 2.8125) / (a + 2.8125) up to
// 13.5, where Phi(-a) leaves the normal floats (minimax fit of relative error, 1e-8). a is cut in two, whose first half
// has 12 bits, since the square needs more than a float has; what is left of it, up to -0.05, goes through Taylor's
// series. assembly/elementwise/gelu.ts does it otherwise.
const gelu = `
fn density_(a: f32) -> f32 {
  let h = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
  let u = (a - h) * (a + h) * -0.5;
  let low = fma(fma(fma(fma(u, 0.0416666667, 0.166666667), u, 0.5), u, 1.0), u, 1.0);
  return select(low * exp_(h * h * -0.5), 0.0, a > 13.2);
}
fn normal_(x: f32, a: f32, e: f32) -> f32 {
  let r = 1.0 / ((a + 1.0) * (a + 2.8125));
  let q = (a - 2.8125) * (a + 1.0) * r;
  var p = fma(q, -0.000133782, -0.0004227896);
  p = fma(p, q, 0.0003833175);
  p = fma(p, q, 0.0028966488);
  p = fma(p, q, -0.002082479);
  p = fma(p, q, -0.0181970373);
  p = fma(p, q, 0.046510525);
  p = fma(p, q, -0.0239735972);
  p = fma(p, q, -0.0952234268);
  p = fma(p, q, 0.4891509116);
  let tail = p * ((a + 2.8125) * r) * e;
  return select(1.0 - tail, tail, x < 0.0);
}
fn size_(x: f32) -> f32 { return select(min(abs(x), 13.5), x, isNan_(x)); }`;

const map = (head: string, name: string): ReturnType<typeof one> =>
  one({ head, body: `let v = x[i]; y[i] = ${name}(v);` });
export const special: Registry = {
  lgamma_f32: map(lgamma, "lgamma_"),
  digamma_f32: map(digamma, "digamma_"),
  trigamma_f32: map(digamma, "trigamma_"),
  erfinv_f32: map(erfinv, "erfinv_"),
  gelu_f32: one({ head: gelu, body: "let v = x[i]; let a = size_(v); y[i] = v * normal_(v, a, density_(a));" }),
  gelu_vjp_f32: one({
    head: gelu,
    body: `let v = x[i]; let d = g[i]; let a = size_(v); let e = density_(a);
  gx[i] = d * (normal_(v, a, e) + v * (e * 0.3989422804));`,
  }),
};
