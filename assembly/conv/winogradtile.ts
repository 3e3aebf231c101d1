// The transforms behind Winograd convolution: tiles of 6 x 6, for F(4x4, 3x3) and F(2x2, 5x5). A polynomial of degree 5 is
// known from its values at 0, a, -a, b, -b and its leading coefficient ("at infinity"):
//
//   evaluate   n coefficients -> 6 values            kernels (n = 3, 5) and gradients of outputs (n = 4, 2)
//   moments    6 values -> n sums of v * point^k     its adjoint: outputs (n = 4, 2) and gradients of kernels (n = 3, 5)
//   spread     6 -> 6, the adjoint of interpolation: inputs. What it does not divide by, kernels are scaled by (SCALE).
//
// a = 3/4 and b = 3/2 instead of the usual 1 and 2: every constant stays exact, and the error is half of theirs.
// Constants come from memory: V8 rebuilds constants in line at each use.
import { madd } from "../lib/simd";

/** Bytes from one row to the next of a buffer of columns, and bytes of the buffer. */
export const PITCH: usize = 1216;
export const BUFFER: usize = PITCH * 6;
/** Tiles across a panel at most. */
export const TILES: u32 = 24;
/** Bytes of a row of so many tiles. */
export const LD: usize = 4 * TILES;
/** Bytes of a grid; of the plan of a panel: its segments, then an offset for each tile. */
export const GRID: usize = 32;
export const OFFSETS: usize = 20 * TILES;
export const PLAN: usize = OFFSETS + 4 * TILES;
/** Channels that are touched before they are transformed: fewer than a cache has ways, planes are often whole pages. */
export const TOUCHED: u32 = 8;

const A: f32 = 0.75;
const B: f32 = 1.5;
export const POINTS = memory.data<f32>([
  A, A, A, A, B, B, B, B, // 0, 16
  A * A, A * A, A * A, A * A, B * B, B * B, B * B, B * B, // 32, 48
  A * A * A, A * A * A, A * A * A, A * A * A, B * B * B, B * B * B, B * B * B, B * B * B, // 64, 80
  A * A * A * A, A * A * A * A, A * A * A * A, A * A * A * A, B * B * B * B, B * B * B * B, B * B * B * B, B * B * B * B, // 96, 112
  -A * A, -A * A, -A * A, -A * A, -B * B, -B * B, -B * B, -B * B, // 128, 144
], 16);
/** What values at the six points are multiplied by: one over the product of the distances to the other finite points. */
const S0: f32 = 1 / (A * A * B * B);
const SA: f32 = 1 / (2 * A * A * (A * A - B * B));
const SB: f32 = 1 / (2 * B * B * (B * B - A * A));
export const SCALE = memory.data<f32>([S0, SA, SA, SB, SB, 1]);

/** How far apart `spread` puts its six vectors: literal distances fold into the stores. APART: `stride`. */
export const BY_PITCH: i32 = 0;
export const BY_LD: i32 = 1;
export const APART: i32 = 2;

// Six to six. The constants, POINTS + 128, 144, 0 and 16, are arguments: after a store they would be loaded again.
// @ts-ignore: decorator
@inline
export function spread(
  to: i32,
  d: usize,
  stride: usize,
  aa: v128,
  bb: v128,
  a: v128,
  b: v128,
  d0: v128,
  d1: v128,
  d2: v128,
  d3: v128,
  d4: v128,
  d5: v128,
): void {
  const p = madd(bb, d2, d4);
  const t = madd(bb, d1, d3);
  const q = f32x4.mul(a, t);
  const r = madd(aa, d2, d4);
  const s = f32x4.mul(b, madd(aa, d1, d3));
  const v1 = f32x4.add(p, q);
  const v2 = f32x4.sub(p, q);
  const v3 = f32x4.add(r, s);
  const v4 = f32x4.sub(r, s);
  const v5 = madd(aa, t, madd(bb, d3, d5));
  v128.store(d, madd(aa, madd(bb, d0, d2), p));
  if (to == BY_PITCH) {
    v128.store(d, v1, PITCH);
    v128.store(d, v2, 2 * PITCH);
    v128.store(d, v3, 3 * PITCH);
    v128.store(d, v4, 4 * PITCH);
    v128.store(d, v5, 5 * PITCH);
  } else if (to == BY_LD) {
    v128.store(d, v1, LD);
    v128.store(d, v2, 2 * LD);
    v128.store(d, v3, 3 * LD);
    v128.store(d, v4, 4 * LD);
    v128.store(d, v5, 5 * LD);
  } else {
    v128.store(d + stride, v1);
    v128.store(d + 2 * stride, v2);
    v128.store(d + 3 * stride, v3);
    v128.store(d + 4 * stride, v4);
    v128.store(d + 5 * stride, v5);
  }
}

