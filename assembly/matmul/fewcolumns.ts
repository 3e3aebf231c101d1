// Products of at most 8 columns over a short k, a of many rows: the panels, strips and calls of gemm.ts would cost more
// than the sums. The chains of madds are those of gemm.ts, so the bits are too.
//
// Five to eight columns are two vectors of which the second ends with the last column: they overlap, and what stands
// in both is computed and stored twice, the same. Likewise the last rows of many.
import { read, storeLanes } from "../lib/lanes";
import { madd } from "../lib/simd";

/** What the product is finished with: nothing; a bias [n], then the floor of pmax; 0 where y [m, n] is not above 0. */
export const PLAIN: i32 = 0;
export const BIAS: i32 = 1;
export const MASK: i32 = 2;

/** Columns that the kernels here take. */
export const FEW: u32 = 8;

/** b [k, n] or, transposed, [n, k] as k rows of 4 or 8 floats, by the columns of the two vectors. */
// @ts-ignore: decorator
@inline
function pack(transposed: bool, to: usize, b: usize, ldb: usize, n: u32, k: u32): void {
  const rest: u32 = n > 4 ? n - 4 : 0;
  const across: usize = transposed ? ldb : 4;
  const down: usize = transposed ? 4 : ldb;
  for (let q: u32 = 0; q < k; ++q) {
    if (n >= 4 && !transposed) {
      v128.store(to, v128.load(b));
      if (n > 4) v128.store(to, v128.load(b + (rest << 2)), 16);
    } else {
      for (let j: u32 = 0; j < 4; ++j) {
        store<f32>(to + (j << 2), j < n ? load<f32>(b + across * j) : 0);
        if (n > 4) store<f32>(to + (j << 2), load<f32>(b + across * (rest + j)), 16);
      }
    }
    to += n > 4 ? 32 : 16;
    b += down;
  }
}

// Brings one vector of a row to c. A plain product has the bias -0 and the floor -infinity, which change no value.
// @ts-ignore: decorator
@inline
function finishRow(MASKED: bool, c: usize, v: v128, bias: v128, least: v128, y: usize, n: u32): void {
  if (!MASKED) v = f32x4.pmax(f32x4.add(v, bias), least);
  if (MASKED) v = v128.andnot(v, f32x4.le(read(y, n), f32x4.splat(0)));
  if (n >= 4) v128.store(c, v);
  else if (n == 1) v128.store32_lane(c, v, 0);
  else storeLanes(c, v, n);
}

