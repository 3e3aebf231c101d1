// Initialisers: they fill a tensor in place, unrecorded, and return it. https://pytorch.org/docs/stable/nn.init.html

import { checkNumber, expectOptions, fail, given, noMore } from "../core/error.ts";
import { show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { ABOVE_0, AT_LEAST_1, FINITE, FRACTION } from "../ops/bounds.ts";
import { toFloat } from "../ops/copy.ts";
import { expectWord } from "../ops/expect.ts";
import {
  add,
  arange,
  clamp,
  copy_,
  diagonal,
  div_,
  normal_ as drawNormal,
  uniform_ as drawUniform,
  empty,
  erfinv,
  fill_,
  le,
  lt,
  maskedFill_,
  matmul,
  mul,
  narrow,
  rand,
  reshape,
  select,
  sqrt,
  sub_,
  sum,
  t,
  unsqueeze,
  where,
  zero_,
} from "../ops/index.ts";
import { noGrad, scope } from "../ops/modes.ts";
import { fans } from "./fans.ts";

/** What a layer feeds, for `calculateGain`. */
export type Nonlinearity =
  | "linear"
  | "conv1d"
  | "conv2d"
  | "conv3d"
  | "convTranspose1d"
  | "convTranspose2d"
  | "convTranspose3d"
  | "sigmoid"
  | "tanh"
  | "relu"
  | "leakyRelu"
  | "selu";

/** Options of `xavierUniform_` and `xavierNormal_`. */
export interface XavierOptions {
  /** Factor of the standard deviation; 1 by default. */
  gain?: number;
}

/** Options of `kaimingUniform_` and `kaimingNormal_`. */
export interface KaimingOptions {
  /** Negative slope of the leaky relu behind the layer, for `nonlinearity: "leakyRelu"`; 0 by default. */
  a?: number;
  /** Keeps the variance in the forward pass ("fanIn", the default) or the backward one. */
  mode?: "fanIn" | "fanOut";
  /** What stands behind the layer; `"leakyRelu"` by default. */
  nonlinearity?: Nonlinearity;
}

/** Fills `x` by ops in place, unrecorded; helpers go. */
const written = (x: Tensor, write: () => void): Tensor =>
  noGrad(() => {
    scope(write);
    return x;
  });

/** Fills with numbers drawn uniformly from [a, b), 0 and 1 by default. */
export function uniform_(x: Tensor, a = 0, b = 1, ...none: []): Tensor {
  noMore("uniform_", none);
  return noGrad(() => drawUniform(x, a, b));
}

/** Fills with normal numbers, of mean 0 and standard deviation 1 by default. */
export function normal_(x: Tensor, mean = 0, std = 1, ...none: []): Tensor {
  noMore("normal_", none);
  return noGrad(() => drawNormal(x, mean, std));
}

/** The error function in float64: 2 / sqrt(pi) e^(-x²) times the sum of 2^k x^(2k + 1) / (1 3 5 .. (2k + 1)), whose terms have one sign. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let sum = 0;
  for (let k = 0, term = x; Math.abs(term) > 1e-17 * Math.abs(sum); term *= (2 * x * x) / (2 * ++k + 1)) sum += term;
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** Fills with normal numbers that lie in [a, b], -2 and 2 by default: by the inverse of the distribution of numbers drawn uniformly. */
export function truncNormal_(x: Tensor, mean = 0, std = 1, a = -2, b = 2, ...none: []): Tensor {
  const op = "truncNormal_";
  alive(op, x, none);
  for (const [name, value] of Object.entries({ mean, a, b })) checkNumber(op, name, value, FINITE);
  checkNumber(op, "std", std, ABOVE_0);
  if (a > b) fail(op, `a ${a}, b ${b}: a bound that is not above the other is expected`);
  const [low, high] = [a, b].map((v) => erf((v - mean) / (std * Math.SQRT2))) as [number, number];
  return written(x, () => {
    drawUniform(x, low, high);
    copy_(x, clamp(add(mul(erfinv(x), std * Math.SQRT2), mean), { min: a, max: b }));
  });
}

/** Fills with `value`. */
export function constant_(x: Tensor, value: number, ...none: []): Tensor {
  noMore("constant_", none);
  return noGrad(() => fill_(x, value));
}

/** Fills with 0. */
export function zeros_(x: Tensor, ...none: []): Tensor {
  noMore("zeros_", none);
  return constant_(x, 0);
}
/** Fills with 1. */
export function ones_(x: Tensor, ...none: []): Tensor {
  noMore("ones_", none);
  return constant_(x, 1);
}

/**
 * Fills a weight `[out, in, ...]` from U(-b, b), b = gain sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio 2010). Fans are the sizes
 * of the first two dims (out, in) times those of the others.
 */
export function xavierUniform_(x: Tensor, options?: XavierOptions, ...none: []): Tensor {
  noMore("xavierUniform_", none);
  const bound = xavier("xavierUniform_", x, 6, options);
  return uniform_(x, -bound, bound);
}

/** Fills a weight `[out, in, ...]` from N(0, s²), s = gain sqrt(2 / (fanIn + fanOut)). */
export function xavierNormal_(x: Tensor, options?: XavierOptions, ...none: []): Tensor {
  noMore("xavierNormal_", none);
  return normal_(x, 0, xavier("xavierNormal_", x, 2, options));
}

function xavier(op: string, x: Tensor, by: number, options?: XavierOptions): number {
  expectOptions(op, options, "gain");
  const { gain = 1 } = options ?? {};
  checkNumber(op, "gain", gain);
  const { fanIn, fanOut } = fans(op, x);
  return gain * Math.sqrt(by / (fanIn + fanOut));
}

/** Fills a weight `[out, in, ...]` from U(-b, b), b = gain sqrt(3 / fan) (He et al. 2015), with the gain of `calculateGain`. */
export function kaimingUniform_(x: Tensor, options?: KaimingOptions, ...none: []): Tensor {
  noMore("kaimingUniform_", none);
  const bound = Math.sqrt(3) * kaimingStd("kaimingUniform_", x, options);
  return uniform_(x, -bound, bound);
}

/** Fills a weight `[out, in, ...]` from N(0, s²), s = gain / sqrt(fan), with the gain of `calculateGain`. */
export function kaimingNormal_(x: Tensor, options?: KaimingOptions, ...none: []): Tensor {
  noMore("kaimingNormal_", none);
  return normal_(x, 0, kaimingStd("kaimingNormal_", x, options));
}

function kaimingStd(op: string, x: Tensor, options?: KaimingOptions): number {
  expectOptions(op, options, "a mode nonlinearity");
  alive(op, x);
  const { a = 0, mode = "fanIn", nonlinearity = "leakyRelu" } = options ?? {};
  expectWord(op, "mode", mode, ["fanIn", "fanOut"]);
  if (x.shape.includes(0)) return 0;
  return gainOf(op, nonlinearity, a) / Math.sqrt(fans(op, x)[mode]);
}

/** Fills [n, m] with the identity: 1 on the diagonal, 0 beside it. */
export function eye_(x: Tensor, ...none: []): Tensor {
  alive("eye_", x, none);
  if (x.ndim !== 2) fail("eye_", `${show(x.shape)}: 2 dims are expected`);
  return written(x, () => {
    zero_(x);
    fill_(diagonal(x), 1);
  });
}

/**
 * Fills the weight [out, in, ...] of a convolution of 1 to 3 dims so that it hands its channels on: each group's channel i comes out as
 * its channel i.
 */
export function dirac_(x: Tensor, groups = 1, ...none: []): Tensor {
  alive("dirac_", x, none);
  const [out, , ...field] = x.shape;
  if (field.length < 1 || field.length > 3) fail("dirac_", `${show(x.shape)}: 3 to 5 dims are expected`);
  checkNumber("dirac_", "groups", groups, AT_LEAST_1);
  if (out! % groups !== 0)
    fail("dirac_", `${show(x.shape)}, groups ${groups}: ${out} outputs are not a multiple of the groups`);
  return written(x, () => {
    zero_(x);
    if (field.includes(0)) return;
    const middle = field.reduce((part, size) => select(part, 2, Math.floor(size / 2)), x);
    const each = out! / groups;
    for (let g = 0; g < groups; g++) fill_(diagonal(narrow(middle, 0, g * each, each)), 1);
  });
}

/**
 * Fills [rows, ...] so that, as a matrix of so many rows, its rows or its columns, whichever are fewer, are orthogonal, each of length
 * `gain`: drawn uniformly from all such (Saxe et al. 2013; Mezzadri 2007).
 */
export function orthogonal_(
  x: Tensor,
  options?: {
    /** Length of the vectors; 1 by default. */
    gain?: number;
  },
  ...none: []
): Tensor {
  alive("orthogonal_", x, none);
  expectOptions("orthogonal_", options, "gain");
  const { gain = 1 } = options ?? {};
  checkNumber("orthogonal_", "gain", gain, FINITE);
  if (x.ndim < 2) fail("orthogonal_", `${show(x.shape)}: at least 2 dims are expected`);
  if (x.numel === 0) return x;
  const rows = x.shape[0]!;
  const columns = x.numel / rows;
  const [few, many] = [Math.min(rows, columns), Math.max(rows, columns)];
  return written(x, () => {
    const q = drawNormal(empty([few, many], { device: x.device }));
    // Gram and Schmidt, each row freed twice of those before it: once leaves what rounding has left of them.
    for (let i = 0; i < few; i++)
      scope(() => {
        const row = narrow(q, 0, i, 1);
        const before = narrow(q, 0, 0, i);
        for (let twice = 0; i > 0 && twice < 2; twice++) sub_(row, matmul(matmul(row, t(before)), before));
        div_(row, sqrt(sum(mul(row, row))));
      });
    copy_(x, reshape(mul(rows <= columns ? q : t(q), gain), x.shape));
  });
}

/**
 * Fills [rows, columns] from N(0, std²), and sets a part of each column to 0: `sparsity` times the rows, rounded up, which are drawn
 * (Martens 2010).
 */
export function sparse_(
  x: Tensor,
  sparsity: number,
  options?: {
    /** Standard deviation of the others; 0.01 by default. */
    std?: number;
  },
  ...none: []
): Tensor {
  alive("sparse_", x, none);
  expectOptions("sparse_", options, "std");
  const { std = 0.01 } = options ?? {};
  if (x.ndim !== 2) fail("sparse_", `${show(x.shape)}: 2 dims are expected`);
  checkNumber("sparse_", "sparsity", sparsity, FRACTION);
  checkNumber("sparse_", "std", std);
  const [rows, columns] = x.shape as [number, number];
  const zeros = Math.ceil(sparsity * rows);
  return written(x, () => {
    drawNormal(x, 0, std);
    if (x.numel === 0) return;
    const { device } = x;
    const at = arange(rows, { dtype: "float32", device });
    const earlier = lt(at, unsqueeze(at, 1)); // [i, j]: j < i
    const drawn = rand([columns, rows], { device });
    for (let c = 0; c < columns; c++)
      scope(() => {
        // Of numbers drawn for the rows those of the lowest ranks; of equal ones the first is lower.
        const u = select(drawn, 0, c);
        const own = unsqueeze(u, 1);
        const lower = where(earlier, toFloat(le(u, own)), toFloat(lt(u, own)));
        maskedFill_(select(x, 1, c), lt(sum(lower, 1), zeros), 0);
      });
  });
}

/** The recommended factor for a nonlinearity; `param` is the slope of leakyRelu, 0.01 by default. */
export function calculateGain(nonlinearity: Nonlinearity, param = 0.01, ...none: []): number {
  noMore("calculateGain", none);
  return gainOf("calculateGain", nonlinearity, param);
}

function gainOf(op: string, nonlinearity: Nonlinearity, param: number): number {
  checkNumber(op, op === "calculateGain" ? "param" : "a", param, FINITE);
  if (nonlinearity === "leakyRelu") return Math.sqrt(2 / (1 + param * param));
  const name = typeof nonlinearity === "string" ? nonlinearity : "";
  if (Object.hasOwn(GAINS, name)) return GAINS[name as keyof typeof GAINS];
  const all = ["leakyRelu", ...Object.keys(GAINS)];
  const ours = all.find((own) => own.toLowerCase() === name.replaceAll("_", "").toLowerCase());
  return fail(op, `nonlinearity ${given(nonlinearity)}: ${ours ?? `one of ${all.join(", ")}`} is expected`);
}

const GAINS: Readonly<Record<Exclude<Nonlinearity, "leakyRelu">, number>> = {
  ...{ linear: 1, conv1d: 1, conv2d: 1, conv3d: 1, convTranspose1d: 1, convTranspose2d: 1, convTranspose3d: 1 },
  ...{ sigmoid: 1, tanh: 5 / 3, relu: Math.SQRT2, selu: 3 / 4 },
};
