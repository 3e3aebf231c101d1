// Functions of one tensor, element by element: powers of e and logarithms, the error function, of angles. For floats; int32 and bool
// become float32, as in PyTorch. Gradients are PyTorch's, written with ops.
import type { Tensor } from "../core/tensor.ts";
import { addScalar, div, mul, mulScalar, neg, rsubScalar } from "./binary.ts";
import { unary } from "./elementwise.ts";
import { exp, rsqrt } from "./unary.ts";

/** e^x - 1, element by element, exact for small x too. https://pytorch.org/docs/stable/generated/torch.expm1.html */
export const expm1 = /* @__PURE__ */ unary("expm1", "y", (g, y) => mul(g, addScalar(y, 1)));
/** log(1 + x), element by element, exact for small x too. https://pytorch.org/docs/stable/generated/torch.log1p.html */
export const log1p = /* @__PURE__ */ unary("log1p", "x", (g, x) => div(g, addScalar(x, 1)));
/** Logarithm to the base 2, element by element: NaN below zero, -infinity at zero. https://pytorch.org/docs/stable/generated/torch.log2.html */
export const log2 = /* @__PURE__ */ unary("log2", "x", (g, x) => div(g, mulScalar(x, Math.LN2)));
/** Logarithm to the base 10, element by element: NaN below zero, -infinity at zero. https://pytorch.org/docs/stable/generated/torch.log10.html */
export const log10 = /* @__PURE__ */ unary("log10", "x", (g, x) => div(g, mulScalar(x, Math.LN10)));

const bell = (g: Tensor, x: Tensor, by: number): Tensor => mul(mulScalar(exp(neg(mul(x, x))), by), g);
const TWO_OVER_ROOT_PI = 1.1283791670955126;
/** The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x. https://pytorch.org/docs/stable/special.html#torch.special.erf */
export const erf = /* @__PURE__ */ unary("erf", "x", (g, x) => bell(g, x, TWO_OVER_ROOT_PI));
/** 1 - erf(x), exact where that is small. https://pytorch.org/docs/stable/special.html#torch.special.erfc */
export const erfc = /* @__PURE__ */ unary("erfc", "x", (g, x) => bell(g, x, -TWO_OVER_ROOT_PI));

/** Tangent of angles in radians, element by element. https://pytorch.org/docs/stable/generated/torch.tan.html */
export const tan = /* @__PURE__ */ unary("tan", "y", (g, y) => mul(g, addScalar(mul(y, y), 1)));
/** Hyperbolic sine, element by element. https://pytorch.org/docs/stable/generated/torch.sinh.html */
export const sinh = /* @__PURE__ */ unary("sinh", "x", (g, x) => mul(g, cosh(x)));
/** Hyperbolic cosine, element by element. https://pytorch.org/docs/stable/generated/torch.cosh.html */
export const cosh = /* @__PURE__ */ unary("cosh", "x", (g, x) => mul(g, sinh(x)));

/** 1 - x^2 */
const rest = (x: Tensor): Tensor => rsubScalar(mul(x, x), 1);
/** Angles in [-pi / 2, pi / 2] with the sine x; NaN beyond 1. https://pytorch.org/docs/stable/generated/torch.asin.html */
export const asin = /* @__PURE__ */ unary("asin", "x", (g, x) => mul(g, rsqrt(rest(x))));
/** Angles in [0, pi] with the cosine x; NaN beyond 1. https://pytorch.org/docs/stable/generated/torch.acos.html */
export const acos = /* @__PURE__ */ unary("acos", "x", (g, x) => mul(g, neg(rsqrt(rest(x)))));
/** Angles in (-pi / 2, pi / 2) with the tangent x. https://pytorch.org/docs/stable/generated/torch.atan.html */
export const atan = /* @__PURE__ */ unary("atan", "x", (g, x) => div(g, addScalar(mul(x, x), 1)));
/** The inverse of sinh. https://pytorch.org/docs/stable/generated/torch.asinh.html */
export const asinh = /* @__PURE__ */ unary("asinh", "x", (g, x) => mul(g, rsqrt(addScalar(mul(x, x), 1))));
/** The inverse of cosh, at least 0; NaN below 1. https://pytorch.org/docs/stable/generated/torch.acosh.html */
export const acosh = /* @__PURE__ */ unary("acosh", "x", (g, x) => mul(g, rsqrt(addScalar(mul(x, x), -1))));
/** The inverse of tanh; NaN beyond 1. https://pytorch.org/docs/stable/generated/torch.atanh.html */
export const atanh = /* @__PURE__ */ unary("atanh", "x", (g, x) => div(g, rest(x)));
