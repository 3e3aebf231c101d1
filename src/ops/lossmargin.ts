// Losses with a margin: what is right by enough costs nothing.
import { fail, given, noMore } from "../core/error.ts";
import { sameShape, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, addScalar, divScalar, mul, neg, rsubScalar, sub } from "./binary.ts";
import { clamp } from "./clamp.ts";
import { gt, le, lt, ne } from "./compare.ts";
import { compose } from "./compose.ts";
import { toFloat } from "./copy.ts";
import { expectDtype, finite } from "./expect.ts";
import { labelled, oneHot, positions } from "./loss.ts";
import { expand, sum } from "./reduce.ts";
import { autocasted, expectWeight, type LossOptions, reduce, reductionOf, signs } from "./reduction.ts";
import { reshape } from "./shape.ts";
import { broadcast } from "./strides.ts";
import { where } from "./where.ts";

/** Options of losses with a margin. */
export interface MarginLossOptions extends LossOptions {
  /** By how much it must be right; 0 by default. */
  margin?: number;
}

/**
 * max(0, margin - target (x1 - x2)): where the target is 1 the first is to be larger by the margin, where it is -1 the second. Three tensors
 * of as many dims that broadcast, floats, the target also int32; the result is `[]`, or of their shape with reduction `"none"`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.margin_ranking_loss.html
 */
export function marginRankingLoss(
  x1: Tensor,
  x2: Tensor,
  target: Tensor,
  options?: MarginLossOptions,
  ...none: []
): Tensor {
  const op = "marginRankingLoss";
  noMore(op, none);
  for (const x of [x1, x2]) expectDtype(op, x, "float32");
  const r = reductionOf(op, options, "reduction margin");
  const margin = finite(op, "margin", options?.margin ?? 0);
  return compose(() => {
    const signed = signs(op, target, x1);
    if (x1.ndim !== x2.ndim || x1.ndim !== target.ndim) {
      const shapes = [x1, x2, target].map((x) => show(x.shape)).join(", ");
      fail(op, `inputs and target ${shapes}: as many dims are expected of each`);
    }
    broadcast(op, broadcast(op, x1.shape, x2.shape), target.shape);
    const [a, b] = autocasted(op, x1, x2) as [Tensor, Tensor];
    return reduce(clamp(addScalar(mul(neg(signed), sub(a, b)), margin), { min: 0 }), r);
  });
}

/**
 * For distances x: x where the target is 1, max(0, margin - x) where it is -1. A float input and a target of its shape, floats or int32; the
 * result is `[]`, or of that shape with reduction `"none"`. The margin is 1 by default.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.hinge_embedding_loss.html
 */
export function hingeEmbeddingLoss(x: Tensor, target: Tensor, options?: MarginLossOptions, ...none: []): Tensor {
  const op = "hingeEmbeddingLoss";
  noMore(op, none);
  expectDtype(op, x, "float32");
  const r = reductionOf(op, options, "reduction margin");
  const margin = finite(op, "margin", options?.margin ?? 1);
  return compose(() => {
    const signed = signs(op, target, x);
    if (!sameShape(x.shape, target.shape))
      fail(op, `input ${show(x.shape)} and target ${show(target.shape)}: the shapes must be the same`);
    const distance = autocasted(op, x)[0]!;
    const apart = where(ne(signed, 1), clamp(rsubScalar(distance, margin), { min: 0 }), 0);
    return reduce(add(apart, where(ne(signed, -1), distance, 0)), r);
  });
}

/** Options of `multiMarginLoss`. */
export interface MultiMarginLossOptions extends LossOptions {
  /** The exponent of each term: 1, the default, or 2. */
  p?: 1 | 2;
  /** By how much the class must be above the others; 1 by default. */
  margin?: number;
  /** A weight for each class, `[classes]`. */
  weight?: Tensor | null;
}

/** `[n, classes]` of `[n, classes]` or `[classes]`, as PyTorch's losses on several labels take them. */
function rowsOf(
  op: string,
  x: Tensor,
  target: Tensor,
  wanted: (shape: readonly number[]) => readonly number[],
): Tensor {
  expectDtype(op, x, "float32");
  expectDtype(op, target, "int32", "target");
  if (x.ndim < 1 || x.ndim > 2 || !sameShape(target.shape, wanted(x.shape))) {
    const rule = x.ndim === 1 || x.ndim === 2 ? `a target ${show(wanted(x.shape))}` : "an input [n, classes]";
    fail(op, `input ${show(x.shape)} and target ${show(target.shape)}: ${rule} is expected`);
  }
  return x.ndim === 1 ? reshape(x, [1, x.numel]) : x;
}

