// Matrix products: nn (a [m, k], b [k, n]), nt (b [n, k]) and tn (a [k, m]); c [m, n] is overwritten.
// Threads share the rows of the whole batch, or the columns where there are more of them.
import { extent, first, last, pointer, scratch } from "../lib/args";
import { BITS256, hsum, madd } from "../lib/simd";
import { BIAS, FEW, fewColumns, MASK, PLAIN } from "./fewcolumns";
import { gemm, KC } from "./gemm";
import { gemmSkipping } from "./skip";
import { smallResult } from "./smallresult";

// One element of a product of rows: vectors over k, their lanes added up at the end, then what is left of k.
// @ts-ignore: decorator
@inline
function finishDot(v: v128, a: usize, b: usize, k: u32): f32 {
  let sum = hsum(v);
  for (let q = k & ~3; q < k; ++q) sum += load<f32>(a + (q << 2)) * load<f32>(b + (q << 2));
  return sum;
}

/**
 * c[i, j] = a[i] . b[j] for two rows of a (one, if a1 == a0) and n <= 5 rows of b: nothing is packed, k is in lanes.
 * Five rows may be taken by pieces, bytes o0 to o1 of each, between which the sums are at `keep`.
 */
// @ts-ignore: decorator
@inline
function dotTile(
  N: i32,
  c0: usize,
  c1: usize,
  a0: usize,
  a1: usize,
  b: usize,
  ldb: usize,
  k: u32,
  o0: usize,
  o1: usize,
  keep: usize,
): void {
  let p0 = f32x4.splat(0);
  let p1 = p0;
  let p2 = p0;
  let p3 = p0;
  let p4 = p0;
  let q0 = p0;
  let q1 = p0;
  let q2 = p0;
  let q3 = p0;
  let q4 = p0;
  if (N == 5 && o0 > 0) {
    p0 = v128.load(keep);
    p1 = v128.load(keep, 16);
    p2 = v128.load(keep, 32);
    p3 = v128.load(keep, 48);
    p4 = v128.load(keep, 64);
    q0 = v128.load(keep, 80);
    q1 = v128.load(keep, 96);
    q2 = v128.load(keep, 112);
    q3 = v128.load(keep, 128);
    q4 = v128.load(keep, 144);
  }
  const b1 = b + ldb;
  const b2 = b1 + ldb;
  const b3 = b2 + ldb;
  const b4 = b3 + ldb;
  for (let o = o0; o < o1; o += 16) {
    const x = v128.load(a0 + o);
    const y = v128.load(a1 + o);
    let v = v128.load(b + o);
    p0 = madd(x, v, p0);
    q0 = madd(y, v, q0);
    if (N > 1) {
      v = v128.load(b1 + o);
      p1 = madd(x, v, p1);
      q1 = madd(y, v, q1);
    }
    if (N > 2) {
      v = v128.load(b2 + o);
      p2 = madd(x, v, p2);
      q2 = madd(y, v, q2);
    }
    if (N > 3) {
      v = v128.load(b3 + o);
      p3 = madd(x, v, p3);
      q3 = madd(y, v, q3);
    }
    if (N > 4) {
      v = v128.load(b4 + o);
      p4 = madd(x, v, p4);
      q4 = madd(y, v, q4);
    }
  }
  if (N == 5 && o1 < <usize>(k & ~3) << 2) {
    v128.store(keep, p0);
    v128.store(keep, p1, 16);
    v128.store(keep, p2, 32);
    v128.store(keep, p3, 48);
    v128.store(keep, p4, 64);
    v128.store(keep, q0, 80);
    v128.store(keep, q1, 96);
    v128.store(keep, q2, 112);
    v128.store(keep, q3, 128);
    v128.store(keep, q4, 144);
    return;
  }
  store<f32>(c0, finishDot(p0, a0, b, k));
  if (N > 1) store<f32>(c0, finishDot(p1, a0, b1, k), 4);
  if (N > 2) store<f32>(c0, finishDot(p2, a0, b2, k), 8);
  if (N > 3) store<f32>(c0, finishDot(p3, a0, b3, k), 12);
  if (N > 4) store<f32>(c0, finishDot(p4, a0, b4, k), 16);
  store<f32>(c1, finishDot(q0, a1, b, k));
  if (N > 1) store<f32>(c1, finishDot(q1, a1, b1, k), 4);
  if (N > 2) store<f32>(c1, finishDot(q2, a1, b2, k), 8);
  if (N > 3) store<f32>(c1, finishDot(q3, a1, b3, k), 12);
  if (N > 4) store<f32>(c1, finishDot(q4, a1, b4, k), 16);
}

