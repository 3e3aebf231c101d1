// softmax and log-softmax of x[outer, n, inner] over n, and their gradients. The row's maximum is subtracted first:
// -inf gives 0, a NaN or +inf makes the whole row NaN.
import { extent, first, last, pointer, scratch } from "../lib/args";
import { CHAIN, highHalf, join, joined, lowHalf, pickOver, read, rounded, write } from "../lib/lanes";
import { exp, expFlush, log } from "../lib/math";
import { expLine, logOf, maxLine, shiftLine, softmaxLine } from "./softmaxrow";

// The loops over a dimension that is not the last: m of 1 to 4 columns, rows `pitch` bytes apart.

class Softmax {
  @inline columns(y: usize, x: usize, n: u32, pitch: usize, m: u32): void {
    columns<bool>(y, x, n, pitch, m);
  }
  @inline line(y: usize, x: usize, n: u32, spare: usize): void {
    softmaxLine(y, x, n, spare);
  }
}

class LogSoftmax {
  @inline columns(y: usize, x: usize, n: u32, pitch: usize, m: u32): void {
    columns<f32>(y, x, n, pitch, m);
  }
  @inline line(y: usize, x: usize, n: u32, spare: usize): void {
    const most = maxLine(x, n);
    shiftLine(y, x, n, most, logOf(expLine(spare, 0, x, n, most)));
  }
}

/** T is f32 for the logarithm, bool for the plain softmax. */
function columns<T>(y: usize, x: usize, n: u32, pitch: usize, m: u32): void {
  let most = f32x4.splat(-Infinity);
  const end = <usize>n * pitch;
  for (let p: usize = 0; p < end; p += pitch) most = f32x4.pmax(most, read(x + p, m));
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  for (let p: usize = 0; p < end; ) {
    let a = f32x4.splat(0);
    for (const stop = min(end, p + <usize>CHAIN * pitch); p < stop; p += pitch) {
      const e = expFlush(f32x4.sub(read(x + p, m), most));
      if (!isFloat<T>()) write(y + p, e, m);
      a = f32x4.add(a, e);
    }
    low = lowHalf(low, a);
    high = highHalf(high, a);
  }
  const total = rounded(low, high);
  if (isFloat<T>()) {
    const shift = log(total);
    for (let p: usize = 0; p < end; p += pitch) write(y + p, f32x4.sub(f32x4.sub(read(x + p, m), most), shift), m);
  } else {
    const scale = f32x4.div(f32x4.splat(1), total);
    for (let p: usize = 0; p < end; p += pitch) write(y + p, f32x4.mul(read(y + p, m), scale), m);
  }
}

/** y | x | outer n inner |        an item is a row, or 16 columns */
// @ts-ignore: decorator
@inline
function forward<F>(args: usize, ith: u32, nth: u32): void {
  const f = changetype<F>(0);
  const y = pointer(args, 0);
  const x = pointer(args, 1);
  const outer = extent(args, 2);
  const n = extent(args, 3);
  const inner = extent(args, 4);
  const groups = (inner + 15) >>> 4;
  let item = first(outer * groups, 1, ith, nth);
  const end = last(args, outer * groups, 1, ith, nth);
  for (; item < end; item++) {
    if (inner == 1) {
      const row = (<usize>(item * n)) << 2;
      f.line(y + row, x + row, n, scratch(ith));
      continue;
    }
    const column = (item % groups) << 4;
    let from = (<usize>((item / groups) * n * inner + column)) << 2;
    for (let c = column; c < min(inner, column + 16); c += 4, from += 16) {
      f.columns(y + from, x + from, n, (<usize>inner) << 2, inner - c);
    }
  }
}

export function softmax_f32(args: usize, ith: u32, nth: u32): void {
  forward<Softmax>(args, ith, nth);
}

export function log_softmax_f32(args: usize, ith: u32, nth: u32): void {
  forward<LogSoftmax>(args, ith, nth);
}

