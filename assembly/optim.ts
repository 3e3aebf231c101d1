// Optimizer steps as one row over a table of segments (the parameters that have a gradient), in PyTorch's arithmetic
// and order. Buffers: per segment the outputs, then lr, then per segment the inputs. Extents: the number S of segments
// and their lengths. The work is split over the elements of all segments together. f64 scalars take two words.
import { buffers, extent, fault, first, last, pointer } from "./lib/args";
import { read, write } from "./lib/lanes";
import { GRAIN } from "./lib/map";
import { madd } from "./lib/simd";

/** step.. | g.. | count |     step += 1 for each of the tensors, of one element. Of the gradients it takes nothing: without them there is no step. Serial. */
export function tick_f32(args: usize, ith: u32, nth: u32): void {
  if (ith > 0) return;
  const count = extent(args, buffers(args));
  for (let s: u32 = 0; s < count; s++) {
    const step = pointer(args, s);
    store<f32>(step, load<f32>(step) + 1);
  }
}

/** base^n by repeated squaring. */
function power(base: f64, n: u32): f64 {
  let result: f64 = 1;
  for (; n > 0; n >>>= 1, base *= base) if (n & 1) result *= base;
  return result;
}

/**
 * y | step g | count | beta1:f64 beta2:f64
 *
 * What depends on the count t of steps: y is t, 1 - beta1^t, 1 - beta2^t, and the length 2 / (1 - beta2) - 1 - 2 t beta2^t / (1 - beta2^t)
 * of the average behind the second (RAdam's rho_t). In float32 these cancel. Of g it takes nothing: without it there is no step. The count is 1. Serial.
 */
export function corrections_f32(args: usize, ith: u32, nth: u32): void {
  if (ith > 0) return;
  const y = pointer(args, 0);
  const step = load<f32>(pointer(args, 1));
  const t = <u32>step;
  const beta1 = load<f64>(args, 16);
  const beta2 = load<f64>(args, 24);
  const left = power(beta2, t);
  store<f32>(y, step);
  store<f32>(y, <f32>(1 - power(beta1, t)), 4);
  store<f32>(y, <f32>(1 - left), 8);
  store<f32>(y, <f32>(2 / (1 - beta2) - 1 - (2 * <f64>t * left) / (1 - left)), 12);
}

/**
 * Calls `segment` for this thread's elements of each segment. `outs` outputs a segment, then lr, then `ins` inputs.
 */
// @ts-ignore: decorator
@inline
function segments<F>(args: usize, ith: u32, nth: u32, outs: u32, ins: u32): void {
  const f = changetype<F>(0);
  const table = args + ((<usize>buffers(args)) << 2);
  const count = load<u32>(table);
  const lengths = table + 4;
  const scalars = lengths + ((<usize>count) << 2);
  const inputs = args + ((<usize>(count * outs)) << 2);
  const lr = load<f32>(load<usize>(inputs));
  let total: u32 = 0;
  for (let s: u32 = 0; s < count; s++) total += load<u32>(lengths + ((<usize>s) << 2));
  const begin = first(total, GRAIN, ith, nth);
  const end = last(args, total, GRAIN, ith, nth);
  let start: u32 = 0;
  for (let s: u32 = 0; s < count && start < end; s++) {
    const stop = start + load<u32>(lengths + ((<usize>s) << 2));
    const from = max(start, begin) - start;
    const to = min(stop, end) - start;
    if (stop > begin && to > from) {
      const o = args + ((<usize>(s * outs)) << 2);
      const i = inputs + 4 + ((<usize>(s * ins)) << 2);
      f.segment(o, i, (<usize>from) << 2, (<usize>to) << 2, lr, scalars);
    }
    start = stop;
  }
}

/** g, negated to maximize, plus weight decay. */
// @ts-ignore: decorator
@inline
function direction(g: v128, p: v128, flip: v128, decay: f32): v128 {
  const d = v128.xor(g, flip);
  return decay != 0 ? madd(p, f32x4.splat(decay), d) : d;
}

// @ts-ignore: decorator
@inline
function flipOf(maximize: u32): v128 {
  return i32x4.splat(maximize ? 0x80000000 : 0);
}