// Where a comes from beyond the second cache, so many bytes of two rows meet all of a small b before what follows: with
// whole rows at a time the memory is asked in bursts, and then not at all (bench/lab, 238).
const PIECE: usize = 512;
const LARGE: usize = 1 << 20;

// What goes by dot products: up to so many columns or rows, but more terms than these, which fewColumns takes in their place.
const DOT_COLUMNS: u32 = 16;
const DOT_ROWS: u32 = 4;
const FEW_TERMS: u32 = 15;

/** nt for few columns or few rows: c = a b^T by dot products. */
function dots(c: usize, ldc: usize, a: usize, lda: usize, b: usize, ldb: usize, m: u32, n: u32, k: u32, keep: usize): void {
  const end = <usize>(k & ~3) << 2;
  const piece = n <= DOT_COLUMNS && end * m > LARGE ? PIECE : end;
  // A pair is a row of the first half and one of the second: two runs through memory that the prefetcher can follow.
  const half = (m + 1) >>> 1;
  for (let i: u32 = 0; i < half; ++i) {
    const c0 = c + ldc * i;
    const c1 = i + half < m ? c0 + ldc * half : c0;
    const a0 = a + lda * i;
    const a1 = i + half < m ? a0 + lda * half : a0;
    let j: u32 = 0;
    for (let o: usize = 0; o < end; o += piece) {
      const to = min<usize>(o + piece, end);
      for (j = 0; j + 5 <= n; j += 5) {
        dotTile(5, c0 + (j << 2), c1 + (j << 2), a0, a1, b + ldb * j, ldb, k, o, to, keep + (j << 5));
      }
    }
    for (; j + 2 <= n; j += 2) dotTile(2, c0 + (j << 2), c1 + (j << 2), a0, a1, b + ldb * j, ldb, k, 0, end, 0);
    if (j < n) dotTile(1, c0 + (j << 2), c1 + (j << 2), a0, a1, b + ldb * j, ldb, k, 0, end, 0);
  }
}

/** c += bias, c = max(0, c) if asked for (NaN kept), while c is still in the cache. */
function addBias(c: usize, ldc: usize, bias: usize, m: u32, n: u32, relu: bool): void {
  const least = f32x4.splat(relu ? 0 : -Infinity);
  const floor: f32 = relu ? 0 : -Infinity;
  for (let i: u32 = 0; i < m; ++i) {
    let j: u32 = 0;
    for (; j + 4 <= n; j += 4) {
      const v = f32x4.add(v128.load(c + (j << 2)), v128.load(bias + (j << 2)));
      v128.store(c + (j << 2), f32x4.pmax(v, least));
    }
    for (; j < n; ++j) {
      const v = load<f32>(c + (j << 2)) + load<f32>(bias + (j << 2));
      store<f32>(c + (j << 2), v < floor ? floor : v);
    }
    c += ldc;
  }
}

/** c = 0 where y is not above 0, while c is still in the cache: the gradient of y = relu(.). */
function mask(c: usize, ldc: usize, y: usize, m: u32, n: u32): void {
  const zero = f32x4.splat(0);
  for (let i: u32 = 0; i < m; ++i) {
    let j: u32 = 0;
    for (; j + 4 <= n; j += 4) {
      const at = <usize>j << 2;
      v128.store(c + at, v128.andnot(v128.load(c + at), f32x4.le(v128.load(y + at), zero)));
    }
    for (; j < n; ++j) {
      const at = <usize>j << 2;
      if (load<f32>(y + at) <= 0) store<f32>(c + at, 0);
    }
    c += ldc;
    y += ldc;
  }
}

// Share of nonzeros up to which lists pay, for many columns (bench/lab, 155, 236): a dense tile loads less for each
// madd, and the three builds' tiles differ in speed. Few columns have less use of a list.
const MOST_LISTED: f32 = BITS256 ? 0.58 : ASC_FEATURE_RELAXED_SIMD ? 0.8 : 0.85;
const PER_COLUMN: f32 = 10;

