// Losses of yes and no: binary cross-entropy of probabilities and of logits, and what is made of it; and the divergence of two distributions.
import { fail, noMore } from "../core/error.ts";
import { apply, type Op, save } from "../core/op.ts";
import { sameShape, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, addScalar, div, divScalar, mul, mulScalar, neg, rsubScalar, sub } from "./binary.ts";
import { eq } from "./compare.ts";
import { compose, like } from "./compose.ts";
import { launchEach } from "./each.ts";
import { expectDtype } from "./expect.ts";
import { formula } from "./formula.ts";
import { mean } from "./mean.ts";
import { sum } from "./reduce.ts";
import {
  autocasted,
  DIVERGENCES,
  type Divergence,
  type LossOptions,
  reduce,
  reductionOf,
  samePair,
  signs,
} from "./reduction.ts";
import { logsigmoid, smoothed } from "./smooth.ts";
import { broadcast } from "./strides.ts";
import { exp, log, sigmoid } from "./unary.ts";
import { where } from "./where.ts";

/** Options of losses with a weight. */
export interface WeightedLossOptions extends LossOptions {
  /** A factor for each element's loss, of a shape that broadcasts to the input's. */
  weight?: Tensor | null;
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
export function binaryCrossEntropy(x: Tensor, target: Tensor, options?: WeightedLossOptions, ...none: []): Tensor {
  noMore("binaryCrossEntropy", none);
  samePair("binaryCrossEntropy", x, target);
  const r = reductionOf("binaryCrossEntropy", options, "reduction weight");
  const { weight } = options ?? {};
  if (weight != null) expectBroadcast("binaryCrossEntropy", "weight", weight, x);
  return compose(() => {
    const loss = apply(Bce, [x, target], null);
    return reduce(weight == null ? loss : mul(loss, weight), r);
  });
}

/** (1 - t) x + l softplus(-x), where l is 1, or 1 + (w - 1) t with a weight w for what is positive. */
const BceWithLogits = /* @__PURE__ */ formula(
  "binaryCrossEntropyWithLogits",
  (_, x, t, w) => {
    const log = smoothed(neg(x));
    const positive = w === undefined ? log : mul(addScalar(mul(addScalar(w, -1), t), 1), log);
    return add(mul(rsubScalar(t, 1), x), positive);
  },
  (g, _, x, t, w) => [
    () => {
      if (w === undefined) return mul(g, sub(sigmoid(x), t));
      const positive = mul(w, t);
      return mul(g, sub(mul(add(positive, rsubScalar(t, 1)), sigmoid(x)), positive));
    },
    () => mul(g, w === undefined ? neg(x) : sub(mul(w, smoothed(neg(x))), smoothed(x))),
    null,
  ],
);

/** Options of `binaryCrossEntropyWithLogits`. */
export interface BceWithLogitsOptions extends WeightedLossOptions {
  /** A factor for the part of positive targets, of a shape that broadcasts to the input's, such as `[classes]`. */
  posWeight?: Tensor | null;
}

/**
 * Binary cross-entropy of sigmoid(x) and targets of one shape, floats, for x of any size; as `[]`, or of that shape with reduction `"none"`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy_with_logits.html
 */
export function binaryCrossEntropyWithLogits(
  x: Tensor,
  target: Tensor,
  options?: BceWithLogitsOptions,
  ...none: []
): Tensor {
  const op = "binaryCrossEntropyWithLogits";
  noMore(op, none);
  samePair(op, x, target);
  const r = reductionOf(op, options, "reduction weight posWeight");
  const { weight = null, posWeight = null } = options ?? {};
  for (const [name, w] of [["weight", weight] as const, ["posWeight", posWeight] as const])
    if (w !== null) expectBroadcast(op, name, w, x);
  return compose(() => {
    const loss = apply(BceWithLogits, posWeight === null ? [x, target] : [x, target, posWeight], null);
    return reduce(weight === null ? loss : mul(loss, weight), r);
  });
}

function expectBroadcast(op: string, name: string, weight: Tensor, x: Tensor): void {
  expectDtype(op, weight, "float32", name);
  if (sameShape(broadcast(op, weight.shape, x.shape), x.shape)) return;
  fail(
    op,
    `${name} ${show(weight.shape)} and input ${show(x.shape)}: a shape that broadcasts to the input's is expected`,
  );
}

/**
 * For several labels a row: the mean over the last dim of the binary cross-entropy of sigmoid(x) and targets of one shape, `[n, classes]`; as `[]`, or
 * `[n]` with reduction `"none"`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.multilabel_soft_margin_loss.html
 */
export function multilabelSoftMarginLoss(
  x: Tensor,
  target: Tensor,
  options?: WeightedLossOptions,
  ...none: []
): Tensor {
  const op = "multilabelSoftMarginLoss";
  noMore(op, none);
  samePair(op, x, target);
  const r = reductionOf(op, options, "reduction weight");
  const { weight = null } = options ?? {};
  if (x.ndim === 0) fail(op, `input ${show(x.shape)}: a dim of classes is expected`);
  if (weight !== null) expectBroadcast(op, "weight", weight, x);
  return compose(() => {
    const [a, y] = autocasted(op, x, target) as [Tensor, Tensor];
    const terms = neg(add(mul(y, logsigmoid(a)), mul(rsubScalar(y, 1), logsigmoid(neg(a)))));
    return reduce(mean(weight === null ? terms : mul(terms, weight), -1), r);
  });
}

/** log(1 + e^(-t x)) */
const SoftMargin = /* @__PURE__ */ formula(
  "softMarginLoss",
  (_, x, t) => smoothed(neg(mul(t, x))),
  (g, _, x, t) => [() => mul(g, neg(mul(t, sigmoid(neg(mul(t, x)))))), null],
);

/**
 * log(1 + e^(-target x)) of a float input and a target of 1 and -1 of its shape, floats or int32; as `[]`, or of that shape with reduction
 * `"none"`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.soft_margin_loss.html
 */
export function softMarginLoss(x: Tensor, target: Tensor, options?: LossOptions, ...none: []): Tensor {
  const op = "softMarginLoss";
  noMore(op, none);
  expectDtype(op, x, "float32");
  const r = reductionOf(op, options);
  return compose(() => {
    const signed = signs(op, target, x);
    samePair(op, x, signed);
    return reduce(apply(SoftMargin, [x, signed], null), r);
  });
}

/** Options of `klDiv`. */
export interface KlDivOptions {
  /** `"mean"` of all elements by default; `"batchmean"`, the sum divided by the first dim, is what the divergence is. */
  reduction?: Divergence;
  /** Whether the target is log-probabilities too; false by default. */
  logTarget?: boolean;
}

/**
 * Terms target (log target - x) of the Kullback-Leibler divergence, of log-probabilities `x` and a target of one shape, floats; as `[]`, or of that shape with
 * reduction `"none"`. Where a target is 0 the term is 0.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.kl_div.html
 */
export function klDiv(x: Tensor, target: Tensor, options?: KlDivOptions, ...none: []): Tensor {
  const op = "klDiv";
  noMore(op, none);
  samePair(op, x, target);
  const r = reductionOf(op, options, "reduction logTarget?", DIVERGENCES);
  if (r === "batchmean" && x.ndim === 0)
    fail(op, `input ${show(x.shape)}, reduction batchmean: a first dim is expected`);
  return compose(() => {
    const [p, t] = autocasted(op, x, target) as [Tensor, Tensor];
    const terms = options?.logTarget ? mul(exp(t), sub(t, p)) : sub(where(eq(t, 0), 0, mul(t, log(t))), mul(t, p));
    return r === "batchmean" ? divScalar(sum(terms), x.shape[0]!) : reduce(terms, r);
  });
}
