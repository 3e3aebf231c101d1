// Layer normalisation of the reference, x[rows, n]. A mean in float32 is off by so much of the row's root mean square, and
// so is each x - mean: that is a term of whatever stands on it.
import { f64, type Kernel, type Kernels, type View } from "./view.ts";

export const norm: Kernels = {};

const mean = (n: number, f: (j: number) => number): number => {
  let sum = 0;
  for (let j = 0; j < n; j++) sum += f(j);
  return sum / n;
};

interface Row {
  readonly mean: number;
  readonly rstd: number;
  /** Root mean square of the row in units of its deviation. */
  readonly off: number;
  z(j: number): number;
}

function row(x: View, i: number, n: number, eps: number): Row {
  const at = (j: number): number => x.v[i * n + j]!;
  const m = mean(n, at);
  const rstd = 1 / Math.sqrt(mean(n, (j) => (at(j) - m) ** 2) + eps);
  return { mean: m, rstd, off: Math.sqrt(mean(n, (j) => at(j) ** 2)) * rstd, z: (j) => (at(j) - m) * rstd };
}

// y = z * weight + bias, z = (x - mean) / sqrt(variance + eps)
const forward: Kernel = ([y, means, rstds], [x, weight, bias], [rows, n], [low, high]) => {
  for (let i = 0; i < rows; i++) {
    const r = row(x, i, n, f64(low, high));
    means.set(i, r.mean);
    rstds.set(i, r.rstd);
    for (let j = 0; j < n; j++) {
      const [w, b] = weight ? [weight.v[j]!, bias.v[j]!] : [1, 0];
      y.set(i * n + j, r.z(j) * w + b, Math.hypot(r.z(j) * w, r.off * w, b) || 0, 2);
    }
  }
};
norm.layer_norm_f32 = forward;
norm.layer_norm_affine_f32 = forward;

// gx = rstd * (h - mean h - z * mean (h z)), h = g * weight
const vjp: Kernel = ([gx], [g, x, means, rstds, weight], [rows, n]) => {
  for (let i = 0; i < rows; i++) {
    const [m, rstd] = [means.v[i]!, rstds.v[i]!];
    const z = (j: number): number => (x.v[i * n + j]! - m) * rstd;
    const h = (j: number): number => g.v[i * n + j]! * (weight ? weight.v[j]! : 1);
    const size = (j: number): number => g.size(i * n + j) * Math.abs(weight ? weight.v[j]! : 1);
    const off = Math.sqrt(mean(n, (j) => x.v[i * n + j]! ** 2)) * rstd;
    const [a, b] = [mean(n, h), mean(n, (j) => h(j) * z(j))];
    const rms = Math.sqrt(mean(n, (j) => size(j) ** 2));
    const product = Math.sqrt(mean(n, (j) => (size(j) * Math.hypot(z(j), off)) ** 2));
    for (let j = 0; j < n; j++) {
      const s = rstd * Math.hypot(size(j), rms, z(j) * product, off * b);
      gx.set(i * n + j, rstd * (h(j) - a - z(j) * b), s || 0, 2 * g.terms);
    }
  }
};
norm.layer_norm_vjp_f32 = vjp;
norm.layer_norm_affine_vjp_f32 = vjp;

// gw[c, j] = sum g * z, gb[c, j] = sum g over the rows of chunk c
norm.layer_norm_vjp_weight_f32 = ([gw, gb], [g, x, means, rstds], [rows, n], [chunk]) => {
  const size = Number(chunk);
  for (let c = 0; c * size < rows; c++) {
    const end = Math.min(rows, (c + 1) * size);
    for (let j = 0; j < n; j++) {
      let [w, b, sw, sb] = [0, 0, 0, 0];
      for (let i = c * size; i < end; i++) {
        const z = (x.v[i * n + j]! - means.v[i]!) * rstds.v[i]!;
        const off = Math.sqrt(mean(n, (k) => x.v[i * n + k]! ** 2)) * rstds.v[i]!;
        w += g.v[i * n + j]! * z;
        b += g.v[i * n + j]!;
        sw += (g.size(i * n + j) * Math.hypot(z, off)) ** 2;
        sb += g.size(i * n + j) ** 2;
      }
      gw.set(c * n + j, w, Math.sqrt(sw), size * g.terms);
      gb.set(c * n + j, b, Math.sqrt(sb), size * g.terms);
    }
  }
};