/** True when so much of a is zero that lists pay, by 16 to 31 of its rows: all threads find the same. */
function worthSkipping(a: usize, rows: u32, columns: u32, n: u32): bool {
  const step = max<u32>(rows >>> 4, 1);
  const whole = columns & ~3;
  const zero = f32x4.splat(0);
  let nonzero = i32x4.splat(0);
  let seen: u32 = 0;
  for (let i: u32 = 0; i < rows; i += step) {
    let x = a + <usize>i * columns * 4;
    for (const end = x + (whole << 2); x < end; x += 16) nonzero = i32x4.sub(nonzero, f32x4.ne(v128.load(x), zero));
    seen += whole;
  }
  const found = hsum(f32x4.convert_i32x4_s(nonzero));
  return found <= <f32>seen * (MOST_LISTED - PER_COLUMN / <f32>n);
}

/**
 * One function for all forms, told apart as it runs: specialized for each they were a tenth of the file. The strided one finds in
 * its row which operands are transposed, how far their lines are apart, and two strides each for two loops over products.
 */
function product(transA: bool, transB: bool, finish: i32, skip: bool, strided: bool, args: usize, ith: u32, nth: u32): void {
  const c = pointer(args, 0);
  const a = pointer(args, 1);
  const b = pointer(args, 2);
  const extra: usize = finish != PLAIN ? pointer(args, 3) : 0;
  let e = args + (finish != PLAIN ? 16 : 12);
  let batch = extent(e, 0);
  let inner = batch;
  if (strided) {
    e += 4;
    inner = extent(e, 0);
    batch *= inner;
  }
  let m = extent(e, 1);
  const n = extent(e, 2);
  const k = extent(e, 3);
  let lda = <usize>(transA ? m : k) << 2;
  let ldb = <usize>(transB ? k : n) << 2;
  let ldc = <usize>n << 2;
  let a0: usize = 0;
  let a1: usize = extent(e, 4) << 2;
  let b0: usize = 0;
  let b1: usize = extent(e, 5) << 2;
  let c0: usize = 0;
  let c1: usize = ldc * m;
  if (strided) {
    transA = extent(e, 4) != 0;
    transB = extent(e, 5) != 0;
    lda = extent(e, 6) << 2;
    ldb = extent(e, 7) << 2;
    ldc = extent(e, 8) << 2;
    a0 = extent(e, 9) << 2;
    a1 = extent(e, 10) << 2;
    b0 = extent(e, 11) << 2;
    b1 = extent(e, 12) << 2;
    c0 = extent(e, 13) << 2;
    c1 = extent(e, 14) << 2;
  } else if (!transA && b1 == 0 && (a1 == lda * m || batch == 1)) {
    // A batch over one b is one tall product.
    m *= batch;
    batch = 1;
  }
  const relu = finish == BIAS && extent(e, strided ? 15 : 6) != 0;
  const work = scratch(ith);
  const byDots = transB && !transA && k > FEW_TERMS && (n <= DOT_COLUMNS || m <= DOT_ROWS);

  const byRows = batch * m >= n;
  const total = byRows ? batch * m : n;
  const grain: u32 = byRows ? 2 : 4;
  const t0 = first(total, grain, ith, nth);
  const t1 = last(args, total, grain, ith, nth);
  if (t0 >= t1) return;
  for (let g: u32 = 0; g < batch; ++g) {
    // This thread's rows [i0, i1) and columns [j0, j1) of product g.
    const i0 = byRows ? min<u32>(max<u32>(t0, g * m), (g + 1) * m) - g * m : 0;
    const i1 = byRows ? max<u32>(min<u32>(t1, (g + 1) * m), g * m) - g * m : m;
    const j0 = byRows ? 0 : t0;
    const j1 = byRows ? n : t1;
    if (i0 >= i1 || <u32>j0 >= <u32>j1) continue;
    const g0 = g / inner;
    const g1 = g - g0 * inner;
    const from = a + a0 * g0 + a1 * g1;
    const ag = from + (transA ? <usize>i0 << 2 : lda * i0);
    const bg = b + b0 * g0 + b1 * g1 + (transB ? ldb * j0 : <usize>j0 << 2);
    const cg = c + c0 * g0 + c1 * g1 + ldc * i0 + (<usize>j0 << 2);
    const rows = i1 - i0;
    const columns = j1 - j0;
    const at = finish == BIAS ? extra + (j0 << 2) : finish == MASK ? extra + (cg - c) : 0;
    if (skip && !byDots && worthSkipping(from, transA ? k : m, transA ? m : k, n)) {
      gemmSkipping(transA, transB, cg, ldc, ag, lda, bg, ldb, rows, columns, k, work);
    } else if (!transA && columns <= FEW && k <= (transB ? FEW_TERMS : KC) && rows >= 4) {
      fewColumns(transB, finish, cg, ldc, ag, lda, bg, ldb, rows, columns, k, at, relu, work);
      continue;
    } else if (transA && !transB && rows <= FEW && columns <= FEW && k > 0) {
      smallResult(cg, ldc, ag, lda, bg, ldb, rows, columns, k, work);
    } else if (byDots) dots(cg, ldc, ag, lda, bg, ldb, rows, columns, k, work);
    else gemm(transA, transB, cg, ldc, ag, lda, bg, ldb, rows, columns, k, work);
    if (finish == BIAS) addBias(cg, ldc, at, rows, columns, relu);
    if (finish == MASK) mask(cg, ldc, at, rows, columns);
  }
}

