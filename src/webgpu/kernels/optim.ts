// Optimizer steps over tables of segments, in PyTorch's arithmetic and order. A row is cut into dispatches of as many
// segments as the bindings allow; in a dispatch, thread i finds its segment by a chain of compares on their lengths.
import type { Buffer, Row } from "../../core/device.ts";
import { word } from "../../row/words.ts";
import { type Implementation, type Kernel, type Limits, one, type Registry, SIZE } from "../kernel.ts";

/** More segments in a dispatch than this make the chain long. */
const MOST = 16;

interface Step {
  /** Names of the buffers of a segment: outputs, then inputs (after lr). `p` is the parameter, `g` the gradient. */
  readonly outputs: readonly string[];
  readonly inputs: readonly string[];
  readonly scalars: string;
  readonly encode: (words: readonly number[]) => readonly number[];
  /** WGSL for element `at` of a segment; `rate` is lr. */
  readonly update: string;
}

const named = (names: readonly string[], s: number): string[] => names.map((name) => `${name}${s}_`);

/** `p[at]` of segment s is `p0_[at]`. */
function forSegment(step: Step, s: number): string {
  const names = [...step.outputs, ...step.inputs];
  return step.update.replace(new RegExp(`(?<![\\w.])(${names.join("|")})\\[`, "g"), `$1${s}_[`);
}

/** The kernel for k segments. */
function kernel(step: Step, k: number): Kernel {
  const range = Array.from({ length: k }, (_, s) => s);
  return {
    buffers: [
      ...range.flatMap((s) => named(step.outputs, s)),
      "lr",
      ...range.flatMap((s) => named(step.inputs, s)),
    ].join(" "),
    extents: ["count", ...range.map((s) => `n${s}`)].join(" "),
    scalars: step.scalars,
    groups: ([, ...lengths]) => Math.ceil(lengths.reduce((a, b) => a + b, 0) / SIZE),
    encode: step.encode,
    body: `
  var at = i;
  let rate = lr[0];
  ${range.map((s) => `if (at < n${s}) {${forSegment(step, s)}  return;\n  }\n  at -= n${s};`).join("\n  ")}`,
  };
}

/** Rows of at most `most` of the segments that have elements, about as many in each. */
function cut(row: Row, outs: number, ins: number, most: number): Row[] {
  const [count, ...lengths] = row.extents as [number, ...number[]];
  const full = lengths.map((_, s) => s).filter((s) => lengths[s]! > 0);
  const rows = Math.ceil(full.length / most);
  const inputs = count * outs;
  return Array.from({ length: rows }, (_, r): Row => {
    const own = full.slice(Math.round((full.length * r) / rows), Math.round((full.length * (r + 1)) / rows));
    const take = (from: number, each: number): Buffer[] =>
      own.flatMap((s) => row.buffers.slice(from + s * each, from + (s + 1) * each));
    return {
      ...row,
      buffers: [...take(0, outs), row.buffers[inputs]!, ...take(inputs + 1, ins)],
      outputs: own.length * outs,
      extents: [own.length, ...own.map((s) => lengths[s]!)],
    };
  });
}

const kernels = (make: (k: number) => Kernel): Record<string, Kernel> =>
  Object.fromEntries(Array.from({ length: MOST }, (_, i) => [String(i + 1), make(i + 1)]));

/** Segments that fit in a dispatch when each has so many buffers. */
const fit = ({ bindings }: Limits, each: number, others: number): number =>
  Math.max(1, Math.min(MOST, Math.floor((bindings - others) / each)));

function table(step: Step): Implementation {
  const [outs, ins] = [step.outputs.length, step.inputs.length];
  return {
    kernels: kernels((k) => kernel(step, k)),
    variant: (row) => String(row.extents[0]),
    expand: (row, _, limits) => cut(row, outs, ins, fit(limits, outs + ins, 1)),
  };
}

