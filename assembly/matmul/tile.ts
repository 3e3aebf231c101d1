// The register tile behind matmul and conv2d: 2 rows x up to 6 vectors (24 columns), 12 accumulators + 2 splats + 1
// vector of B = 15 registers. C[r][j] = init[r] + sum over k of A[r][k] * B[k][j], every element one chain of madds
// in the order of k, so what an element gets depends neither on the tile's width nor on its neighbours.
//
// For example two vectors: step k loads B[k][0..3] and B[k][4..7], splats A[0][k] and A[1][k], and adds the four products to
// p0 p1 (row 0 of C) and q0 q1 (row 1).
//
// `body` is inlined with literal arguments: what a tile does not use folds away. That is why it has so many.
import { madd } from "../lib/simd";

/** C is overwritten; ADD: added to. RELU: max(0, .) of the sum, NaN kept. */
export const STORE: i32 = 0;
export const ADD: i32 = 1;
export const RELU: i32 = 2;

/** Vectors across a tile. */
export const NR: u32 = 6;

// How a tile walks. RUNS: `runs` runs of k steps, row k + 1 of B is `ldb` behind row k, `jump` is added to the rows
// of A behind each run. TABLE: one run, row k of B is at b + table[k]. SCATTER: one run, each vector of C is added at its own
// offset.
const RUNS: i32 = 0;
const TABLE: i32 = 1;
const SCATTER: i32 = 2;

/** Brings one vector of a tile to C. */
// @ts-ignore: decorator
@inline
export function storeVector(c: usize, v: v128, mode: i32): void {
  if (mode & ADD) v = f32x4.add(v128.load(c), v);
  if (mode & RELU) v = f32x4.pmax(v, f32x4.splat(0));
  v128.store(c, v);
}

// Vectors 2 to 5 of a row of B: dense, so that the offset folds into the load, or by pairs b2 and b4 from the row's
// start.
// @ts-ignore: decorator
@inline
function load2(WALK: i32, row: usize, b2: usize): v128 {
  return WALK == TABLE ? v128.load(row + b2) : v128.load(row, 32);
}

// @ts-ignore: decorator
@inline
function load3(WALK: i32, row: usize, b2: usize): v128 {
  return WALK == TABLE ? v128.load(row + b2, 16) : v128.load(row, 48);
}

// @ts-ignore: decorator
@inline
function load4(WALK: i32, row: usize, b4: usize): v128 {
  return WALK == TABLE ? v128.load(row + b4) : v128.load(row, 64);
}

// @ts-ignore: decorator
@inline
function load5(WALK: i32, row: usize, b4: usize): v128 {
  return WALK == TABLE ? v128.load(row + b4, 16) : v128.load(row, 80);
}

