// Losses on classes. crossEntropy on labels is fused: one pass gives the loss and the softmax for its gradient.

import { isFloat } from "../core/dtype.ts";
import { checkNumber, fail, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { alias, empty } from "../core/make.ts";
import { apply, contiguous, launch, type Op, record, save } from "../core/op.ts";
import { sameShape, show } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { word } from "../row/words.ts";
import { add, addScalar, div, divScalar, mul, mulScalar, neg } from "./binary.ts";
import { FRACTION, INT32 } from "./bounds.ts";
import { clamp } from "./clamp.ts";
import { eq } from "./compare.ts";
import { compose, like } from "./compose.ts";
import { expectDtype } from "./expect.ts";
import { besides } from "./gradient.ts";
import { sum } from "./reduce.ts";
import { autocasted, expectWeight, type LossOptions, type Reduction, reduce, reductionOf } from "./reduction.ts";
import { permute, reshape } from "./shape.ts";
import { logSoftmax, softmaxVjp } from "./softmax.ts";
import { where } from "./where.ts";

/** Options of losses on class labels. */
export interface ClassLossOptions extends LossOptions {
  /** A weight for each class, `[classes]`; the mean is then over weights. */
  weight?: Tensor | null;
  /** Rows with this label count neither in the sum nor in the mean; -100 by default. */
  ignoreIndex?: number;
}

const CLASSES = "reduction weight ignoreIndex";
const SMOOTHED = `${CLASSES} labelSmoothing`;

interface ClassLoss {
  readonly kernel: "cross_entropy" | "nll";
  readonly name: string;
  readonly reduction: Reduction;
  readonly ignore: number;
  /** Of cross_entropy. */
  readonly smoothing?: number;
}

/** Rows of logits (cross_entropy) or of log-probabilities (nll), [rows, classes], against labels [rows]. */
const RowLoss: Op<ClassLoss> = {
  name: "crossEntropy",
  forward([x, target], p) {
    const [rows, classes] = x!.shape as [number, number];
    const loss = empty([rows], p.reduction === "none" ? x!.dtype : "float32", p.name, x!.device);
    const probs = p.kernel === "cross_entropy" ? empty([rows, classes], "float32", p.name, x!.device) : null;
    const outputs = probs === null ? [loss] : [loss, probs];
    const scalars = probs === null ? [p.ignore] : [p.ignore, word(p.smoothing ?? 0)];
    launch(`${p.kernel}_f32`, outputs, [x!, target!], [rows, classes], scalars, p.name);
    const count = p.reduction === "mean" ? empty([], "float32", p.name, x!.device) : null;
    save(target!, probs, count);
    if (p.reduction === "none") return loss;
    const y = like(x!, p.name, []);
    if (count === null) launch("sum_f32", [y], [loss], [1, rows, 1], undefined, p.name);
    else launch("nll_mean_f32", [y, count], [loss, target!], [rows], [p.ignore], p.name);
    loss.release(p.name);
    return y;
  },
  vjp(come, { inputs: [x], params: p, saved: [target, probs, counted] }) {
    if (mode.grad) return [differentiable(come, x!, target!, p, probs!, counted!), null];
    const g = contiguous(come); // one a row: behind a sum it is expanded
    const [rows, classes] = x!.shape as [number, number];
    const gx = like(x!, `${p.name} gradient`);
    const count = counted ?? one(x!);
    const inputs = probs === null ? [g, target!, count] : [g, probs!, target!, count];
    const scalars = [p.ignore, Number(p.reduction === "none"), ...(probs === null ? [] : [word(p.smoothing ?? 0)])];
    launch(`${p.kernel}_vjp_f32`, [gx], inputs, [rows, classes], scalars, p.name);
    if (g !== come) g.release(p.name);
    return [gx, null];
  },
};

/** The same gradient by ops, for second derivatives. */
function differentiable(
  g: Tensor,
  x: Tensor,
  target: Tensor,
  p: ClassLoss,
  probs: Tensor | null,
  count: Tensor | null,
): Tensor {
  const rows = x.shape[0]!;
  const hot = oneHot(target, x);
  const mean = count === null ? g : div(g, clamp(count, { min: 1 })); // where nothing counts, what is made is not taken
  const factor = p.reduction === "none" ? reshape(g, [rows, 1]) : mean;
  const softmax = probs === null ? null : softmaxOf(x, probs);
  const each = (p.smoothing ?? 0) / x.shape[1]!;
  const by =
    softmax === null
      ? where(hot, -1, 0)
      : where(hot, addScalar(softmax, (p.smoothing ?? 0) - 1 - each), addScalar(softmax, -each));
  const gx = where(reshape(counts(target, p.ignore), [rows, 1]), mul(by, factor), 0);
  return probs === null ? besides(gx, x, "zeros") : gx;
}

/** The softmax that the forward left, as a function of the logits, which may be a dense copy that is gone. */
function softmaxOf(x: Tensor, probs: Tensor): Tensor {
  const y = alias(probs);
  if (x.requiresGrad) record(Probs, [x], null, [y], y, [], 1);
  return y;
}
const Probs: Op = { name: "softmax", forward: ([x]) => x!, vjp: (g, { saved: [y] }) => [softmaxVjp(g, y!, 1)] };

/** x[row, label] of [rows, classes], without the rows whose label is `ignore`: 0. @internal */
export const labelled = (op: string, x: Tensor, labels: Tensor, ignore: number): Tensor =>
  neg(apply({ ...RowLoss, name: op }, [x, labels], { kernel: "nll", name: op, reduction: "none", ignore }));

/** True where the class is the label, [rows, classes]. @internal */
export function oneHot(labels: Tensor, x: Tensor): Tensor {
  const [rows, classes] = x.shape as [number, number];
  return eq(reshape(labels, [rows, 1]), positions(classes, x));
}

/** 0 to n - 1, on the device of `x`. @internal */
export function positions(n: number, { device }: Tensor): Tensor {
  const y = empty([n], "int32", "loss", device);
  launch("arange_i32", [y], [], [n], [0, 1], "loss");
  return y;
}

function one(x: Tensor): Tensor {
  const t = empty([], "float32", "loss", x.device);
  launch("fill_f32", [t], [], [1], [0x3f800000], "loss");
  return t;
}

/** [n, classes, d1, ...] and [n, d1, ...] as rows. */
function asRows(op: string, x: Tensor, target: Tensor): { rows: Tensor; labels: Tensor } {
  expectDtype(op, x, "float32");
  expectDtype(op, target, "int32", "target");
  const one = x.ndim === 1;
  const wanted = one ? [] : [x.shape[0]!, ...x.shape.slice(2)];
  if (x.ndim === 0 || !sameShape(target.shape, wanted)) {
    fail(
      op,
      `input ${show(x.shape)} and target ${show(target.shape)}: a target of ${show(wanted)} class labels is expected`,
    );
  }
  if (one) return { rows: reshape(x, [1, x.numel]), labels: reshape(target, [1]) };
  if (x.ndim === 2) return { rows: x, labels: target };
  const classes = x.shape[1]!;
  const order = [0, ...x.shape.map((_, i) => i).slice(2), 1];
  return { rows: reshape(permute(x, order), [-1, classes]), labels: reshape(target, [-1]) };
}

/** Weighted loss of log-probabilities, by plain ops over one-hot labels. */
function weighted(logp: Tensor, labels: Tensor, p: ClassLoss, weight: Tensor, smoothing: number): Tensor {
  const { name: op, ignore, reduction } = p;
  const classes = logp.shape[1]!;
  expectWeight(op, weight, classes, logp);
  const counting = counts(labels, ignore);
  const hot = oneHot(labels, logp);
  // The kernel checks the labels: a fault names row and value.
  const checked = apply({ ...RowLoss, name: op }, [logp, labels], { ...p, kernel: "nll", reduction: "none" });
  const rowWeight = where(counting, sum(where(hot, weight, 0), { dim: 1 }), 0);
  let loss = mul(checked, rowWeight);
  if (smoothing > 0) {
    const all = neg(sum(mul(logp, weight), { dim: 1 }));
    loss = add(mulScalar(loss, 1 - smoothing), mulScalar(where(counting, all, 0), smoothing / classes));
  }
  if (reduction === "none") return loss;
  return reduction === "sum" ? sum(loss) : div(sum(loss), sum(rowWeight));
}

/** -Σ target log softmax(x) over the classes. */
function ofProbabilities(x: Tensor, target: Tensor, r: Reduction, weight: Tensor | null, smoothing: number): Tensor {
  const op = "crossEntropy";
  if (!sameShape(x.shape, target.shape) || x.ndim === 0) {
    const rule = "probabilities of the input's shape, or int32 labels without its classes, are expected";
    fail(op, `input ${show(x.shape)} and float target ${show(target.shape)}: ${rule}`);
  }
  const dim = x.ndim === 1 ? 0 : 1;
  const classes = x.shape[dim]!;
  if (weight !== null) expectWeight(op, weight, classes, x);
  const [logits, given] = autocasted(op, x, target) as [Tensor, Tensor];
  const smooth = smoothing > 0 ? addScalar(mulScalar(given, 1 - smoothing), smoothing / classes) : given;
  const column = x.shape.slice(dim).map((n, i) => (i === 0 ? n : 1));
  const target_ = weight === null ? smooth : mul(smooth, reshape(weight, column));
  const terms = neg(sum(mul(logSoftmax(logits, dim), target_), dim));
  return r === "mean" ? divScalar(sum(terms), x.numel / classes) : reduce(terms, r);
}

/** True where a label counts. */
function counts(labels: Tensor, ignore: number): Tensor {
  const y = empty(labels.shape, "bool", "ne", labels.device);
  launch("ne_scalar_i32", [y], [labels], [labels.numel], [ignore], "ne");
  return y;
}

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions extends ClassLossOptions {
  /** Share of the target that is spread over all classes, 0 to 1; 0 by default. */
  labelSmoothing?: number;
}

/**
 * Cross-entropy of logits `[n, classes, ...]` and int32 labels `[n, ...]`, or of `[classes]` and `[]`; or of logits and probabilities, a float
 * target of their shape. The result is `[]`, or has the labels' shape with reduction `"none"`. A label outside [0, classes) other than `ignoreIndex` is
 * an error at the next wait.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html
 */
export function crossEntropy(x: Tensor, target: Tensor, options?: CrossEntropyOptions, ...none: []): Tensor {
  return labelLoss("crossEntropy", x, target, options, SMOOTHED, none);
}

/**
 * Negative log-likelihood of log-probabilities `[n, classes, ...]` and int32 labels `[n, ...]`, or of `[classes]` and `[]`; the
 * result and its errors are as in `crossEntropy`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.nll_loss.html
 */
export const nllLoss = (x: Tensor, target: Tensor, options?: ClassLossOptions, ...none: []): Tensor =>
  labelLoss("nllLoss", x, target, options, CLASSES, none);

function labelLoss(
  op: "crossEntropy" | "nllLoss",
  x: Tensor,
  target: Tensor,
  options: CrossEntropyOptions | undefined,
  names: string,
  none: readonly [],
): Tensor {
  noMore(op, none);
  const reduction = reductionOf(op, options, names);
  const weight = options?.weight;
  const ignoreIndex = options?.ignoreIndex ?? -100;
  const labelSmoothing = options?.labelSmoothing ?? 0;
  checkNumber(op, "labelSmoothing", labelSmoothing, FRACTION);
  checkNumber(op, "ignoreIndex", ignoreIndex, INT32);
  const logits = op === "crossEntropy";
  if (logits && target instanceof Tensor && isFloat(target.dtype)) {
    expectDtype(op, x, "float32");
    if (ignoreIndex >= 0) fail(op, `ignoreIndex ${ignoreIndex} for a float target: labels alone can be ignored`);
    return compose(() => ofProbabilities(x, target, reduction, weight ?? null, labelSmoothing));
  }
  const kernel = logits ? "cross_entropy" : "nll";
  const params: ClassLoss = { kernel, name: op, reduction, ignore: ignoreIndex, smoothing: labelSmoothing };
  const plain = weight == null;
  const made = (): Tensor => {
    const { rows, labels } = asRows(op, x, target);
    const y = plain
      ? apply({ ...RowLoss, name: op }, [rows, labels], params)
      : weighted(logits ? logSoftmax(rows, 1) : rows, labels, params, weight, labelSmoothing);
    return reduction === "none" && rows !== x ? reshape(y, target.shape) : y;
  };
  return plain && x?.ndim === 2 ? made() : compose(made);
}