// The gradients: a sum over the row, of `term`, then `v` of each element and that sum.
class SoftmaxVjp {
  @inline term(g: v128, y: v128): v128 {
    return f32x4.mul(g, y);
  }
  @inline v(g: v128, y: v128, sum: v128): v128 {
    return f32x4.mul(y, f32x4.sub(g, sum));
  }
}
class LogSoftmaxVjp {
  @inline term(g: v128, y: v128): v128 {
    return g;
  }
  @inline v(g: v128, y: v128, sum: v128): v128 {
    return f32x4.sub(g, f32x4.mul(exp(y), sum));
  }
}

function vjpLine<F>(gx: usize, g: usize, y: usize, n: u32): void {
  const f = changetype<F>(0);
  const zero = f32x4.splat(0);
  let total = f64x2.splat(0);
  const size = (<usize>n) << 2;
  for (let p: usize = 0; p < size; ) {
    let a0 = zero;
    let a1 = zero;
    const stop = min(size, p + (CHAIN << 5));
    for (; p + 32 <= stop; p += 32) {
      a0 = f32x4.add(a0, f.term(v128.load(g + p), v128.load(y + p)));
      a1 = f32x4.add(a1, f.term(v128.load(g + p, 16), v128.load(y + p, 16)));
    }
    for (; p < stop; p += 16) {
      const m = <u32>(stop - p) >>> 2;
      if (m >= 4) a0 = f32x4.add(a0, f.term(v128.load(g + p), v128.load(y + p)));
      else a1 = f32x4.add(a1, f.term(pickOver(zero, g + p, m), pickOver(zero, y + p, m)));
    }
    total = join(total, f32x4.add(a0, a1));
  }
  const sum = f32x4.splat(<f32>joined(total));
  for (let p: usize = 0; p < size; p += 16) {
    const m = <u32>(size - p) >>> 2;
    write(gx + p, f.v(read(g + p, m), read(y + p, m), sum), m);
  }
}

function vjpColumns<F>(gx: usize, g: usize, y: usize, n: u32, pitch: usize, m: u32): void {
  const f = changetype<F>(0);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  const end = <usize>n * pitch;
  for (let p: usize = 0; p < end; ) {
    let a = f32x4.splat(0);
    for (const stop = min(end, p + <usize>CHAIN * pitch); p < stop; p += pitch) {
      a = f32x4.add(a, f.term(read(g + p, m), read(y + p, m)));
    }
    low = lowHalf(low, a);
    high = highHalf(high, a);
  }
  const sum = rounded(low, high);
  for (let p: usize = 0; p < end; p += pitch) write(gx + p, f.v(read(g + p, m), read(y + p, m), sum), m);
}

/** gx | g y | outer n inner | */
// @ts-ignore: decorator
@inline
function backward<F>(args: usize, ith: u32, nth: u32): void {
  const gx = pointer(args, 0);
  const g = pointer(args, 1);
  const y = pointer(args, 2);
  const outer = extent(args, 3);
  const n = extent(args, 4);
  const inner = extent(args, 5);
  const groups = (inner + 15) >>> 4;
  let item = first(outer * groups, 1, ith, nth);
  const end = last(args, outer * groups, 1, ith, nth);
  for (; item < end; item++) {
    const column = (item % groups) << 4;
    let from = (<usize>((item / groups) * n * inner + column)) << 2;
    if (inner == 1) {
      vjpLine<F>(gx + from, g + from, y + from, n);
      continue;
    }
    for (let c = column; c < min(inner, column + 16); c += 4, from += 16) {
      vjpColumns<F>(gx + from, g + from, y + from, n, (<usize>inner) << 2, inner - c);
    }
  }
}

export function softmax_vjp_f32(args: usize, ith: u32, nth: u32): void {
  backward<SoftmaxVjp>(args, ith, nth);
}

export function log_softmax_vjp_f32(args: usize, ith: u32, nth: u32): void {
  backward<LogSoftmaxVjp>(args, ith, nth);
}
