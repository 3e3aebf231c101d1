// Elementwise functions of one tensor, new or in place.

import { noMore } from "../core/error.ts";
import { apply, cast, launch, type Op, readStrided } from "../core/op.ts";
import type { Tensor } from "../core/tensor.ts";
import { div, maximum, mul, mulScalar, neg, rdivScalar, rsubScalar, sub } from "./binary.ts";
import { compareScalar } from "./compare.ts";
import { compose } from "./compose.ts";
import { clone, toFloat, toInt } from "./copy.ts";
import { constant } from "./create.ts";
import { unary, unaryVjp } from "./elementwise.ts";
import { expectDtype } from "./expect.ts";
import { zerosAs } from "./gradient.ts";
import { inPlace, NOTHING, settle, target } from "./write.ts";

/** e^x, element by element, for floats: the shape and dtype of `x`. */
export const exp = unary("exp", "y", (g, y) => mul(g, y));
/** Natural logarithm, element by element, for floats: NaN below zero, -infinity at zero. */
export const log = unary("log", "x", (g, x) => div(g, x));
/** Square root, element by element, for floats: NaN below zero; the gradient at 0 is infinite. */
export const sqrt = unary("sqrt", "y", (g, y) => sqrtVjp(g, y));
/** Hyperbolic tangent, element by element, for floats: results in [-1, 1]. */
export const tanh = unary("tanh", "y", (g, y) => tanhVjp(g, y));
/** 1 / (1 + e^-x), element by element, for floats: results in [0, 1]. */
export const sigmoid = unary("sigmoid", "y", (g, y) => sigmoidVjp(g, y));
/** max(x, 0), element by element, for floats and int32; the gradient at 0 is 0, NaN stays NaN. */
export function relu(x: Tensor, ...none: []): Tensor {
  noMore("relu", none);
  return x?.dtype === "int32" ? compose(() => maximum(x, constant(0, x))) : reluFloat(x);
}
/** @internal */
export const reluFloat = unary("relu", "y", (g, y) => reluVjp(g, y), "strict");
/** |x|, element by element, for floats and int32; the gradient at 0 is 0. */
export function abs(x: Tensor, ...none: []): Tensor {
  noMore("abs", none);
  return x?.dtype === "int32" ? compose(() => maximum(x, neg(x))) : absFloat(x);
}
const absFloat = unary("abs", "x", (g, x) => mul(g, sign(x)), "strict");
/** Sine of angles in radians, element by element, for floats. */
export const sin = unary("sin", "x", (g, x) => mul(g, cos(x)));
/** Cosine of angles in radians, element by element, for floats. */
export const cos = unary("cos", "x", (g, x) => neg(mul(g, sin(x))));

/** 1 / sqrt(x), element by element: infinite at 0, NaN below. https://pytorch.org/docs/stable/generated/torch.rsqrt.html */
export const rsqrt = /* @__PURE__ */ unary(
  "rsqrt",
  "y",
  (g, y) => mulScalar(mul(g, mul(mul(y, y), y)), -0.5),
  (x) => rdivScalar(sqrt(x), 1),
);
/** 1 / x, element by element. https://pytorch.org/docs/stable/generated/torch.reciprocal.html */
export const reciprocal = /* @__PURE__ */ unary(
  "reciprocal",
  "y",
  (g, y) => neg(mul(g, mul(y, y))),
  (x) => rdivScalar(x, 1),
);

const reluVjp = unaryVjp("relu", (gg, _, y) => [() => reluVjp(gg, y), () => zerosAs(y)]);
const tanhVjp = unaryVjp("tanh", (gg, g, y) => [() => tanhVjp(gg, y), () => mulScalar(mul(mul(gg, g), y), -2)]);
const sigmoidVjp = unaryVjp("sigmoid", (gg, g, y) => [
  () => sigmoidVjp(gg, y),
  () => mul(mul(gg, g), rsubScalar(mulScalar(y, 2), 1)),
]);
const sqrtVjp = unaryVjp("sqrt", (gg, g, y) => [() => sqrtVjp(gg, y), () => neg(div(sqrtVjp(mul(gg, g), y), y))]);

const Sign: Op = {
  name: "sign",
  forward: ([x]) =>
    compose(() => cast(sub(toFloat(compareScalar("gt", x!, 0)), toFloat(compareScalar("lt", x!, 0))), x!.dtype)),
  vjp: (g) => [() => zerosAs(g)],
};
/** -1, 0 or 1 by each element's sign, 0 for NaN, in the dtype of `x`: float, int32, or bool, which stays as it is. Its gradient is 0. */
export function sign(x: Tensor, ...none: []): Tensor {
  noMore("sign", none);
  if (x?.dtype === "bool") return clone(x);
  if (x?.dtype !== "int32") return apply(Sign, [x], null);
  return compose(() => sub(toInt(compareScalar("gt", x, 0)), toInt(compareScalar("lt", x, 0))));
}

const Tanh: Op = { name: "tanh_", forward: ([x]) => x!, vjp: (g, { saved: [y] }) => [() => tanhVjp(g, y!)] };

/** Every element of the float `x` becomes its hyperbolic tangent, in place; returns `x`. */
export function tanh_(x: Tensor, ...none: []): Tensor {
  noMore("tanh_", none);
  expectDtype("tanh_", x, "float32");
  return inPlace(Tanh, x, [], null, (wants) => {
    const y = target(x);
    const label = y === x ? "tanh_" : "tanh";
    if (y !== x) readStrided(label, y, x);
    launch("tanh_f32", [y], [y], [y.numel], undefined, label);
    settle("tanh_", x, y);
    return wants === 0 ? NOTHING : [x];
  });
}
