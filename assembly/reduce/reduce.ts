// Reductions of x[outer, n, inner] over n, and the gradient of a maximum. Sums keep chains of at most eight f32
// additions and join them in f64, so that a sum of k terms is within 8 * 2^-24 * sum |x| whatever k is.
import { extent, first, last, pointer, spare } from "../lib/args";
import { addTo, CHAIN, fill, pick, pickOver, read, rounded, WIDE, write } from "../lib/lanes";
import { sumLine } from "./sumrow";

/** Adds `rows` words, `pitch` bytes apart, of each of four columns to their totals. */
// @ts-ignore: decorator
@inline
function addFew(t: usize, x: usize, pitch: usize, rows: u32): void {
  let a = v128.load(x);
  for (let j: u32 = 1; j < rows; j++) {
    x += pitch;
    a = f32x4.add(a, v128.load(x));
  }
  addTo(t, a);
}

/** Four words of eight rows, in pairs: three additions one after the other, where a chain has seven. */
// @ts-ignore: decorator
@inline
function eight(p: usize, pitch: usize): v128 {
  const q = p + (pitch << 2);
  const odd = p + pitch;
  const oddFar = q + pitch;
  const two = pitch << 1;
  const a = f32x4.add(f32x4.add(v128.load(p), v128.load(odd)), f32x4.add(v128.load(p + two), v128.load(odd + two)));
  const b = f32x4.add(f32x4.add(v128.load(q), v128.load(oddFar)), f32x4.add(v128.load(q + two), v128.load(oddFar + two)));
  return f32x4.add(a, b);
}

/** In scratch behind the totals: sums of eight rows that wait for eight more. */
const WAITING: usize = ((<usize>WIDE) << 3) + 64;

/**
 * Totals in f64 of n rows, `pitch` bytes apart, of so many columns. What is no whole vector ends one that begins in front,
 * also in front of x, and has totals of its own behind the others.
 */
function addColumns(totals: usize, x: usize, n: u32, pitch: usize, columns: u32): void {
  fill(totals, i32x4.splat(0), (columns << 1) + 8);
  const size = (<usize>columns) << 2;
  while (n > 0) {
    const pair = n >= 2 * CHAIN;
    const rows: u32 = pair ? 2 * CHAIN : min(n, CHAIN);
    let w = totals + WAITING;
    if (pair) {
      // Not 16 rows at once: where they lie pages apart, caches have eight places for them.
      for (let c: usize = 16; c < size + 16; c += 16, w += 16) v128.store(w, eight(x + min(c, size) - 16, pitch));
      w = totals + WAITING;
      x += pitch * CHAIN;
    }
    let t = totals;
    for (let c: usize = 16; c < size + 16; c += 16, t += 32, w += 16) {
      const p = x + min(c, size) - 16;
      if (pair) addTo(t, f32x4.add(v128.load(w), eight(p, pitch)));
      else addFew(t, p, pitch, rows);
    }
    n -= rows;
    x += pitch * (pair ? CHAIN : rows);
  }
}

/** Sums over n rows, `pitch` bytes apart, of up to WIDE columns, all there are where these are less than 16. */
function sumColumns(y: usize, x: usize, n: u32, pitch: usize, columns: u32, totals: usize): void {
  const few = columns < 16 && pitch == (<usize>columns) << 2;
  const along: u32 = columns < 4 ? 16 : 8;
  if (few && (columns < 4 || n >= CHAIN * along)) {
    // So many rows side by side are a row of as many columns.
    const wide = along * columns;
    addColumns(totals, x, n / along, pitch * along, wide);
    x += <usize>(n / along) * pitch * along;
    for (let c: u32 = 0; c < columns; c++) {
      let total: f64 = 0;
      for (let j = c; j < wide; j += columns) total += load<f64>(totals + ((<usize>j) << 3));
      for (let j: usize = n % along, p = x; j > 0; j--, p += pitch) total += <f64>load<f32>(p);
      store<f32>(y, <f32>total);
      x += 4;
      y += 4;
    }
    return;
  }
  addColumns(totals, x, n, pitch, columns);
  const rest = columns & 3;
  for (let c: u32 = rest; c < columns; c += 4, totals += 32, y += 16) {
    v128.store(y, rounded(v128.load(totals), v128.load(totals, 16)));
  }
  for (let c = 4 - rest; rest && c < 4; c++, y += 4) store<f32>(y, <f32>load<f64>(totals + ((<usize>c) << 3)));
}

