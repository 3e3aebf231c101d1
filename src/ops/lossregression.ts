// Losses of predicted numbers: squared, absolute, and what lies between the two; negative log-likelihoods of Gauss and Poisson.
import { fail, noMore } from "../core/error.ts";
import { apply } from "../core/op.ts";
import { sameShape, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, addScalar, div, divScalar, mul, mulScalar, neg, sub } from "./binary.ts";
import { held } from "./clamp.ts";
import { gt, le, lt } from "./compare.ts";
import { compose } from "./compose.ts";
import { expectDtype } from "./expect.ts";
import { bounded, formula } from "./formula.ts";
import {
  above,
  atLeast0,
  autocasted,
  type LossOptions,
  type Reduction,
  reduce,
  reductionOf,
  samePair,
} from "./reduction.ts";
import { unsqueeze } from "./shape.ts";
import { abs, exp, log } from "./unary.ts";
import { where } from "./where.ts";

/**
 * Squared error (x - target)² of two float tensors of one shape, as `[]`, or of that shape with reduction `"none"`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html
 */
export function mseLoss(x: Tensor, target: Tensor, options?: LossOptions, ...none: []): Tensor {
  return between("mseLoss", x, target, options, none, (d) => mul(d, d));
}

/**
 * Absolute error |x - target| of two float tensors of one shape, as `[]`, or of that shape with reduction `"none"`. The gradient
 * where both are equal is 0.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.l1_loss.html
 */
export function l1Loss(x: Tensor, target: Tensor, options?: LossOptions, ...none: []): Tensor {
  return between("l1Loss", x, target, options, none, abs);
}

function between(
  op: string,
  x: Tensor,
  target: Tensor,
  options: LossOptions | undefined,
  none: readonly [],
  of: (d: Tensor) => Tensor,
): Tensor {
  noMore(op, none);
  samePair(op, x, target);
  const r = reductionOf(op, options);
  return compose(() => {
    const [a, b] = autocasted(op, x, target);
    return reduce(of(sub(a!, b!)), r);
  });
}

/** d² / (2 beta) for |d| < beta, else |d| - beta / 2. */
const SmoothL1 = /* @__PURE__ */ formula<number>(
  "smoothL1Loss",
  (beta, x, t) => {
    const z = abs(sub(x, t));
    return beta === 0 ? z : where(lt(z, beta), divScalar(mul(mulScalar(z, 0.5), z), beta), addScalar(z, -beta / 2));
  },
  (g, beta, x, t) => {
    const by = (a: Tensor, b: Tensor): Tensor => {
      const d = sub(a, b);
      // In PyTorch both slopes at 0 are then -1, where those of l1Loss are 0.
      if (beta === 0) return where(gt(d, 0), g, where(le(d, 0), neg(g), mul(g, d)));
      return mul(g, divScalar(bounded(d, beta), beta));
    };
    return [() => by(x, t), () => by(t, x)];
  },
);

/** Options of `smoothL1Loss`. */
export interface SmoothL1LossOptions extends LossOptions {
  /** Errors below it count squared, those above it as they are: at least 0, which gives the absolute error; 1 by default. */
  beta?: number;
}

/**
 * For d = |x - target|: d² / (2 beta) below beta, d - beta / 2 from there on, of two float tensors of one shape, as `[]`, or of that shape
 * with reduction `"none"`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.smooth_l1_loss.html
 */
export function smoothL1Loss(x: Tensor, target: Tensor, options?: SmoothL1LossOptions, ...none: []): Tensor {
  noMore("smoothL1Loss", none);
  samePair("smoothL1Loss", x, target);
  const r = reductionOf("smoothL1Loss", options, "reduction beta");
  const beta = atLeast0("smoothL1Loss", "beta", options?.beta ?? 1);
  return compose(() => reduce(apply(SmoothL1, [x, target], beta), r));
}

/** d² / 2 for |d| <= delta, else delta (|d| - delta / 2). */
const Huber = /* @__PURE__ */ formula<number>(
  "huberLoss",
  (delta, x, t) => {
    const z = abs(sub(x, t));
    const linear = addScalar(z, -delta / 2);
    // The square first, which in a piece is a fifth faster, where it stays in range.
    const half = delta < 1e19 ? mulScalar(mul(z, z), 0.5) : mul(mulScalar(z, 0.5), z);
    return where(le(z, delta), half, delta === 1 ? linear : mulScalar(linear, delta));
  },
  (g, delta, x, t) => {
    const by = (a: Tensor, b: Tensor): Tensor => mul(g, bounded(sub(a, b), delta));
    return [() => by(x, t), () => by(t, x)];
  },
);

