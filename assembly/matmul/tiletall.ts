// The register tile for up to three vectors of columns: 4 rows x 1 or 2 vectors, 3 rows x 3. The same chain of madds
// an element as in tile.ts.
import { madd } from "../lib/simd";
import { storeVector } from "./tile";

/** Rows of a tile of n <= 3 vectors. */
// @ts-ignore: decorator
@inline
export function tallRows(n: u32): u32 {
  return n == 3 ? 3 : 4;
}

// @ts-ignore: decorator
@inline
function body(
  N: i32,
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  sa: usize,
  jump: usize,
  b: usize,
  ldb: usize,
  k: u32,
  runs: u32,
  c0: usize,
  c1: usize,
  c2: usize,
  c3: usize,
  mode: i32,
): void {
  let p0 = f32x4.splat(0);
  let p1 = p0;
  let p2 = p0;
  let q0 = p0;
  let q1 = p0;
  let q2 = p0;
  let r0 = p0;
  let r1 = p0;
  let r2 = p0;
  let s0 = p0;
  let s1 = p0;
  do {
    for (let left = k; left > 0; --left) {
      const v0 = v128.load(b);
      let v1 = v0;
      let v2 = v0;
      if (N > 1) v1 = v128.load(b, 16);
      if (N > 2) v2 = v128.load(b, 32);
      b += ldb;
      let x = v128.load32_splat(a0);
      p0 = madd(x, v0, p0);
      if (N > 1) p1 = madd(x, v1, p1);
      if (N > 2) p2 = madd(x, v2, p2);
      a0 += sa;
      x = v128.load32_splat(a1);
      q0 = madd(x, v0, q0);
      if (N > 1) q1 = madd(x, v1, q1);
      if (N > 2) q2 = madd(x, v2, q2);
      a1 += sa;
      x = v128.load32_splat(a2);
      r0 = madd(x, v0, r0);
      if (N > 1) r1 = madd(x, v1, r1);
      if (N > 2) r2 = madd(x, v2, r2);
      a2 += sa;
      if (N < 3) {
        x = v128.load32_splat(a3);
        s0 = madd(x, v0, s0);
        if (N > 1) s1 = madd(x, v1, s1);
        a3 += sa;
      }
    }
    a0 += jump;
    a1 += jump;
    a2 += jump;
    if (N < 3) a3 += jump;
  } while (--runs);
  storeVector(c0, p0, mode);
  if (N > 1) storeVector(c0 + 16, p1, mode);
  if (N > 2) storeVector(c0 + 32, p2, mode);
  storeVector(c1, q0, mode);
  if (N > 1) storeVector(c1 + 16, q1, mode);
  if (N > 2) storeVector(c1 + 32, q2, mode);
  storeVector(c2, r0, mode);
  if (N > 1) storeVector(c2 + 16, r1, mode);
  if (N > 2) storeVector(c2 + 32, r2, mode);
  if (N < 3) storeVector(c3, s0, mode);
  if (N > 1 && N < 3) storeVector(c3 + 16, s1, mode);
}

/** n vectors of tallRows(n) rows: the sum over `runs` runs of k steps, as in `tileRuns`. */
export function tileTallRuns(
  n: u32,
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  sa: usize,
  jump: usize,
  b: usize,
  ldb: usize,
  k: u32,
  runs: u32,
  c0: usize,
  c1: usize,
  c2: usize,
  c3: usize,
  mode: i32,
): void {
  if (n == 3) return body(3, a0, a1, a2, a2, sa, jump, b, ldb, k, runs, c0, c1, c2, c2, mode);
  if (n == 2) return body(2, a0, a1, a2, a3, sa, jump, b, ldb, k, runs, c0, c1, c2, c3, mode);
  body(1, a0, a1, a2, a3, sa, jump, b, ldb, k, runs, c0, c1, c2, c3, mode);
}

/** The same over one run whose A moves by 4 bytes a step. */
// @ts-ignore: decorator
@inline
export function tileTall(
  n: u32,
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  b: usize,
  ldb: usize,
  k: u32,
  c0: usize,
  c1: usize,
  c2: usize,
  c3: usize,
  mode: i32,
): void {
  tileTallRuns(n, a0, a1, a2, a3, 4, 0, b, ldb, k, 1, c0, c1, c2, c3, mode);
}