// @ts-ignore: decorator
@inline
function body(
  WALK: i32,
  N: i32,
  a0: usize,
  a1: usize,
  sa: usize,
  jump: usize,
  b: usize,
  ldb: usize,
  b2: usize,
  b4: usize,
  table: usize,
  k: u32,
  runs: u32,
  c0: usize,
  c1: usize,
  places: usize,
  init0: f32,
  init1: f32,
  mode: i32,
): void {
  let p0 = f32x4.splat(init0);
  let p1 = p0;
  let p2 = p0;
  let p3 = p0;
  let p4 = p0;
  let p5 = p0;
  let q0 = f32x4.splat(init1);
  let q1 = q0;
  let q2 = q0;
  let q3 = q0;
  let q4 = q0;
  let q5 = q0;
  let row = b - ldb;
  do {
    let left = k;
    while (left >= 2) {
      if (WALK == TABLE) row = b + load<usize>(table);
      else row += ldb;
      const x0 = v128.load32_splat(a0);
      const x1 = v128.load32_splat(a1);
      let v = v128.load(row);
      p0 = madd(x0, v, p0);
      q0 = madd(x1, v, q0);
      if (N > 1) {
        v = v128.load(row, 16);
        p1 = madd(x0, v, p1);
        q1 = madd(x1, v, q1);
      }
      if (N > 2) {
        v = load2(WALK, row, b2);
        p2 = madd(x0, v, p2);
        q2 = madd(x1, v, q2);
      }
      if (N > 3) {
        v = load3(WALK, row, b2);
        p3 = madd(x0, v, p3);
        q3 = madd(x1, v, q3);
      }
      if (N > 4) {
        v = load4(WALK, row, b4);
        p4 = madd(x0, v, p4);
        q4 = madd(x1, v, q4);
      }
      if (N > 5) {
        v = load5(WALK, row, b4);
        p5 = madd(x0, v, p5);
        q5 = madd(x1, v, q5);
      }
      a0 += sa;
      a1 += sa;
      if (WALK == TABLE) row = b + load<usize>(table, 4);
      else row += ldb;
      const y0 = v128.load32_splat(a0);
      const y1 = v128.load32_splat(a1);
      v = v128.load(row);
      p0 = madd(y0, v, p0);
      q0 = madd(y1, v, q0);
      if (N > 1) {
        v = v128.load(row, 16);
        p1 = madd(y0, v, p1);
        q1 = madd(y1, v, q1);
      }
      if (N > 2) {
        v = load2(WALK, row, b2);
        p2 = madd(y0, v, p2);
        q2 = madd(y1, v, q2);
      }
      if (N > 3) {
        v = load3(WALK, row, b2);
        p3 = madd(y0, v, p3);
        q3 = madd(y1, v, q3);
      }
      if (N > 4) {
        v = load4(WALK, row, b4);
        p4 = madd(y0, v, p4);
        q4 = madd(y1, v, q4);
      }
      if (N > 5) {
        v = load5(WALK, row, b4);
        p5 = madd(y0, v, p5);
        q5 = madd(y1, v, q5);
      }
      a0 += sa;
      a1 += sa;
      if (WALK == TABLE) table += 8;
      left -= 2;
    }
    if (left) {
      if (WALK == TABLE) row = b + load<usize>(table);
      else row += ldb;
      const x0 = v128.load32_splat(a0);
      const x1 = v128.load32_splat(a1);
      let v = v128.load(row);
      p0 = madd(x0, v, p0);
      q0 = madd(x1, v, q0);
      if (N > 1) {
        v = v128.load(row, 16);
        p1 = madd(x0, v, p1);
        q1 = madd(x1, v, q1);
      }
      if (N > 2) {
        v = load2(WALK, row, b2);
        p2 = madd(x0, v, p2);
        q2 = madd(x1, v, q2);
      }
      if (N > 3) {
        v = load3(WALK, row, b2);
        p3 = madd(x0, v, p3);
        q3 = madd(x1, v, q3);
      }
      if (N > 4) {
        v = load4(WALK, row, b4);
        p4 = madd(x0, v, p4);
        q4 = madd(x1, v, q4);
      }
      if (N > 5) {
        v = load5(WALK, row, b4);
        p5 = madd(x0, v, p5);
        q5 = madd(x1, v, q5);
      }
      a0 += sa;
      a1 += sa;
    }
    if (WALK == RUNS) {
      a0 += jump;
      a1 += jump;
    }
  } while (WALK == RUNS && --runs);

  if (WALK == SCATTER) {
    if (load<u32>(places, 24)) {
      p0 = v128.and(p0, v128.load(places, 32));
      q0 = v128.and(q0, v128.load(places, 32));
      if (N > 1) p1 = v128.and(p1, v128.load(places, 48));
      if (N > 1) q1 = v128.and(q1, v128.load(places, 48));
      if (N > 2) p2 = v128.and(p2, v128.load(places, 64));
      if (N > 2) q2 = v128.and(q2, v128.load(places, 64));
      if (N > 3) p3 = v128.and(p3, v128.load(places, 80));
      if (N > 3) q3 = v128.and(q3, v128.load(places, 80));
      if (N > 4) p4 = v128.and(p4, v128.load(places, 96));
      if (N > 4) q4 = v128.and(q4, v128.load(places, 96));
      if (N > 5) p5 = v128.and(p5, v128.load(places, 112));
      if (N > 5) q5 = v128.and(q5, v128.load(places, 112));
    }
    storeVector(c0 + load<usize>(places), p0, ADD);
    if (N > 1) storeVector(c0 + load<usize>(places, 4), p1, ADD);
    if (N > 2) storeVector(c0 + load<usize>(places, 8), p2, ADD);
    if (N > 3) storeVector(c0 + load<usize>(places, 12), p3, ADD);
    if (N > 4) storeVector(c0 + load<usize>(places, 16), p4, ADD);
    if (N > 5) storeVector(c0 + load<usize>(places, 20), p5, ADD);
    storeVector(c1 + load<usize>(places), q0, ADD);
    if (N > 1) storeVector(c1 + load<usize>(places, 4), q1, ADD);
    if (N > 2) storeVector(c1 + load<usize>(places, 8), q2, ADD);
    if (N > 3) storeVector(c1 + load<usize>(places, 12), q3, ADD);
    if (N > 4) storeVector(c1 + load<usize>(places, 16), q4, ADD);
    if (N > 5) storeVector(c1 + load<usize>(places, 20), q5, ADD);
  } else {
    // Mode by mode: a branch for each vector instead costs as much as two steps of k.
    if (mode & ADD) {
      p0 = f32x4.add(v128.load(c0), p0);
      if (N > 1) p1 = f32x4.add(v128.load(c0, 16), p1);
      if (N > 2) p2 = f32x4.add(v128.load(c0, 32), p2);
      if (N > 3) p3 = f32x4.add(v128.load(c0, 48), p3);
      if (N > 4) p4 = f32x4.add(v128.load(c0, 64), p4);
      if (N > 5) p5 = f32x4.add(v128.load(c0, 80), p5);
      q0 = f32x4.add(v128.load(c1), q0);
      if (N > 1) q1 = f32x4.add(v128.load(c1, 16), q1);
      if (N > 2) q2 = f32x4.add(v128.load(c1, 32), q2);
      if (N > 3) q3 = f32x4.add(v128.load(c1, 48), q3);
      if (N > 4) q4 = f32x4.add(v128.load(c1, 64), q4);
      if (N > 5) q5 = f32x4.add(v128.load(c1, 80), q5);
    }
    if (mode & RELU) {
      const zero = f32x4.splat(0);
      p0 = f32x4.pmax(p0, zero);
      if (N > 1) p1 = f32x4.pmax(p1, zero);
      if (N > 2) p2 = f32x4.pmax(p2, zero);
      if (N > 3) p3 = f32x4.pmax(p3, zero);
      if (N > 4) p4 = f32x4.pmax(p4, zero);
      if (N > 5) p5 = f32x4.pmax(p5, zero);
      q0 = f32x4.pmax(q0, zero);
      if (N > 1) q1 = f32x4.pmax(q1, zero);
      if (N > 2) q2 = f32x4.pmax(q2, zero);
      if (N > 3) q3 = f32x4.pmax(q3, zero);
      if (N > 4) q4 = f32x4.pmax(q4, zero);
      if (N > 5) q5 = f32x4.pmax(q5, zero);
    }
    v128.store(c0, p0);
    if (N > 1) v128.store(c0, p1, 16);
    if (N > 2) v128.store(c0, p2, 32);
    if (N > 3) v128.store(c0, p3, 48);
    if (N > 4) v128.store(c0, p4, 64);
    if (N > 5) v128.store(c0, p5, 80);
    v128.store(c1, q0);
    if (N > 1) v128.store(c1, q1, 16);
    if (N > 2) v128.store(c1, q2, 32);
    if (N > 3) v128.store(c1, q3, 48);
    if (N > 4) v128.store(c1, q4, 64);
    if (N > 5) v128.store(c1, q5, 80);
  }
}