class Sgd {
  segment(o: usize, i: usize, from: usize, to: usize, lr: f32, scalars: usize): void {
    const p = load<usize>(o);
    const g = load<usize>(i);
    const decay = <f32>load<f64>(scalars);
    const flip = flipOf(load<u32>(scalars, 8));
    const rate = f32x4.splat(-lr);
    if (decay == 0) {
      for (; from + 64 <= to; from += 64) {
        const x = p + from;
        const d = g + from;
        v128.store(x, madd(v128.xor(v128.load(d), flip), rate, v128.load(x)));
        v128.store(x, madd(v128.xor(v128.load(d, 16), flip), rate, v128.load(x, 16)), 16);
        v128.store(x, madd(v128.xor(v128.load(d, 32), flip), rate, v128.load(x, 32)), 32);
        v128.store(x, madd(v128.xor(v128.load(d, 48), flip), rate, v128.load(x, 48)), 48);
      }
    }
    for (; from < to; from += 16) {
      const m = <u32>(to - from) >>> 2;
      const w = read(p + from, m);
      write(p + from, madd(direction(read(g + from, m), w, flip, decay), rate, w), m);
    }
  }
}

/** p.. | lr g.. | count n.. | decay:f64 maximize */
export function sgd_f32(args: usize, ith: u32, nth: u32): void {
  segments<Sgd>(args, ith, nth, 1, 1);
}

// @ts-ignore: decorator
@inline
function momentumStep(
  p: usize,
  buffer: usize,
  g: usize,
  m: u32,
  rate: v128,
  momentum: v128,
  rest: v128,
  flip: v128,
  decay: f32,
  fresh: bool,
  nesterov: u32,
): void {
  const w = read(p, m);
  let d = direction(read(g, m), w, flip, decay);
  const b = fresh ? d : madd(d, rest, f32x4.mul(read(buffer, m), momentum));
  write(buffer, b, m);
  d = nesterov ? madd(b, momentum, d) : b;
  write(p, madd(d, rate, w), m);
}

class Momentum {
  segment(o: usize, i: usize, from: usize, to: usize, lr: f32, scalars: usize): void {
    const p = load<usize>(o);
    const buffer = load<usize>(o, 4);
    const g = load<usize>(i);
    const fresh = load<f32>(load<usize>(i, 4)) == 1; // PyTorch's first step copies
    const decay = <f32>load<f64>(scalars);
    const momentum = f32x4.splat(<f32>load<f64>(scalars, 8));
    const rest = f32x4.splat(<f32>(1 - load<f64>(scalars, 16)));
    const nesterov = load<u32>(scalars, 24);
    const flip = flipOf(load<u32>(scalars, 28));
    const rate = f32x4.splat(-lr);
    // Whole vectors and the rest apart: asked at each vector how much is left, it took three times as long.
    if (decay == 0 && !fresh && !nesterov) {
      for (; from + 64 <= to; from += 64) {
        const x = p + from;
        const y = buffer + from;
        const d = g + from;
        let b = madd(v128.xor(v128.load(d), flip), rest, f32x4.mul(v128.load(y), momentum));
        v128.store(y, b);
        v128.store(x, madd(b, rate, v128.load(x)));
        b = madd(v128.xor(v128.load(d, 16), flip), rest, f32x4.mul(v128.load(y, 16), momentum));
        v128.store(y, b, 16);
        v128.store(x, madd(b, rate, v128.load(x, 16)), 16);
        b = madd(v128.xor(v128.load(d, 32), flip), rest, f32x4.mul(v128.load(y, 32), momentum));
        v128.store(y, b, 32);
        v128.store(x, madd(b, rate, v128.load(x, 32)), 32);
        b = madd(v128.xor(v128.load(d, 48), flip), rest, f32x4.mul(v128.load(y, 48), momentum));
        v128.store(y, b, 48);
        v128.store(x, madd(b, rate, v128.load(x, 48)), 48);
      }
    }
    for (; from + 16 <= to; from += 16) {
      momentumStep(p + from, buffer + from, g + from, 4, rate, momentum, rest, flip, decay, fresh, nesterov);
    }
    const left = <u32>(to - from) >>> 2;
    if (left) momentumStep(p + from, buffer + from, g + from, left, rate, momentum, rest, flip, decay, fresh, nesterov);
  }
}

/** p.. buffer.. | lr g.. step.. | count n.. | decay:f64 momentum:f64 dampening:f64 nesterov maximize */
export function sgd_momentum_f32(args: usize, ith: u32, nth: u32): void {
  segments<Momentum>(args, ith, nth, 2, 2);
}

