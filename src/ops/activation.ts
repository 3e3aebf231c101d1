// Activations that bend at points: rectifiers and their kin, shrinkage, gates by straight lines. Their second derivative is 0 where
// PyTorch's is, and at the kinks each has PyTorch's slope.

import { checkNumber, expectFlag, fail, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { apply } from "../core/op.ts";
import { show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { addScalar, divScalar, mul, mulScalar } from "./binary.ts";
import { ANY, NOT_NAN } from "./bounds.ts";
import { clamp } from "./clamp.ts";
import { ge, gt, le, lt } from "./compare.ts";
import { compose } from "./compose.ts";
import { expectDtype, finite } from "./expect.ts";
import { bounded, formula, piecewise } from "./formula.ts";
import { besides } from "./gradient.ts";
import { noGrad } from "./modes.ts";
import { randLike } from "./random.ts";
import { reshape } from "./shape.ts";
import { narrow } from "./slice.ts";
import { dimension } from "./strides.ts";
import { sigmoid } from "./unary.ts";
import { where } from "./where.ts";

const leaky = (name: string) =>
  piecewise<number>(
    name,
    (slope, x) => where(gt(x, 0), x, mulScalar(x, slope)),
    (g, slope, x) => where(gt(x, 0), g, mulScalar(g, slope)),
  );
const LeakyRelu = /* @__PURE__ */ leaky("leakyRelu");
const Rrelu = /* @__PURE__ */ leaky("rrelu");

/**
 * x where it is positive, else negativeSlope x (0.01 by default), for floats: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.leaky_relu.html
 */
export function leakyRelu(x: Tensor, negativeSlope = 0.01, ...none: []): Tensor {
  noMore("leakyRelu", none);
  finite("leakyRelu", "negativeSlope", negativeSlope);
  return apply(LeakyRelu, [x], negativeSlope);
}

/** d/dx is w where x is not positive, d/dw is x there. */
const Prelu = /* @__PURE__ */ formula(
  "prelu",
  (_, x, w) => where(gt(x, 0), x, mul(w, x)),
  (g, _, x, w) => [
    () => besides(where(gt(x, 0), g, mul(w, g)), x, "zeros"),
    () => besides(where(gt(x, 0), 0, mul(x, g)), w, "zeros"),
  ],
);

/**
 * x where it is positive, else w x, for floats: the shape of `x`. The weight is one number, `[1]` or `[]`, or one for each channel, `[c]` for
 * an `x` of `[n, c, ...]`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.prelu.html
 */
export function prelu(x: Tensor, weight: Tensor, ...none: []): Tensor {
  noMore("prelu", none);
  expectDtype("prelu", x, "float32");
  expectDtype("prelu", weight, "float32", "weight");
  const channels = x.ndim > 1 ? x.shape[1]! : 1;
  if (weight.ndim > 1 || (weight.numel !== 1 && weight.numel !== channels)) {
    const rule = `a weight [1]${x.ndim > 1 ? ` or [${channels}]` : ""} is expected`;
    fail("prelu", `input ${show(x.shape)} and weight ${show(weight.shape)}: ${rule}`);
  }
  return compose(() => {
    const own = weight.numel === 1 ? [] : [channels, ...x.shape.slice(2).map(() => 1)];
    return apply(Prelu, [x, reshape(weight, own)], null);
  });
}

interface Ends {
  readonly min: number;
  readonly max: number;
}
/** Between the ends, which have no slope; nor has NaN, where PyTorch walks by vectors. */
const inside = (g: Tensor, { min, max }: Ends, x: Tensor): Tensor => where(gt(x, min), where(lt(x, max), g, 0), 0);

const Hardtanh = /* @__PURE__ */ piecewise<Ends>("hardtanh", (p, x) => clamp(x, p), inside);
const Relu6 = /* @__PURE__ */ piecewise<Ends>("relu6", (p, x) => clamp(x, p), inside);

/**
 * x held between minVal and maxVal, -1 and 1 by default, for floats: the shape of `x`. Unlike in `clamp`, the gradient at both is 0.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.hardtanh.html
 */
export function hardtanh(x: Tensor, minVal = -1, maxVal = 1, ...none: []): Tensor {
  noMore("hardtanh", none);
  checkNumber("hardtanh", "minVal", minVal, NOT_NAN);
  checkNumber("hardtanh", "maxVal", maxVal, NOT_NAN);
  if (minVal > maxVal) fail("hardtanh", `minVal ${minVal}, maxVal ${maxVal}: minVal must not be the larger`);
  return apply(Hardtanh, [x], { min: minVal, max: maxVal });
}

/**
 * x held between 0 and 6, for floats: the shape of `x`. https://pytorch.org/docs/stable/generated/torch.nn.functional.relu6.html
 */
export function relu6(x: Tensor, ...none: []): Tensor {
  noMore("relu6", none);
  return apply(Relu6, [x], { min: 0, max: 6 });
}

/** min(max(x + 3, 0), 6) */
const ramp = (x: Tensor): Tensor => clamp(addScalar(x, 3), { min: 0, max: 6 });

const Hardsigmoid = /* @__PURE__ */ piecewise(
  "hardsigmoid",
  (_, x) => divScalar(ramp(x), 6),
  (g, _, x) => where(gt(x, -3), where(lt(x, 3), divScalar(g, 6), 0), 0),
);

/**
 * 0 up to -3, 1 from 3 on, (x + 3) / 6 between, for floats: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.hardsigmoid.html
 */
export function hardsigmoid(x: Tensor, ...none: []): Tensor {
  noMore("hardsigmoid", none);
  return apply(Hardsigmoid, [x], null);
}

const Hardswish = /* @__PURE__ */ formula(
  "hardswish",
  (_, x) => divScalar(mul(x, ramp(x)), 6),
  (g, _, x) => [
    () => {
      const bent = mode.grad ? bounded(x, 3) : x; // the second derivative at -3 is 0
      return where(lt(x, -3), 0, where(ge(x, 3), g, mul(g, addScalar(divScalar(bent, 3), 0.5))));
    },
  ],
);

/**
 * x hardsigmoid(x), for floats: the shape of `x`. https://pytorch.org/docs/stable/generated/torch.nn.functional.hardswish.html
 */
export function hardswish(x: Tensor, ...none: []): Tensor {
  noMore("hardswish", none);
  return apply(Hardswish, [x], null);
}

/** The gradient of both shrinkages, 0 where -l <= x <= l, and for NaN, where PyTorch walks by vectors. */
const shrunk = (g: Tensor, l: number, x: Tensor): Tensor => where(gt(x, l), g, where(lt(x, -l), g, 0));

const Hardshrink = /* @__PURE__ */ piecewise<number>(
  "hardshrink",
  (l, x) => where(ge(x, -l), where(le(x, l), 0, x), x),
  shrunk,
);

/**
 * x outside [-lambd, lambd], 0 inside; lambd is 0.5 by default. For floats: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.hardshrink.html
 */
export function hardshrink(x: Tensor, lambd = 0.5, ...none: []): Tensor {
  noMore("hardshrink", none);
  finite("hardshrink", "lambd", lambd);
  return apply(Hardshrink, [x], lambd);
}

/** NaN gives 0, as in PyTorch 1.13. */
const Softshrink = /* @__PURE__ */ piecewise<number>(
  "softshrink",
  (l, x) => where(gt(x, l), addScalar(x, -l), where(lt(x, -l), addScalar(x, l), 0)),
  shrunk,
);

/**
 * x - lambd above lambd, x + lambd below -lambd, 0 between; lambd is at least 0, 0.5 by default. For floats: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.softshrink.html
 */
export function softshrink(x: Tensor, lambd = 0.5, ...none: []): Tensor {
  noMore("softshrink", none);
  checkNumber("softshrink", "lambd", lambd);
  return apply(Softshrink, [x], lambd);
}

interface Step {
  readonly at: number;
  readonly value: number;
}
const Threshold = /* @__PURE__ */ piecewise<Step>(
  "threshold",
  ({ at, value }, x) => where(le(x, at), value, x),
  (g, { at }, x) => where(le(x, at), 0, g),
);

/**
 * x above `threshold`, else `value`, for floats: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.threshold.html
 */
export function threshold(x: Tensor, threshold: number, value: number, ...none: []): Tensor {
  noMore("threshold", none);
  checkNumber("threshold", "threshold", threshold, ANY);
  checkNumber("threshold", "value", value, ANY);
  return apply(Threshold, [x], { at: threshold, value });
}

/**
 * While `training` (not by default) x where it is positive, else x times a slope that is drawn for each element, uniformly from [lower, upper)
 * (1/8 and 1/3 by default); otherwise `leakyRelu` with the middle of the two. For floats: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.rrelu.html
 */
export function rrelu(x: Tensor, lower = 1 / 8, upper = 1 / 3, training = false, ...none: []): Tensor {
  noMore("rrelu", none);
  expectDtype("rrelu", x, "float32");
  alive("rrelu", x);
  finite("rrelu", "lower", lower);
  finite("rrelu", "upper", upper);
  if (lower > upper) fail("rrelu", `lower ${lower}, upper ${upper}: lower must not be the larger`);
  expectFlag("rrelu", "training", training);
  if (!training) return apply(Rrelu, [x], (lower + upper) / 2);
  return compose(() => {
    const slopes = noGrad(() => addScalar(mulScalar(randLike(x, { dtype: x.dtype }), upper - lower), lower));
    return mul(x, where(le(x, 0), slopes, 1));
  });
}

/**
 * The first half of `x` along `dim`, the last by default, times the sigmoid of the second: `[n, 6]` gives `[n, 3]`. For floats.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.glu.html
 */
export function glu(x: Tensor, dim = -1, ...none: []): Tensor {
  noMore("glu", none);
  expectDtype("glu", x, "float32");
  const d = dimension("glu", dim, x);
  const size = x.shape[d] ?? 1;
  if (x.ndim === 0 || size % 2 !== 0) fail("glu", `${show(x.shape)}, dim ${dim}: an even size is expected`);
  return compose(() => mul(narrow(x, d, 0, size / 2), sigmoid(narrow(x, d, size / 2, size / 2))));
}
