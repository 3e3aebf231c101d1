// Matrix product, convolution and pooling of the reference, each as the loop nest of its definition.
import { i32, type Kernel, type Kernels, type View } from "./view.ts";

export const dense: Kernels = {};

/** A running sum with the squares of its terms. */
class Sum {
  value = 0;
  squares = 0;
  terms = 0;

  add(term: number): void {
    this.value += term;
    this.squares += term * term;
    this.terms++;
  }

  store(y: View, i: number, relu = false): void {
    y.set(i, relu && this.value <= 0 ? 0 : this.value, Math.sqrt(this.squares), this.terms);
  }
}

// c[b, i, j] = sum over p of a[b, i, p] * b[b, p, j]; nt has b as [n, k], tn has a as [k, m].
function matmul(form: "nn" | "nt" | "tn", withBias: boolean): Kernel {
  return ([c], [a, b, bias], [batch, m, n, k], [aStride, bStride, relu]) => {
    for (let q = 0; q < batch; q++) {
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          const sum = new Sum();
          for (let p = 0; p < k; p++) {
            const x = a.v[q * i32(aStride) + (form === "tn" ? p * m + i : i * k + p)];
            const y = b.v[q * i32(bStride) + (form === "nt" ? j * k + p : p * n + j)];
            sum.add(x * y);
          }
          if (withBias) sum.add(bias.v[j]);
          sum.store(c, (q * m + i) * n + j, withBias && relu === 1);
        }
      }
    }
  };
}
for (const form of ["nn", "nt", "tn"] as const) {
  dense[`matmul_${form}_f32`] = matmul(form, false);
  dense[`matmul_${form}_bias_f32`] = matmul(form, true);
}

// The same of matrices that lie anywhere: element (i, j) of a matrix at i * ld + j, or turned at j * ld + i.
const strided =
  (withBias: boolean): Kernel =>
  ([c], [a, b, bias], [outer, inner, m, n, k], scalars) => {
    const [transA, transB, lda, ldb, ldc, a0, a1, b0, b1, c0, c1, relu] = scalars.map(i32);
    for (let q = 0; q < outer * inner; q++) {
      const at = (s0: number, s1: number): number => Math.floor(q / inner) * s0 + (q % inner) * s1;
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          const sum = new Sum();
          for (let p = 0; p < k; p++) {
            const x = a.v[at(a0, a1) + (transA ? p * lda + i : i * lda + p)];
            const y = b.v[at(b0, b1) + (transB ? j * ldb + p : p * ldb + j)];
            sum.add(x * y);
          }
          if (withBias) sum.add(bias.v[j]);
          sum.store(c, at(c0, c1) + i * ldc + j, withBias && relu === 1);
        }
      }
    }
  };
dense.matmul_strided_f32 = strided(false);
dense.matmul_strided_bias_f32 = strided(true);

// x [n, groups * ci, h, w], w [co, ci, kh, kw], y [n, co, oh, ow]: output (a, b) of channel c reads x at
// (a * sh - ph + p * dh, b * sw - pw + q * dw) through w[c, :, p, q], of the ci channels of c's group.
interface Conv {
  n: number;
  co: number;
  oh: number;
  ow: number;
  ci: number;
  kh: number;
  kw: number;
  h: number;
  w: number;
  sh: number;
  sw: number;
  ph: number;
  pw: number;
  dh: number;
  dw: number;
  groups: number;
}

/** Visits every product of images [begin, end): f(place in y, place in x, place in w). */
function products(d: Conv, begin: number, end: number, f: (y: number, x: number, w: number) => void): void {
  for (let image = begin; image < end; image++) {
    for (let c = 0; c < d.co; c++) {
      const group = Math.floor(c / (d.co / d.groups));
      for (let a = 0; a < d.oh; a++) {
        for (let b = 0; b < d.ow; b++) {
          for (let i = 0; i < d.ci; i++) {
            for (let p = 0; p < d.kh; p++) {
              for (let q = 0; q < d.kw; q++) {
                const row = a * d.sh - d.ph + p * d.dh;
                const column = b * d.sw - d.pw + q * d.dw;
                if (row < 0 || row >= d.h || column < 0 || column >= d.w) continue;
                f(
                  ((image * d.co + c) * d.oh + a) * d.ow + b,
                  ((image * d.ci * d.groups + group * d.ci + i) * d.h + row) * d.w + column,
                  ((c * d.ci + i) * d.kh + p) * d.kw + q,
                );
              }
            }
          }
        }
      }
    }
  }
}
const sums = (count: number): Sum[] => Array.from({ length: count }, () => new Sum());

function conv2d(withBias: boolean): Kernel {
  return ([y], [x, weight, bias], [n, co, oh, ow, ci, kh, kw], scalars) => {
    const [h, w, sh, sw, ph, pw, dh, dw, groups, how] = scalars.map(i32);
    const d = { n, co, oh, ow, ci, kh, kw, h, w, sh, sw, ph, pw, dh, dw, groups };
    const out = sums(n * co * oh * ow);
    products(d, 0, n, (i, j, k) => out[i].add(x.v[j] * weight.v[k]));
    out.forEach((sum, i) => {
      if (withBias) sum.add(bias.v[Math.floor(i / (oh * ow)) % co]);
      sum.store(y, i, (how & 1) === 1);
    });
  };
}
dense.conv2d_f32 = conv2d(false);
dense.conv2d_bias_f32 = conv2d(true);