// n coefficients to six values, `stride` bytes apart.
// @ts-ignore: decorator
@inline
export function evaluate(n: u32, d: usize, stride: usize, c0: v128, c1: v128, c2: v128, c3: v128, c4: v128): void {
  v128.store(d, c0);
  v128.store(d + 5 * stride, n == 2 ? c1 : n == 3 ? c2 : n == 4 ? c3 : c4);
  d += stride;
  for (let i: usize = 0; i < 32; i += 16) {
    const square = v128.load(POINTS + i, 32);
    let even = c0;
    let odd = c1;
    if (n > 4) even = madd(square, madd(square, c4, c2), even);
    else if (n > 2) even = madd(square, c2, even);
    if (n > 3) odd = madd(square, c3, odd);
    odd = f32x4.mul(v128.load(POINTS + i), odd);
    v128.store(d, f32x4.add(even, odd));
    v128.store(d + stride, f32x4.sub(even, odd));
    d += 2 * stride;
  }
}

// Sum k of six values whose middle four come as sums and differences of pairs; `last` where k is the last one.
// @ts-ignore: decorator
@inline
export function moment(k: u32, last: bool, v0: v128, s1: v128, d1: v128, s2: v128, d2: v128, v5: v128): v128 {
  if (k == 0) return f32x4.add(v0, f32x4.add(s1, s2));
  const x = k & 1 ? d1 : s1;
  const y = k & 1 ? d2 : s2;
  const low = v128.load(POINTS + ((k - 1) << 5));
  const tilesDown = v128.load(POINTS + ((k - 1) << 5), 16);
  return madd(tilesDown, y, last ? madd(low, x, v5) : f32x4.mul(low, x));
}

/** Six values, `from` bytes apart, to n sums, 3 or 5, `to` bytes apart; in place where they are as far apart. */
export function moments(n: u32, d: usize, to: usize, s: usize, from: usize): void {
  const v0 = v128.load(s);
  const v1 = v128.load(s + from);
  const v2 = v128.load(s + 2 * from);
  const v3 = v128.load(s + 3 * from);
  const v4 = v128.load(s + 4 * from);
  const v5 = v128.load(s + 5 * from);
  const s1 = f32x4.add(v1, v2);
  const d1 = f32x4.sub(v1, v2);
  const s2 = f32x4.add(v3, v4);
  const d2 = f32x4.sub(v3, v4);
  v128.store(d, moment(0, false, v0, s1, d1, s2, d2, v5));
  v128.store(d + to, moment(1, false, v0, s1, d1, s2, d2, v5));
  v128.store(d + 2 * to, moment(2, n == 3, v0, s1, d1, s2, d2, v5));
  if (n == 3) return;
  v128.store(d + 3 * to, moment(3, false, v0, s1, d1, s2, d2, v5));
  v128.store(d + 4 * to, moment(4, true, v0, s1, d1, s2, d2, v5));
}

/** A grid of tiles over planes [h, w]: `size` rows and columns each, m apart, the first at (-ph, -pw). Eight words. */
export function grid(to: usize, down: u32, across: u32, m: u32, size: u32, h: u32, w: u32, ph: u32, pw: u32): void {
  store<u32>(to, down);
  store<u32>(to, across, 4);
  store<u32>(to, m, 8);
  store<u32>(to, size, 12);
  store<u32>(to, h, 16);
  store<u32>(to, w, 20);
  store<u32>(to, ph, 24);
  store<u32>(to, pw, 28);
}

