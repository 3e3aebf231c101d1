// Products aᵀ b of at most 8 x 8 elements over a long k: all of c in registers. The chains of madds are those of
// gemm.ts: one over each block of k, side by side where there is only one element to a row.
import { read, storeLanes } from "../lib/lanes";
import { madd } from "../lib/simd";
import { chain } from "./gemm";

// The first up to four words at b.
// @ts-ignore: decorator
@inline
function firstFour(b: usize, n: u32): v128 {
  if (n >= 4) return v128.load(b);
  if (n == 1) return v128.load32_splat(b);
  if (n == 2) return v128.load64_splat(b);
  return v128.load32_lane(b, v128.load64_splat(b), 2, 8);
}

// One row to c. The two vectors overlap: both sums are taken before the first store.
// @ts-ignore: decorator
@inline
function storeRow(TWO: bool, c: usize, v0: v128, v1: v128, rest: usize, n: u32, add: bool): void {
  if (add) {
    v0 = f32x4.add(TWO ? v128.load(c) : read(c, n), v0);
    if (TWO) v1 = f32x4.add(v128.load(c + rest), v1);
  }
  if (TWO || n >= 4) v128.store(c, v0);
  else storeLanes(c, v0, n);
  if (TWO) v128.store(c + rest, v1);
}

/** Up to four columns of a by all n columns of b, over k rows. */
// @ts-ignore: decorator
@inline
function corner(
  TWO: bool,
  c: usize,
  ldc: usize,
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  m: u32,
  n: u32,
  k: u32,
  add: bool,
): void {
  const rest: usize = TWO ? <usize>(n - 4) << 2 : 0;
  // Rows beyond the last repeat the last.
  const a1 = <usize>min<u32>(1, m - 1) << 2;
  const a2 = <usize>min<u32>(2, m - 1) << 2;
  const a3 = <usize>min<u32>(3, m - 1) << 2;
  let p0 = f32x4.splat(0);
  let p1 = p0;
  let q0 = p0;
  let q1 = p0;
  let r0 = p0;
  let t1 = p0;
  let s0 = p0;
  let s1 = p0;
  let left = k;
  if (m >= 4) {
    for (; left > 0; --left) {
      const w = v128.load(a);
      const v0 = TWO ? v128.load(b) : firstFour(b, n);
      let v1 = v0;
      if (TWO) v1 = v128.load(b + rest);
      let x = i32x4.shuffle(w, w, 0, 0, 0, 0);
      p0 = madd(x, v0, p0);
      if (TWO) p1 = madd(x, v1, p1);
      x = i32x4.shuffle(w, w, 1, 1, 1, 1);
      q0 = madd(x, v0, q0);
      if (TWO) q1 = madd(x, v1, q1);
      x = i32x4.shuffle(w, w, 2, 2, 2, 2);
      r0 = madd(x, v0, r0);
      if (TWO) t1 = madd(x, v1, t1);
      x = i32x4.shuffle(w, w, 3, 3, 3, 3);
      s0 = madd(x, v0, s0);
      if (TWO) s1 = madd(x, v1, s1);
      a += lda;
      b += ldb;
    }
  }
  for (; left > 0; --left) {
    const v0 = TWO ? v128.load(b) : firstFour(b, n);
    let v1 = v0;
    if (TWO) v1 = v128.load(b + rest);
    let x = v128.load32_splat(a);
    p0 = madd(x, v0, p0);
    if (TWO) p1 = madd(x, v1, p1);
    x = v128.load32_splat(a + a1);
    q0 = madd(x, v0, q0);
    if (TWO) q1 = madd(x, v1, q1);
    x = v128.load32_splat(a + a2);
    r0 = madd(x, v0, r0);
    if (TWO) t1 = madd(x, v1, t1);
    x = v128.load32_splat(a + a3);
    s0 = madd(x, v0, s0);
    if (TWO) s1 = madd(x, v1, s1);
    a += lda;
    b += ldb;
  }
  storeRow(TWO, c, p0, p1, rest, n, add);
  if (m > 1) storeRow(TWO, c + ldc, q0, q1, rest, n, add);
  if (m > 2) storeRow(TWO, c + 2 * ldc, r0, t1, rest, n, add);
  if (m > 3) storeRow(TWO, c + 3 * ldc, s0, s1, rest, n, add);
}

