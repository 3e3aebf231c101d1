// Moving 32-bit words of any dtype: copies, fills, ranges, strided gathers and transposes.
import { extent, first, last, pointer, scalar, spare } from "./lib/args";
import { Add } from "./lib/arith";
import { fill, words } from "./lib/lanes";
import { DIMS, GRAIN, line, offset } from "./lib/map";
import { copyNest, transposeBand } from "./lib/nest";

/** y:u32 | x:u32 | n | */
export function copy_b32(args: usize, ith: u32, nth: u32): void {
  const n = extent(args, 2);
  const i = first(n, GRAIN, ith, nth);
  const count = last(args, n, GRAIN, ith, nth) - i;
  words(pointer(args, 0) + ((<usize>i) << 2), pointer(args, 1) + ((<usize>i) << 2), count);
}

/** y:u32 | | n | word */
export function fill_f32(args: usize, ith: u32, nth: u32): void {
  const n = extent(args, 1);
  const i = first(n, GRAIN, ith, nth);
  const count = last(args, n, GRAIN, ith, nth) - i;
  fill(pointer(args, 0) + ((<usize>i) << 2), v128.load32_splat(args + 8), count);
}

/** y | | n | start:f32 step:f32        start + i * step in f64, rounded once */
export function arange_f32(args: usize, ith: u32, nth: u32): void {
  const n = extent(args, 1);
  const start = <f64>scalar(args, 2);
  const step = <f64>scalar(args, 3);
  const y = pointer(args, 0);
  let i = first(n, GRAIN, ith, nth);
  const end = last(args, n, GRAIN, ith, nth);
  for (; i < end; i++) store<f32>(y + ((<usize>i) << 2), <f32>(start + <f64>i * step));
}

/** y:i32 | | n | start:i32 step:i32 */
export function arange_i32(args: usize, ith: u32, nth: u32): void {
  const n = extent(args, 1);
  const start = extent(args, 2);
  const step = extent(args, 3);
  const y = pointer(args, 0);
  let i = first(n, GRAIN, ith, nth);
  const end = last(args, n, GRAIN, ith, nth);
  for (; i < end; i++) store<u32>(y + ((<usize>i) << 2), start + i * step);
}

/** y:u32 | x:u32 | d*6 | s*6:i32        y[i0..i5] = x[i0 s0 + .. + i5 s5], y dense */
export function permute_b32(args: usize, ith: u32, nth: u32): void {
  const dims = args + 8;
  const strides = args + 32;
  const x = pointer(args, 1);
  let total: u32 = 1;
  for (let d: usize = 0; d < DIMS << 2; d += 4) total *= load<u32>(dims + d);
  if (load<i32>(strides, 20) > 1 && load<u32>(dims, 20) >= 4 && total > 0) {
    // What lies side by side in x, if that is a dim of its own, is read together.
    for (let d: i32 = 16; d >= 0; d -= 4) {
      if (load<i32>(strides + d) == 1 && load<u32>(dims + d) >= 4) return turn(args, <usize>d, total, ith, nth);
    }
  }
  const i = first(total, GRAIN, ith, nth);
  const end = last(args, total, GRAIN, ith, nth);
  if (i < end) copyNest(pointer(args, 0) + ((<usize>i) << 2), x, dims, strides, i, end);
}

/** permute_b32 as transposes of the last dim and the one `side` bytes behind the first, in bands of 16 of its lines. */
function turn(args: usize, side: usize, total: u32, ith: u32, nth: u32): void {
  const strides = args + 32;
  const width = load<u32>(args, 28);
  const lines = load<u32>(args + 8 + side);
  const bands = (lines + 15) >>> 4;
  // The other dims, and how far they go in y.
  const dims = spare(ith);
  let pitch: u32 = 1;
  let step: u32 = 1;
  for (let d: i32 = 20; d >= 0; d -= 4) {
    const n = load<u32>(args + 8 + d);
    const own = d == <i32>side;
    store<u32>(dims + d, own ? 1 : n);
    store<u32>(dims + d, step, 24);
    if (own) pitch = step;
    step *= n;
  }
  const items = (total / (lines * width)) * bands;
  let item = first(items, 1, ith, nth);
  const end = last(args, items, 1, ith, nth);
  for (; item < end; item++) {
    const matrix = item / bands;
    const band = (item % bands) << 4;
    const from = pointer(args, 1) + ((offset(matrix, dims, strides, 5) + <i32>band) << 2);
    const to = pointer(args, 0) + ((offset(matrix, dims, dims + 24, 5) + <i32>(band * pitch)) << 2);
    const s5 = load<i32>(strides, 20);
    transposeBand(to, (<usize>pitch) << 2, from, s5 << 2, width, min(16, lines - band), dims + 64);
  }
}

/** Lines over d5 of the dense x at `from` become those of y, or are added to them; `dims` and six strides behind them. */
function scatter(add: bool, from: usize, dims: usize, args: usize, ith: u32, nth: u32): void {
  const strides = dims + (DIMS << 2);
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

/** y:u32 | x:u32 | d*6 | s*6:i32        y[i0 s0 + .. + i5 s5] = x[i0..i5], x dense: lines over d5 */
export function scatter_b32(args: usize, ith: u32, nth: u32): void {
  scatter(false, pointer(args, 1), args + 8, args, ith, nth);
}

/** y | before x | d*6 | s*6:i32        the same, added to what is there */
export function scatter_add_f32(args: usize, ith: u32, nth: u32): void {
  scatter(true, pointer(args, 2), args + 12, args, ith, nth);
}

/** y:u32 | x:u32 | batch m n |        bands of 16 columns of x */
export function transpose_b32(args: usize, ith: u32, nth: u32): void {
  const batch = extent(args, 2);
  const m = extent(args, 3);
  const n = extent(args, 4);
  const bands = (n + 15) >>> 4;
  let item = first(batch * bands, 1, ith, nth);
  const end = last(args, batch * bands, 1, ith, nth);
  for (; item < end; item++) {
    const matrix = item / bands;
    const band = (item % bands) << 4;
    const to = pointer(args, 0) + ((<usize>((matrix * n + band) * m)) << 2);
    const from = pointer(args, 1) + ((<usize>(matrix * m * n + band)) << 2);
    transposeBand(to, (<usize>m) << 2, from, (<usize>n) << 2, m, min(16, n - band), spare(ith));
  }
}
