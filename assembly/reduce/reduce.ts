// Reductions of x[outer, n, inner] over n, and the gradient of a maximum. Sums keep chains of at most eight f32
// additions and join them in f64, so that a sum of k terms is within 8 * 2^-24 * sum |x| whatever k is.
import { extent, first, last, pointer } from "../lib/args";
import { CHAIN, fill, highHalf, join, lowHalf, pick, pickOver, read, rounded, storeLanes, write } from "../lib/lanes";
import { sumLine } from "./sumrow";

/** Sums over n rows, `pitch` bytes apart, of up to 16 columns. */
function sumColumns(y: usize, x: usize, n: u32, pitch: usize, columns: u32): void {
  if (columns == 16) {
    let l0 = f64x2.splat(0);
    let h0 = f64x2.splat(0);
    let l1 = f64x2.splat(0);
    let h1 = f64x2.splat(0);
    let l2 = f64x2.splat(0);
    let h2 = f64x2.splat(0);
    let l3 = f64x2.splat(0);
    let h3 = f64x2.splat(0);
    while (n > 0) {
      let a0 = f32x4.splat(0);
      let a1 = f32x4.splat(0);
      let a2 = f32x4.splat(0);
      let a3 = f32x4.splat(0);
      const chain = min(n, CHAIN);
      n -= chain;
      for (let j: u32 = 0; j < chain; j++, x += pitch) {
        a0 = f32x4.add(a0, v128.load(x));
        a1 = f32x4.add(a1, v128.load(x, 16));
        a2 = f32x4.add(a2, v128.load(x, 32));
        a3 = f32x4.add(a3, v128.load(x, 48));
      }
      l0 = lowHalf(l0, a0);
      h0 = highHalf(h0, a0);
      l1 = lowHalf(l1, a1);
      h1 = highHalf(h1, a1);
      l2 = lowHalf(l2, a2);
      h2 = highHalf(h2, a2);
      l3 = lowHalf(l3, a3);
      h3 = highHalf(h3, a3);
    }
    v128.store(y, rounded(l0, h0));
    v128.store(y, rounded(l1, h1), 16);
    v128.store(y, rounded(l2, h2), 32);
    v128.store(y, rounded(l3, h3), 48);
    return;
  }
  for (let c: u32 = 0; c < columns; c += 4) {
    const m = columns - c;
    let low = f64x2.splat(0);
    let high = f64x2.splat(0);
    let p = x + ((<usize>c) << 2);
    let rest = n;
    if (m >= 4) {
      // Four chains side by side: one alone would wait for each addition.
      const step = pitch * CHAIN;
      for (; rest >= 4 * CHAIN; rest -= 4 * CHAIN, p += 3 * step) {
        let a0 = f32x4.splat(0);
        let a1 = a0;
        let a2 = a0;
        let a3 = a0;
        for (const stop = p + step; p < stop; p += pitch) {
          a0 = f32x4.add(a0, v128.load(p));
          a1 = f32x4.add(a1, v128.load(p + step));
          a2 = f32x4.add(a2, v128.load(p + 2 * step));
          a3 = f32x4.add(a3, v128.load(p + 3 * step));
        }
        low = lowHalf(lowHalf(lowHalf(lowHalf(low, a0), a1), a2), a3);
        high = highHalf(highHalf(highHalf(highHalf(high, a0), a1), a2), a3);
      }
    }
    while (rest > 0) {
      let a = f32x4.splat(0);
      const chain = min(rest, CHAIN);
      rest -= chain;
      for (let j: u32 = 0; j < chain; j++, p += pitch) a = f32x4.add(a, read(p, m));
      low = lowHalf(low, a);
      high = highHalf(high, a);
    }
    const sum = rounded(low, high);
    write(y + ((<usize>c) << 2), sum, m);
  }
}

