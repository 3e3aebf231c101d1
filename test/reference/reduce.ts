// Reductions, softmax and losses of the reference. A tensor that is reduced is seen as [outer, n, inner].
import { WasmgradError } from "../../src/index.ts";
import { f32, i32, type Kernels, type View } from "./view.ts";

export const reduce: Kernels = {};

/** Visits the columns of [outer, n, inner]: f(place in the reduced tensor, place of element j). */
function columns(outer: number, n: number, inner: number, f: (c: number, at: (j: number) => number) => void): void {
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) f(o * inner + i, (j) => (o * n + j) * inner + i);
  }
}

/** sum of count terms, with s = sqrt(sum of term²). */
function total(count: number, term: (j: number) => number, size: (j: number) => number): [sum: number, s: number] {
  let sum = 0;
  let squares = 0;
  for (let j = 0; j < count; j++) {
    sum += term(j);
    squares += size(j) ** 2;
  }
  return [sum, Math.sqrt(squares)];
}

reduce.sum_f32 = ([y], [x], [outer, n, inner]) => {
  columns(outer, n, inner, (c, at) => {
    const [sum, s] = total(
      n,
      (j) => x.v[at(j)],
      (j) => x.size(at(j)),
    );
    y.set(c, sum, s, n * x.terms);
  });
};
reduce.sum_i32 = ([y], [x], [outer, n, inner]) => {
  columns(outer, n, inner, (c, at) => {
    let sum = 0;
    for (let j = 0; j < n; j++) sum = (sum + x.v[at(j)]) | 0;
    y.set(c, sum);
  });
};
// y [outer, chunks, inner]: chunk c sums x[:, c * chunk .. min(n, (c + 1) * chunk), :].
reduce.sum_chunk_f32 = ([y], [x], [outer, n, inner, chunks], [chunk]) => {
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < chunks; c++) {
      for (let i = 0; i < inner; i++) {
        const begin = Math.min(n, c * i32(chunk));
        const end = Math.min(n, begin + i32(chunk));
        const at = (j: number) => (o * n + begin + j) * inner + i;
        const [sum, s] = total(
          end - begin,
          (j) => x.v[at(j)],
          (j) => x.size(at(j)),
        );
        y.set((o * chunks + c) * inner + i, sum, s, i32(chunk) * x.terms);
      }
    }
  }
};

/** Index of the first element that no other exceeds, or of the first NaN. */
function best(n: number, value: (j: number) => number, sign: number): number {
  let at = 0;
  for (let j = 1; j < n; j++) {
    if (Number.isNaN(value(at))) break;
    if (Number.isNaN(value(j)) || sign * value(j) > sign * value(at)) at = j;
  }
  return at;
}
for (const [name, sign] of [["max", 1] as const, ["min", -1] as const]) {
  reduce[`${name}_f32`] = ([y, index], [x], [outer, n, inner]) => {
    columns(outer, n, inner, (c, at) => {
      const j = best(n, (j) => x.v[at(j)], sign);
      y.set(c, n === 0 ? -sign * Number.POSITIVE_INFINITY : x.v[at(j)]);
      index.set(c, j);
    });
  };
  reduce[`arg${name}_f32`] = ([index], [x], [outer, n, inner]) => {
    columns(outer, n, inner, (c, at) =>
      index.set(
        c,
        best(n, (j) => x.v[at(j)], sign),
      ),
    );
  };
}
for (const name of ["max", "min", "argmax", "argmin"]) reduce[`${name}_i32`] = reduce[`${name}_f32`]!;
reduce.max_vjp_f32 = ([gx], [g, index], [outer, n, inner]) => {
  columns(outer, n, inner, (c, at) => {
    for (let j = 0; j < n; j++) {
      const taken = index.v[c] === j;
      gx.set(at(j), taken ? g.v[c] : 0, taken ? g.s(c) : 0, g.terms);
    }
  });
};

/** Maximum m and log(sum exp(x - m)): together the logsumexp. */
function logsumexp(n: number, x: (j: number) => number): [max: number, log: number] {
  let max = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < n; j++) max = Math.max(max, x(j));
  let sum = 0;
  for (let j = 0; j < n; j++) sum += Math.exp(x(j) - max);
  return [max, Math.log(sum)];
}

/**
 * softmax[j] = exp(x[j] - m - log sum). An f32 rounding of x[j] - m or of the log changes it by that much of itself, so
 * beside its own size its scale has them as terms.
 */
function softmax(y: View, at: (j: number) => number, n: number, x: (j: number) => number): void {
  const [max, log] = logsumexp(n, x);
  for (let j = 0; j < n; j++) {
    const p = Math.exp(x(j) - max - log);
    y.set(at(j), p, p * Math.hypot(1, x(j) - max, log) || 0, n);
  }
}
reduce.softmax_f32 = ([y], [x], [outer, n, inner]) => {
  columns(outer, n, inner, (_, at) => softmax(y, at, n, (j) => x.v[at(j)]));
};
reduce.log_softmax_f32 = ([y], [x], [outer, n, inner]) => {
  columns(outer, n, inner, (_, at) => {
    const [max, log] = logsumexp(n, (j) => x.v[at(j)]);
    for (let j = 0; j < n; j++) y.set(at(j), x.v[at(j)] - max - log, Math.hypot(x.v[at(j)] - max, log, 1) || 0, n);
  });
};
// gx = y * (g - sum(g * y)). What y is off by, as the softmax of float32, counts as a term of each place where it stands.
reduce.softmax_vjp_f32 = ([gx], [g, y], [outer, n, inner]) => {
  columns(outer, n, inner, (_, at) => {
    const [dot, s] = total(
      n,
      (j) => g.v[at(j)] * y.v[at(j)],
      (j) => g.v[at(j)] * y.size(at(j)),
    );
    for (let j = 0; j < n; j++) {
      const p = y.v[at(j)];
      const off = y.s(at(j)) * (g.v[at(j)] - dot);
      gx.set(at(j), p * (g.v[at(j)] - dot), Math.hypot(p * g.v[at(j)], p * s, off) || 0, n + 1);
    }
  });
};
// gx = g - exp(y) * sum(g)
reduce.log_softmax_vjp_f32 = ([gx], [g, y], [outer, n, inner]) => {
  columns(outer, n, inner, (_, at) => {
    const [sum, s] = total(
      n,
      (j) => g.v[at(j)],
      (j) => g.size(at(j)),
    );
    for (let j = 0; j < n; j++) {
      const p = Math.exp(y.v[at(j)]);
      // p is off by as much of itself as y by rounding.
      const rounding = p * y.v[at(j)] * sum || 0;
      gx.set(at(j), g.v[at(j)] - p * sum, Math.hypot(g.size(at(j)), p * s, rounding), n * g.terms + 1);
    }
  });
};

