// Layer normalisation of x[rows, n]: y = (x - mean) * rstd (* weight + bias), rstd = 1 / sqrt(var + eps), and gradients.
// A row is read three times while it is in cache: a rough mean m of a quarter of it; sum d and sum d² of d = x - m,
// which give the variance and what m is off by; the result.
import { extent, first, last, pointer } from "../lib/args";
import { CHAIN, join, joined, pickOver, read, write } from "../lib/lanes";
import { hsum, madd } from "../lib/simd";

const ONE = memory.data<f32>([1, 1, 1, 1], 16);

/**
 * Mean of every fourth vector of n floats (of every one below 64): within 1.8 standard deviations of the row's mean
 * whatever the row is, which costs the variance two bits at most.
 */
function roughMean(x: usize, n: u32): f32 {
  if (n < 4) return load<f32>(x);
  let a0 = f32x4.splat(0);
  let a1 = a0;
  const step: usize = n < 64 ? 16 : 64;
  const end = x + ((<usize>(n & ~3)) << 2);
  let p = x;
  for (; p + step < end; p += step << 1) {
    a0 = f32x4.add(a0, v128.load(p));
    a1 = f32x4.add(a1, v128.load(p + step));
  }
  if (p < end) {
    a0 = f32x4.add(a0, v128.load(p));
    p += step;
  }
  return hsum(f32x4.add(a0, a1)) / <f32>(<u32>((p - x) / step) << 2);
}

/**
 * One row; T is bool without weight and bias, f32 with them. `mean` and `rstd` are where its two numbers go. `rough` is
 * its rough mean; that of the row at `next` is returned: it is summed up while division and root wait for each other.
 */
