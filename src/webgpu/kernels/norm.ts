// Layer normalisation of x[rows, n]: y = (x - mean) * rstd (* weight + bias), rstd = 1 / sqrt(var + eps), and its
// gradients. As on the CPU: a rough mean m; sum d and sum d² of d = x - m, which give the variance and what m is off by;
// the result.
import type { Row } from "../../core/device.ts";
import type { Implementation, Kernel, Registry } from "../kernel.ts";
import { groupsFor, type Layout, layoutOf, layouts, place, tree, Walk } from "./rows.ts";

const rows = (make: (layout: Layout) => Pick<Kernel, "body">): Implementation => ({
  kernels: layouts((layout) => ({
    groups: ([rows]) => groupsFor(layout, rows!),
    head: tree("sum_", layout),
    ...make(layout),
  })),
  variant: ({ extents }: Row, limits) => layoutOf(limits, extents[0]!, extents[1]!, 1),
});

/** y mean[rows] rstd[rows] | x, or x weight[n] bias[n] | rows n | eps (f64) */
const forward = (affine: boolean): Implementation =>
  rows((layout) => {
    const walk = new Walk(layout, { v: "x[base + j]" });
    const result = affine ? "z * weight[j] + bias[j]" : "z";
    return {
      body: `${place(layout, "rows", "line * n")}
  ${walk.begin()}
  ${walk.sums("s", (k) => `s${k} += v${k};`)}
  let rough = sum_(li, team, s) / f32(n);
  ${walk.sums("d q", (k) => `let d${k}v = v${k} - rough; d${k} += d${k}v; q${k} += d${k}v * d${k}v;`)}
  let off = sum_(li, team, d) / f32(n);
  let square = sum_(li, team, q) / f32(n) - off * off;
  let variance = select(square, 0.0, square < 0.0);
  let scale = inverseSqrt(variance + eps);
  ${walk.each(`let z = ((v - rough) - off) * scale; y[base + j] = ${result};`)}
  if (first) { mean[line] = rough + off; rstd[line] = scale; }`,
    };
  });

/** gx = rstd * (h - sum h / n - z * sum (h z) / n), z = (x - mean) * rstd, h = g * weight */
const backward = (affine: boolean): Implementation =>
  rows((layout) => {
    const walk = new Walk(layout, {
      h: `g[base + j]${affine ? " * weight[j]" : ""}`,
      z: "(x[base + j] - m) * r",
    });
    return {
      body: `${place(layout, "rows", "line * n")}
  var m = 0.0;
  var r = 0.0;
  if (line < rows) { m = mean[line]; r = rstd[line]; }
  ${walk.begin()}
  ${walk.sums("s t", (k) => `s${k} += h${k}; t${k} += h${k} * z${k};`)}
  let a = sum_(li, team, s) / f32(n);
  let b = sum_(li, team, t) / f32(n);
  ${walk.each("gx[base + j] = ((h - a) - z * b) * r;")}`,
    };
  });

/** gw[chunks, n] gb[chunks, n] | g x mean rstd | rows n | chunk: sums over chunks of rows; a thread has a column of one */
const weight: Kernel = {
  groups: ([rows, n], [chunk]) => Math.ceil((Math.ceil(rows! / chunk!) * n!) / 256),
  body: `
  if (i < (rows + chunk - 1u) / chunk * n) {
    let c = i / n;
    let j = i % n;
    let end = min(rows, (c + 1u) * chunk);
    var w = 0.0;
    var b = 0.0;
    for (var row = c * chunk; row < end; ) {
      let stop = min(end, row + 8u);
      var pw = 0.0;
      var pb = 0.0;
      for (; row < stop; row++) {
        let d = g[row * n + j];
        pw += d * ((x[row * n + j] - mean[row]) * rstd[row]);
        pb += d;
      }
      w += pw;
      b += pb;
    }
    gw[i] = w;
    gb[i] = b;
  }`,
};

export const norm: Registry = {
  layer_norm_f32: forward(false),
  layer_norm_affine_f32: forward(true),
  layer_norm_vjp_f32: backward(false),
  layer_norm_affine_vjp_f32: backward(true),
  layer_norm_vjp_weight_f32: { kernels: { "": weight } },
};
