// The register tile of the build wide: 3 rows x 6 or 4 vectors, neighbours always together, so that V8's revectorizer
// makes one 256-bit vector of two: 9 accumulators + 3 splats + 3 vectors of B = 15 registers. The same chain of madds an
// element as in tile.ts, so the same bits.
//
// What the revectorizer wants: it starts at two stores to neighbouring places, one address and constant offsets (an address
// that is added up hides a pair), and follows their values up. Loads of both halves stand before the stores. k is not
// unrolled: by hand it gained nothing.
import { madd } from "../lib/simd";
import { ADD } from "./tile";

/** Brings a row of N vectors to C: STORE or ADD. */
// @ts-ignore: decorator
@inline
function storeRow(N: i32, c: usize, v0: v128, v1: v128, v2: v128, v3: v128, v4: v128, v5: v128, mode: i32): void {
  if (mode & ADD) {
    v0 = f32x4.add(v128.load(c), v0);
    v1 = f32x4.add(v128.load(c, 16), v1);
    v2 = f32x4.add(v128.load(c, 32), v2);
    v3 = f32x4.add(v128.load(c, 48), v3);
    if (N > 4) {
      v4 = f32x4.add(v128.load(c, 64), v4);
      v5 = f32x4.add(v128.load(c, 80), v5);
    }
  }
  v128.store(c, v0);
  v128.store(c, v1, 16);
  v128.store(c, v2, 32);
  v128.store(c, v3, 48);
  if (N > 4) {
    v128.store(c, v4, 64);
    v128.store(c, v5, 80);
  }
}

// @ts-ignore: decorator
@inline
function body(
  N: i32,
  a0: usize,
  a1: usize,
  a2: usize,
  b: usize,
  ldb: usize,
  k: u32,
  c0: usize,
  c1: usize,
  c2: usize,
  mode: i32,
): void {
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
  let r0 = p0;
  let r1 = p0;
  let r2 = p0;
  let r3 = p0;
  let r4 = p0;
  let r5 = p0;
  for (; k > 0; --k) {
    const x0 = v128.load32_splat(a0);
    const x1 = v128.load32_splat(a1);
    const x2 = v128.load32_splat(a2);
    let v = v128.load(b);
    let w = v128.load(b, 16);
    p0 = madd(x0, v, p0);
    p1 = madd(x0, w, p1);
    q0 = madd(x1, v, q0);
    q1 = madd(x1, w, q1);
    r0 = madd(x2, v, r0);
    r1 = madd(x2, w, r1);
    v = v128.load(b, 32);
    w = v128.load(b, 48);
    p2 = madd(x0, v, p2);
    p3 = madd(x0, w, p3);
    q2 = madd(x1, v, q2);
    q3 = madd(x1, w, q3);
    r2 = madd(x2, v, r2);
    r3 = madd(x2, w, r3);
    if (N > 4) {
      v = v128.load(b, 64);
      w = v128.load(b, 80);
      p4 = madd(x0, v, p4);
      p5 = madd(x0, w, p5);
      q4 = madd(x1, v, q4);
      q5 = madd(x1, w, q5);
      r4 = madd(x2, v, r4);
      r5 = madd(x2, w, r5);
    }
    b += ldb;
    a0 += 4;
    a1 += 4;
    a2 += 4;
  }
  storeRow(N, c0, p0, p1, p2, p3, p4, p5, mode);
  storeRow(N, c1, q0, q1, q2, q3, q4, q5, mode);
  storeRow(N, c2, r0, r1, r2, r3, r4, r5, mode);
}

/** n = 6 or 4 vectors of three rows: the sum over k steps; A moves by 4 bytes a step, B by ldb; STORE or ADD. */
export function tile256(
  n: u32,
  a0: usize,
  a1: usize,
  a2: usize,
  b: usize,
  ldb: usize,
  k: u32,
  c0: usize,
  c1: usize,
  c2: usize,
  mode: i32,
): void {
  if (n == 6) return body(6, a0, a1, a2, b, ldb, k, c0, c1, c2, mode);
  body(4, a0, a1, a2, b, ldb, k, c0, c1, c2, mode);
}

