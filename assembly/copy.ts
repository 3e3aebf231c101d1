// Moving 32-bit words of any dtype: copies, fills, ranges, strided gathers and transposes.
import { extent, first, last, pointer, scalar } from "./args";
import { Add } from "./arith";
import { fill, pick, put, words } from "./lanes";
import { GRAIN, line, offset } from "./map";

/** y | x | n | */
export function copy_f32(args: usize, ith: u32, nth: u32): void {
  const n = extent(args, 2);
  const i = first(n, GRAIN, ith, nth);
  const count = last(args, n, GRAIN, ith, nth) - i;
  words(pointer(args, 0) + ((<usize>i) << 2), pointer(args, 1) + ((<usize>i) << 2), count);
}

/** y | | n | word */
export function fill_f32(args: usize, ith: u32, nth: u32): void {
  const n = extent(args, 1);
  const i = first(n, GRAIN, ith, nth);
  const count = last(args, n, GRAIN, ith, nth) - i;
  fill(pointer(args, 0) + ((<usize>i) << 2), v128.load32_splat(args + 8), count);
}

/** y | | n | start step        start + i * step in f64, rounded once */
export function arange_f32(args: usize, ith: u32, nth: u32): void {
  const n = extent(args, 1);
  const start = <f64>scalar(args, 2);
  const step = <f64>scalar(args, 3);
  const y = pointer(args, 0);
  let i = first(n, GRAIN, ith, nth);
  const end = last(args, n, GRAIN, ith, nth);
  for (; i < end; i++) store<f32>(y + ((<usize>i) << 2), <f32>(start + <f64>i * step));
}

/** y | | n | start step */
export function arange_i32(args: usize, ith: u32, nth: u32): void {
  const n = extent(args, 1);
  const start = extent(args, 2);
  const step = extent(args, 3);
  const y = pointer(args, 0);
  let i = first(n, GRAIN, ith, nth);
  const end = last(args, n, GRAIN, ith, nth);
  for (; i < end; i++) store<u32>(y + ((<usize>i) << 2), start + i * step);
}

/** n words x[0], x[stride], ... */
function gather(y: usize, x: usize, stride: i32, n: u32): void {
  if (stride == 1) return words(y, x, n);
  if (stride == 0) return fill(y, v128.load32_splat(x), n);
  stride <<= 2;
  for (const stop = y + ((<usize>(n & ~3)) << 2); y < stop; y += 16, x += stride << 2) {
    v128.store(y, pick(x, stride, 4));
  }
  if (n & 3) put(y, pick(x, stride, n & 3), n & 3);
}

/** y | x | d0..d5 | s0..s5        y[i0..i5] = x[i0 s0 + .. + i5 s5], y dense */
export function permute_f32(args: usize, ith: u32, nth: u32): void {
  const dims = args + 8;
  const strides = args + 32;
  const width = load<u32>(dims, 20);
  const height = load<u32>(dims, 16);
  const s5 = load<i32>(strides, 20);
  const s4 = load<i32>(strides, 16);
  const y = pointer(args, 0);
  const x = pointer(args, 1);
  let matrices: u32 = 1;
  for (let d: usize = 0; d < 16; d += 4) matrices *= load<u32>(dims + d);
  const total = matrices * height * width;
  if (s4 == 1 && s5 > 1 && height >= 4 && width >= 4) {
    // the last two dimensions are swapped: bands of a transpose
    const bands = (height + 15) >>> 4;
    let item = first(matrices * bands, 1, ith, nth);
    const end = last(args, matrices * bands, 1, ith, nth);
    for (; item < end; item++) {
      const matrix = item / bands;
      const band = (item % bands) << 4;
      const from = x + ((offset(matrix, dims, strides, 4) + <i32>band) << 2);
      transposeBand(y + ((<usize>((matrix * height + band) * width)) << 2), from, width, s5, min(16, height - band));
    }
    return;
  }
  let i = first(total, GRAIN, ith, nth);
  const end = last(args, total, GRAIN, ith, nth);
  while (i < end) {
    const row = i / width;
    const column = i % width;
    const count = min(width - column, end - i);
    gather(y + ((<usize>i) << 2), x + ((offset(row, dims, strides, 5) + <i32>column * s5) << 2), s5, count);
    i += count;
  }
}

