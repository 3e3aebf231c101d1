// Activations that are smooth, or nearly: exponential units, gates by sigmoids, and what is made of logarithms. Each has its gradient
// by formula, which can be differentiated again.

import { checkNumber, expectOptions, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { apply } from "../core/op.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, addScalar, div, mul, mulScalar, neg, rsubScalar, sub } from "./binary.ts";
import { NOT_0 } from "./bounds.ts";
import { ge, gt } from "./compare.ts";
import { compose } from "./compose.ts";
import { unary, unaryVjp } from "./elementwise.ts";
import { expectDtype, expectWord, finite } from "./expect.ts";
import { formula } from "./formula.ts";
import { erfc, expm1, log1p } from "./math.ts";
import { softmax } from "./softmax.ts";
import { dimension } from "./strides.ts";
import { abs, exp, relu, sigmoid, tanh } from "./unary.ts";
import { where } from "./where.ts";

/** A factor of all, of the exponential part, and of x in it. */
interface Unit {
  readonly scale: number;
  readonly alpha: number;
  readonly rate: number;
}
const times = (x: Tensor, s: number): Tensor => (s === 1 ? x : mulScalar(x, s));

/** scale x for positive x, else scale alpha (e^(rate x) - 1). Saves x, as PyTorch does. */
const unit = (name: string) =>
  formula<Unit>(
    name,
    ({ scale, alpha, rate }, x) => where(gt(x, 0), times(x, scale), times(expm1(times(x, rate)), alpha * scale)),
    (g, { scale, alpha, rate }, x) => [
      () => {
        // An infinity that is not taken would make NaN of the second derivative, which is 0 at 0.
        const below = mode.grad ? where(ge(x, 0), 0, x) : x;
        return where(gt(x, 0), times(g, scale), mul(g, times(exp(times(below, rate)), alpha * scale * rate)));
      },
    ],
  );
const Elu = /* @__PURE__ */ unit("elu");
const Selu = /* @__PURE__ */ unit("selu");
const Celu = /* @__PURE__ */ unit("celu");

/**
 * x where it is positive, else alpha (e^x - 1); alpha is 1 by default. For floats: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.elu.html
 */
export function elu(x: Tensor, alpha = 1, ...none: []): Tensor {
  noMore("elu", none);
  finite("elu", "alpha", alpha);
  return apply(Elu, [x], { scale: 1, alpha, rate: 1 });
}

/**
 * `elu` with the alpha and the scale of self-normalizing networks: 1.0507 x where it is positive, else 1.7581 (e^x - 1). For floats: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.selu.html
 */
export function selu(x: Tensor, ...none: []): Tensor {
  noMore("selu", none);
  // https://arxiv.org/abs/1706.02515
  return apply(Selu, [x], {
    scale: 1.0507009873554805,
    alpha: 1.6732632423543772,
    rate: 1,
  });
}

/**
 * x where it is positive, else alpha (e^(x / alpha) - 1), which is smooth; alpha is not 0, 1 by default. For floats: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.celu.html
 */
export function celu(x: Tensor, alpha = 1, ...none: []): Tensor {
  noMore("celu", none);
  checkNumber("celu", "alpha", alpha, NOT_0);
  return apply(Celu, [x], { scale: 1, alpha, rate: 1 / alpha });
}

/** Φ(x), which 1 + erf leaves no digits of on the left, and its density φ. */
const normal = (x: Tensor): Tensor => mulScalar(erfc(mulScalar(x, -Math.SQRT1_2)), 0.5);
const density = (x: Tensor): Tensor => mulScalar(exp(mulScalar(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
/** g (Φ(x) + x φ(x)), of which the derivative is g (2 - x²) φ(x). */
const geluVjp = /* @__PURE__ */ unaryVjp("gelu", (gg, g, x) => [
  () => compose(() => mul(gg, add(normal(x), mul(x, density(x))))),
  () => compose(() => mul(mul(gg, g), mul(rsubScalar(mul(x, x), 2), density(x)))),
]);
/** x Φ(x) */
const exact = /* @__PURE__ */ unary("gelu", "x", geluVjp, "strict");

const RATE = Math.sqrt(2 / Math.PI);
const CUBE = 0.044715;
/** x + 0.044715 x³, times sqrt(2 / π). */
const inner = (x: Tensor, square: Tensor): Tensor => mul(mulScalar(addScalar(mulScalar(square, CUBE), 1), RATE), x);

/** x (1 + t) / 2 with t = tanh(inner): the gradient is (1 + t + x (1 - t²) inner') / 2. */
const GeluTanh = /* @__PURE__ */ formula(
  "gelu",
  (_, x) => mul(mulScalar(x, 0.5), addScalar(tanh(inner(x, mul(x, x))), 1)),
  (g, _, x) => [
    () => {
      const square = mul(x, x);
      const t = tanh(inner(x, square));
      const slope = addScalar(mulScalar(square, 3 * CUBE * RATE), RATE);
      // In this order: far out x slope overflows, and 1 - t² is 0.
      const bent = mul(mul(x, rsubScalar(mul(t, t), 1)), slope);
      return mul(mulScalar(g, 0.5), add(addScalar(t, 1), bent));
    },
  ],
);

/** Options of `gelu`. */
export interface GeluOptions {
  /** `"none"`, the default, or `"tanh"`: an approximation by tanh. */
  approximate?: "none" | "tanh";
}

/**
 * x times the normal distribution at x, for floats: the shape of `x`. https://pytorch.org/docs/stable/generated/torch.nn.functional.gelu.html
 */
export function gelu(x: Tensor, options?: GeluOptions, ...none: []): Tensor {
  expectOptions("gelu", options, "approximate", none);
  const { approximate = "none" } = options ?? {};
  expectWord("gelu", "approximate", approximate, ["none", "tanh"]);
  return approximate === "tanh" ? apply(GeluTanh, [x], null) : exact(x);
}

/** With s = sigmoid(x): the gradient is s (1 + x (1 - s)). */
const Silu = /* @__PURE__ */ formula(
  "silu",
  (_, x) => mul(x, sigmoid(x)),
  (g, _, x) => [
    () => {
      const s = sigmoid(x);
      return mul(g, mul(s, addScalar(mul(x, rsubScalar(s, 1)), 1)));
    },
  ],
);

/** x sigmoid(x), for floats: the shape of `x`. https://pytorch.org/docs/stable/generated/torch.nn.functional.silu.html */
export function silu(x: Tensor, ...none: []): Tensor {
  noMore("silu", none);
  return apply(Silu, [x], null);
}

const Smoothed = /* @__PURE__ */ formula(
  "softplus",
  (_, x) => add(relu(x), log1p(exp(neg(abs(x))))),
  (g, _, x) => [() => mul(g, sigmoid(x))],
);
/** log(1 + e^x), for x of any size. @internal */
export const smoothed = (x: Tensor): Tensor => apply(Smoothed, [x], null);

/** x t with t = tanh(log(1 + e^x)): the gradient is t + x sigmoid(x) (1 - t²). */
const Mish = /* @__PURE__ */ formula(
  "mish",
  (_, x) => mul(x, tanh(smoothed(x))),
  (g, _, x) => [
    () => {
      const t = tanh(smoothed(x));
      return mul(g, add(t, mul(mul(x, sigmoid(x)), rsubScalar(mul(t, t), 1))));
    },
  ],
);
/** x tanh(softplus(x)), for floats: the shape of `x`. https://pytorch.org/docs/stable/generated/torch.nn.functional.mish.html */
export function mish(x: Tensor, ...none: []): Tensor {
  noMore("mish", none);
  return apply(Mish, [x], null);
}

interface Plus {
  readonly beta: number;
  readonly threshold: number;
}
const Softplus = /* @__PURE__ */ formula<Plus>(
  "softplus",
  ({ beta, threshold }, x) => {
    const z = times(x, beta);
    return where(gt(z, threshold), x, times(log1p(exp(z)), 1 / beta));
  },
  (g, { beta, threshold }, x) => [
    () => {
      const z = times(x, beta);
      const bent = mode.grad ? where(ge(z, threshold), threshold, z) : z; // the second derivative at the threshold is 0
      return where(gt(z, threshold), g, mul(g, sigmoid(bent)));
    },
  ],
);

/**
 * log(1 + e^(beta x)) / beta, and x itself where beta x is above `threshold`; 1 and 20 by default, beta is not 0. For floats: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.softplus.html
 */
export function softplus(x: Tensor, beta = 1, threshold = 20, ...none: []): Tensor {
  noMore("softplus", none);
  checkNumber("softplus", "beta", beta, NOT_0);
  finite("softplus", "threshold", threshold);
  return apply(Softplus, [x], { beta, threshold });
}

/** min(x, 0) - log(1 + e^-|x|); the gradient is sigmoid(-x). */
const Logsigmoid = /* @__PURE__ */ formula(
  "logsigmoid",
  (_, x) => neg(smoothed(neg(x))),
  (g, _, x) => [() => mul(g, sigmoid(neg(x)))],
);

/**
 * log(1 / (1 + e^-x)), for floats of any size: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.logsigmoid.html
 */
export function logsigmoid(x: Tensor, ...none: []): Tensor {
  noMore("logsigmoid", none);
  return apply(Logsigmoid, [x], null);
}

/** The gradient is 1 / (1 + |x|)². */
const Softsign = /* @__PURE__ */ formula(
  "softsign",
  (_, x) => div(x, addScalar(abs(x), 1)),
  (g, _, x) => [
    () => {
      const below = addScalar(abs(x), 1);
      return div(div(g, below), below);
    },
  ],
);

/** x / (1 + |x|), for floats: the shape of `x`. https://pytorch.org/docs/stable/generated/torch.nn.functional.softsign.html */
export function softsign(x: Tensor, ...none: []): Tensor {
  noMore("softsign", none);
  return apply(Softsign, [x], null);
}

/** x - tanh(x), for floats: the shape of `x`. https://pytorch.org/docs/stable/generated/torch.nn.functional.tanhshrink.html */
export function tanhshrink(x: Tensor, ...none: []): Tensor {
  noMore("tanhshrink", none);
  return compose(() => sub(x, tanh(x)));
}

/**
 * The softmax of -x along `dim`, for floats: the shape of `x`. https://pytorch.org/docs/stable/generated/torch.nn.functional.softmin.html
 */
export function softmin(x: Tensor, dim: number, ...none: []): Tensor {
  noMore("softmin", none);
  expectDtype("softmin", x, "float32");
  const d = dimension("softmin", dim, x);
  return compose(() => softmax(neg(x), d));
}
