// Losses: cross-entropy on logits[rows, classes], negative log-likelihood, and binary cross-entropy of probabilities.
import { extent, fault, first, last, pointer, scalar, scratch } from "../lib/args";
import { fill, read, write } from "../lib/lanes";
import { GRAIN } from "../lib/map";
import { log, logNear } from "../lib/math";
import { softmaxLine } from "./softmaxrow";
import { sumLine } from "./sumrow";

/**
 * loss probs | logits labels:i32 | rows classes | ignore:i32 smoothing:f32        loss = -(t - log sum exp x), so that it is -0 where PyTorch's
 * is; t = (1 - smoothing) x[label] + smoothing mean x: what the probabilities of the target give, since these sum to 1.
 */
export function cross_entropy_f32(args: usize, ith: u32, nth: u32): void {
  const loss = pointer(args, 0);
  const probs = pointer(args, 1);
  const logits = pointer(args, 2);
  const labels = pointer(args, 3);
  const rows = extent(args, 4);
  const classes = extent(args, 5);
  const ignore = extent(args, 6);
  const smoothing: f64 = scalar(args, 7);
  // Four rows share one logarithm. A row that counts for nothing has sum 1 and rest -0, hence a loss of exactly 0.
  const sums = scratch(ith);
  const rests = sums + 16;
  let row = first(rows, 4, ith, nth);
  const end = last(args, rows, 4, ith, nth);
  while (row < end) {
    const m = min(4, end - row);
    v128.store(sums, f32x4.splat(1));
    for (let i: u32 = 0; i < m; i++) {
      const from = (<usize>((row + i) * classes)) << 2;
      const label = load<u32>(labels + ((<usize>(row + i)) << 2));
      const about = sums + ((<usize>i) << 2);
      const known = label != ignore && label < classes;
      // read before the probabilities are written, which may take the logits' place
      let logit: f32 = known ? load<f32>(logits + from + ((<usize>label) << 2)) : 0;
      if (known && smoothing != 0)
        logit = <f32>((1 - smoothing) * logit + smoothing * (sumLine(logits + from, classes) / classes));
      softmaxLine(probs + from, logits + from, classes, about);
      if (known) {
        store<f32>(about, logit - load<f32>(about, 16), 16);
      } else {
        store<f32>(about, 1);
        store<f32>(about, -0.0, 16);
        if (label != ignore) fault(args, row + i, <i32>label);
      }
    }
    const value = f32x4.neg(f32x4.sub(v128.load(rests), log(v128.load(sums))));
    write(loss + ((<usize>row) << 2), value, m);
    row += m;
  }
}

/** What a row's gradient is multiplied by: g[row], or g[0] / count. */
// @ts-ignore: decorator
@inline
function rowScale(g: usize, count: usize, row: u32, perRow: u32): f32 {
  return perRow ? load<f32>(g + ((<usize>row) << 2)) : load<f32>(g) / load<f32>(count);
}

/** gx | g probs labels:i32 count | rows classes | ignore:i32 perRow:i32 smoothing:f32        (probs - target) * scale: of the target's probability each
 * class has smoothing / classes, the label the rest */
export function cross_entropy_vjp_f32(args: usize, ith: u32, nth: u32): void {
  const gx = pointer(args, 0);
  const g = pointer(args, 1);
  const probs = pointer(args, 2);
  const labels = pointer(args, 3);
  const count = pointer(args, 4);
  const rows = extent(args, 5);
  const classes = extent(args, 6);
  const ignore = extent(args, 7);
  const perRow = extent(args, 8);
  const smoothing = scalar(args, 9);
  const each: f32 = smoothing / <f32>classes;
  const rest: f32 = 1 - smoothing + each;
  let row = first(rows, 1, ith, nth);
  const end = last(args, rows, 1, ith, nth);
  for (; row < end; row++) {
    const from = (<usize>(row * classes)) << 2;
    const label = load<u32>(labels + ((<usize>row) << 2));
    if (label == ignore) {
      fill(gx + from, f32x4.splat(0), classes);
      continue;
    }
    const scale = rowScale(g, count, row, perRow);
    const s = f32x4.splat(scale);
    const one = (<usize>label) << 2;
    const here: f32 = label < classes ? (load<f32>(probs + from + one) - rest) * scale : 0;
    for (let i: u32 = 0; i < classes; i += 4) {
      const m = classes - i;
      const p = from + ((<usize>i) << 2);
      write(gx + p, f32x4.mul(f32x4.sub(read(probs + p, m), f32x4.splat(each)), s), m);
    }
    if (label < classes) store<f32>(gx + from + one, here);
  }
}

/** loss | logp labels:i32 | rows classes | ignore:i32        -logp[label] */
export function nll_f32(args: usize, ith: u32, nth: u32): void {
  const loss = pointer(args, 0);
  const logp = pointer(args, 1);
  const labels = pointer(args, 2);
  const rows = extent(args, 3);
  const classes = extent(args, 4);
  const ignore = extent(args, 5);
  let row = first(rows, 16, ith, nth);
  const end = last(args, rows, 16, ith, nth);
  for (; row < end; row++) {
    const label = load<u32>(labels + ((<usize>row) << 2));
    let value: f32 = 0;
    if (label != ignore) {
      if (label < classes) value = -load<f32>(logp + ((<usize>(row * classes + label)) << 2));
      else fault(args, row, <i32>label);
    }
    store<f32>(loss + ((<usize>row) << 2), value);
  }
}

