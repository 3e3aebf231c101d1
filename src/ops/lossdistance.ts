// Distances and angles between rows, and losses made of them.
import { expectOptions, fail, given, noMore } from "../core/error.ts";
import { apply } from "../core/op.ts";
import { sameShape, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, addScalar, div, minimum, mul, rsubScalar, sub } from "./binary.ts";
import { clamp } from "./clamp.ts";
import { eq } from "./compare.ts";
import { compose } from "./compose.ts";
import { toFloat } from "./copy.ts";
import { expectDtype, finite } from "./expect.ts";
import { amax } from "./extremes.ts";
import { formula } from "./formula.ts";
import { pow } from "./pow.ts";
import { expand, sum } from "./reduce.ts";
import {
  above,
  atLeast0,
  autocasted,
  type LossOptions,
  type Reduction,
  reduce,
  reductionOf,
  samePair,
  signs,
} from "./reduction.ts";
import { squeeze } from "./shape.ts";
import { broadcast, dimension } from "./strides.ts";
import { abs, sign, sqrt } from "./unary.ts";
import { where } from "./where.ts";

/** x^p for x of at least 0; 0 where x is 0, without a gradient. */
function power(x: Tensor, p: number): Tensor {
  if (p === 1) return x;
  const zero = eq(x, 0);
  return where(zero, 0, pow(where(zero, 1, x), p));
}

/** The p-norm along a dim, which stays with size 1. */
function norm(x: Tensor, p: number, dim: number): Tensor {
  const over = { dim, keepdim: true };
  if (p === 2) return sqrt(sum(mul(x, x), over));
  const size = abs(x);
  if (p === 1) return sum(size, over);
  return p === Number.POSITIVE_INFINITY ? amax(size, over) : power(sum(power(size, p), over), 1 / p);
}

interface NormOf {
  readonly p: number;
  readonly dim: number;
}

/** d n / d x_i = sign(x_i) |x_i / n|^(p - 1), 0 where n is 0. Of the largest value, ties share. */
const Norm = /* @__PURE__ */ formula<NormOf>(
  "norm",
  ({ p, dim }, x) => norm(x, p, dim),
  (g, { p, dim }, x, n) => [
    () => {
      if (p === 1) return mul(g, sign(x));
      const none = eq(n, 0);
      const unit = where(none, 0, div(x, where(none, 1, n)));
      if (p === 2) return mul(g, unit);
      if (p !== Number.POSITIVE_INFINITY) return mul(mul(g, sign(x)), power(abs(unit), p - 1));
      const most = eq(abs(x), n!);
      return where(most, mul(div(g, sum(toFloat(most), { dim, keepdim: true })), sign(x)), 0);
    },
  ],
  true,
);

interface LengthOf {
  readonly least: number;
  readonly dim: number;
}
/** The length of vectors, or `least` where that is more. d n / d x_i = x_i / n in both cases, as in PyTorch. */
const Length = /* @__PURE__ */ formula<LengthOf>(
  "cosineSimilarity",
  ({ least, dim }, x) => clamp(norm(x, 2, dim), { min: least }),
  (g, _, x, n) => [() => mul(g, div(x, n))],
  true,
);

/** Options of `cosineSimilarity`. */
export interface CosineSimilarityOptions {
  /** The dim along which the vectors lie; 1 by default. */
  dim?: number;
  /** Norms are held above it; 1e-8 by default. */
  eps?: number;
}

/**
 * Cosine of the angle between vectors along `dim`, of two float tensors that broadcast: their shape without that dim.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html
 */
export function cosineSimilarity(x1: Tensor, x2: Tensor, options?: CosineSimilarityOptions, ...none: []): Tensor {
  const op = "cosineSimilarity";
  for (const x of [x1, x2]) expectDtype(op, x, "float32");
  expectOptions(op, options, "dim eps", none);
  const eps = atLeast0(op, "eps", options?.eps ?? 1e-8);
  const shape = broadcast(op, x1.shape, x2.shape);
  const dim = dimension(op, options?.dim ?? 1, x1.ndim === shape.length ? x1 : x2);
  return compose(() => {
    // Norms are those of the expanded vectors.
    const [a, b] = autocasted(op, x1, x2).map((x) => {
      const whole = expand(x, shape);
      return div(whole, apply(Length, [whole], { least: eps, dim }));
    });
    return sum(mul(a!, b!), { dim });
  });
}

/** Options of `pairwiseDistance`. */
export interface PairwiseDistanceOptions {
  /** Which norm: above 0, or Infinity for the largest; 2 by default. */
  p?: number;
  /** Added to each difference; 1e-6 by default. */
  eps?: number;
  /** Keep the last dim with size 1; false by default. */
  keepdim?: boolean;
}

/**
 * The p-norm of x1 - x2 + eps along the last dim, of two float tensors that broadcast: `[n, d]` gives `[n]`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.pairwise_distance.html
 */
export function pairwiseDistance(x1: Tensor, x2: Tensor, options?: PairwiseDistanceOptions, ...none: []): Tensor {
  const op = "pairwiseDistance";
  for (const x of [x1, x2]) expectDtype(op, x, "float32");
  expectOptions(op, options, "p eps keepdim?", none);
  const p = above(op, "p", options?.p ?? 2);
  const eps = finite(op, "eps", options?.eps ?? 1e-6);
  const { length } = broadcast(op, x1.shape, x2.shape);
  const dim = Math.max(length - 1, 0);
  return compose(() => {
    const n = apply(Norm, [addScalar(sub(x1, x2), eps)], { p, dim });
    return options?.keepdim || length === 0 ? n : squeeze(n, dim);
  });
}