/** Lines over d5 of the dense x at `from` become those of y, or are added to them; `dims` and six strides behind them. */
function scatter(add: bool, from: usize, dims: usize, args: usize, ith: u32, nth: u32): void {
  const strides = dims + 24;
  const width = load<u32>(dims, 20);
  const step = load<i32>(strides, 20) << 2;
  const y = pointer(args, 0);
  let rows: u32 = 1;
  for (let d: usize = 0; d < 20; d += 4) rows *= load<u32>(dims + d);
  let i = first(rows * width, GRAIN, ith, nth);
  const end = last(args, rows * width, GRAIN, ith, nth);
  from += (<usize>i) << 2;
  while (i < end) {
    const row = i / width;
    const column = i % width;
    const count = min(width - column, end - i);
    let to = y + ((offset(row, dims, strides, 5)) << 2) + <i32>column * step;
    i += count;
    if (step == 4) {
      if (add) line<Add>(to, to, 1, from, 1, count);
      else words(to, from, count);
      from += (<usize>count) << 2;
    } else {
      for (const stop = from + ((<usize>count) << 2); from < stop; from += 4, to += step) {
        if (add) store<f32>(to, load<f32>(to) + load<f32>(from));
        else store<u32>(to, load<u32>(from));
      }
    }
  }
}

/** y | x | d0..d5 | s0..s5        y[i0 s0 + .. + i5 s5] = x[i0..i5], x dense: lines over d5 */
export function scatter_f32(args: usize, ith: u32, nth: u32): void {
  scatter(false, pointer(args, 1), args + 8, args, ith, nth);
}

/** y | y x | d0..d5 | s0..s5        the same, added to what is there */
export function scatter_add_f32(args: usize, ith: u32, nth: u32): void {
  scatter(true, pointer(args, 2), args + 12, args, ith, nth);
}

/** `columns` (up to 16) columns of m rows of x, `pitch` words apart, become rows of m words. */
function transposeBand(y: usize, x: usize, m: u32, pitch: u32, columns: u32): void {
  const down = (<usize>pitch) << 2;
  const across = (<usize>m) << 2;
  const whole = columns & ~3;
  let i: u32 = 0;
  for (; i + 4 <= m; i += 4) {
    let to = y + ((<usize>i) << 2);
    let from = x + <usize>i * down;
    for (const stop = from + ((<usize>whole) << 2); from < stop; from += 16, to += across << 2) {
      const r0 = v128.load(from);
      const r1 = v128.load(from + down);
      const r2 = v128.load(from + 2 * down);
      const r3 = v128.load(from + 3 * down);
      const a = i32x4.shuffle(r0, r1, 0, 4, 1, 5);
      const b = i32x4.shuffle(r2, r3, 0, 4, 1, 5);
      const c = i32x4.shuffle(r0, r1, 2, 6, 3, 7);
      const d = i32x4.shuffle(r2, r3, 2, 6, 3, 7);
      v128.store(to, i64x2.shuffle(a, b, 0, 2));
      v128.store(to + across, i64x2.shuffle(a, b, 1, 3));
      v128.store(to + 2 * across, i64x2.shuffle(c, d, 0, 2));
      v128.store(to + 3 * across, i64x2.shuffle(c, d, 1, 3));
    }
    for (let j = whole; j < columns; j++, from += 4, to += across) v128.store(to, pick(from, <i32>down, 4));
  }
  for (; i < m; i++) {
    const from = x + <usize>i * down;
    for (let j: u32 = 0; j < columns; j++) {
      store<u32>(y + ((<usize>i) << 2) + <usize>j * across, load<u32>(from + ((<usize>j) << 2)));
    }
  }
}

/** y[batch, n, m] | x[batch, m, n] | batch m n |        bands of 16 columns of x */
export function transpose_f32(args: usize, ith: u32, nth: u32): void {
  const batch = extent(args, 2);
  const m = extent(args, 3);
  const n = extent(args, 4);
  const bands = (n + 15) >>> 4;
  let item = first(batch * bands, 1, ith, nth);
  const end = last(args, batch * bands, 1, ith, nth);
  for (; item < end; item++) {
    const matrix = item / bands;
    const band = (item % bands) << 4;
    transposeBand(
      pointer(args, 0) + ((<usize>((matrix * n + band) * m)) << 2),
      pointer(args, 1) + ((<usize>(matrix * m * n + band)) << 2),
      m,
      n,
      min(16, n - band),
    );
  }
}