const words = new DataView(new ArrayBuffer(8));
function double(low: number, high: number): number {
  words.setInt32(0, high | 0);
  words.setInt32(4, low | 0);
  return words.getFloat64(0);
}

// g, negated to maximize, plus weight decay: none of it where it is 0, whatever w is
const DIRECTION = "select(g[at], -g[at], maximize != 0) + select(0.0, decay * w, decay != 0.0)";

const sgd: Step = {
  outputs: ["p"],
  inputs: ["g"],
  scalars: "decay maximize:i32",
  encode: ([low, high, maximize]) => [word(double(low!, high!)), maximize!],
  update: `
    let w = p[at];
    p[at] = w - rate * (${DIRECTION});
`,
};

// The step count was ticked before: PyTorch's first step copies.
const momentum: Step = {
  outputs: ["p", "buffer"],
  inputs: ["g", "step"],
  scalars: "decay momentum rest nesterov:i32 maximize:i32",
  encode: (w) => [word(double(w[0]!, w[1]!)), word(double(w[2]!, w[3]!)), word(1 - double(w[4]!, w[5]!)), w[6]!, w[7]!],
  update: `
    let w = p[at];
    let d = ${DIRECTION};
    var b = d;
    if (step[0] != 1.0) { b = momentum * buffer[at] + rest * d; }
    buffer[at] = b;
    p[at] = w - rate * select(b, d + momentum * b, nesterov != 0);
`,
};

/** -log beta, and for beta = 0 enough for any step. */
const decayOf = (beta: number): number => (beta > 0 ? -Math.log(beta) : 1e30);

// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g g; p -= lr / (1 - b1^t) * m / (sqrt v / sqrt(1 - b2^t) + eps)
function adam(amsgrad: boolean): Step {
  return {
    outputs: amsgrad ? ["p", "mean", "square", "most"] : ["p", "mean", "square"],
    inputs: ["g", "step"],
    scalars: "beta1 rest1 log1_ beta2 rest2 log2_ eps decay shrink maximize:i32",
    encode: (w) => {
      const [beta1, beta2, eps, decay] = [0, 2, 4, 6].map((i) => double(w[i]!, w[i + 1]!)) as [
        number,
        number,
        number,
        number,
      ];
      const decoupled = w[9] !== 0;
      const betas = [beta1, beta2].flatMap((b) => [b, 1 - b, decayOf(b)]);
      return [...[...betas, eps, decoupled ? 0 : decay, decoupled ? decay : 0].map(word), w[8]!];
    },
    update: `
    let t = step[0];
    let w = p[at] * (1.0 - rate * shrink);
    let d = ${DIRECTION};
    let m = beta1 * mean[at] + rest1 * d;
    var v = beta2 * square[at] + rest2 * d * d;
    mean[at] = m;
    square[at] = v;
    ${amsgrad ? "v = max(most[at], v); most[at] = v;" : ""}
    let denominator = sqrt(v) / sqrt(grown_(t * log2_)) + eps;
    p[at] = w - rate / grown_(t * log1_) * m / denominator;
`,
  };
}

const TICK = "step";

/** coth(l / 2) - 2 / l, which is l / 6 - l³ / 360 + l⁵ / 15120 for small l. */
const langevin = (l: number): number =>
  l < 0.02 ? l / 6 - l ** 3 / 360 + l ** 5 / 15120 : 1 + 2 / Math.expm1(l) - 2 / l;