/** Four rows and more of a b, b packed: tiles of 4 rows. extra: the bias, or y from the row of c on. */
// @ts-ignore: decorator
@inline
function rows(
  finish: i32,
  TWO: bool,
  c: usize,
  ldc: usize,
  a: usize,
  lda: usize,
  b: usize,
  m: u32,
  n: u32,
  k: u32,
  extra: usize,
  least: v128,
): void {
  const rest: usize = TWO ? <usize>(n - 4) << 2 : 0;
  const bias0 = finish == BIAS ? read(extra, n) : f32x4.splat(-0.0);
  let bias1 = bias0;
  if (TWO && finish == BIAS) bias1 = v128.load(extra + rest);
  const masked = finish == MASK;
  const length = <usize>k << 2;
  for (let i: u32 = 0; i < m; i += 4) {
    const r = min<u32>(i, m - 4);
    let a0 = a + lda * r;
    const a1 = lda;
    const a2 = lda << 1;
    const a3 = a1 + a2;
    let p0 = f32x4.splat(0);
    let p1 = p0;
    let q0 = p0;
    let q1 = p0;
    let r0 = p0;
    let r1 = p0;
    let s0 = p0;
    let s1 = p0;
    let from = b;
    const end = a0 + length;
    for (; a0 + 16 <= end; a0 += 16) {
      // A vector of each row, its lanes spread one by one: fewer instructions than a load for each lane.
      const w0 = v128.load(a0);
      const w1 = v128.load(a0 + a1);
      const w2 = v128.load(a0 + a2);
      const w3 = v128.load(a0 + a3);
      let v0 = p0;
      let v1 = p0;
      let x = p0;
      v0 = v128.load(from);
      if (TWO) v1 = v128.load(from, 16);
      x = i32x4.shuffle(w0, w0, 0, 0, 0, 0);
      p0 = madd(x, v0, p0);
      if (TWO) p1 = madd(x, v1, p1);
      x = i32x4.shuffle(w1, w1, 0, 0, 0, 0);
      q0 = madd(x, v0, q0);
      if (TWO) q1 = madd(x, v1, q1);
      x = i32x4.shuffle(w2, w2, 0, 0, 0, 0);
      r0 = madd(x, v0, r0);
      if (TWO) r1 = madd(x, v1, r1);
      x = i32x4.shuffle(w3, w3, 0, 0, 0, 0);
      s0 = madd(x, v0, s0);
      if (TWO) s1 = madd(x, v1, s1);
      v0 = TWO ? v128.load(from, 32) : v128.load(from, 16);
      if (TWO) v1 = v128.load(from, 48);
      x = i32x4.shuffle(w0, w0, 1, 1, 1, 1);
      p0 = madd(x, v0, p0);
      if (TWO) p1 = madd(x, v1, p1);
      x = i32x4.shuffle(w1, w1, 1, 1, 1, 1);
      q0 = madd(x, v0, q0);
      if (TWO) q1 = madd(x, v1, q1);
      x = i32x4.shuffle(w2, w2, 1, 1, 1, 1);
      r0 = madd(x, v0, r0);
      if (TWO) r1 = madd(x, v1, r1);
      x = i32x4.shuffle(w3, w3, 1, 1, 1, 1);
      s0 = madd(x, v0, s0);
      if (TWO) s1 = madd(x, v1, s1);
      v0 = TWO ? v128.load(from, 64) : v128.load(from, 32);
      if (TWO) v1 = v128.load(from, 80);
      x = i32x4.shuffle(w0, w0, 2, 2, 2, 2);
      p0 = madd(x, v0, p0);
      if (TWO) p1 = madd(x, v1, p1);
      x = i32x4.shuffle(w1, w1, 2, 2, 2, 2);
      q0 = madd(x, v0, q0);
      if (TWO) q1 = madd(x, v1, q1);
      x = i32x4.shuffle(w2, w2, 2, 2, 2, 2);
      r0 = madd(x, v0, r0);
      if (TWO) r1 = madd(x, v1, r1);
      x = i32x4.shuffle(w3, w3, 2, 2, 2, 2);
      s0 = madd(x, v0, s0);
      if (TWO) s1 = madd(x, v1, s1);
      v0 = TWO ? v128.load(from, 96) : v128.load(from, 48);
      if (TWO) v1 = v128.load(from, 112);
      x = i32x4.shuffle(w0, w0, 3, 3, 3, 3);
      p0 = madd(x, v0, p0);
      if (TWO) p1 = madd(x, v1, p1);
      x = i32x4.shuffle(w1, w1, 3, 3, 3, 3);
      q0 = madd(x, v0, q0);
      if (TWO) q1 = madd(x, v1, q1);
      x = i32x4.shuffle(w2, w2, 3, 3, 3, 3);
      r0 = madd(x, v0, r0);
      if (TWO) r1 = madd(x, v1, r1);
      x = i32x4.shuffle(w3, w3, 3, 3, 3, 3);
      s0 = madd(x, v0, s0);
      if (TWO) s1 = madd(x, v1, s1);
      from += TWO ? 128 : 64;
    }
    for (; a0 < end; a0 += 4) {
      const v0 = v128.load(from);
      let v1 = v0;
      if (TWO) v1 = v128.load(from, 16);
      from += TWO ? 32 : 16;
      let x = v128.load32_splat(a0);
      p0 = madd(x, v0, p0);
      if (TWO) p1 = madd(x, v1, p1);
      x = v128.load32_splat(a0 + a1);
      q0 = madd(x, v0, q0);
      if (TWO) q1 = madd(x, v1, q1);
      x = v128.load32_splat(a0 + a2);
      r0 = madd(x, v0, r0);
      if (TWO) r1 = madd(x, v1, r1);
      x = v128.load32_splat(a0 + a3);
      s0 = madd(x, v0, s0);
      if (TWO) s1 = madd(x, v1, s1);
    }
    const at = ldc * r;
    const to = c + at;
    const y = extra + at;
    if (masked) {
      finishRow(true, to, p0, bias0, least, y, n);
      finishRow(true, to + ldc, q0, bias0, least, y + ldc, n);
      finishRow(true, to + 2 * ldc, r0, bias0, least, y + 2 * ldc, n);
      finishRow(true, to + 3 * ldc, s0, bias0, least, y + 3 * ldc, n);
      if (TWO) {
        finishRow(true, to + rest, p1, bias1, least, y + rest, 4);
        finishRow(true, to + ldc + rest, q1, bias1, least, y + ldc + rest, 4);
        finishRow(true, to + 2 * ldc + rest, r1, bias1, least, y + 2 * ldc + rest, 4);
        finishRow(true, to + 3 * ldc + rest, s1, bias1, least, y + 3 * ldc + rest, 4);
      }
    } else {
      finishRow(false, to, p0, bias0, least, y, n);
      finishRow(false, to + ldc, q0, bias0, least, y + ldc, n);
      finishRow(false, to + 2 * ldc, r0, bias0, least, y + 2 * ldc, n);
      finishRow(false, to + 3 * ldc, s0, bias0, least, y + 3 * ldc, n);
      if (TWO) {
        finishRow(false, to + rest, p1, bias1, least, y + rest, 4);
        finishRow(false, to + ldc + rest, q1, bias1, least, y + ldc + rest, 4);
        finishRow(false, to + 2 * ldc + rest, r1, bias1, least, y + 2 * ldc + rest, 4);
        finishRow(false, to + 3 * ldc + rest, s1, bias1, least, y + 3 * ldc + rest, 4);
      }
    }
  }
}