function sumLineInt(x: usize, n: u32): i32 {
  let a = i32x4.splat(0);
  let b = a;
  for (; n >= 16; n -= 16, x += 64) {
    a = i32x4.add(i32x4.add(a, v128.load(x)), v128.load(x, 16));
    b = i32x4.add(i32x4.add(b, v128.load(x, 32)), v128.load(x, 48));
  }
  a = i32x4.add(a, b);
  for (; n >= 4; n -= 4, x += 16) a = i32x4.add(a, v128.load(x));
  if (n > 0) a = i32x4.add(a, pickOver(i32x4.splat(0), x, n));
  a = i32x4.add(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
  return i32x4.extract_lane(a, 0) + i32x4.extract_lane(a, 1);
}

function sumColumnsInt(y: usize, x: usize, n: u32, pitch: usize, columns: u32): void {
  const size = (<usize>columns) << 2;
  fill(y, i32x4.splat(0), columns);
  while (n > 0) {
    const rows = min(n, CHAIN);
    let c: usize = 0;
    for (; c + 16 <= size; c += 16) {
      let a = v128.load(y + c);
      let j = rows;
      let p = x + c;
      for (; j >= 4; j -= 4, p += pitch << 2) {
        const q = p + (pitch << 1);
        a = i32x4.add(i32x4.add(a, v128.load(p)), v128.load(p + pitch));
        a = i32x4.add(i32x4.add(a, v128.load(q)), v128.load(q + pitch));
      }
      for (; j > 0; j--, p += pitch) a = i32x4.add(a, v128.load(p));
      v128.store(y + c, a);
    }
    for (; c < size; c += 4) {
      let a = load<i32>(y + c);
      for (let j: u32 = 0, p = x + c; j < rows; j++, p += pitch) a += load<i32>(p);
      store<i32>(y + c, a);
    }
    n -= rows;
    x += <usize>rows * pitch;
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
  if (inner == 1 && chunks == 1) {
    for (; item < end; item++) {
      const from = x + ((<usize>(item * n)) << 2);
      const to = y + ((<usize>item) << 2);
      if (isFloat<T>()) store<f32>(to, <f32>sumLine(from, n));
      else store<i32>(to, sumLineInt(from, n));
    }
    return;
  }
  while (item < end) {
    const part = item / groups; // of outer * chunks
    const group = item % groups;
    const j = min(n, (part % chunks) * size);
    const rows = min(size, n - j);
    const from = x + ((<usize>(((part / chunks) * n + j) * inner + (group << 4))) << 2);
    const to = y + ((<usize>(part * inner + (group << 4))) << 2);
    const count = min(min(groups - group, end - item), WIDE >>> 4);
    const columns = min(count << 4, inner - (group << 4));
    item += count;
    if (!isFloat<T>()) sumColumnsInt(to, from, rows, (<usize>inner) << 2, columns);
    else if (inner == 1) store<f32>(to, <f32>sumLine(from, rows));
    else sumColumns(to, from, rows, (<usize>inner) << 2, columns, spare(ith));
  }
}

function floatSums(args: usize, ith: u32, nth: u32, chunks: u32, size: u32): void {
  sums<f32>(args, ith, nth, chunks, size);
}

/** y | x | outer n inner | */
export function sum_f32(args: usize, ith: u32, nth: u32): void {
  floatSums(args, ith, nth, 1, extent(args, 3));
}

/** y:i32 | x:i32 | outer n inner | */
export function sum_i32(args: usize, ith: u32, nth: u32): void {
  sums<i32>(args, ith, nth, 1, extent(args, 3));
}

/** y | x | outer n inner chunks | chunk */
export function sum_chunk_f32(args: usize, ith: u32, nth: u32): void {
  floatSums(args, ith, nth, extent(args, 5), extent(args, 6));
}

class Max {
  @inline pick(a: v128, b: v128): v128 {
    return f32x4.pmax(a, b); // a < b ? b : a
  }
  @inline stays(best: v128, x: v128): v128 {
    return f32x4.ge(best, x);
  }
  @inline worst(): f32 {
    return -Infinity;
  }
}
class Min {
  @inline pick(a: v128, b: v128): v128 {
    return f32x4.pmin(a, b);
  }
  @inline stays(best: v128, x: v128): v128 {
    return f32x4.le(best, x);
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

/** Whether four columns of eight rows have nothing better, nor NaN. */
// @ts-ignore: decorator
@inline
function eightStay<F>(best: v128, p: usize, pitch: usize): bool {
  const f = changetype<F>(0);
  const q = p + (pitch << 2);
  const two = pitch << 1;
  let a = v128.and(f.stays(best, v128.load(p)), f.stays(best, v128.load(p + pitch)));
  let b = v128.and(f.stays(best, v128.load(q)), f.stays(best, v128.load(q + pitch)));
  a = v128.and(a, v128.and(f.stays(best, v128.load(p + two)), f.stays(best, v128.load(p + two + pitch))));
  b = v128.and(b, v128.and(f.stays(best, v128.load(q + two)), f.stays(best, v128.load(q + two + pitch))));
  return i32x4.all_true(v128.and(a, b));
}

/** The same over n rows, `pitch` bytes apart, of so many columns. */
function extremeColumns<F>(y: usize, index: usize, x: usize, n: u32, pitch: usize, columns: u32): void {
  const f = changetype<F>(0);
  const size = (<usize>columns) << 2;
  fill(y, f32x4.splat(f.worst()), columns);
  fill(index, i32x4.splat(0), columns);
  for (let j: u32 = 0; j < n; j += CHAIN, x += pitch * CHAIN) {
    const stop = min(n, j + CHAIN);
    for (let c: usize = 0; c < size; c += 16) {
      const m = <u32>(size - c) >>> 2;
      let best = read(y + c, m);
      // The longer it takes, the seldomer one of eight rows is better.
      if (m >= 4 && stop - j == CHAIN && eightStay<F>(best, x + c, pitch)) continue;
      let at = read(index + c, m);
      for (let i = j, p = x + c; i < stop; i++, p += pitch) {
        const v = read(p, m);
        const take = v128.andnot(f32x4.eq(best, best), f.stays(best, v)); // also NaN, once
        best = v128.bitselect(v, best, take);
        at = v128.bitselect(i32x4.splat(i), at, take);
      }
      write(y + c, best, m);
      write(index + c, at, m);
    }
  }
}

/** y is 0 where only the index is asked for; the input stands at args + at, the extents behind it. */
function extreme<F>(args: usize, at: usize, y: usize, index: usize, ith: u32, nth: u32): void {
  const f = changetype<F>(0);
  const x = load<usize>(args + at);
  const outer = load<u32>(args + at, 4);
  const n = load<u32>(args + at, 8);
  const inner = load<u32>(args + at, 12);
  const groups = (inner + 15) >>> 4;
  let item = first(outer * groups, 1, ith, nth);
  const end = last(args, outer * groups, 1, ith, nth);
  while (item < end) {
    if (inner == 1) {
      const from = x + ((<usize>(item * n)) << 2);
      const i = extremeLine<F>(from, n);
      store<u32>(index + ((<usize>item) << 2), i < n ? i : 0);
      if (y) store<f32>(y + ((<usize>item) << 2), i < n ? load<f32>(from + ((<usize>i) << 2)) : f.worst());
      item++;
    } else {
      const o = item / groups;
      const group = item % groups;
      const to = (<usize>(o * inner + (group << 4))) << 2;
      const from = x + ((<usize>(o * n * inner + (group << 4))) << 2);
      const count = min(min(groups - group, end - item), WIDE >>> 4);
      const columns = min(count << 4, inner - (group << 4));
      extremeColumns<F>(y ? y + to : spare(ith), index + to, from, n, (<usize>inner) << 2, columns);
      item += count;
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

/** The first extreme of whole numbers, line by line: y is 0 where only the index is asked for. The least of v is the most of ~v. */
function extremeOfWhole(args: usize, at: usize, y: usize, index: usize, most: bool, ith: u32, nth: u32): void {
  const x = load<usize>(args + at);
  const outer = load<u32>(args + at, 4);
  const n = load<u32>(args + at, 8);
  const inner = load<u32>(args + at, 12);
  const flip = most ? 0 : -1;
  const end = last(args, outer * inner, 1, ith, nth);
  for (let line = first(outer * inner, 1, ith, nth); line < end; line++) {
    const from = x + ((<usize>((line / inner) * n * inner + (line % inner))) << 2);
    let best = load<i32>(from) ^ flip;
    let where: u32 = 0;
    for (let j: u32 = 1; j < n; j++) {
      const v = load<i32>(from + ((<usize>(j * inner)) << 2)) ^ flip;
      if (v > best) {
        best = v;
        where = j;
      }
    }
    store<u32>(index + ((<usize>line) << 2), where);
    if (y) store<i32>(y + ((<usize>line) << 2), best ^ flip);
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