/** Options of `cosineEmbeddingLoss`. */
export interface CosineEmbeddingLossOptions extends LossOptions {
  /** The cosine up to which pairs that differ cost nothing; 0 by default. */
  margin?: number;
}

/**
 * For pairs of rows that belong together (target 1) 1 - cos, for those that do not (target -1) max(0, cos - margin). Inputs `[n, d]` and a target
 * `[n]`, or `[d]` and `[]`; the result is `[]`, or has the target's shape with reduction `"none"`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.cosine_embedding_loss.html
 */
export function cosineEmbeddingLoss(
  x1: Tensor,
  x2: Tensor,
  target: Tensor,
  options?: CosineEmbeddingLossOptions,
  ...none: []
): Tensor {
  const op = "cosineEmbeddingLoss";
  noMore(op, none);
  samePair(op, x1, x2, "input2");
  const r = reductionOf(op, options, "reduction margin");
  const margin = finite(op, "margin", options?.margin ?? 0);
  return compose(() => {
    const signed = signs(op, target, x1);
    if (x1.ndim < 1 || x1.ndim > 2 || !sameShape(target.shape, x1.shape.slice(0, -1))) {
      const rule = "inputs [n, d] and a target [n], or [d] and [], are expected";
      fail(op, `inputs ${show(x1.shape)} and target ${show(target.shape)}: ${rule}`);
    }
    const [a, b] = autocasted(op, x1, x2) as [Tensor, Tensor];
    const dot = (x: Tensor, y: Tensor): Tensor => sum(mul(x, y), { dim: -1 });
    // PyTorch adds 1e-12 to each squared norm.
    const norms = sqrt(mul(addScalar(dot(a, a), 1e-12), addScalar(dot(b, b), 1e-12)));
    const cos = div(dot(a, b), norms);
    const same = where(eq(signed, 1), rsubScalar(cos, 1), 0);
    return reduce(add(same, where(eq(signed, -1), clamp(addScalar(cos, -margin), { min: 0 }), 0)), r);
  });
}

/** Options of `tripletMarginWithDistanceLoss`. */
export interface TripletMarginWithDistanceLossOptions extends LossOptions {
  /** By how much the negative must be farther than the positive; 1 by default. */
  margin?: number;
  /** Whether the distance from positive to negative counts where it is the smaller; false by default. */
  swap?: boolean;
  /** Of two tensors, a distance for each row; `pairwiseDistance` by default. */
  distanceFunction?: ((a: Tensor, b: Tensor) => Tensor) | null;
}

/** Options of `tripletMarginLoss`. */
export interface TripletMarginLossOptions extends Omit<TripletMarginWithDistanceLossOptions, "distanceFunction"> {
  /** The norm of `pairwiseDistance`: above 0, or Infinity; 2 by default. */
  p?: number;
  /** Added to each difference; 1e-6 by default. */
  eps?: number;
}

/**
 * max(0, d(anchor, positive) - d(anchor, negative) + margin) for rows of three float tensors that broadcast, with the p-norm for d: `[n, d]` or
 * `[d]`; the result is `[]`, or of the rows' shape with reduction `"none"`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.triplet_margin_loss.html
 */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options?: TripletMarginLossOptions,
  ...none: []
): Tensor {
  const op = "tripletMarginLoss";
  noMore(op, none);
  const r = reductionOf(op, options, "reduction margin p eps swap?");
  const p = above(op, "p", options?.p ?? 2);
  const eps = finite(op, "eps", options?.eps ?? 1e-6);
  return triplet(op, [anchor, positive, negative], options, r, (a, b) => pairwiseDistance(a, b, { p, eps }));
}

/**
 * As `tripletMarginLoss`, with a distance of one's own.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.triplet_margin_with_distance_loss.html
 */
export function tripletMarginWithDistanceLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options?: TripletMarginWithDistanceLossOptions,
  ...none: []
): Tensor {
  const op = "tripletMarginWithDistanceLoss";
  noMore(op, none);
  const r = reductionOf(op, options, "reduction distanceFunction margin swap?");
  const distance = options?.distanceFunction ?? ((a, b) => pairwiseDistance(a, b));
  if (typeof distance !== "function") fail(op, `distanceFunction ${given(distance)}: a function is expected`);
  return triplet(op, [anchor, positive, negative], options, r, distance);
}

function triplet(
  op: string,
  inputs: readonly Tensor[],
  options: TripletMarginWithDistanceLossOptions | undefined,
  r: Reduction,
  distance: (a: Tensor, b: Tensor) => Tensor,
): Tensor {
  for (const x of inputs) expectDtype(op, x, "float32");
  const margin = finite(op, "margin", options?.margin ?? 1);
  const shapes = inputs.map((x) => x.shape);
  if (new Set(shapes.map((s) => s.length)).size > 1)
    fail(op, `anchor, positive and negative ${shapes.map(show).join(", ")}: as many dims are expected of each`);
  broadcast(op, broadcast(op, shapes[0]!, shapes[1]!), shapes[2]!);
  return compose(() => {
    const [a, p, n] = autocasted(op, ...inputs) as [Tensor, Tensor, Tensor];
    const near = distance(a, p);
    expectDtype(op, near, "float32", "the distance");
    const far = distance(a, n);
    const least = options?.swap ? minimum(far, distance(p, n)) : far;
    return reduce(clamp(addScalar(sub(near, least), margin), { min: 0 }), r);
  });
}