dense.conv2d_vjp_x_f32 = ([gx], [gy, weight], [n, channels, h, w, co, kh, kw], scalars) => {
  const [oh, ow, sh, sw, ph, pw, dh, dw, groups] = scalars.map(i32);
  const d = { n, co, oh, ow, ci: channels / groups, kh, kw, h, w, sh, sw, ph, pw, dh, dw, groups };
  const out = sums(n * channels * h * w);
  products(d, 0, n, (i, j, k) => out[j].add(gy.v[i] * weight.v[k]));
  out.forEach((sum, i) => {
    sum.store(gx, i);
  });
};

// part [chunks, co, ci, kh, kw]: chunk c is the gradient from images [n * c / chunks, n * (c + 1) / chunks).
dense.conv2d_vjp_w_f32 = ([part], [gy, x], [chunks, n, co, oh, ow, ci, kh, kw], scalars) => {
  const [h, w, sh, sw, ph, pw, dh, dw, groups] = scalars.map(i32);
  const d = { n, co, oh, ow, ci, kh, kw, h, w, sh, sw, ph, pw, dh, dw, groups };
  const size = co * ci * kh * kw;
  for (let c = 0; c < chunks; c++) {
    const out = sums(size);
    const begin = Math.floor((n * c) / chunks);
    products(d, begin, Math.floor((n * (c + 1)) / chunks), (i, j, k) => out[k].add(gy.v[i] * x.v[j]));
    out.forEach((sum, i) => {
      sum.store(part, c * size + i);
    });
  }
};

// Winograd convolution. What lies between its two rows is a device's own matter: here u holds the kernels, turned where asked
// for, [taps, rows, k rounded up to 4]. Its error depends on the tile around an output, so s is that of the bound
// sqrt(terms) * s = |x| |w|: the norm of 6 x 6 inputs in all channels, and of the kernel.
dense.winograd_weight_f32 = ([u], [w], [rows, k, size], [turned]) => {
  const taps = size * size;
  const pitch = Math.ceil(k / 4) * 4;
  for (let r = 0; r < rows; r++) {
    for (let q = 0; q < k; q++) {
      for (let t = 0; t < taps; t++) {
        const from = i32(turned) ? (q * rows + r) * taps + taps - 1 - t : (r * k + q) * taps + t;
        u.set((t * rows + r) * pitch + q, w.v[from]);
      }
    }
  }
};
dense.conv2d_winograd_f32 = ([y], [x, u, bias], [n, co, oh, ow, ci, size], scalars) => {
  const [h, w, ph, pw, relu] = scalars.map(i32);
  const pitch = Math.ceil(ci / 4) * 4;
  const m = 7 - size;
  const high = Math.ceil(oh / m);
  const wide = Math.ceil(ow / m);
  const terms = ci * size * size;
  const norms = new Float64Array(co);
  for (let c = 0; c < co; c++) {
    for (let t = 0; t < size * size; t++) for (let i = 0; i < ci; i++) norms[c] += u.v[(t * co + c) * pitch + i] ** 2;
  }
  for (let image = 0; image < n; image++) {
    for (let tile = 0; tile < high * wide; tile++) {
      const top = Math.floor(tile / wide) * m;
      const left = (tile % wide) * m;
      const patch = new Float64Array(ci * 36);
      for (let p = 0; p < patch.length; p++) {
        const row = top + (Math.floor(p / 6) % 6) - ph;
        const column = left + (p % 6) - pw;
        const inside = row >= 0 && row < h && column >= 0 && column < w;
        patch[p] = inside ? x.v[((image * ci + Math.floor(p / 36)) * h + row) * w + column] : 0;
      }
      const norm = patch.reduce((sum, v) => sum + v * v, 0);
      for (let c = 0; c < co; c++) {
        const s = Math.sqrt((norm * norms[c] + (bias ? bias.v[c] ** 2 : 0)) / terms);
        for (let a = 0; a < Math.min(m, oh - top); a++) {
          for (let b = 0; b < Math.min(m, ow - left); b++) {
            let sum = bias ? bias.v[c] : 0;
            for (let i = 0; i < ci; i++) {
              for (let t = 0; t < size * size; t++) {
                const at = (a + Math.floor(t / size)) * 6 + b + (t % size);
                sum += patch[i * 36 + at] * u.v[(t * co + c) * pitch + i];
              }
            }
            y.set(((image * co + c) * oh + top + a) * ow + left + b, relu === 1 && sum <= 0 ? 0 : sum, s, terms);
          }
        }
      }
    }
  }
};