/** Options of `huberLoss`. */
export interface HuberLossOptions extends LossOptions {
  /** Up to it errors count squared, above it in proportion: above 0; 1 by default. */
  delta?: number;
}

/**
 * For d = |x - target|: d² / 2 up to delta, delta (d - delta / 2) above, of two float tensors of one shape, as `[]`, or of that shape with
 * reduction `"none"`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.huber_loss.html
 */
export function huberLoss(x: Tensor, target: Tensor, options?: HuberLossOptions, ...none: []): Tensor {
  noMore("huberLoss", none);
  samePair("huberLoss", x, target);
  const r = reductionOf("huberLoss", options, "reduction delta");
  const delta = above("huberLoss", "delta", options?.delta ?? 1);
  return compose(() => reduce(apply(Huber, [x, target], delta), r));
}

/** Options of `poissonNllLoss`. */
export interface PoissonNllLossOptions extends LossOptions {
  /** Whether the input is the logarithm of the expected count; true by default. */
  logInput?: boolean;
  /** Whether Stirling's approximation of log target! is added, for targets above 1; false by default. */
  full?: boolean;
  /** Keeps the logarithm of an input of 0 finite, where `logInput` is false; 1e-8 by default. */
  eps?: number;
}

/**
 * Negative log-likelihood of counts `target` for a Poisson distribution: e^x - target x, or x - target log(x + eps) without `logInput`. Two
 * float tensors of one shape, as `[]`, or of that shape with reduction `"none"`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.poisson_nll_loss.html
 */
export function poissonNllLoss(x: Tensor, target: Tensor, options?: PoissonNllLossOptions, ...none: []): Tensor {
  const op = "poissonNllLoss";
  noMore(op, none);
  samePair(op, x, target);
  const r = reductionOf(op, options, "reduction logInput? full? eps");
  const { logInput = true, full = false } = options ?? {};
  const eps = atLeast0(op, "eps", options?.eps ?? 1e-8);
  return compose(() => {
    const [a, t] = autocasted(op, x, target) as [Tensor, Tensor];
    const loss = logInput ? sub(exp(a), mul(t, a)) : sub(a, mul(t, log(addScalar(a, eps))));
    return reduce(full ? add(loss, stirling(t)) : loss, r);
  });
}

/** t log t - t + log(2 pi t) / 2, for t above 1. */
function stirling(t: Tensor): Tensor {
  const terms = add(sub(mul(t, log(t)), t), mulScalar(log(mulScalar(t, 2 * Math.PI)), 0.5));
  return where(le(t, 1), 0, terms);
}

/** Options of `gaussianNllLoss`. */
export interface GaussianNllLossOptions extends LossOptions {
  /** Whether the constant log(2 pi) / 2 is added; false by default. */
  full?: boolean;
  /** Variances are held above it; 1e-6 by default. */
  eps?: number;
}

/**
 * Negative log-likelihood of `target` for Gaussians of mean `x` and variance `variance`: (log v + (x - target)² / v) / 2, as `[]`, or of the shape of
 * `x` with reduction `"none"`. The variance has the shape of `x`, or size 1 or nothing in the place of its last dim. A negative one counts
 * as `eps`, where PyTorch reads the values to refuse it.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.gaussian_nll_loss.html
 */
export function gaussianNllLoss(
  x: Tensor,
  target: Tensor,
  variance: Tensor,
  options?: GaussianNllLossOptions,
  ...none: []
): Tensor {
  const op = "gaussianNllLoss";
  noMore(op, none);
  samePair(op, x, target);
  expectDtype(op, variance, "float32", "var");
  const rows = x.shape.slice(0, -1);
  const whole = sameShape(variance.shape, x.shape);
  const lacking = !whole && sameShape(variance.shape, rows) && x.ndim > 0;
  if (!whole && !lacking && !(x.ndim > 0 && sameShape(variance.shape, [...rows, 1]))) {
    fail(
      op,
      `input ${show(x.shape)} and var ${show(variance.shape)}: a var of ${show(x.shape)}, or with one value for the last dim, is expected`,
    );
  }
  const r: Reduction = reductionOf(op, options, "reduction full? eps");
  const { full = false } = options ?? {};
  const eps = above(op, "eps", options?.eps ?? 1e-6);
  return compose(() => {
    const [a, t, given] = autocasted(op, x, target, variance) as [Tensor, Tensor, Tensor];
    const v = held(eps, lacking ? unsqueeze(given, -1) : given);
    const d = sub(a, t);
    const loss = mulScalar(add(log(v), div(mul(d, d), v)), 0.5);
    return reduce(full ? addScalar(loss, Math.log(2 * Math.PI) / 2) : loss, r);
  });
}