/**
 * n vectors of two rows: the sum over `runs` runs of k steps; A moves by sa a step and by jump more behind a run, B
 * by ldb a step.
 */
export function tileRuns(
  n: u32,
  a0: usize,
  a1: usize,
  sa: usize,
  jump: usize,
  b: usize,
  ldb: usize,
  k: u32,
  runs: u32,
  c0: usize,
  c1: usize,
  init0: f32,
  init1: f32,
  mode: i32,
): void {
  if (n == 6) return body(RUNS, 6, a0, a1, sa, jump, b, ldb, 0, 0, 0, k, runs, c0, c1, 0, init0, init1, mode);
  if (n == 5) return body(RUNS, 5, a0, a1, sa, jump, b, ldb, 0, 0, 0, k, runs, c0, c1, 0, init0, init1, mode);
  if (n == 4) return body(RUNS, 4, a0, a1, sa, jump, b, ldb, 0, 0, 0, k, runs, c0, c1, 0, init0, init1, mode);
  if (n == 3) return body(RUNS, 3, a0, a1, sa, jump, b, ldb, 0, 0, 0, k, runs, c0, c1, 0, init0, init1, mode);
  if (n == 2) return body(RUNS, 2, a0, a1, sa, jump, b, ldb, 0, 0, 0, k, runs, c0, c1, 0, init0, init1, mode);
  body(RUNS, 1, a0, a1, sa, jump, b, ldb, 0, 0, 0, k, runs, c0, c1, 0, init0, init1, mode);
}

