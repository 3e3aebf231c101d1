// softmax and log-softmax of x[outer, n, inner] over n, and their gradients. The row's maximum is subtracted first:
// -inf gives 0, a NaN or +inf makes the whole row NaN.
import { extent, first, last, pointer, scratch, spare } from "../lib/args";
import { addTo, CHAIN, fill, join, joined, pickOver, read, rounded, WIDE, write } from "../lib/lanes";
import { exp, expFlush, log } from "../lib/math";
import { expLine, logOf, maxLine, shiftLine, softmaxLine } from "./softmaxrow";

// The loops over a dimension that is not the last: rows of up to WIDE columns, `pitch` bytes apart, eight at a time, so that
// memory is read in its order. What belongs to a column waits in scratch.

/** Bytes in scratch for a word of each column, and a vector. */
const SPARE: usize = ((<usize>WIDE) << 2) + 16;

class Softmax {
  @inline columns(y: usize, x: usize, n: u32, pitch: usize, count: u32, spare: usize): void {
    columns(false, y, x, n, pitch, count, spare);
  }
  @inline line(y: usize, x: usize, n: u32, spare: usize): void {
    softmaxLine(y, x, n, spare);
  }
}

class LogSoftmax {
  @inline columns(y: usize, x: usize, n: u32, pitch: usize, count: u32, spare: usize): void {
    columns(true, y, x, n, pitch, count, spare);
  }
  @inline line(y: usize, x: usize, n: u32, spare: usize): void {
    const most = maxLine(x, n);
    shiftLine(y, x, n, most, logOf(expLine(spare, 0, x, n, most)));
  }
}

/** Both kinds in one function. */
function columns(logs: bool, y: usize, x: usize, n: u32, pitch: usize, count: u32, spare: usize): void {
  const size = (<usize>count) << 2;
  const most = spare;
  const totals = spare + SPARE;
  const end = <usize>n * pitch;
  const eight = pitch * CHAIN;
  fill(most, f32x4.splat(-Infinity), count + 4);
  fill(totals, f32x4.splat(0), 2 * count + 8);
  for (let p: usize = 0; p < end; p += eight) {
    const stop = min(end, p + eight);
    for (let c: usize = 0; c < size; c += 16) {
      const m = <u32>(size - c) >>> 2;
      let best = v128.load(most + c);
      for (let q = p; q < stop; q += pitch) best = f32x4.pmax(best, read(x + q + c, m));
      v128.store(most + c, best);
    }
  }
  for (let p: usize = 0; p < end; p += eight) {
    const stop = min(end, p + eight);
    for (let c: usize = 0; c < size; c += 16) {
      const m = <u32>(size - c) >>> 2;
      const best = v128.load(most + c);
      let a = f32x4.splat(0);
      for (let q = p; q < stop; q += pitch) {
        const e = expFlush(f32x4.sub(read(x + q + c, m), best));
        if (!logs) write(y + q + c, e, m);
        a = f32x4.add(a, e);
      }
      addTo(totals + 2 * c, a);
    }
  }
  // What is taken away, or the scale.
  for (let c: usize = 0; c < size; c += 16) {
    const total = rounded(v128.load(totals + 2 * c), v128.load(totals + 2 * c, 16));
    v128.store(totals + c, logs ? log(total) : f32x4.div(f32x4.splat(1), total));
  }
  for (let p: usize = 0; p < end; p += pitch) {
    for (let c: usize = 0; c < size; c += 16) {
      const m = <u32>(size - c) >>> 2;
      const by = v128.load(totals + c);
      if (logs) write(y + p + c, f32x4.sub(f32x4.sub(read(x + p + c, m), v128.load(most + c)), by), m);
      else write(y + p + c, f32x4.mul(read(y + p + c, m), by), m);
    }
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
  while (item < end) {
    if (inner == 1) {
      const row = (<usize>(item * n)) << 2;
      f.line(y + row, x + row, n, scratch(ith));
      item++;
      continue;
    }
    const group = item % groups;
    const from = (<usize>((item / groups) * n * inner + (group << 4))) << 2;
    const count = min(min(groups - group, end - item), WIDE >>> 4);
    const wide = min(count << 4, inner - (group << 4));
    f.columns(y + from, x + from, n, (<usize>inner) << 2, wide, spare(ith));
    item += count;
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

function vjpColumns<F>(gx: usize, g: usize, y: usize, n: u32, pitch: usize, count: u32, totals: usize): void {
  const f = changetype<F>(0);
  const size = (<usize>count) << 2;
  const end = <usize>n * pitch;
  fill(totals, f32x4.splat(0), 2 * count + 8);
  for (let p: usize = 0; p < end; p += pitch * CHAIN) {
    const stop = min(end, p + pitch * CHAIN);
    for (let c: usize = 0; c < size; c += 16) {
      const m = <u32>(size - c) >>> 2;
      let a = f32x4.splat(0);
      for (let q = p + c; q < stop; q += pitch) a = f32x4.add(a, f.term(read(g + q, m), read(y + q, m)));
      addTo(totals + 2 * c, a);
    }
  }
  for (let p: usize = 0; p < end; p += pitch) {
    let t = totals;
    for (let c: usize = 0; c < size; c += 16, t += 32) {
      const m = <u32>(size - c) >>> 2;
      const sum = rounded(v128.load(t), v128.load(t, 16));
      write(gx + p + c, f.v(read(g + p + c, m), read(y + p + c, m), sum), m);
    }
  }
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
  while (item < end) {
    const group = item % groups;
    const from = (<usize>((item / groups) * n * inner + (group << 4))) << 2;
    let count: u32 = 1;
    if (inner == 1) vjpLine<F>(gx + from, g + from, y + from, n);
    else {
      count = min(min(groups - group, end - item), WIDE >>> 4);
      const wide = min(count << 4, inner - (group << 4));
      vjpColumns<F>(gx + from, g + from, y + from, n, (<usize>inner) << 2, wide, spare(ith));
    }
    item += count;
  }
}

export function softmax_vjp_f32(args: usize, ith: u32, nth: u32): void {
  backward<SoftmaxVjp>(args, ith, nth);
}

export function log_softmax_vjp_f32(args: usize, ith: u32, nth: u32): void {
  backward<LogSoftmaxVjp>(args, ith, nth);
}
