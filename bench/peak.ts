// @ts-nocheck: AssemblyScript
// The limits that shares are of: arithmetic on registers alone, and streams through memory. peaks.ts compiles it.

function sum4(a: v128, b: v128, c: v128, d: v128): f32 {
  const v = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3);
}

/**
 * 96 operations a turn: 12 independent chains of p * x + y, with one rounding. x and y are arguments: V8 in Node 24
 * rebuilds a constant vector at each use, which quarters the speed.
 */
export function fma(turns: u32, x: f32, y: f32): f32 {
  if (!ASC_FEATURE_RELAXED_SIMD) return 0;
  const b = f32x4.splat(x);
  const c = f32x4.splat(y);
  let p0 = f32x4.splat(0);
  let p1 = f32x4.splat(1);
  let p2 = f32x4.splat(2);
  let p3 = f32x4.splat(3);
  let p4 = f32x4.splat(4);
  let p5 = f32x4.splat(5);
  let p6 = f32x4.splat(6);
  let p7 = f32x4.splat(7);
  let p8 = f32x4.splat(8);
  let p9 = f32x4.splat(9);
  let pa = f32x4.splat(10);
  let pb = f32x4.splat(11);
  for (; turns > 0; --turns) {
    p0 = f32x4.relaxed_madd(p0, b, c);
    p1 = f32x4.relaxed_madd(p1, b, c);
    p2 = f32x4.relaxed_madd(p2, b, c);
    p3 = f32x4.relaxed_madd(p3, b, c);
    p4 = f32x4.relaxed_madd(p4, b, c);
    p5 = f32x4.relaxed_madd(p5, b, c);
    p6 = f32x4.relaxed_madd(p6, b, c);
    p7 = f32x4.relaxed_madd(p7, b, c);
    p8 = f32x4.relaxed_madd(p8, b, c);
    p9 = f32x4.relaxed_madd(p9, b, c);
    pa = f32x4.relaxed_madd(pa, b, c);
    pb = f32x4.relaxed_madd(pb, b, c);
  }
  return sum4(p0, p1, p2, p3) + sum4(p4, p5, p6, p7) + sum4(p8, p9, pa, pb);
}

/** The same with a multiplication and an addition, that is two roundings. */
export function muladd(turns: u32, x: f32, y: f32): f32 {
  const b = f32x4.splat(x);
  const c = f32x4.splat(y);
  let p0 = f32x4.splat(0);
  let p1 = f32x4.splat(1);
  let p2 = f32x4.splat(2);
  let p3 = f32x4.splat(3);
  let p4 = f32x4.splat(4);
  let p5 = f32x4.splat(5);
  let p6 = f32x4.splat(6);
  let p7 = f32x4.splat(7);
  let p8 = f32x4.splat(8);
  let p9 = f32x4.splat(9);
  let pa = f32x4.splat(10);
  let pb = f32x4.splat(11);
  for (; turns > 0; --turns) {
    p0 = f32x4.add(f32x4.mul(p0, b), c);
    p1 = f32x4.add(f32x4.mul(p1, b), c);
    p2 = f32x4.add(f32x4.mul(p2, b), c);
    p3 = f32x4.add(f32x4.mul(p3, b), c);
    p4 = f32x4.add(f32x4.mul(p4, b), c);
    p5 = f32x4.add(f32x4.mul(p5, b), c);
    p6 = f32x4.add(f32x4.mul(p6, b), c);
    p7 = f32x4.add(f32x4.mul(p7, b), c);
    p8 = f32x4.add(f32x4.mul(p8, b), c);
    p9 = f32x4.add(f32x4.mul(p9, b), c);
    pa = f32x4.add(f32x4.mul(pa, b), c);
    pb = f32x4.add(f32x4.mul(pb, b), c);
  }
  return sum4(p0, p1, p2, p3) + sum4(p4, p5, p6, p7) + sum4(p8, p9, pa, pb);
}

/** y = x; n is a multiple of 16 floats, here and below. */
export function copy(y: usize, x: usize, n: u32): f32 {
  for (const end = y + ((<usize>n) << 2); y < end; y += 64, x += 64) {
    const v0 = v128.load(x);
    const v1 = v128.load(x, 16);
    const v2 = v128.load(x, 32);
    const v3 = v128.load(x, 48);
    v128.store(y, v0);
    v128.store(y, v1, 16);
    v128.store(y, v2, 32);
    v128.store(y, v3, 48);
  }
  return 0;
}

/** y = a + b. */
export function add(y: usize, a: usize, b: usize, n: u32): f32 {
  for (const end = y + ((<usize>n) << 2); y < end; y += 64, a += 64, b += 64) {
    const v0 = f32x4.add(v128.load(a), v128.load(b));
    const v1 = f32x4.add(v128.load(a, 16), v128.load(b, 16));
    const v2 = f32x4.add(v128.load(a, 32), v128.load(b, 32));
    const v3 = f32x4.add(v128.load(a, 48), v128.load(b, 48));
    v128.store(y, v0);
    v128.store(y, v1, 16);
    v128.store(y, v2, 32);
    v128.store(y, v3, 48);
  }
  return 0;
}

/** The sum of x, in eight accumulators. */
export function sum(x: usize, n: u32): f32 {
  let p0 = f32x4.splat(0);
  let p1 = p0;
  let p2 = p0;
  let p3 = p0;
  let p4 = p0;
  let p5 = p0;
  let p6 = p0;
  let p7 = p0;
  const end = x + ((<usize>n) << 2);
  for (; x + 128 <= end; x += 128) {
    p0 = f32x4.add(p0, v128.load(x));
    p1 = f32x4.add(p1, v128.load(x, 16));
    p2 = f32x4.add(p2, v128.load(x, 32));
    p3 = f32x4.add(p3, v128.load(x, 48));
    p4 = f32x4.add(p4, v128.load(x, 64));
    p5 = f32x4.add(p5, v128.load(x, 80));
    p6 = f32x4.add(p6, v128.load(x, 96));
    p7 = f32x4.add(p7, v128.load(x, 112));
  }
  for (; x < end; x += 16) p0 = f32x4.add(p0, v128.load(x));
  return sum4(p0, p1, p2, p3) + sum4(p4, p5, p6, p7);
}