export const optim: Registry = {
  sgd_f32: table(sgd),
  sgd_momentum_f32: table(momentum),
  adam_f32: table(adam(false)),
  adam_amsgrad_f32: table(adam(true)),
  // t, 1 - beta1^t, 1 - beta2^t, and rho_t = 2 / (1 - beta2) - 1 - 2 t / (e^(t l) - 1), l = -log beta2. With h(x) = coth(x / 2) - 2 / x the
  // first is h(l) + 2 / l, the last h(t l) t + 2 / l - t: for small t l the two 2 / l, which are large, go out by hand.
  corrections_f32: {
    kernels: {
      "": {
        size: [1, 1, 1],
        groups: () => 1,
        scalars: "log1_ log2_ begin_",
        encode: (w) => {
          const l = decayOf(double(w[2]!, w[3]!));
          return [decayOf(double(w[0]!, w[1]!)), l, langevin(l)].map(word);
        },
        body: `
    let t = step[0];
    let x = t * log2_;
    let grown = grown_(x);
    var rho = 2.0 / log2_ + begin_ - 2.0 * t * exp_(-x) / grown;
    if (x < 1.0) {
      let x2 = x * x;
      var h = fma(2.08767570e-8, x2, -8.26719577e-7);
      h = fma(h, x2, 3.30687831e-5);
      h = fma(h, x2, -1.38888889e-3);
      h = fma(h, x2, 0.0833333333);
      rho = t + begin_ - t * 2.0 * x * h;
    }
    y[0] = t;
    y[1] = grown_(t * log1_);
    y[2] = grown;
    y[3] = rho;
`,
      },
    },
  },
  // Each position looks for those that name the same row, without the table that a thread alone would have.
  sparse_rows_i32: one({
    groups: ([n]) => Math.ceil(n! / SIZE),
    body: `
  if (i < n) {
    let row = indices[i];
    var own = row;
    var next = n;
    if (u32(row) >= rows) {
      fault(i, row);
      own = -1;
    } else {
      for (var j = 0u; j < i; j++) {
        if (indices[j] == row) { own = -1; break; }
      }
      for (var j = i + 1u; j < n; j++) {
        if (indices[j] == row) { next = j; break; }
      }
    }
    order[2u * i] = own;
    order[2u * i + 1u] = i32(next);
  }`,
  }),
  // m += (1 - b1) (g - m); v += (1 - b2) (g g - v); p -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt v + eps)
  sparse_adam_f32: one({
    scalars: "rest1 log1_ rest2 log2_ eps maximize:i32",
    encode: (w) => {
      const [beta1, beta2, eps] = [0, 2, 4].map((k) => double(w[k]!, w[k + 1]!)) as [number, number, number];
      return [...[1 - beta1, decayOf(beta1), 1 - beta2, decayOf(beta2), eps].map(word), w[6]!];
    },
    body: `
  let at = i / width;
  let row = order[2u * at];
  if (row < 0) { return; }
  let c = i % width;
  var g = values[i];
  var j = u32(order[2u * at + 1u]);
  while (j < n) {
    g += values[j * width + c];
    j = u32(order[2u * j + 1u]);
  }
  if (maximize != 0) { g = -g; }
  let q = u32(row) * width + c;
  let m = mean[q] + rest1 * (g - mean[q]);
  let v = square[q] + rest2 * (g * g - square[q]);
  mean[q] = m;
  square[q] = v;
  let t = step[0];
  p[q] = p[q] - lr[0] * sqrt(grown_(t * log2_)) / grown_(t * log1_) * (m / (sqrt(v) + eps));`,
  }),
  // step += 1 for tensors of one element
  tick_f32: {
    kernels: kernels((k) => {
      const names = Array.from({ length: k }, (_, s) => `${TICK}${s}`);
      return {
        buffers: names.join(" "),
        extents: "count",
        size: [1, 1, 1],
        groups: () => 1,
        body: names.map((name) => `${name}[0] = ${name}[0] + 1.0;`).join(" "),
      };
    }),
    variant: (row) => String(row.extents[0]),
    expand: (row, _, limits) => {
      const most = fit(limits, 1, 0);
      return Array.from({ length: Math.ceil(row.outputs / most) }, (_, r) => {
        const buffers = row.buffers.slice(r * most, Math.min(row.outputs, (r + 1) * most));
        return { ...row, buffers, outputs: buffers.length, extents: [buffers.length] };
      });
    },
  },
};