/** c | a b | batch m n k | aStride bStride: from one product to the next, in elements (0: the same for all) */
export function matmul_nn_f32(args: usize, ith: u32, nth: u32): void {
  product(false, false, PLAIN, false, false, args, ith, nth);
}
export function matmul_nt_f32(args: usize, ith: u32, nth: u32): void {
  product(false, true, PLAIN, false, false, args, ith, nth);
}
export function matmul_tn_f32(args: usize, ith: u32, nth: u32): void {
  product(true, false, PLAIN, false, false, args, ith, nth);
}

/** c | a b bias | batch m n k | aStride bStride relu: c = a b + bias[n], then max(0, .) if relu */
export function matmul_nn_bias_f32(args: usize, ith: u32, nth: u32): void {
  product(false, false, BIAS, false, false, args, ith, nth);
}
export function matmul_nt_bias_f32(args: usize, ith: u32, nth: u32): void {
  product(false, true, BIAS, false, false, args, ith, nth);
}

/** c | a b y | batch m n k | aStride bStride: c = a b where y > 0 (or NaN), else 0: the gradient of y = relu(.) */
export function matmul_nn_relu_vjp_f32(args: usize, ith: u32, nth: u32): void {
  product(false, false, MASK, false, false, args, ith, nth);
}

/**
 * c | a b | outer inner m n k | transA transB lda ldb ldc a0 a1 b0 b1 c0 c1: transposed or not; from line to line; from product to product, outer and
 * inner: any strides, 0 among them. Lines, rows or columns, are runs.
 */
export function matmul_strided_f32(args: usize, ith: u32, nth: u32): void {
  product(false, false, PLAIN, false, true, args, ith, nth);
}
/** c | a b bias | outer inner m n k | transA transB lda ldb ldc a0 a1 b0 b1 c0 c1 relu */
export function matmul_strided_bias_f32(args: usize, ith: u32, nth: u32): void {
  product(false, false, BIAS, false, true, args, ith, nth);
}

// The same as the dense forms for captured programs, where a zero of a stands for nothing, even against an infinity or a NaN of b: only there
// the results differ. Where much of a is zero the rest is listed (skip.ts).
/** c | a b | batch m n k | aStride bStride */
export function matmul_nn_skipping_f32(args: usize, ith: u32, nth: u32): void {
  product(false, false, PLAIN, true, false, args, ith, nth);
}
export function matmul_nt_skipping_f32(args: usize, ith: u32, nth: u32): void {
  product(false, true, PLAIN, true, false, args, ith, nth);
}
export function matmul_tn_skipping_f32(args: usize, ith: u32, nth: u32): void {
  product(true, false, PLAIN, true, false, args, ith, nth);
}
/** c | a b bias | batch m n k | aStride bStride relu */
export function matmul_nn_skipping_bias_f32(args: usize, ith: u32, nth: u32): void {
  product(false, false, BIAS, true, false, args, ith, nth);
}
export function matmul_nt_skipping_bias_f32(args: usize, ith: u32, nth: u32): void {
  product(false, true, BIAS, true, false, args, ith, nth);
}
/** c | a b y | batch m n k | aStride bStride */
export function matmul_nn_skipping_relu_vjp_f32(args: usize, ith: u32, nth: u32): void {
  product(false, false, MASK, true, false, args, ith, nth);
}
