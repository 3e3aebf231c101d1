// Losses: cross-entropy on logits[rows, classes], negative log-likelihood, and binary cross-entropy of probabilities.
import type { Row } from "../../core/device.ts";
import { type Implementation, type Kernel, one, type Registry } from "../kernel.ts";
import { groupsFor, LAYOUTS, type Layout, layoutOf, layouts, place, tree, Walk } from "./rows.ts";
import { softmaxHead, softmaxSums } from "./softmax.ts";

/** loss[rows] probs | logits labels | rows classes | ignore smoothing: loss = log sum exp x - x[label], 0 where it is ignored; see
 * assembly/reduce/loss.ts for smoothing */
const crossEntropy: Implementation = {
  kernels: layouts((layout) => {
    const walk = new Walk(layout, { v: "logits[base + j]" });
    return {
      groups: ([rows]) => groupsFor(layout, rows!),

      head: softmaxHead(layout),
      // The logit of the label is read before the probabilities are written, which may take the logits' place.
      body: `${place(layout, "rows", "line * classes", "classes")}
  var label = ignore;
  var logit = 0.0;
  if (first) {
    label = labels[line];
    if (u32(label) < classes) { logit = logits[base + u32(label)]; }
  }
  ${softmaxSums(walk)}
  if (smoothing != 0.0) {
    ${walk.sums("t", (k) => `t${k} += v${k};`)}
    logit = (1.0 - smoothing) * logit + smoothing * (sum_(li, team, t) / f32(classes));
  }
  let scale = 1.0 / total;
  ${walk.each("probs[base + j] = exp_(v - most) * scale;")}
  if (first) {
    let known = label != ignore && u32(label) < classes;
    var value = 0.0;
    if (known) { value = -((logit - most) - log_(total)); }
    else if (label != ignore) { fault(line, label); }
    loss[line] = value;
  }`,
    };
  }),
  variant: ({ extents }: Row, limits) => layoutOf(limits, extents[0]!, extents[1]!, 1),
};

/** What a row's gradient is multiplied by: g[row], or g[0] / count. */
const ROW_SCALE = `
  let row = i / classes;
  let label = labels[row];
  var scale = 0.0;
  if (perRow != 0) { scale = g[row]; } else { scale = g[0] / count[0]; }`;

/** y[1] count[1] | loss labels | rows | ignore: count of labels != ignore, y = sum of loss / count */
const nllMean = (layout: Layout): Kernel => ({
  groups: () => 1,
  barriers: true,
  subgroups: layout.subgroups ?? false,
  head: `${tree("sum_", layout)}\n${tree("counted_", layout, "i32")}`,
  body: (() => {
    const walk = new Walk(layout, { v: "loss[j]" });
    return `${place(layout, "1u", "0u", "rows")}
  ${walk.sums("s c:i32", (k) => `s${k} += v${k}; c${k} += i32(labels[j${k}] != ignore);`)}
  let total = sum_(li, team, s);
  let number = counted_(li, team, c);
  if (first) {
    count[0] = f32(number);
    var mean = nan_();
    if (number > 0) { mean = total / f32(number); }
    y[0] = mean;
  }`;
  })(),
});

// log(1 - a). 1 - a rounds off too much of a small a, so there the series of log_ (lib.ts) is taken of -a itself.
const LOG_REST = `
fn logRest_(a: f32) -> f32 {
  if (a > 0.29) { return log_(1.0 - a); }
  let f = -a;
  var p = fma(7.0376836292e-2, f, -1.1514610310e-1);
  p = fma(p, f, 1.1676998740e-1);
  p = fma(p, f, -1.2420140846e-1);
  p = fma(p, f, 1.4249322787e-1);
  p = fma(p, f, -1.6668057665e-1);
  p = fma(p, f, 2.0000714765e-1);
  p = fma(p, f, -2.4999993993e-1);
  p = fma(p, f, 3.3333331174e-1);
  return f + fma(f * f, -0.5, p * f * f * f);
}`;

/** Elementwise ones. */
export const bce: Registry = {
  // -(t max(log p, -100) + (1 - t) max(log(1 - p), -100)); a p outside [0, 1] is a fault
  bce_f32: one({
    head: LOG_REST,
    body: `
  let a = p[i];
  let b = t[i];
  if (isNan_(a) || a < 0.0 || a > 1.0) { fault(i, bitcast<i32>(a)); }
  y[i] = -(b * max(log_(a), -100.0) + (1.0 - b) * max(logRest_(a), -100.0));`,
  }),
  // g (p - t) / max(p (1 - p), 1e-12)
  bce_vjp_f32: one({
    body: "let a = p[i]; gp[i] = g[i] * ((a - t[i]) / max(a * (1.0 - a), 1e-12));",
  }),
};

export const loss: Registry = {
  cross_entropy_f32: crossEntropy,
  // (probs - target) * scale
  cross_entropy_vjp_f32: one({
    body: `${ROW_SCALE}
  let each = smoothing / f32(classes);
  let target_ = select(each, 1.0 - smoothing + each, i % classes == u32(label));
  gx[i] = select((probs[i] - target_) * scale, 0.0, label == ignore);`,
  }),
  // -logp[label]
  nll_f32: one({
    groups: ([rows]) => Math.ceil(rows! / 256),

    body: `
  if (i < rows) {
    let label = labels[i];
    var value = 0.0;
    if (label != ignore) {
      if (u32(label) < classes) { value = -logp[i * classes + u32(label)]; } else { fault(i, label); }
    }
    loss[i] = value;
  }`,
  }),
  // -scale at the label, else 0
  nll_vjp_f32: one({
    body: `${ROW_SCALE}
  gx[i] = select(0.0, -scale, label != ignore && i % classes == u32(label));`,
  }),
  nll_mean_f32: {
    kernels: { plain: nllMean(LAYOUTS.long), subgroups: nllMean(LAYOUTS["long, subgroups"]) },
    variant: (_, { subgroups }) => (subgroups ? "subgroups" : "plain"),
  },
  ...bce,
};