/** gx | g labels:i32 count | rows classes | ignore:i32 perRow:i32        -scale at the label, else 0 */
export function nll_vjp_f32(args: usize, ith: u32, nth: u32): void {
  const gx = pointer(args, 0);
  const g = pointer(args, 1);
  const labels = pointer(args, 2);
  const count = pointer(args, 3);
  const rows = extent(args, 4);
  const classes = extent(args, 5);
  const ignore = extent(args, 6);
  const perRow = extent(args, 7);
  let row = first(rows, 16, ith, nth);
  const end = last(args, rows, 16, ith, nth);
  for (; row < end; row++) {
    const to = gx + ((<usize>(row * classes)) << 2);
    fill(to, f32x4.splat(0), classes);
    const label = load<u32>(labels + ((<usize>row) << 2));
    if (label != ignore && label < classes) {
      store<f32>(to + ((<usize>label) << 2), -rowScale(g, count, row, perRow));
    }
  }
}

/** y count | loss labels:i32 | rows | ignore:i32        (serial) count of labels != ignore, y = sum of loss / count */
export function nll_mean_f32(args: usize, ith: u32, nth: u32): void {
  if (ith > 0) return;
  const loss = pointer(args, 2);
  const labels = pointer(args, 3);
  const rows = extent(args, 4);
  const ignore = extent(args, 5);
  let count: u32 = 0;
  let sum: f64 = 0;
  for (let i: usize = 0; i < (<usize>rows) << 2; i += 4) {
    count += u32(load<u32>(labels + i) != ignore);
    sum += <f64>load<f32>(loss + i);
  }
  store<f32>(pointer(args, 0), <f32>(sum / <f64>count));
  store<f32>(pointer(args, 1), <f32>count);
}

// Constants of binary cross-entropy, from memory as in math.ts.
// biome-ignore format: a line a constant
const BCE = memory.data<f32>([
  1, 1, 1, 1,
  -100, -100, -100, -100,
  1.17549435e-38, 1.17549435e-38, 1.17549435e-38, 1.17549435e-38,
  1e-12, 1e-12, 1e-12, 1e-12,
], 16);

/**
 * y | p t | n |        -(t max(log p, -100) + (1 - t) max(log(1 - p), -100))
 *
 * A p outside [0, 1] is a fault. log(1 - p) takes back what 1 - p rounds off: u = 1 - p, log u + ((1 - u) - p) / u.
 */
export function bce_f32(args: usize, ith: u32, nth: u32): void {
  const y = pointer(args, 0);
  const p = pointer(args, 1);
  const t = pointer(args, 2);
  const n = extent(args, 3);
  let i = first(n, GRAIN, ith, nth);
  const end = last(args, n, GRAIN, ith, nth);
  for (; i < end; i += 4) {
    const m = end - i;
    const at = (<usize>i) << 2;
    const one = v128.load(BCE);
    const least = v128.load(BCE, 16);
    const tiny = v128.load(BCE, 32);
    const a = read(p + at, m);
    const b = read(t + at, m);
    const good = i32x4.bitmask(v128.and(f32x4.ge(a, f32x4.splat(0)), f32x4.le(a, one)));
    if (good != 15) {
      const bad = i + ctz(~good);
      fault(args, bad, load<i32>(p + ((<usize>bad) << 2)));
    }
    const u = f32x4.sub(one, a);
    const lost = f32x4.div(f32x4.sub(f32x4.sub(one, u), a), f32x4.pmax(u, tiny));
    // Away from 0 and 1, both logarithms need no special cases.
    let high: v128;
    let low: v128;
    if (good == 15 && i32x4.bitmask(f32x4.ge(f32x4.pmin(a, u), tiny)) == 15) {
      high = logNear(a);
      low = logNear(u);
    } else {
      high = log(a);
      low = log(u);
    }
    high = f32x4.pmax(high, least);
    low = f32x4.pmax(f32x4.add(low, lost), least);
    const r = f32x4.neg(f32x4.add(f32x4.mul(b, high), f32x4.mul(f32x4.sub(one, b), low)));
    write(y + at, r, m);
  }
}

class Slope {
  @inline v(p: v128, t: v128): v128 {
    const d = f32x4.pmax(f32x4.mul(p, f32x4.sub(v128.load(BCE), p)), v128.load(BCE, 48));
    return f32x4.div(f32x4.sub(p, t), d);
  }
}

/** gp | g p t | n |        g (p - t) / max(p (1 - p), 1e-12) */
export function bce_vjp_f32(args: usize, ith: u32, nth: u32): void {
  const f = changetype<Slope>(0);
  const y = pointer(args, 0);
  const g = pointer(args, 1);
  const p = pointer(args, 2);
  const t = pointer(args, 3);
  const n = extent(args, 4);
  let i = first(n, GRAIN, ith, nth);
  const end = last(args, n, GRAIN, ith, nth);
  for (; i < end; i += 4) {
    const m = end - i;
    const at = (<usize>i) << 2;
    write(y + at, f32x4.mul(read(g + at, m), f.v(read(p + at, m), read(t + at, m))), m);
  }
}