function sumLineInt(x: usize, n: u32): i32 {
  let a = i32x4.splat(0);
  for (; n >= 4; n -= 4, x += 16) a = i32x4.add(a, v128.load(x));
  if (n > 0) a = i32x4.add(a, pickOver(i32x4.splat(0), x, n));
  a = i32x4.add(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
  return i32x4.extract_lane(a, 0) + i32x4.extract_lane(a, 1);
}

function sumColumnsInt(y: usize, x: usize, n: u32, pitch: usize, columns: u32): void {
  for (let c: u32 = 0; c < columns; c += 4) {
    const m = columns - c;
    let p = x + ((<usize>c) << 2);
    let a = i32x4.splat(0);
    for (let j: u32 = 0; j < n; j++, p += pitch) a = i32x4.add(a, read(p, m));
    write(y + ((<usize>c) << 2), a, m);
  }
}

/** y[outer, chunks, inner]: chunk c of a row sums n[c * size, (c + 1) * size). An item is a chunk of 16 columns. */
// @ts-ignore: decorator
@inline
function sums<T>(args: usize, ith: u32, nth: u32, chunks: u32, size: u32): void {
  const outer = extent(args, 2);
  const n = extent(args, 3);
  const inner = extent(args, 4);
  const y = pointer(args, 0);
  const x = pointer(args, 1);
  const groups = (inner + 15) >>> 4;
  const items = outer * chunks * groups;
  let item = first(items, 1, ith, nth);
  const end = last(args, items, 1, ith, nth);
  for (; item < end; item++) {
    const part = item / groups; // of outer * chunks
    const column = (item % groups) << 4;
    const j = min(n, (part % chunks) * size);
    const rows = min(size, n - j);
    const from = x + ((<usize>(((part / chunks) * n + j) * inner + column)) << 2);
    const to = y + ((<usize>(part * inner + column)) << 2);
    if (isFloat<T>()) {
      if (inner == 1) store<f32>(to, <f32>sumLine(from, rows));
      else sumColumns(to, from, rows, (<usize>inner) << 2, min(16, inner - column));
    } else {
      if (inner == 1) store<i32>(to, sumLineInt(from, rows));
      else sumColumnsInt(to, from, rows, (<usize>inner) << 2, min(16, inner - column));
    }
  }
}

/** y | x | outer n inner | */
export function sum_f32(args: usize, ith: u32, nth: u32): void {
  sums<f32>(args, ith, nth, 1, extent(args, 3));
}

/** y:i32 | x:i32 | outer n inner | */
export function sum_i32(args: usize, ith: u32, nth: u32): void {
  sums<i32>(args, ith, nth, 1, extent(args, 3));
}

/** y | x | outer n inner chunks | chunk */
export function sum_chunk_f32(args: usize, ith: u32, nth: u32): void {
  sums<f32>(args, ith, nth, extent(args, 5), extent(args, 6));
}

class Max {
  @inline pick(a: v128, b: v128): v128 {
    return f32x4.pmax(a, b); // a < b ? b : a
  }
  @inline beats(x: v128, best: v128): v128 {
    return f32x4.gt(x, best);
  }
  @inline worst(): f32 {
    return -Infinity;
  }
}
class Min {
  @inline pick(a: v128, b: v128): v128 {
    return f32x4.pmin(a, b);
  }
  @inline beats(x: v128, best: v128): v128 {
    return f32x4.lt(x, best);
  }
  @inline worst(): f32 {
    return Infinity;
  }
}

/** Index of the first lane of n floats that equals v (a splat), or, with nan, that is NaN; n if there is none. */
function find(x: usize, n: u32, v: v128, nan: bool): u32 {
  for (let i: u32 = 0; i < n; i += 4, x += 16) {
    const m = n - i;
    const at = read(x, m);
    const hit = i32x4.bitmask(nan ? f32x4.ne(at, at) : f32x4.eq(at, v));
    if (hit) return i + ctz(hit);
  }
  return n;
}

/** Index of the extreme of n floats: the first NaN, else the first extreme. */
function extremeLine<F>(x: usize, n: u32): u32 {
  const f = changetype<F>(0);
  let b0 = f32x4.splat(f.worst());
  let b1 = b0;
  let nan = i32x4.splat(0);
  let p = x;
  let rest = n;
  for (; rest >= 8; rest -= 8, p += 32) {
    const x0 = v128.load(p);
    const x1 = v128.load(p, 16);
    b0 = f.pick(b0, x0);
    b1 = f.pick(b1, x1);
    nan = v128.or(nan, f32x4.ne(x0, x0));
    nan = v128.or(nan, f32x4.ne(x1, x1));
  }
  for (; rest > 0; rest -= min(rest, 4), p += 16) {
    const x0 = rest >= 4 ? v128.load(p) : pick(p, 4, rest);
    b0 = f.pick(b0, x0);
    nan = v128.or(nan, f32x4.ne(x0, x0));
  }
  if (v128.any_true(nan)) return find(x, n, nan, true);
  b0 = f.pick(b0, b1);
  b0 = f.pick(b0, i32x4.shuffle(b0, b0, 2, 3, 0, 1));
  b0 = f.pick(b0, i32x4.shuffle(b0, b0, 1, 0, 3, 2));
  return find(x, n, b0, false);
}

/** The same over n rows of inner floats, for m of 1 to 4 columns. */
function extremeColumns<F>(y: usize, index: usize, x: usize, n: u32, inner: u32, m: u32): void {
  const f = changetype<F>(0);
  let best = f32x4.splat(f.worst());
  let at = i32x4.splat(0);
  for (let j: u32 = 0; j < n; j++, x += (<usize>inner) << 2) {
    const v = read(x, m);
    const nan = v128.andnot(f32x4.ne(v, v), f32x4.ne(best, best));
    const take = v128.or(f.beats(v, best), nan);
    best = v128.bitselect(v, best, take);
    at = v128.bitselect(i32x4.splat(j), at, take);
  }
  if (m >= 4) {
    v128.store(index, at);
    if (y) v128.store(y, best);
  } else {
    storeLanes(index, at, m);
    if (y) storeLanes(y, best, m);
  }
}

/** y is 0 where only the index is asked for; the input stands at args + at, the extents behind it. */
// @ts-ignore: decorator
@inline
function extreme<F>(args: usize, at: usize, y: usize, index: usize, ith: u32, nth: u32): void {
  const f = changetype<F>(0);
  const x = load<usize>(args + at);
  const outer = load<u32>(args + at, 4);
  const n = load<u32>(args + at, 8);
  const inner = load<u32>(args + at, 12);
  const groups = (inner + 3) >>> 2;
  let item = first(outer * groups, 1, ith, nth);
  const end = last(args, outer * groups, 1, ith, nth);
  for (; item < end; item++) {
    if (inner == 1) {
      const from = x + ((<usize>(item * n)) << 2);
      const i = extremeLine<F>(from, n);
      store<u32>(index + ((<usize>item) << 2), i < n ? i : 0);
      if (y) store<f32>(y + ((<usize>item) << 2), i < n ? load<f32>(from + ((<usize>i) << 2)) : f.worst());
    } else {
      const o = item / groups;
      const column = (item % groups) << 2;
      const to = (<usize>(o * inner + column)) << 2;
      const from = x + ((<usize>(o * n * inner + column)) << 2);
      extremeColumns<F>(y ? y + to : 0, index + to, from, n, inner, min(4, inner - column));
    }
  }
}

/** y idx:u32 | x | outer n inner |        the first extreme; the first NaN wins */
export function max_f32(args: usize, ith: u32, nth: u32): void {
  extreme<Max>(args, 8, pointer(args, 0), pointer(args, 1), ith, nth);
}

/** idx:u32 | x | outer n inner | */
export function argmax_f32(args: usize, ith: u32, nth: u32): void {
  extreme<Max>(args, 4, 0, pointer(args, 0), ith, nth);
}

/** y idx:u32 | x | outer n inner |        the first extreme; the first NaN wins */
export function min_f32(args: usize, ith: u32, nth: u32): void {
  extreme<Min>(args, 8, pointer(args, 0), pointer(args, 1), ith, nth);
}

/** idx:u32 | x | outer n inner | */
export function argmin_f32(args: usize, ith: u32, nth: u32): void {
  extreme<Min>(args, 4, 0, pointer(args, 0), ith, nth);
}

/** The first extreme of whole numbers, line by line: y is 0 where only the index is asked for. */
// @ts-ignore: decorator
@inline
function extremeOfWhole(args: usize, at: usize, y: usize, index: usize, most: bool, ith: u32, nth: u32): void {
  const x = load<usize>(args + at);
  const outer = load<u32>(args + at, 4);
  const n = load<u32>(args + at, 8);
  const inner = load<u32>(args + at, 12);
  const end = last(args, outer * inner, 1, ith, nth);
  for (let line = first(outer * inner, 1, ith, nth); line < end; line++) {
    const from = x + ((<usize>((line / inner) * n * inner + (line % inner))) << 2);
    let best = load<i32>(from);
    let where: u32 = 0;
    for (let j: u32 = 1; j < n; j++) {
      const v = load<i32>(from + ((<usize>(j * inner)) << 2));
      if (most ? v > best : v < best) {
        best = v;
        where = j;
      }
    }
    store<u32>(index + ((<usize>line) << 2), where);
    if (y) store<i32>(y + ((<usize>line) << 2), best);
  }
}

/** y:i32 idx:u32 | x:i32 | outer n inner | */
export function max_i32(args: usize, ith: u32, nth: u32): void {
  extremeOfWhole(args, 8, pointer(args, 0), pointer(args, 1), true, ith, nth);
}

/** idx:u32 | x:i32 | outer n inner | */
export function argmax_i32(args: usize, ith: u32, nth: u32): void {
  extremeOfWhole(args, 4, 0, pointer(args, 0), true, ith, nth);
}

/** y:i32 idx:u32 | x:i32 | outer n inner | */
export function min_i32(args: usize, ith: u32, nth: u32): void {
  extremeOfWhole(args, 8, pointer(args, 0), pointer(args, 1), false, ith, nth);
}

/** idx:u32 | x:i32 | outer n inner | */
export function argmin_i32(args: usize, ith: u32, nth: u32): void {
  extremeOfWhole(args, 4, 0, pointer(args, 0), false, ith, nth);
}

/** gx | g idx:u32 | outer n inner |        gx[o, j, i] = idx[o, i] == j ? g[o, i] : 0 */
export function max_vjp_f32(args: usize, ith: u32, nth: u32): void {
  const outer = extent(args, 3);
  const n = extent(args, 4);
  const inner = extent(args, 5);
  const gx = pointer(args, 0);
  const g = pointer(args, 1);
  const index = pointer(args, 2);
  const lines = inner == 1 ? outer : outer * n;
  let item = first(lines, 1, ith, nth);
  const end = last(args, lines, 1, ith, nth);
  for (; item < end; item++) {
    if (inner == 1) {
      const to = gx + ((<usize>(item * n)) << 2);
      fill(to, i32x4.splat(0), n);
      const j = load<u32>(index + ((<usize>item) << 2));
      if (j < n) store<f32>(to + ((<usize>j) << 2), load<f32>(g + ((<usize>item) << 2)));
      continue;
    }
    const j = i32x4.splat(item % n);
    const from = (<usize>((item / n) * inner)) << 2;
    const to = gx + ((<usize>(item * inner)) << 2);
    for (let i: u32 = 0; i < inner; i += 4) {
      const m = inner - i;
      const at = from + ((<usize>i) << 2);
      const here = i32x4.eq(read(index + at, m), j);
      const v = v128.and(read(g + at, m), here);
      write(to + ((<usize>i) << 2), v, m);
    }
  }
}