/** The same over one run whose A moves by 4 bytes a step, from 0 on. */
// @ts-ignore: decorator
@inline
export function tile(n: u32, a0: usize, a1: usize, b: usize, ldb: usize, k: u32, c0: usize, c1: usize, mode: i32): void {
  tileRuns(n, a0, a1, 4, 0, b, ldb, k, 1, c0, c1, 0, 0, mode);
}

/** n = 6, 4 or 2 vectors: row k of B at b + table[k], its second and third pair of vectors at b2 and b4 from there. */
export function tileTable(
  n: u32,
  a0: usize,
  a1: usize,
  b: usize,
  b2: usize,
  b4: usize,
  table: usize,
  k: u32,
  c0: usize,
  c1: usize,
  init0: f32,
  init1: f32,
  mode: i32,
): void {
  if (n == 6) return body(TABLE, 6, a0, a1, 4, 0, b, 0, b2, b4, table, k, 1, c0, c1, 0, init0, init1, mode);
  if (n == 4) return body(TABLE, 4, a0, a1, 4, 0, b, 0, b2, b4, table, k, 1, c0, c1, 0, init0, init1, mode);
  body(TABLE, 2, a0, a1, 4, 0, b, 0, b2, b4, table, k, 1, c0, c1, 0, init0, init1, mode);
}

/**
 * One run, added to C: vector v at the offset places[v]. If word 6 of places is set, the masks of the vectors follow
 * from word 8: lanes that are masked out are added nowhere.
 */
export function tileScatter(
  n: u32,
  a0: usize,
  a1: usize,
  b: usize,
  ldb: usize,
  k: u32,
  c0: usize,
  c1: usize,
  places: usize,
): void {
  if (n == 6) return body(SCATTER, 6, a0, a1, 4, 0, b, ldb, 0, 0, 0, k, 1, c0, c1, places, 0, 0, ADD);
  if (n == 5) return body(SCATTER, 5, a0, a1, 4, 0, b, ldb, 0, 0, 0, k, 1, c0, c1, places, 0, 0, ADD);
  if (n == 4) return body(SCATTER, 4, a0, a1, 4, 0, b, ldb, 0, 0, 0, k, 1, c0, c1, places, 0, 0, ADD);
  if (n == 3) return body(SCATTER, 3, a0, a1, 4, 0, b, ldb, 0, 0, 0, k, 1, c0, c1, places, 0, 0, ADD);
  if (n == 2) return body(SCATTER, 2, a0, a1, 4, 0, b, ldb, 0, 0, 0, k, 1, c0, c1, places, 0, 0, ADD);
  body(SCATTER, 1, a0, a1, 4, 0, b, ldb, 0, 0, 0, k, 1, c0, c1, places, 0, 0, ADD);
}
