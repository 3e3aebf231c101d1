// Loss functions. crossEntropy on class labels is fused: one pass gives the loss and the softmax for its gradient.
import { checkNumber, expectOptions, fail, given, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { alias, empty } from "../core/make.ts";
import { apply, contiguous, launch, type Op, save } from "../core/op.ts";
import { sameShape, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, addScalar, div, mul, mulScalar, neg, sub } from "./binary.ts";
import { eq } from "./compare.ts";
import { compose, like } from "./compose.ts";
import { toFloat } from "./copy.ts";
import { launchEach } from "./each.ts";
import { expectDtype } from "./expect.ts";
import { besides } from "./gradient.ts";
import { mean } from "./mean.ts";
import { sum } from "./reduce.ts";
import { permute, reshape } from "./shape.ts";
import { logSoftmax, softmaxVjp } from "./softmax.ts";
import { where } from "./where.ts";

/** What a loss makes of its terms: their mean or sum, as `[]`, or the terms themselves. */
export type Reduction = "mean" | "sum" | "none";

/** Options of every loss. */
export interface LossOptions {
  /** `"mean"` by default. */
  reduction?: Reduction;
}

/** Options of losses on class labels. */
export interface ClassLossOptions extends LossOptions {
  /** A weight for each class, `[classes]`; the mean is then over weights. */
  weight?: Tensor | null;
  /** Rows with this label count neither in the sum nor in the mean; -100 by default. */
  ignoreIndex?: number;
}

/** Options that are objects and of these names, and what the loss makes of its terms. */
function reductionOf(op: string, options: LossOptions | undefined, names: string): Reduction {
  expectOptions(op, options, names);
  const r = options?.reduction ?? "mean";
  if (r !== "mean" && r !== "sum" && r !== "none") fail(op, `reduction ${given(r)}: mean, sum or none is expected`);
  return r;
}
const TERMS = "reduction";
const WEIGHT = `${TERMS} weight`;
const CLASSES = `${WEIGHT} ignoreIndex`;
const SMOOTHED = `${CLASSES} labelSmoothing`;

const reduce = (x: Tensor, r: Reduction): Tensor => (r === "none" ? x : r === "sum" ? sum(x) : mean(x));

interface ClassLoss {
  readonly kernel: "cross_entropy" | "nll";
  readonly name: string;
  readonly reduction: Reduction;
  readonly ignore: number;
}

/** Rows of logits (cross_entropy) or of log-probabilities (nll), [rows, classes], against labels [rows]. */
const RowLoss: Op<ClassLoss> = {
  name: "crossEntropy",
  forward([x, target], p) {
    const [rows, classes] = x!.shape as [number, number];
    const loss = empty([rows], p.reduction === "none" ? x!.dtype : "float32", p.name, x!.device);
    const probs = p.kernel === "cross_entropy" ? empty([rows, classes], "float32", p.name, x!.device) : null;
    const outputs = probs === null ? [loss] : [loss, probs];
    launch(`${p.kernel}_f32`, outputs, [x!, target!], [rows, classes], [p.ignore], p.name);
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
    launch(`${p.kernel}_vjp_f32`, [gx], inputs, [rows, classes], [p.ignore, Number(p.reduction === "none")], p.name);
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
  const mean = count === null ? g : div(g, count);
  const factor = p.reduction === "none" ? reshape(g, [rows, 1]) : mean;
  const softmax = probs === null ? null : apply(Probs, [x], probs);
  const by = softmax === null ? where(hot, -1, 0) : where(hot, addScalar(softmax, -1), softmax);
  const gx = where(reshape(counts(target, p.ignore), [rows, 1]), mul(by, factor), 0);
  return probs === null ? besides(gx, x, "zeros") : gx;
}

/** The softmax that the forward left, as a function of the logits. */
const Probs: Op<Tensor> = {
  name: "softmax",
  forward(_, probs) {
    const y = alias(probs);
    save(y);
    return y;
  },
  vjp: (g, { saved: [y] }) => [softmaxVjp(g, y!, 1)],
};

/** True where the class is the label, [rows, classes]. */
function oneHot(labels: Tensor, x: Tensor): Tensor {
  const [rows, classes] = x.shape as [number, number];
  const positions = empty([1, classes], "int32", "loss", x.device);
  launch("arange_i32", [positions], [], [classes], [0, 1], "loss");
  return eq(reshape(labels, [rows, 1]), positions);
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

/** Weighted or smoothed loss of log-probabilities, by plain ops over one-hot labels. */
function weighted(logp: Tensor, labels: Tensor, p: ClassLoss, weight: Tensor | null, smoothing: number): Tensor {
  const { name: op, ignore, reduction } = p;
  const classes = logp.shape[1]!;
  if (weight !== null) expectDtype(op, weight, "float32", "weight");
  if (weight !== null && !sameShape(weight.shape, [classes])) {
    fail(op, `weight ${show(weight.shape)} and input ${show(logp.shape)}: a weight of [${classes}] is expected`);
  }
  const counting = counts(labels, ignore);
  const hot = oneHot(labels, logp);
  // The kernel checks the labels: a fault names row and value.
  const checked = apply({ ...RowLoss, name: op }, [logp, labels], { ...p, kernel: "nll", reduction: "none" });
  const w = weight === null ? null : sum(where(hot, weight, 0), { dim: 1 });
  const rowWeight = w === null ? toFloat(counting) : where(counting, w, 0);
  let loss = w === null ? checked : mul(checked, rowWeight);
  if (smoothing > 0) {
    const all = neg(sum(weight === null ? logp : mul(logp, weight), { dim: 1 }));
    loss = add(mulScalar(loss, 1 - smoothing), mulScalar(where(counting, all, 0), smoothing / classes));
  }
  if (reduction === "none") return loss;
  return reduction === "sum" ? sum(loss) : div(sum(loss), sum(rowWeight));
}

/** True where a label counts. */
function counts(labels: Tensor, ignore: number): Tensor {
  const y = empty(labels.shape, "bool", "ne", labels.device);
  launch("ne_scalar_i32", [y], [labels], [labels.numel], [ignore], "ne");
  return y;
}

/**
 * Cross-entropy of logits `[n, classes, ...]` and int32 labels `[n, ...]`, or of `[classes]` and `[]`; the result is `[]`, or
 * has the labels' shape with reduction `"none"`. A label outside [0, classes) other than `ignoreIndex` is an error at the next
 * wait. Probabilities as targets, which PyTorch takes too, are not taken.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html
 */
export function crossEntropy(
  x: Tensor,
  target: Tensor,
  options?: ClassLossOptions & {
    /** Share of the target that is spread over all classes, 0 to 1; 0 by default. */
    labelSmoothing?: number;
  },
  ...none: []
): Tensor {
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
  options: Parameters<typeof crossEntropy>[2] | undefined,
  names: string,
  none: readonly [],
): Tensor {
  noMore(op, none);
  const reduction = reductionOf(op, options, names);
  const { weight, ignoreIndex = -100, labelSmoothing = 0 } = options ?? {};
  checkNumber(op, "labelSmoothing", labelSmoothing, (v) => v >= 0 && v <= 1, "a number from 0 to 1");
  checkNumber(op, "ignoreIndex", ignoreIndex, (v) => v === (v | 0), "an int32");
  const logits = op === "crossEntropy";
  const params: ClassLoss = { kernel: logits ? "cross_entropy" : "nll", name: op, reduction, ignore: ignoreIndex };
  const plain = weight == null && labelSmoothing === 0;
  const made = (): Tensor => {
    const { rows, labels } = asRows(op, x, target);
    const y = plain
      ? apply({ ...RowLoss, name: op }, [rows, labels], params)
      : weighted(logits ? logSoftmax(rows, 1) : rows, labels, params, weight ?? null, labelSmoothing);
    return reduction === "none" && rows !== x ? reshape(y, target.shape) : y;
  };
  return plain && x?.ndim === 2 ? made() : compose(made);
}

function samePair(op: string, x: Tensor, y: Tensor): void {
  expectDtype(op, x, "float32");
  expectDtype(op, y, "float32", "target");
  if (!sameShape(x.shape, y.shape))
    fail(op, `input ${show(x.shape)} and target ${show(y.shape)}: the shapes must be the same`);
}

/**
 * Squared error (x - target)² of two float tensors of one shape, as `[]`, or of that shape with reduction `"none"`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html
 */
export function mseLoss(x: Tensor, target: Tensor, options?: LossOptions, ...none: []): Tensor {
  noMore("mseLoss", none);
  samePair("mseLoss", x, target);
  const r = reductionOf("mseLoss", options, TERMS);
  return compose(() => {
    const [a, b] = mode.autocast?.("mseLoss", [x, target]) ?? [x, target];
    const d = sub(a!, b!);
    return reduce(mul(d, d), r);
  });
}

const Bce: Op = {
  name: "binaryCrossEntropy",
  strided: true,
  forward([p, y]) {
    const loss = like(p!, "binaryCrossEntropy");
    launchEach("bce_f32", loss, [p!, y!], undefined, "binaryCrossEntropy");
    save(p!, y!);
    return loss;
  },
  vjp: (g, { saved: [p, y] }) => [() => apply(BceVjp, [g, p!, y!], null), null],
};

// g (p - y) / (p (1 - p)): linear in g
const BceVjp: Op = {
  name: "binaryCrossEntropyVjp",
  strided: true,
  forward([g, p, y], _, wants) {
    const gp = like(p!, "binaryCrossEntropy gradient");
    launchEach("bce_vjp_f32", gp, [g!, p!, y!], undefined, "binaryCrossEntropy");
    if (wants !== 0) save(g!, p!, y!);
    return gp;
  },
  vjp(h, { saved: [g, p, y] }) {
    // d/dp (p - y)/(p - p²) = (p² - 2 p y + y) / (p - p²)²
    const q = mul(p!, addScalar(neg(p!), 1));
    const top = add(sub(mul(p!, p!), mulScalar(mul(p!, y!), 2)), y!);
    return [() => apply(BceVjp, [h, p!, y!], null), () => mul(mul(h, g!), div(top, mul(q, q))), null];
  },
};

/**
 * Cross-entropy -(y log p + (1 - y) log (1 - p)) of probabilities p and targets y of one shape, floats in [0, 1], as `[]`, or of
 * that shape with reduction `"none"`. Logarithms are held above -100, as in PyTorch.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy.html
 */
export function binaryCrossEntropy(
  x: Tensor,
  target: Tensor,
  options?: LossOptions & {
    /** A factor for each element's loss, of a shape that broadcasts to the input's. */
    weight?: Tensor | null;
  },
  ...none: []
): Tensor {
  noMore("binaryCrossEntropy", none);
  samePair("binaryCrossEntropy", x, target);
  const r = reductionOf("binaryCrossEntropy", options, WEIGHT);
  const { weight } = options ?? {};
  if (weight != null) expectDtype("binaryCrossEntropy", weight, "float32", "weight");
  return compose(() => {
    const loss = apply(Bce, [x, target], null);
    return reduce(weight == null ? loss : mul(loss, weight), r);
  });
}