function label(labels: View, row: number, classes: number, ignore: number, op: string): number | null {
  const value = labels.v[row];
  if (value === ignore) return null;
  if (value >= 0 && value < classes) return value;
  throw new WasmgradError(`${op}: label ${value} in row ${row} is outside [0, ${classes})`);
}

// loss[row] = logsumexp(logits[row]) - logits[row, label], 0 where the label is ignored; probs = softmax(logits).
// Smoothed: of the label's logit a part is the mean of all.
reduce.cross_entropy_f32 = ([loss, probs], [logits, labels], [rows, classes], [ignore, smoothing], op) => {
  for (let row = 0; row < rows; row++) {
    const x = (j: number) => logits.v[row * classes + j];
    const target = label(labels, row, classes, i32(ignore), op);
    softmax(probs, (j) => row * classes + j, classes, x);
    if (target === null) {
      loss.set(row, 0);
    } else {
      const [max, log] = logsumexp(classes, x);
      const s = f32(smoothing);
      let mean = 0;
      for (let j = 0; j < classes && s !== 0; j++) mean += x(j) / classes;
      const logit = s === 0 ? x(target) : (1 - s) * x(target) + s * mean;
      loss.set(row, -(logit - max - log), Math.hypot(max - logit, log, 1) || 0, classes);
    }
  }
};
// gx = (probs - onehot(label)) * (perRow ? g[row] : g[0] / count)
reduce.cross_entropy_vjp_f32 = ([gx], [g, probs, labels, count], [rows, classes], [ignore, perRow, smoothing]) => {
  for (let row = 0; row < rows; row++) {
    const factor = perRow ? g.v[row] : g.v[0] / count.v[0];
    for (let j = 0; j < classes; j++) {
      const i = row * classes + j;
      const each = f32(smoothing) / classes;
      const hot = labels.v[row] === j ? 1 - f32(smoothing) + each : each;
      if (labels.v[row] === i32(ignore)) gx.set(i, 0);
      else gx.set(i, (probs.v[i] - hot) * factor, Math.hypot(probs.size(i), hot) * Math.abs(factor), probs.terms + 1);
    }
  }
};
reduce.nll_f32 = ([loss], [logp, labels], [rows, classes], [ignore], op) => {
  for (let row = 0; row < rows; row++) {
    const target = label(labels, row, classes, i32(ignore), op);
    if (target === null) loss.set(row, 0);
    else loss.set(row, -logp.v[row * classes + target], logp.s(row * classes + target), logp.terms);
  }
};
reduce.nll_vjp_f32 = ([gx], [g, labels, count], [rows, classes], [ignore, perRow]) => {
  for (let row = 0; row < rows; row++) {
    const factor = perRow ? g.v[row] : g.v[0] / count.v[0];
    for (let j = 0; j < classes; j++) {
      const taken = labels.v[row] === j && labels.v[row] !== i32(ignore);
      gx.set(row * classes + j, taken ? -factor : 0);
    }
  }
};
// y = sum(loss) / count, count = the number of labels that are not ignored
reduce.nll_mean_f32 = ([y, count], [loss, labels], [rows], [ignore]) => {
  const [sum, s] = total(
    rows,
    (i) => loss.v[i],
    (i) => loss.size(i),
  );
  let counted = 0;
  for (let row = 0; row < rows; row++) if (labels.v[row] !== i32(ignore)) counted++;
  y.set(0, sum / counted, s / counted || 0, rows * loss.terms);
  count.set(0, counted);
};

// -(t * max(log p, -100) + (1 - t) * max(log(1 - p), -100))
reduce.bce_f32 = ([y], [p, t], [n], _, op) => {
  for (let i = 0; i < n; i++) {
    if (!(p.v[i] >= 0 && p.v[i] <= 1)) {
      throw new WasmgradError(`${op}: input ${p.v[i]} at ${i} is outside [0, 1]`);
    }
    const one = t.v[i] * Math.max(Math.log(p.v[i]), -100);
    const zero = (1 - t.v[i]) * Math.max(Math.log(1 - p.v[i]), -100);
    y.set(i, -(one + zero), Math.hypot(one, zero), 2);
  }
};
reduce.bce_vjp_f32 = ([gp], [g, p, t], [n]) => {
  for (let i = 0; i < n; i++) {
    const q = Math.max(p.v[i] * (1 - p.v[i]), f32(0x2b8cbccc)); // 1e-12 in f32
    const s = Math.hypot(p.v[i], t.v[i]) * Math.abs(g.v[i] / q);
    gp.set(i, (g.v[i] * (p.v[i] - t.v[i])) / q, s, 2);
  }
};