/**
 * m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g g; p -= lr / (1 - b1^t) * m / (sqrt v / c + eps) with c = sqrt(1 - b2^t)
 *
 * For n elements of a vector. Both sides of the last fraction times c, so that one division is left: `rate` is -lr c / (1 - b1^t), `eps` is
 * eps c. most: address of the largest v so far, 0 without amsgrad.
 */
// @ts-ignore: decorator
@inline
function adamStep(
  p: usize,
  mean: usize,
  square: usize,
  most: usize,
  g: usize,
  n: u32,
  keep: v128,
  flip: v128,
  decay: f32,
  b1: v128,
  r1: v128,
  b2: v128,
  r2: v128,
  eps: v128,
  rate: v128,
): void {
  const w = f32x4.mul(read(p, n), keep);
  const d = direction(read(g, n), w, flip, decay);
  const m = madd(d, r1, f32x4.mul(read(mean, n), b1));
  let v = madd(f32x4.mul(r2, d), d, f32x4.mul(read(square, n), b2));
  write(mean, m, n);
  write(square, v, n);
  if (most) {
    v = f32x4.max(read(most, n), v);
    write(most, v, n);
  }
  write(p, f32x4.add(w, f32x4.div(f32x4.mul(rate, m), f32x4.add(f32x4.sqrt(v), eps))), n);
}

/** The least float above 0. */
const LEAST: f32 = 1.4e-45;

// @ts-ignore: decorator
@inline
function adam(o: usize, amsgrad: bool, i: usize, from: usize, to: usize, lr: f32, scalars: usize): void {
  const p = load<usize>(o);
  const mean = load<usize>(o, 4) - p;
  const square = load<usize>(o, 8) - p;
  const most = amsgrad ? load<usize>(o, 12) - p : 0;
  const g = load<usize>(i) - p;
  const t = <u32>load<f32>(load<usize>(i, 4));
  const beta1 = load<f64>(scalars);
  const beta2 = load<f64>(scalars, 8);
  const weightDecay = load<f64>(scalars, 24);
  const flip = flipOf(load<u32>(scalars, 32));
  const decoupled = load<u32>(scalars, 36) != 0;
  const decay: f32 = decoupled ? 0 : <f32>weightDecay;
  const keep = f32x4.splat(decoupled ? <f32>(1 - <f64>lr * weightDecay) : <f32>1);
  const b1 = f32x4.splat(<f32>beta1);
  const r1 = f32x4.splat(<f32>(1 - beta1));
  const b2 = f32x4.splat(<f32>beta2);
  const r2 = f32x4.splat(<f32>(1 - beta2));
  const c = sqrt<f64>(1 - power(beta2, t));
  const above0 = load<f64>(scalars, 16);
  // No 0 of what was none, since 0 / (0 + eps) is 0.
  const eps = f32x4.splat(above0 > 0 ? max(<f32>(above0 * c), LEAST) : 0);
  const rate = f32x4.splat(<f32>((-(<f64>lr) * c) / (1 - power(beta1, t))));
  // Whole vectors and the rest apart: asked at each vector how much is left, it took twice as long.
  let x = p + from;
  const end = p + to;
  for (; x + 16 <= end; x += 16)
    adamStep(x, x + mean, x + square, amsgrad ? x + most : 0, x + g, 4, keep, flip, decay, b1, r1, b2, r2, eps, rate);
  const n = <u32>(end - x) >>> 2;
  if (n)
    adamStep(x, x + mean, x + square, amsgrad ? x + most : 0, x + g, n, keep, flip, decay, b1, r1, b2, r2, eps, rate);
}

class Adam {
  segment(o: usize, i: usize, from: usize, to: usize, lr: f32, scalars: usize): void {
    adam(o, false, i, from, to, lr, scalars);
  }
}
class AmsGrad {
  segment(o: usize, i: usize, from: usize, to: usize, lr: f32, scalars: usize): void {
    adam(o, true, i, from, to, lr, scalars);
  }
}

/** p.. mean.. square.. | lr g.. step.. | count n.. | beta1:f64 beta2:f64 eps:f64 decay:f64 maximize decoupled */
export function adam_f32(args: usize, ith: u32, nth: u32): void {
  segments<Adam>(args, ith, nth, 3, 2);
}

/** p.. mean.. square.. most.. | lr g.. step.. | count n.. | beta1:f64 beta2:f64 eps:f64 decay:f64 maximize decoupled */
export function adam_amsgrad_f32(args: usize, ith: u32, nth: u32): void {
  segments<AmsGrad>(args, ith, nth, 4, 2);
}

