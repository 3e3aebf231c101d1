// In-place forms of elementwise functions: `exp_(x)` is exp(x), written over x.
import { isFloat } from "../core/dtype.ts";
import { fail, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { denseCopy, launch, type Op, readStrided } from "../core/op.ts";
import { show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import * as binary from "./binary.ts";
import * as blend from "./blend.ts";
import * as bounds from "./clamp.ts";
import { compose } from "./compose.ts";
import { clone } from "./copy.ts";
import { silently, type Unary, unaryOf } from "./elementwise.ts";
import * as kinds from "./kinds.ts";
import * as math from "./math.ts";
import * as modulo from "./modulo.ts";
import * as pairs from "./pairs.ts";
import * as powers from "./pow.ts";
import type { Operand } from "./promote.ts";
import * as rounding from "./rounding.ts";
import * as special from "./special.ts";
import * as unary from "./unary.ts";
import { inPlace, NOTHING, overwrite, settle, target } from "./write.ts";

/**
 * The form of `f` that writes its result over its first argument, which is returned. A gradient goes through what that was before. Results
 * must fit: in shape, and no float into whole numbers. Of what `unary` made the write saves what that saves, as in PyTorch: `of` is it.
 */
function over<A extends unknown[]>(
  name: string,
  f: (x: Tensor, ...rest: A) => Tensor,
  of: object = f,
): (x: Tensor, ...rest: A) => Tensor {
  const known = unaryOf(of);
  const op: Op | undefined = known && { name, forward: ([x]) => x!, vjp: known.op.vjp! };
  return (x, ...rest) => {
    alive(name, x);
    noMore(name, known && rest);
    if (op !== undefined && isFloat(x.dtype)) return direct(op, x, known!, () => f(x, ...rest));
    return compose(() => {
      const y = f(mode.grad && (x.requiresGrad || x.fixed !== null) ? clone(x) : x, ...rest);
      if (isFloat(y.dtype) && !isFloat(x.dtype))
        fail(name, `${show(x.shape)} of ${x.dtype}: the result is float and does not fit into the first`);
      return overwrite(name, x, y);
    });
  };
}

function direct(op: Op, x: Tensor, { saves, kernel }: Unary, f: () => Tensor): Tensor {
  return inPlace(op, x, [], null, (wants) => {
    const before = wants !== 0 && saves === "x" ? denseCopy(x) : null;
    const y = target(x);
    const label = y === x ? op.name : op.name.slice(0, -1);
    if (kernel === null) {
      const made = silently(f);
      readStrided(label, y, made);
      made.release(op.name);
    } else {
      if (y !== x) readStrided(label, y, x);
      launch(kernel, [y], [y], [y.numel], undefined, label);
    }
    settle(op.name, x, y);
    return wants === 0 || saves === "" ? NOTHING : [before ?? x];
  });
}

/** Every element of `x` becomes its `lgamma`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.lgamma_.html */
export const lgamma_ = /* @__PURE__ */ over("lgamma_", special.lgamma);
/** Every element of `x` becomes its `digamma`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.digamma_.html */
export const digamma_ = /* @__PURE__ */ over("digamma_", special.digamma);
/** Every element of `x` becomes its `erfinv`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.erfinv_.html */
export const erfinv_ = /* @__PURE__ */ over("erfinv_", special.erfinv);

/** Whose first operand is the tensor that is written. */
type Second = (x: Tensor, other: Operand, ...none: []) => Tensor;

/** Every element of `x` becomes its absolute value, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.abs_.html */
export const abs_ = /* @__PURE__ */ over("abs_", unary.abs);
/** Every element of `x` becomes its negative, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.neg_.html */
export const neg_ = /* @__PURE__ */ over("neg_", binary.neg);
/** Every element of `x` becomes -1, 0 or 1 by its sign, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.sign_.html */
export const sign_ = /* @__PURE__ */ over("sign_", unary.sign);
/** Every element of `x` becomes e to its power, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.exp_.html */
export const exp_ = /* @__PURE__ */ over("exp_", unary.exp);
/** Every element of `x` becomes 2 to its power, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.exp2_.html */
export const exp2_ = /* @__PURE__ */ over("exp2_", powers.exp2);
/** Every element of `x` becomes e to its power, without 1, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.expm1_.html */
export const expm1_ = /* @__PURE__ */ over("expm1_", math.expm1);
/** Every element of `x` becomes its natural logarithm, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.log_.html */
export const log_ = /* @__PURE__ */ over("log_", unary.log);
/** Every element of `x` becomes the logarithm of 1 and it, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.log1p_.html */
export const log1p_ = /* @__PURE__ */ over("log1p_", math.log1p);
/** Every element of `x` becomes its logarithm to the base 2, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.log2_.html */
export const log2_ = /* @__PURE__ */ over("log2_", math.log2);
/** Every element of `x` becomes its logarithm to the base 10, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.log10_.html */
export const log10_ = /* @__PURE__ */ over("log10_", math.log10);
/** Every element of `x` becomes its square root, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.sqrt_.html */
export const sqrt_ = /* @__PURE__ */ over("sqrt_", unary.sqrt);
/** Every element of `x` becomes the inverse of its square root, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.rsqrt_.html */
export const rsqrt_ = /* @__PURE__ */ over("rsqrt_", unary.rsqrt);
/** Every element of `x` becomes its square, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.square_.html */
export const square_ = /* @__PURE__ */ over("square_", powers.square);
/** Every element of `x` becomes its inverse, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.reciprocal_.html */
export const reciprocal_ = /* @__PURE__ */ over("reciprocal_", unary.reciprocal);
/** Every element of `x` becomes its sine, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.sin_.html */
export const sin_ = /* @__PURE__ */ over("sin_", unary.sin);
/** Every element of `x` becomes its cosine, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.cos_.html */
export const cos_ = /* @__PURE__ */ over("cos_", unary.cos);
/** Every element of `x` becomes its tangent, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.tan_.html */
export const tan_ = /* @__PURE__ */ over("tan_", math.tan);
/** Every element of `x` becomes the angle with that sine, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.asin_.html */
export const asin_ = /* @__PURE__ */ over("asin_", math.asin);
/** Every element of `x` becomes the angle with that cosine, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.acos_.html */
export const acos_ = /* @__PURE__ */ over("acos_", math.acos);
/** Every element of `x` becomes the angle with that tangent, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.atan_.html */
export const atan_ = /* @__PURE__ */ over("atan_", math.atan);
/** Every element of `x` becomes its hyperbolic sine, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.sinh_.html */
export const sinh_ = /* @__PURE__ */ over("sinh_", math.sinh);
/** Every element of `x` becomes its hyperbolic cosine, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.cosh_.html */
export const cosh_ = /* @__PURE__ */ over("cosh_", math.cosh);
/** Every element of `x` becomes what has that hyperbolic sine, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.asinh_.html */
export const asinh_ = /* @__PURE__ */ over("asinh_", math.asinh);
/** Every element of `x` becomes what has that hyperbolic cosine, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.acosh_.html */
export const acosh_ = /* @__PURE__ */ over("acosh_", math.acosh);
/** Every element of `x` becomes what has that hyperbolic tangent, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.atanh_.html */
export const atanh_ = /* @__PURE__ */ over("atanh_", math.atanh);
/** Every element of `x` becomes its sigmoid, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.sigmoid_.html */
export const sigmoid_ = /* @__PURE__ */ over("sigmoid_", unary.sigmoid);
/** Every element of `x` becomes 0 where it is negative, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.relu_.html */
export const relu_ = /* @__PURE__ */ over("relu_", unary.relu, unary.reluFloat);
/** Every element of `x` becomes its error function, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.erf_.html */
export const erf_ = /* @__PURE__ */ over("erf_", math.erf);
/** Every element of `x` becomes 1 without its error function, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.erfc_.html */
export const erfc_ = /* @__PURE__ */ over("erfc_", math.erfc);
/** Every element of `x` becomes the whole number at or below, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.floor_.html */
export const floor_ = /* @__PURE__ */ over("floor_", rounding.floor);
/** Every element of `x` becomes the whole number at or above, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.ceil_.html */
export const ceil_ = /* @__PURE__ */ over("ceil_", rounding.ceil);
/** Every element of `x` becomes its whole part, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.trunc_.html */
export const trunc_ = /* @__PURE__ */ over("trunc_", rounding.trunc);
/** Every element of `x` becomes the nearest whole number, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.round_.html */
export const round_ = /* @__PURE__ */ over("round_", rounding.round);
/** Every element of `x` becomes its fraction, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.frac_.html */
export const frac_ = /* @__PURE__ */ over("frac_", modulo.frac);
/** Every element of `x` becomes its `sinc`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.sinc_.html */
export const sinc_ = /* @__PURE__ */ over("sinc_", special.sinc);
/** Every element of `x` becomes its `logit`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.logit_.html */
export const logit_ = /* @__PURE__ */ over("logit_", special.logit);
/** Every element of `x` becomes a number, as in `nanToNum`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.nan_to_num_.html */
export const nanToNum_ = /* @__PURE__ */ over("nanToNum_", kinds.nanToNum);
/** Every element of `x` turns from degrees into radians, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.deg2rad_.html */
export const deg2rad_ = /* @__PURE__ */ over("deg2rad_", blend.deg2rad);
/** Every element of `x` turns from radians into degrees, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.rad2deg_.html */
export const rad2deg_ = /* @__PURE__ */ over("rad2deg_", blend.rad2deg);
/** Every element of `x` is held between bounds, as in `clamp`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.clamp_.html */
export const clamp_ = /* @__PURE__ */ over("clamp_", bounds.clamp);
/** Every element of `x` becomes x to the power of the second, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.pow_.html */
export const pow_ = /* @__PURE__ */ over("pow_", powers.pow as Second);
/** Every element of `x` becomes what division leaves, as in `fmod`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.fmod_.html */
export const fmod_ = /* @__PURE__ */ over("fmod_", modulo.fmod as Second);
/** Every element of `x` becomes what division leaves, as in `remainder`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.remainder_.html */
export const remainder_ = /* @__PURE__ */ over("remainder_", modulo.remainder as Second);
/** Every element of `x` becomes the quotient, as in `floorDivide`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.floor_divide_.html */
export const floorDivide_ = /* @__PURE__ */ over("floorDivide_", rounding.floorDivide as Second);
/** Every element of `x` becomes the angle of the point (second, x), in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.atan2_.html */
export const atan2_ = /* @__PURE__ */ over("atan2_", pairs.atan2 as Second);
/** Every element of `x` becomes the hypotenuse of both, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.hypot_.html */
export const hypot_ = /* @__PURE__ */ over("hypot_", pairs.hypot as Second);
/** Every element of `x` takes the sign of the second, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.copysign_.html */
export const copysign_ = /* @__PURE__ */ over("copysign_", blend.copysign);
/** Every element of `x` becomes x log y, as in `xlogy`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.xlogy_.html */
export const xlogy_ = /* @__PURE__ */ over("xlogy_", special.xlogy as Second);
/** Every element of `x` goes on its way to `end`, as in `lerp`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.lerp_.html */
export const lerp_ = /* @__PURE__ */ over("lerp_", blend.lerp);
/** Every element of `x` becomes the sum of itself and a product, as in `addcmul`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.addcmul_.html */
export const addcmul_ = /* @__PURE__ */ over("addcmul_", blend.addcmul);
/** Every element of `x` becomes the sum of itself and a quotient, as in `addcdiv`, in place; returns `x`. https://pytorch.org/docs/stable/generated/torch.Tensor.addcdiv_.html */
export const addcdiv_ = /* @__PURE__ */ over("addcdiv_", blend.addcdiv);