/** One column c [m] = a [m, k] b [k], at least four rows, not masked: a row in each lane. */
// @ts-ignore: decorator
@inline
function one(finish: i32, c: usize, a: usize, lda: usize, b: usize, ldb: usize, m: u32, k: u32, extra: usize, least: v128): void {
  const bias = finish == BIAS ? v128.load32_splat(extra) : f32x4.splat(-0.0);
  const length = <usize>k << 2;
  for (let i: u32 = 0; i < m; i += 4) {
    const r = min<u32>(i, m - 4);
    let a0 = a + lda * r;
    const end = a0 + length;
    let from = b;
    let p = f32x4.splat(0);
    for (; a0 + 16 <= end; a0 += 16) {
      const a1 = a0 + lda;
      const a2 = a1 + lda;
      const w0 = v128.load(a0);
      const w1 = v128.load(a1);
      const w2 = v128.load(a2);
      const w3 = v128.load(a2 + lda);
      const x0 = i32x4.shuffle(w0, w1, 0, 4, 1, 5);
      const x1 = i32x4.shuffle(w2, w3, 0, 4, 1, 5);
      const x2 = i32x4.shuffle(w0, w1, 2, 6, 3, 7);
      const x3 = i32x4.shuffle(w2, w3, 2, 6, 3, 7);
      p = madd(i64x2.shuffle(x0, x1, 0, 2), v128.load32_splat(from), p);
      from += ldb;
      p = madd(i64x2.shuffle(x0, x1, 1, 3), v128.load32_splat(from), p);
      from += ldb;
      p = madd(i64x2.shuffle(x2, x3, 0, 2), v128.load32_splat(from), p);
      from += ldb;
      p = madd(i64x2.shuffle(x2, x3, 1, 3), v128.load32_splat(from), p);
      from += ldb;
    }
    for (; a0 < end; a0 += 4) {
      const a1 = a0 + lda;
      const a2 = a1 + lda;
      let x = v128.load32_zero(a0);
      x = v128.load32_lane(a1, x, 1);
      x = v128.load32_lane(a2, x, 2);
      x = v128.load32_lane(a2 + lda, x, 3);
      p = madd(x, v128.load32_splat(from), p);
      from += ldb;
    }
    const at = <usize>r << 2;
    finishRow(false, c + at, p, bias, least, extra + at, 4);
  }
}

/** c [m, n] = a [m, k] b, finished; m >= 4, 1 <= n <= FEW, k <= KC. b is [k, n] or, transposed, [n, k]. */
export function fewColumns(
  transposed: bool,
  finish: i32,
  c: usize,
  ldc: usize,
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  m: u32,
  n: u32,
  k: u32,
  extra: usize,
  relu: bool,
  work: usize,
): void {
  const least = f32x4.splat(relu ? 0 : -Infinity);
  if (n == 1 && ldc == 4 && finish != MASK) {
    return one(finish, c, a, lda, b, transposed ? 4 : ldb, m, k, extra, least);
  }
  pack(transposed, work, b, ldb, n, k);
  if (n > 4) rows(finish, true, c, ldc, a, lda, work, m, n, k, extra, least);
  else rows(finish, false, c, ldc, a, lda, work, m, n, k, extra, least);
}