/**
 * Σ max(0, margin - x[label] + x[i])^p over the other classes i, divided by the number of classes. An input `[n, classes]` and int32 labels `[n]`, or
 * `[classes]` and `[]`; the result is `[]`, or has the labels' shape with reduction `"none"`. A label outside [0, classes) is an error at the next
 * wait.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.multi_margin_loss.html
 */
export function multiMarginLoss(x: Tensor, target: Tensor, options?: MultiMarginLossOptions, ...none: []): Tensor {
  const op = "multiMarginLoss";
  noMore(op, none);
  const r = reductionOf(op, options, "reduction p margin weight");
  const p = options?.p ?? 1;
  const weight = options?.weight ?? null;
  if (p !== 1 && p !== 2) fail(op, `p ${given(p)}: 1 or 2 is expected`);
  const margin = finite(op, "margin", options?.margin ?? 1);
  return compose(() => {
    const rows = rowsOf(op, autocasted(op, x)[0]!, target, (shape) => shape.slice(0, -1));
    const classes = rows.shape[1]!;
    if (weight !== null) expectWeight(op, weight, classes, x);
    const labels = reshape(target, [rows.shape[0]!]);
    const hot = oneHot(labels, rows);
    const own = reshape(labelled(op, rows, labels, NO_LABEL), [-1, 1]);
    const over = positive(addScalar(sub(rows, own), margin));
    let terms = where(hot, 0, p === 2 ? mul(over, over) : over);
    if (weight !== null) terms = mul(terms, sum(where(hot, weight, 0), { dim: 1, keepdim: true }));
    const loss = divScalar(sum(terms, 1), classes);
    return reduce(x.ndim === 1 ? reshape(loss, []) : loss, r);
  });
}
/** No label is ignored. */
const NO_LABEL = -(2 ** 31);
/** What is above 0; of NaN nothing, as PyTorch's losses on several classes have it. */
const positive = (x: Tensor): Tensor => where(gt(x, 0), x, 0);

/**
 * Σ max(0, 1 - x[j] + x[i]) over the labels j of each row and the classes i that are none of them, divided by the number of classes. The labels of
 * a row stand in front, -1 ends them: an input `[n, classes]` and an int32 target of that shape, or both `[classes]`; the result is `[]`, or `[n]`
 * with reduction `"none"`. A label outside [-1, classes) is an error at the next wait. Takes memory for n classes².
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.multilabel_margin_loss.html
 */
export function multilabelMarginLoss(x: Tensor, target: Tensor, options?: LossOptions, ...none: []): Tensor {
  const op = "multilabelMarginLoss";
  noMore(op, none);
  const r = reductionOf(op, options);
  return compose(() => {
    const rows = rowsOf(op, autocasted(op, x)[0]!, target, (shape) => shape);
    const [n, classes] = rows.shape as [number, number];
    const cube = [n, classes, classes]; // rows, labels, classes
    const labels = reshape(target, [n * classes]);
    const wide = reshape(expand(reshape(rows, [n, 1, classes]), cube), [n * classes, classes]);
    // The i-th is one if none in front of it, nor it, ends the list.
    const place = positions(classes, x);
    const before = le(reshape(place, [classes, 1]), place);
    const ends = toFloat(lt(reshape(target, [n, classes, 1]), 0));
    const counts = reshape(le(sum(mul(ends, toFloat(before)), { dim: 1 }), 0), [n, classes, 1]);
    const hot = where(counts, toFloat(reshape(oneHot(labels, wide), cube)), 0);
    const others = le(sum(hot, { dim: 1, keepdim: true }), 0);
    const own = reshape(labelled(op, wide, labels, -1), [n, classes, 1]);
    const over = positive(addScalar(sub(reshape(rows, [n, 1, classes]), own), 1));
    const terms = where(counts, where(others, over, 0), 0);
    const loss = divScalar(sum(terms, [1, 2]), classes);
    return reduce(x.ndim === 1 ? reshape(loss, []) : loss, r);
  });
}