// s is that of the bound sqrt(terms) * s = |gy| |x|, the norms of the planes of a chunk.
dense.conv2d_winograd_vjp_w_f32 = ([part], [gy, x], [chunks, n, co, oh, ow, ci, size], scalars) => {
  const [h, w, ph, pw] = scalars.map(i32);
  const d = { n, co, oh, ow, ci, kh: size, kw: size, h, w, sh: 1, sw: 1, ph, pw, dh: 1, dw: 1, groups: 1 };
  const taps = size * size;
  const norm = (v: View, at: number, count: number): number =>
    v.v.subarray(at, at + count).reduce((sum, value) => sum + value * value, 0);
  for (let c = 0; c < chunks; c++) {
    const begin = Math.floor((n * c) / chunks);
    const end = Math.floor((n * (c + 1)) / chunks);
    const out = new Float64Array(co * ci * taps);
    products(d, begin, end, (i, j, k) => {
      out[k] += gy.v[i] * x.v[j];
    });
    const outs = new Float64Array(co);
    const ins = new Float64Array(ci);
    for (let i = begin; i < end; i++) {
      for (let o = 0; o < co; o++) outs[o] += norm(gy, (i * co + o) * oh * ow, oh * ow);
      for (let k = 0; k < ci; k++) ins[k] += norm(x, (i * ci + k) * h * w, h * w);
    }
    const terms = (end - begin) * oh * ow;
    out.forEach((sum, i) => {
      const s = Math.sqrt((outs[Math.floor(i / taps / ci)] * ins[Math.floor(i / taps) % ci]) / terms);
      part.set(c * out.length + i, sum, s, terms);
    });
  }
};

// Pooling over planes [h, w], a plane for each image and channel.
dense.max_pool2d_f32 = ([y, index], [x], [planes, oh, ow, kh, kw], scalars) => {
  const [h, w, sh, sw, ph, pw, dh, dw] = scalars.map(i32);
  for (let plane = 0; plane < planes; plane++) {
    for (let a = 0; a < oh; a++) {
      for (let b = 0; b < ow; b++) {
        let max = Number.NEGATIVE_INFINITY;
        let place = -1;
        for (let p = 0; p < kh; p++) {
          for (let q = 0; q < kw; q++) {
            const row = a * sh - ph + p * dh;
            const column = b * sw - pw + q * dw;
            if (row < 0 || row >= h || column < 0 || column >= w) continue;
            const value = x.v[plane * h * w + row * w + column];
            // The first of the largest; a NaN beats all, here the last one, as PyTorch has it.
            if (place < 0 || value > max || Number.isNaN(value)) {
              max = value;
              place = row * w + column;
            }
          }
        }
        y.set((plane * oh + a) * ow + b, max);
        index.set((plane * oh + a) * ow + b, place);
      }
    }
  }
};
dense.max_pool2d_vjp_f32 = ([gx], [gy, index], [planes, oh, ow], [height, width]) => {
  const size = i32(height) * i32(width);
  const out = sums(planes * size);
  for (let i = 0; i < planes * oh * ow; i++) {
    const place = index.v[i];
    if (place >= 0) out[Math.floor(i / (oh * ow)) * size + place].add(gy.v[i]);
  }
  out.forEach((sum, i) => {
    sum.store(gx, i);
  });
};

// PyTorch's divisor: the window cut at the padded plane, or at the plane itself without countIncludePad.
function averages(
  [planes, oh, ow, kh, kw]: readonly number[],
  scalars: readonly number[],
  f: (y: number, x: number, divisor: number) => void,
): void {
  const [h, w, sh, sw, ph, pw, includePad, override] = scalars.map(i32);
  for (let plane = 0; plane < planes; plane++) {
    for (let a = 0; a < oh; a++) {
      for (let b = 0; b < ow; b++) {
        const top = a * sh - ph;
        const left = b * sw - pw;
        const bottom = Math.min(top + kh, h + ph);
        const right = Math.min(left + kw, w + pw);
        const inside =
          Math.max(0, Math.min(bottom, h) - Math.max(top, 0)) * Math.max(0, Math.min(right, w) - Math.max(left, 0));
        const divisor = override || (includePad ? (bottom - top) * (right - left) : inside);
        for (let row = Math.max(top, 0); row < Math.min(bottom, h); row++) {
          for (let column = Math.max(left, 0); column < Math.min(right, w); column++) {
            f((plane * oh + a) * ow + b, (plane * h + row) * w + column, divisor);
          }
        }
      }
    }
  }
}
dense.avg_pool2d_f32 = ([y], [x], extents, scalars) => {
  const [planes, oh, ow] = extents;
  const out = sums(planes * oh * ow);
  averages(extents, scalars, (i, j, divisor) => out[i].add(x.v[j] / divisor));
  out.forEach((sum, i) => {
    sum.store(y, i);
  });
};
dense.avg_pool2d_vjp_f32 = ([gx], [gy], extents, scalars) => {
  const out = sums(extents[0] * i32(scalars[0]) * i32(scalars[1]));
  averages(extents, scalars, (i, j, divisor) => out[j].add(gy.v[i] / divisor));
  out.forEach((sum, i) => {
    sum.store(gx, i);
  });
};