/**
 * Where tiles [t0, t1) of a grid lie, in arguments (read from memory they cost 10 % in V8 11), over planes from x on, `image` bytes from one to the next. Tiles side by side are a
 * segment: its columns stand in a row in the buffer, 4 free words before them. A segment's five words: its place in
 * the buffer; its address, in the first channel; its first row within the plane and how many there are; its columns. Then
 * the place of each tile. Returns the number of segments.
 */
export function plan(
  to: usize,
  x: usize,
  image: usize,
  t0: u32,
  t1: u32,
  tilesDown: u32,
  tilesAcross: u32,
  m: i32,
  size: i32,
  h: i32,
  w: i32,
  ph: i32,
  pw: i32,
): u32 {
  let offsets = to + OFFSETS;
  let at: u32 = 16;
  let count: u32 = 0;
  while (t0 < t1) {
    const tx = t0 % tilesAcross;
    const ty = (t0 / tilesAcross) % tilesDown;
    const n = min<u32>(tilesAcross - tx, t1 - t0);
    const left = m * <i32>tx - pw;
    const top = m * <i32>ty - ph;
    const columns = m * <i32>n + size - m;
    const c0 = max<i32>(0, -left);
    const r0 = max<i32>(0, -top);
    store<u32>(to, at + (c0 << 2));
    store<usize>(to, x + image * (t0 / tilesAcross / tilesDown) + ((top * w + left + c0) << 2), 4);
    store<u32>(to, r0, 8);
    store<u32>(to, min<i32>(size, h - top) - r0, 12);
    // The last vector ends with the last column, if need be before the first; a first vector after zeros begins with it.
    const most = min<i32>(columns, w - left) - c0 - 4;
    store<i32>(to, (c0 > 0 ? max<i32>(most, 0) : most) << 2, 16);
    for (let i: u32 = 0; i < n; ++i) {
      store<u32>(offsets, at + i * (m << 2));
      offsets += 4;
    }
    to += 20;
    at += ((columns << 2) + 31) & ~15;
    t0 += n;
    ++count;
  }
  for (let i: u32 = 0; i < 3; ++i) store<u32>(offsets + (i << 2), load<u32>(offsets - 4));
  return count;
}

/**
 * The transform down the columns, four columns in lanes, for all segments of a plan: `size` rows of x, `channel` bytes
 * behind the first channel's, to six rows of the buffer. size 6: spread, else evaluate. Rows beyond the plane are read at
 * `zero`.
 */
export function down(size: u32, buffer: usize, segments: usize, count: u32, channel: usize, line: usize, zero: usize): void {
  const aa = v128.load(POINTS, 128);
  const bb = v128.load(POINTS, 144);
  const a = v128.load(POINTS);
  const b = v128.load(POINTS, 16);
  for (const end = segments + 20 * count; segments < end; segments += 20) {
    const p = load<usize>(segments, 4) + channel;
    const r0 = load<u32>(segments, 8);
    const rows = load<u32>(segments, 12);
    const p0 = <u32>0 - r0 < rows ? p : zero;
    const p1 = <u32>1 - r0 < rows ? p + line : zero;
    const p2 = <u32>2 - r0 < rows ? p + 2 * line : zero;
    const p3 = <u32>3 - r0 < rows ? p + 3 * line : zero;
    const p4 = <u32>4 - r0 < rows ? p + 4 * line : zero;
    const p5 = <u32>5 - r0 < rows ? p + 5 * line : zero;
    const d = buffer + load<u32>(segments);
    const last = load<i32>(segments, 16);
    for (let o = min<i32>(0, last); ; o = min<i32>(o + 16, last)) {
      const v0 = v128.load(p0 + o);
      const v1 = v128.load(p1 + o);
      if (size == 6) {
        const v2 = v128.load(p2 + o);
        const v3 = v128.load(p3 + o);
        spread(BY_PITCH, d + o, 0, aa, bb, a, b, v0, v1, v2, v3, v128.load(p4 + o), v128.load(p5 + o));
      } else if (size == 4) {
        evaluate(4, d + o, PITCH, v0, v1, v128.load(p2 + o), v128.load(p3 + o), v0);
      } else {
        evaluate(2, d + o, PITCH, v0, v1, v0, v0, v0);
      }
      if (o >= last) break;
    }
  }
}