/**
 * order:i32 table:i32 | indices:i32 values | n rows |
 *
 * Which positions name the same row: order[i] is the row for the first position that names it, else -1, and the next position that names
 * it, n where none does. The table has the last position of each row; what lies there counts only if it is one before this
 * that names the row, so that nobody has to clear it. Of the values it takes nothing: without them there is no step. Serial.
 */
export function sparse_rows_i32(args: usize, ith: u32, nth: u32): void {
  if (ith > 0) return;
  const order = pointer(args, 0);
  const table = pointer(args, 1);
  const indices = pointer(args, 2);
  const n = extent(args, 4);
  const rows = extent(args, 5);
  for (let i: u32 = 0; i < n; i++) {
    const row = load<u32>(indices + ((<usize>i) << 2));
    if (row >= rows) {
      fault(args, i, <i32>row);
      return;
    }
    const entry = table + ((<usize>row) << 2);
    const before = load<u32>(entry);
    const known = before < i && load<u32>(indices + ((<usize>before) << 2)) == row;
    store<u32>(entry, i);
    const own = order + ((<usize>i) << 3);
    store<i32>(own, known ? -1 : <i32>row);
    store<u32>(own, n, 4);
    if (known) store<u32>(order + ((<usize>before) << 3), i, 4);
  }
}

/** For m elements of a row from byte `at` on, whose gradient is the sum of the values at position i and those that follow it. */
// @ts-ignore: decorator
@inline
function sparseStep(
  p: usize,
  mean: usize,
  square: usize,
  at: usize,
  values: usize,
  line: usize,
  i: u32,
  n: u32,
  order: usize,
  m: u32,
  flip: v128,
  r1: v128,
  r2: v128,
  eps: v128,
  rate: v128,
): void {
  let g = read(values + <usize>i * line, m);
  for (let j = load<u32>(order + ((<usize>i) << 3), 4); j < n; j = load<u32>(order + ((<usize>j) << 3), 4)) {
    g = f32x4.add(g, read(values + <usize>j * line, m));
  }
  g = v128.xor(g, flip);
  const m0 = read(mean + at, m);
  const v0 = read(square + at, m);
  const m1 = madd(f32x4.sub(g, m0), r1, m0);
  const v1 = madd(f32x4.sub(f32x4.mul(g, g), v0), r2, v0);
  write(mean + at, m1, m);
  write(square + at, v1, m);
  const d = f32x4.div(m1, f32x4.add(f32x4.sqrt(v1), eps));
  write(p + at, madd(d, rate, read(p + at, m)), m);
}

/**
 * p mean square | lr values order:i32 step | n width | beta1:f64 beta2:f64 eps:f64 maximize
 *
 * m += (1 - b1) (g - m); v += (1 - b2) (g g - v); p -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt v + eps), for the rows that are named: by
 * the thread that has the first position that names the row.
 */
export function sparse_adam_f32(args: usize, ith: u32, nth: u32): void {
  const p = pointer(args, 0);
  const mean = pointer(args, 1);
  const square = pointer(args, 2);
  const lr = load<f32>(pointer(args, 3));
  const values = pointer(args, 4);
  const order = pointer(args, 5);
  const t = <u32>load<f32>(pointer(args, 6));
  const n = extent(args, 7);
  const width = extent(args, 8);
  const beta1 = load<f64>(args, 36);
  const beta2 = load<f64>(args, 44);
  const eps = f32x4.splat(<f32>load<f64>(args, 52));
  const flip = flipOf(load<u32>(args, 60));
  const r1 = f32x4.splat(<f32>(1 - beta1));
  const r2 = f32x4.splat(<f32>(1 - beta2));
  const rate = f32x4.splat(<f32>((-(<f64>lr) * sqrt<f64>(1 - power(beta2, t))) / (1 - power(beta1, t))));
  const line = (<usize>width) << 2;
  const whole = line & ~15;
  const end = last(args, n, 1, ith, nth);
  for (let i = first(n, 1, ith, nth); i < end; i++) {
    const row = load<i32>(order + ((<usize>i) << 3));
    if (row < 0) continue;
    const from = <usize>row * line;
    let c: usize = 0;
    for (; c < whole; c += 16)
      sparseStep(p, mean, square, from + c, values + c, line, i, n, order, 4, flip, r1, r2, eps, rate);
    if (c < line)
      sparseStep(p, mean, square, from + c, values + c, line, i, n, order, width & 3, flip, r1, r2, eps, rate);
  }
}