/** Five or six columns of b by five to eight of a, whose lanes hold the rows of c: less than a corner would pad. */
// @ts-ignore: decorator
@inline
function transposedCorner(SIX: bool, c: usize, ldc: usize, a: usize, lda: usize, b: usize, ldb: usize, m: u32, k: u32, add: bool, work: usize): void {
  const n: u32 = SIX ? 6 : 5;
  const rest = <usize>(m - 4) << 2;
  let p0 = f32x4.splat(0);
  let p1 = p0;
  let p2 = p0;
  let p3 = p0;
  let p4 = p0;
  let p5 = p0;
  let q0 = p0;
  let q1 = p0;
  let q2 = p0;
  let q3 = p0;
  let q4 = p0;
  let q5 = p0;
  for (let left = k; left > 0; --left) {
    const v0 = v128.load(a);
    const v1 = v128.load(a + rest);
    const w = v128.load(b);
    let x = i32x4.shuffle(w, w, 0, 0, 0, 0);
    p0 = madd(x, v0, p0);
    q0 = madd(x, v1, q0);
    x = i32x4.shuffle(w, w, 1, 1, 1, 1);
    p1 = madd(x, v0, p1);
    q1 = madd(x, v1, q1);
    x = i32x4.shuffle(w, w, 2, 2, 2, 2);
    p2 = madd(x, v0, p2);
    q2 = madd(x, v1, q2);
    x = i32x4.shuffle(w, w, 3, 3, 3, 3);
    p3 = madd(x, v0, p3);
    q3 = madd(x, v1, q3);
    x = v128.load32_splat(b + 16);
    p4 = madd(x, v0, p4);
    q4 = madd(x, v1, q4);
    if (SIX) {
      x = v128.load32_splat(b + 20);
      p5 = madd(x, v0, p5);
      q5 = madd(x, v1, q5);
    }
    a += lda;
    b += ldb;
  }
  v128.store(work, p0);
  v128.store(work, q0, 16);
  v128.store(work, p1, 32);
  v128.store(work, q1, 48);
  v128.store(work, p2, 64);
  v128.store(work, q2, 80);
  v128.store(work, p3, 96);
  v128.store(work, q3, 112);
  v128.store(work, p4, 128);
  v128.store(work, q4, 144);
  v128.store(work, p5, 160);
  v128.store(work, q5, 176);
  for (let i: u32 = 0; i < m; ++i) {
    const from = work + (<usize>(i < 4 ? i : i + 8 - m) << 2);
    for (let j: u32 = 0; j < n; ++j) {
      const v = load<f32>(from + (<usize>j << 5));
      const to = c + (<usize>j << 2);
      store<f32>(to, add ? load<f32>(to) + v : v);
    }
    c += ldc;
  }
}

/** One row c [n <= 4] over k rows, `blocks` of kc: the chains of up to four blocks run side by side. */
function single(c: usize, a: usize, lda: usize, b: usize, ldb: usize, n: u32, k: u32, kc: u32): void {
  const da = lda * kc;
  const db = ldb * kc;
  for (let pc: u32 = 0; pc < k; pc += 4 * kc) {
    const left = k - pc;
    const blocks = min<u32>((left + kc - 1) / kc, 4);
    const length = min<u32>(left - (blocks - 1) * kc, kc); // of the last block; the others have kc
    const a1: usize = blocks > 1 ? da : 0;
    const a2: usize = blocks > 2 ? 2 * da : 0;
    const a3: usize = blocks > 3 ? 3 * da : 0;
    const b1: usize = blocks > 1 ? db : 0;
    const b2: usize = blocks > 2 ? 2 * db : 0;
    const b3: usize = blocks > 3 ? 3 * db : 0;
    let p = f32x4.splat(0);
    let q = p;
    let r = p;
    let s = p;
    let i: u32 = 0;
    for (; i < length; ++i) {
      p = madd(v128.load32_splat(a), firstFour(b, n), p);
      q = madd(v128.load32_splat(a + a1), firstFour(b + b1, n), q);
      r = madd(v128.load32_splat(a + a2), firstFour(b + b2, n), r);
      s = madd(v128.load32_splat(a + a3), firstFour(b + b3, n), s);
      a += lda;
      b += ldb;
    }
    if (blocks > 1) {
      for (; i < kc; ++i) {
        p = madd(v128.load32_splat(a), firstFour(b, n), p);
        if (blocks > 2) q = madd(v128.load32_splat(a + a1), firstFour(b + b1, n), q);
        if (blocks > 3) r = madd(v128.load32_splat(a + a2), firstFour(b + b2, n), r);
        a += lda;
        b += ldb;
      }
    }
    if (pc > 0) p = f32x4.add(read(c, n), p);
    if (blocks > 1) p = f32x4.add(p, q);
    if (blocks > 2) p = f32x4.add(p, r);
    if (blocks > 3) p = f32x4.add(p, s);
    if (n >= 4) v128.store(c, p);
    else storeLanes(c, p, n);
    a += <usize>(blocks - 1) * da;
    b += <usize>(blocks - 1) * db;
  }
}

/** c [m, n] = aᵀ b, a [k, m], b [k, n]; 1 <= m, n <= FEW, k >= 1. */
export function smallResult(
  c: usize,
  ldc: usize,
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  m: u32,
  n: u32,
  k: u32,
  work: usize,
): void {
  const kc = chain(k);
  if (m == 1 && n <= 4) return single(c, a, lda, b, ldb, n, k, kc);
  for (let pc: u32 = 0; pc < k; pc += kc) {
    const depth = min<u32>(kc, k - pc);
    const from = a + lda * pc;
    const over = b + ldb * pc;
    if (m > 4 && n == 5) {
      transposedCorner(false, c, ldc, from, lda, over, ldb, m, depth, pc > 0, work);
      continue;
    }
    if (m > 4 && n == 6) {
      transposedCorner(true, c, ldc, from, lda, over, ldb, m, depth, pc > 0, work);
      continue;
    }
    for (let i: u32 = 0; i < m; i += 4) {
      const at = c + ldc * i;
      if (n > 4) corner(true, at, ldc, from + (i << 2), lda, over, ldb, m - i, n, depth, pc > 0);
      else corner(false, at, ldc, from + (i << 2), lda, over, ldb, m - i, n, depth, pc > 0);
    }
  }
}