function line<T>(
  y: usize,
  x: usize,
  n: u32,
  w: usize,
  b: usize,
  eps: f64,
  mean: usize,
  rstd: usize,
  rough: f32,
  next: usize,
): f32 {
  const zero = f32x4.splat(0);
  const m = f32x4.splat(rough);
  const one = v128.load(ONE);
  let sums = f64x2.splat(0);
  let squares = f64x2.splat(0);
  let p = x;
  for (let left = n >>> 4; left > 0; ) {
    let s0 = zero;
    let s1 = zero;
    let s2 = zero;
    let s3 = zero;
    let q0 = zero;
    let q1 = zero;
    let q2 = zero;
    let q3 = zero;
    const chain = min(left, CHAIN);
    left -= chain;
    for (const stop = p + ((<usize>chain) << 6); p < stop; p += 64) {
      const d0 = f32x4.sub(v128.load(p), m);
      const d1 = f32x4.sub(v128.load(p, 16), m);
      const d2 = f32x4.sub(v128.load(p, 32), m);
      const d3 = f32x4.sub(v128.load(p, 48), m);
      s0 = f32x4.add(s0, d0);
      // the adders are the bound: where they are units of their own, half of these go to the multipliers
      s1 = ASC_FEATURE_RELAXED_SIMD ? madd(d1, one, s1) : f32x4.add(s1, d1);
      s2 = f32x4.add(s2, d2);
      s3 = ASC_FEATURE_RELAXED_SIMD ? madd(d3, one, s3) : f32x4.add(s3, d3);
      q0 = madd(d0, d0, q0);
      q1 = madd(d1, d1, q1);
      q2 = madd(d2, d2, q2);
      q3 = madd(d3, d3, q3);
    }
    sums = join(sums, f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
    squares = join(squares, f32x4.add(f32x4.add(q0, q1), f32x4.add(q2, q3)));
  }
  let s = zero;
  let q = zero;
  for (let rest = n & 15; rest > 0; rest -= min(rest, 4), p += 16) {
    const d = f32x4.sub(rest >= 4 ? v128.load(p) : pickOver(m, p, rest), m);
    s = f32x4.add(s, d);
    q = madd(d, d, q);
  }
  const off = joined(join(sums, s)) / <f64>n;
  const variance = max<f64>(joined(join(squares, q)) / <f64>n - off * off, 0);
  const r = 1 / sqrt<f64>(variance + eps);
  store<f32>(mean, <f32>(<f64>rough + off));
  store<f32>(rstd, <f32>r);
  const after = roughMean(next, n);

  // y = d * rstd - off * rstd
  const scale = f32x4.splat(<f32>r);
  const shift = f32x4.splat(<f32>(-off * r));
  const end = y + ((<usize>n) << 2);
  for (const stop = y + ((<usize>(n & ~15)) << 2); y < stop; y += 64, x += 64) {
    let y0 = madd(f32x4.sub(v128.load(x), m), scale, shift);
    let y1 = madd(f32x4.sub(v128.load(x, 16), m), scale, shift);
    let y2 = madd(f32x4.sub(v128.load(x, 32), m), scale, shift);
    let y3 = madd(f32x4.sub(v128.load(x, 48), m), scale, shift);
    if (isFloat<T>()) {
      y0 = madd(y0, v128.load(w), v128.load(b));
      y1 = madd(y1, v128.load(w, 16), v128.load(b, 16));
      y2 = madd(y2, v128.load(w, 32), v128.load(b, 32));
      y3 = madd(y3, v128.load(w, 48), v128.load(b, 48));
      w += 64;
      b += 64;
    }
    v128.store(y, y0);
    v128.store(y, y1, 16);
    v128.store(y, y2, 32);
    v128.store(y, y3, 48);
  }
  for (; y < end; y += 16, x += 16) {
    const k = <u32>(end - y) >>> 2;
    let v = madd(f32x4.sub(read(x, k), m), scale, shift);
    if (isFloat<T>()) {
      v = madd(v, read(w, k), read(b, k));
      w += 16;
      b += 16;
    }
    write(y, v, k);
  }
  return after;
}

// @ts-ignore: decorator
@inline
function forward<T>(args: usize, ith: u32, nth: u32): void {
  const after: u32 = isFloat<T>() ? 6 : 4; // buffers
  const rows = extent(args, after);
  const n = extent(args, after + 1);
  const eps = load<f64>(args + ((<usize>after + 2) << 2));
  const w = isFloat<T>() ? pointer(args, 4) : 0;
  const b = isFloat<T>() ? pointer(args, 5) : 0;
  const end = last(args, rows, 1, ith, nth);
  let row = first(rows, 1, ith, nth);
  const pitch = (<usize>n) << 2;
  let x = pointer(args, 3) + <usize>row * pitch;
  let rough: f32 = row < end ? roughMean(x, n) : 0;
  for (; row < end; row++) {
    const next = row + 1 < end ? x + pitch : x;
    const one = (<usize>row) << 2;
    const y = pointer(args, 0) + <usize>row * pitch;
    rough = line<T>(y, x, n, w, b, eps, pointer(args, 1) + one, pointer(args, 2) + one, rough, next);
    x = next;
  }
}

/** y mean rstd | x | rows n | eps:f64 */
export function layer_norm_f32(args: usize, ith: u32, nth: u32): void {
  forward<bool>(args, ith, nth);
}

/** y mean rstd | x weight bias | rows n | eps:f64 */
export function layer_norm_affine_f32(args: usize, ith: u32, nth: u32): void {
  forward<f32>(args, ith, nth);
}

/** gx = rstd * (h - sum h / n - z * sum (h z) / n), z = (x - mean) * rstd, h = g * weight */
function vjpLine<T>(gx: usize, g: usize, x: usize, n: u32, w: usize, mean: f32, rstd: f32): void {
  const zero = f32x4.splat(0);
  const m = f32x4.splat(mean);
  const r = f32x4.splat(rstd);
  let total = f64x2.splat(0);
  let dot = total;
  const size = (<usize>n) << 2;
  for (let p: usize = 0; p < size; ) {
    let a0 = zero;
    let a1 = zero;
    let c0 = zero;
    let c1 = zero;
    const stop = min(size, p + (CHAIN << 5));
    for (; p + 32 <= stop; p += 32) {
      let h0 = v128.load(g + p);
      let h1 = v128.load(g + p, 16);
      if (isFloat<T>()) {
        h0 = f32x4.mul(h0, v128.load(w + p));
        h1 = f32x4.mul(h1, v128.load(w + p, 16));
      }
      a0 = f32x4.add(a0, h0);
      a1 = f32x4.add(a1, h1);
      c0 = madd(h0, f32x4.mul(f32x4.sub(v128.load(x + p), m), r), c0);
      c1 = madd(h1, f32x4.mul(f32x4.sub(v128.load(x + p, 16), m), r), c1);
    }
    for (; p < stop; p += 16) {
      const k = <u32>(stop - p) >>> 2;
      let h = k >= 4 ? v128.load(g + p) : pickOver(zero, g + p, k);
      if (isFloat<T>()) h = f32x4.mul(h, read(w + p, k));
      a0 = f32x4.add(a0, h);
      c0 = madd(h, f32x4.mul(f32x4.sub(read(x + p, k), m), r), c0);
    }
    total = join(total, f32x4.add(a0, a1));
    dot = join(dot, f32x4.add(c0, c1));
  }
  const s = f32x4.splat(<f32>(joined(total) / <f64>n));
  const t = f32x4.splat(<f32>(joined(dot) / <f64>n));
  for (let p: usize = 0; p < size; p += 16) {
    const k = <u32>(size - p) >>> 2;
    let h = read(g + p, k);
    if (isFloat<T>()) h = f32x4.mul(h, read(w + p, k));
    const z = f32x4.mul(f32x4.sub(read(x + p, k), m), r);
    write(gx + p, f32x4.mul(f32x4.sub(f32x4.sub(h, s), f32x4.mul(z, t)), r), k);
  }
}

// @ts-ignore: decorator
@inline
function backward<T>(args: usize, ith: u32, nth: u32): void {
  const after: u32 = isFloat<T>() ? 6 : 5;
  const rows = extent(args, after);
  const n = extent(args, after + 1);
  const w = isFloat<T>() ? pointer(args, 5) : 0;
  const end = last(args, rows, 1, ith, nth);
  for (let row = first(rows, 1, ith, nth); row < end; row++) {
    const at = (<usize>(row * n)) << 2;
    const mean = load<f32>(pointer(args, 3) + ((<usize>row) << 2));
    const rstd = load<f32>(pointer(args, 4) + ((<usize>row) << 2));
    vjpLine<T>(pointer(args, 0) + at, pointer(args, 1) + at, pointer(args, 2) + at, n, w, mean, rstd);
  }
}

/** gx | g x mean rstd | rows n | */
export function layer_norm_vjp_f32(args: usize, ith: u32, nth: u32): void {
  backward<bool>(args, ith, nth);
}

/** gx | g x mean rstd weight | rows n | */
export function layer_norm_affine_vjp_f32(args: usize, ith: u32, nth: u32): void {
  backward<f32>(args, ith, nth);
}

/** Sums over `rows` rows of m of 1 to 4 columns: chains of eight, and a chain of these. */
function weightColumns(
  gw: usize,
  gb: usize,
  g: usize,
  x: usize,
  stats: usize,
  r: usize,
  rows: u32,
  pitch: usize,
  m: u32,
): void {
  const zero = f32x4.splat(0);
  let weight = zero;
  let sum = zero;
  while (rows > 0) {
    let w = zero;
    let b = zero;
    const chain = min(rows, CHAIN);
    rows -= chain;
    for (const stop = stats + ((<usize>chain) << 2); stats < stop; stats += 4, r += 4, g += pitch, x += pitch) {
      const v = read(g, m);
      w = madd(v, f32x4.mul(f32x4.sub(read(x, m), v128.load32_splat(stats)), v128.load32_splat(r)), w);
      b = f32x4.add(b, v);
    }
    weight = f32x4.add(weight, w);
    sum = f32x4.add(sum, b);
  }
  write(gw, weight, m);
  write(gb, sum, m);
}

/** The same for 16 columns. */
function weightColumns16(
  gw: usize,
  gb: usize,
  g: usize,
  x: usize,
  stats: usize,
  r: usize,
  rows: u32,
  pitch: usize,
): void {
  const zero = f32x4.splat(0);
  for (let c: usize = 0; c < 64; c += 16) {
    v128.store(gw + c, zero);
    v128.store(gb + c, zero);
  }
  while (rows > 0) {
    let w0 = zero;
    let w1 = zero;
    let w2 = zero;
    let w3 = zero;
    let b0 = zero;
    let b1 = zero;
    let b2 = zero;
    let b3 = zero;
    const chain = min(rows, CHAIN);
    rows -= chain;
    for (const stop = stats + ((<usize>chain) << 2); stats < stop; stats += 4, r += 4, g += pitch, x += pitch) {
      const mean = v128.load32_splat(stats);
      const rstd = v128.load32_splat(r);
      const g0 = v128.load(g);
      w0 = madd(g0, f32x4.mul(f32x4.sub(v128.load(x), mean), rstd), w0);
      b0 = f32x4.add(b0, g0);
      const g1 = v128.load(g, 16);
      w1 = madd(g1, f32x4.mul(f32x4.sub(v128.load(x, 16), mean), rstd), w1);
      b1 = f32x4.add(b1, g1);
      const g2 = v128.load(g, 32);
      w2 = madd(g2, f32x4.mul(f32x4.sub(v128.load(x, 32), mean), rstd), w2);
      b2 = f32x4.add(b2, g2);
      const g3 = v128.load(g, 48);
      w3 = madd(g3, f32x4.mul(f32x4.sub(v128.load(x, 48), mean), rstd), w3);
      b3 = f32x4.add(b3, g3);
    }
    v128.store(gw, f32x4.add(v128.load(gw), w0));
    v128.store(gw, f32x4.add(v128.load(gw, 16), w1), 16);
    v128.store(gw, f32x4.add(v128.load(gw, 32), w2), 32);
    v128.store(gw, f32x4.add(v128.load(gw, 48), w3), 48);
    v128.store(gb, f32x4.add(v128.load(gb), b0));
    v128.store(gb, f32x4.add(v128.load(gb, 16), b1), 16);
    v128.store(gb, f32x4.add(v128.load(gb, 32), b2), 32);
    v128.store(gb, f32x4.add(v128.load(gb, 48), b3), 48);
  }
}

/** gw gb | g x mean rstd | rows n | chunk      sums over chunks of rows; an item is 16 columns */
export function layer_norm_vjp_weight_f32(args: usize, ith: u32, nth: u32): void {
  const rows = extent(args, 6);
  const n = extent(args, 7);
  const chunk = extent(args, 8);
  const pitch = (<usize>n) << 2;
  const groups = (n + 15) >>> 4;
  const items = ((rows + chunk - 1) / chunk) * groups;
  let item = first(items, 1, ith, nth);
  const end = last(args, items, 1, ith, nth);
  for (; item < end; item++) {
    const c = item / groups;
    const column = (item % groups) << 4;
    const from = c * chunk;
    const count = min(chunk, rows - from);
    const mean = pointer(args, 4) + ((<usize>from) << 2);
    const rstd = pointer(args, 5) + ((<usize>from) << 2);
    let to = (<usize>(c * n + column)) << 2;
    let at = (<usize>(from * n + column)) << 2;
    const gw = pointer(args, 0);
    const gb = pointer(args, 1);
    const g = pointer(args, 2);
    const x = pointer(args, 3);
    if (n - column >= 16) {
      weightColumns16(gw + to, gb + to, g + at, x + at, mean, rstd, count, pitch);
      continue;
    }
    for (let j = column; j < n; j += 4, at += 16, to += 16) {
      weightColumns(gw + to, gb + to, g + at, x + at, mean, rstd, count, pitch, n - j);
    }
  }
}