/**
 * The transform along the rows of four tiles, one in each lane, at q0 to q3 in the buffer: 36 vectors, as far apart as `to`
 * and `stride` say.
 */
// @ts-ignore: decorator
@inline
export function across6(to: i32, d: usize, stride: usize, q0: usize, q1: usize, q2: usize, q3: usize): void {
  const aa = v128.load(POINTS, 128);
  const bb = v128.load(POINTS, 144);
  const pa = v128.load(POINTS);
  const pb = v128.load(POINTS, 16);
  for (let r = 0; r < 6; ++r) {
    const a = v128.load(q0);
    const b = v128.load(q1);
    const c = v128.load(q2);
    const e = v128.load(q3);
    const t0 = i32x4.shuffle(a, b, 0, 4, 1, 5);
    const t1 = i32x4.shuffle(c, e, 0, 4, 1, 5);
    const t2 = i32x4.shuffle(a, b, 2, 6, 3, 7);
    const t3 = i32x4.shuffle(c, e, 2, 6, 3, 7);
    const t4 = i32x4.shuffle(v128.load(q0, 8), v128.load(q1, 8), 2, 6, 3, 7);
    const t5 = i32x4.shuffle(v128.load(q2, 8), v128.load(q3, 8), 2, 6, 3, 7);
    const d0 = i64x2.shuffle(t0, t1, 0, 2);
    const d1 = i64x2.shuffle(t0, t1, 1, 3);
    const d2 = i64x2.shuffle(t2, t3, 0, 2);
    const d3 = i64x2.shuffle(t2, t3, 1, 3);
    spread(to, d, stride, aa, bb, pa, pb, d0, d1, d2, d3, i64x2.shuffle(t4, t5, 0, 2), i64x2.shuffle(t4, t5, 1, 3));
    d += 6 * (to == BY_LD ? LD : stride);
    q0 += PITCH;
    q1 += PITCH;
    q2 += PITCH;
    q3 += PITCH;
  }
}

/** The same for any stride. In line, with a literal one, it takes an eighth of the time less. */
export function acrossApart(d: usize, stride: usize, q0: usize, q1: usize, q2: usize, q3: usize): void {
  across6(APART, d, stride, q0, q1, q2, q3);
}

/** The same for gradients of outputs: tiles of m x m. */
export function acrossGrad(m: u32, d: usize, stride: usize, q0: usize, q1: usize, q2: usize, q3: usize): void {
  for (let r = 0; r < 6; ++r) {
    const a = v128.load(q0);
    const b = v128.load(q1);
    const c = v128.load(q2);
    const e = v128.load(q3);
    const t0 = i32x4.shuffle(a, b, 0, 4, 1, 5);
    const t1 = i32x4.shuffle(c, e, 0, 4, 1, 5);
    const d0 = i64x2.shuffle(t0, t1, 0, 2);
    const d1 = i64x2.shuffle(t0, t1, 1, 3);
    if (m == 4) {
      const t2 = i32x4.shuffle(a, b, 2, 6, 3, 7);
      const t3 = i32x4.shuffle(c, e, 2, 6, 3, 7);
      evaluate(4, d, stride, d0, d1, i64x2.shuffle(t2, t3, 0, 2), i64x2.shuffle(t2, t3, 1, 3), d0);
    } else {
      evaluate(2, d, stride, d0, d1, d0, d0, d0);
    }
    d += 6 * stride;
    q0 += PITCH;
    q1 += PITCH;
    q2 += PITCH;
    q3 += PITCH;
  }
}

/**
 * Loads a word of each line of memory that `down` will read in n channels: caches fetch them at once, where reading them
 * row by row waits for one after the other. Channel by channel within a line's place, so that n runs are fetched side by side.
 */
export function touch(segments: usize, count: u32, channel: usize, plane: usize, n: u32, line: usize): u32 {
  let seen: u32 = 0;
  for (let s = segments, f = s + 20 * count; s < f; s += 20) {
    let p = load<usize>(s, 4) + channel + line * load<u32>(s, 8);
    for (const q = p + line * (load<u32>(s, 12) - 1) + 4; p < q; p += 64) {
      for (let r = p, end = p + plane * n; r < end; r += plane) seen |= load<u32>(r);
    }
  }
  return seen;
}
