// The entry `wasmgrad/methods`: methods of the functions that `methods.ts` leaves out, since a method is in every page, used or not.
import { Tensor } from "./core/tensor.ts";
import * as ops from "./ops/index.ts";

type Other = ops.Operand;

declare module "./core/tensor.ts" {
  interface Tensor {
    /** 1 - erf(x), exact where that is small; the same shape. */
    erfc(): Tensor;
    /** log |Gamma(x)|, element by element; the same shape. */
    lgamma(): Tensor;
    /** The derivative of `lgamma`, element by element; the same shape. */
    digamma(): Tensor;
    /** The inverse of `erf`; the same shape. */
    erfinv(): Tensor;
    /** Every element becomes its `lgamma`, in place; returns this. */
    lgamma_(): Tensor;
    /** Every element becomes its `digamma`, in place; returns this. */
    digamma_(): Tensor;
    /** Every element becomes its `erfinv`, in place; returns this. */
    erfinv_(): Tensor;
    /** 2^x, element by element; the same shape. */
    exp2(): Tensor;
    /** Hyperbolic sine, element by element; the same shape. */
    sinh(): Tensor;
    /** Hyperbolic cosine, element by element; the same shape. */
    cosh(): Tensor;
    /** Angles in [-pi / 2, pi / 2] with the sine x; the same shape. */
    asin(): Tensor;
    /** Angles in [0, pi] with the cosine x; the same shape. */
    acos(): Tensor;
    /** Angles in (-pi / 2, pi / 2) with the tangent x; the same shape. */
    atan(): Tensor;
    /** The inverse of sinh; the same shape. */
    asinh(): Tensor;
    /** The inverse of cosh; the same shape. */
    acosh(): Tensor;
    /** The inverse of tanh; the same shape. */
    atanh(): Tensor;
    /** x - trunc(x), element by element; the same shape. */
    frac(): Tensor;
    /** sin(pi x) / (pi x), 1 at 0; the same shape. */
    sinc(): Tensor;
    /** log(x / (1 - x)), element by element; the same shape. */
    logit(options?: ops.LogitOptions): Tensor;
    /** NaN and infinities become numbers; the same shape. */
    nanToNum(options?: ops.NanToNumOptions): Tensor;
    /** Degrees as radians; the same shape. */
    deg2rad(): Tensor;
    /** Radians as degrees; the same shape. */
    rad2deg(): Tensor;
    /** Itself; bool is refused. */
    positive(): Tensor;
    /** As `sign`. */
    sgn(): Tensor;
    /** x to the power of `exponent` in floats; shapes broadcast. */
    floatPower(exponent: Other): Tensor;
    /** What is left without whole multiples of `b`, with the sign of this; shapes broadcast. */
    fmod(b: Other): Tensor;
    /** floor(this / b), of the exact quotient; shapes broadcast. */
    floorDivide(b: Other): Tensor;
    /** The angle of the point (x, this); shapes broadcast. */
    atan2(x: Other): Tensor;
    /** sqrt(this^2 + b^2), without overflow between; shapes broadcast. */
    hypot(b: Other): Tensor;
    /** |this| with the sign of `b`; shapes broadcast. */
    copysign(b: Other): Tensor;
    /** log(e^this + e^b), without overflow between; shapes broadcast. */
    logaddexp(b: Other): Tensor;
    /** this log y, and 0 where this is 0; shapes broadcast. */
    xlogy(y: Other): Tensor;
    /** this + value a b; shapes broadcast. */
    addcmul(a: Tensor, b: Tensor, options?: ops.ValueOptions): Tensor;
    /** this + value a / b; shapes broadcast. */
    addcdiv(a: Tensor, b: Tensor, options?: ops.ValueOptions): Tensor;
    /** Whether |this - b| is at most atol + rtol |b|, as bool; shapes broadcast. */
    isclose(b: Tensor, options?: ops.CloseOptions): Tensor;
    /** Whether both are true, as bool; shapes broadcast. */
    logicalAnd(b: Tensor): Tensor;
    /** Whether one of the two is true, as bool; shapes broadcast. */
    logicalOr(b: Tensor): Tensor;
    /** Whether one alone is true, as bool; shapes broadcast. */
    logicalXor(b: Tensor): Tensor;
    /** The bits that both have, of int32 or bool; shapes broadcast. */
    bitwiseAnd(b: Other): Tensor;
    /** The bits that either has, of int32 or bool; shapes broadcast. */
    bitwiseOr(b: Other): Tensor;
    /** The bits in which the two differ, of int32 or bool; shapes broadcast. */
    bitwiseXor(b: Other): Tensor;
    /** The bits turned round, of int32 or bool; the same shape. */
    bitwiseNot(): Tensor;
    /** Every element becomes its absolute value, in place; returns this. */
    abs_(): Tensor;
    /** Every element becomes its negative, in place; returns this. */
    neg_(): Tensor;
    /** Every element becomes -1, 0 or 1 by its sign, in place; returns this. */
    sign_(): Tensor;
    /** Every element becomes e to its power, in place; returns this. */
    exp_(): Tensor;
    /** Every element becomes 2 to its power, in place; returns this. */
    exp2_(): Tensor;
    /** Every element becomes e to its power, without 1, in place; returns this. */
    expm1_(): Tensor;
    /** Every element becomes its natural logarithm, in place; returns this. */
    log_(): Tensor;
    /** Every element becomes the logarithm of 1 and it, in place; returns this. */
    log1p_(): Tensor;
    /** Every element becomes its logarithm to the base 2, in place; returns this. */
    log2_(): Tensor;
    /** Every element becomes its logarithm to the base 10, in place; returns this. */
    log10_(): Tensor;
    /** Every element becomes its square root, in place; returns this. */
    sqrt_(): Tensor;
    /** Every element becomes the inverse of its square root, in place; returns this. */
    rsqrt_(): Tensor;
    /** Every element becomes its square, in place; returns this. */
    square_(): Tensor;
    /** Every element becomes its inverse, in place; returns this. */
    reciprocal_(): Tensor;
    /** Every element becomes its sine, in place; returns this. */
    sin_(): Tensor;
    /** Every element becomes its cosine, in place; returns this. */
    cos_(): Tensor;
    /** Every element becomes its tangent, in place; returns this. */
    tan_(): Tensor;
    /** Every element becomes the angle with that sine, in place; returns this. */
    asin_(): Tensor;
    /** Every element becomes the angle with that cosine, in place; returns this. */
    acos_(): Tensor;
    /** Every element becomes the angle with that tangent, in place; returns this. */
    atan_(): Tensor;
    /** Every element becomes its hyperbolic sine, in place; returns this. */
    sinh_(): Tensor;
    /** Every element becomes its hyperbolic cosine, in place; returns this. */
    cosh_(): Tensor;
    /** Every element becomes what has that hyperbolic sine, in place; returns this. */
    asinh_(): Tensor;
    /** Every element becomes what has that hyperbolic cosine, in place; returns this. */
    acosh_(): Tensor;
    /** Every element becomes what has that hyperbolic tangent, in place; returns this. */
    atanh_(): Tensor;
    /** Every element becomes its sigmoid, in place; returns this. */
    sigmoid_(): Tensor;
    /** Every element becomes 0 where it is negative, in place; returns this. */
    relu_(): Tensor;
    /** Every element becomes its error function, in place; returns this. */
    erf_(): Tensor;
    /** Every element becomes 1 without its error function, in place; returns this. */
    erfc_(): Tensor;
    /** Every element becomes the whole number at or below, in place; returns this. */
    floor_(): Tensor;
    /** Every element becomes the whole number at or above, in place; returns this. */
    ceil_(): Tensor;
    /** Every element becomes its whole part, in place; returns this. */
    trunc_(): Tensor;
    /** Every element becomes the nearest whole number, in place; returns this. */
    round_(): Tensor;
    /** Every element becomes its fraction, in place; returns this. */
    frac_(): Tensor;
    /** Every element becomes its `sinc`, in place; returns this. */
    sinc_(): Tensor;
    /** Every element becomes its `logit`, in place; returns this. */
    logit_(options?: ops.LogitOptions): Tensor;
    /** Every element becomes a number, as in `nanToNum`, in place; returns this. */
    nanToNum_(options?: ops.NanToNumOptions): Tensor;
    /** Every element turns from degrees into radians, in place; returns this. */
    deg2rad_(): Tensor;
    /** Every element turns from radians into degrees, in place; returns this. */
    rad2deg_(): Tensor;
    /** Every element becomes x to the power of the second, in place; returns this. */
    pow_(exponent: Other): Tensor;
    /** Every element becomes what division leaves, as in `fmod`, in place; returns this. */
    fmod_(b: Other): Tensor;
    /** Every element becomes what division leaves, as in `remainder`, in place; returns this. */
    remainder_(b: Other): Tensor;
    /** Every element becomes the quotient, as in `floorDivide`, in place; returns this. */
    floorDivide_(b: Other): Tensor;
    /** Every element becomes the angle of the point (second, x), in place; returns this. */
    atan2_(x: Other): Tensor;
    /** Every element becomes the hypotenuse of both, in place; returns this. */
    hypot_(b: Other): Tensor;
    /** Every element takes the sign of the second, in place; returns this. */
    copysign_(b: Other): Tensor;
    /** Every element becomes x log y, as in `xlogy`, in place; returns this. */
    xlogy_(y: Other): Tensor;
    /** Every element goes on its way to `end`, as in `lerp`, in place; returns this. */
    lerp_(end: Tensor, weight: Tensor | number): Tensor;
    /** Every element becomes the sum of itself and a product, as in `addcmul`, in place; returns this. */
    addcmul_(a: Tensor, b: Tensor, options?: ops.ValueOptions): Tensor;
    /** Every element becomes the sum of itself and a quotient, as in `addcdiv`, in place; returns this. */
    addcdiv_(a: Tensor, b: Tensor, options?: ops.ValueOptions): Tensor;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: one loop over functions of many signatures
type AnyFunction = (x: Tensor, ...rest: any[]) => unknown;

const named: Record<string, AnyFunction> = {
  ...{ lgamma: ops.lgamma, digamma: ops.digamma, erfinv: ops.erfinv },
  ...{ lgamma_: ops.lgamma_, digamma_: ops.digamma_, erfinv_: ops.erfinv_ },
  ...{ erfc: ops.erfc, exp2: ops.exp2, sinh: ops.sinh, cosh: ops.cosh, asin: ops.asin },
  ...{ acos: ops.acos, atan: ops.atan, asinh: ops.asinh, acosh: ops.acosh, atanh: ops.atanh },
  ...{ frac: ops.frac, sinc: ops.sinc, logit: ops.logit, nanToNum: ops.nanToNum, deg2rad: ops.deg2rad },
  ...{ rad2deg: ops.rad2deg, positive: ops.positive, sgn: ops.sgn, floatPower: ops.floatPower, fmod: ops.fmod },
  ...{
    floorDivide: ops.floorDivide,
    atan2: ops.atan2,
    hypot: ops.hypot,
    copysign: ops.copysign,
    logaddexp: ops.logaddexp,
  },
  ...{ xlogy: ops.xlogy, addcmul: ops.addcmul, addcdiv: ops.addcdiv, isclose: ops.isclose, logicalAnd: ops.logicalAnd },
  ...{
    logicalOr: ops.logicalOr,
    logicalXor: ops.logicalXor,
    bitwiseAnd: ops.bitwiseAnd,
    bitwiseOr: ops.bitwiseOr,
    bitwiseXor: ops.bitwiseXor,
  },
  ...{ bitwiseNot: ops.bitwiseNot, abs_: ops.abs_, neg_: ops.neg_, sign_: ops.sign_, exp_: ops.exp_ },
  ...{ exp2_: ops.exp2_, expm1_: ops.expm1_, log_: ops.log_, log1p_: ops.log1p_, log2_: ops.log2_ },
  ...{ log10_: ops.log10_, sqrt_: ops.sqrt_, rsqrt_: ops.rsqrt_, square_: ops.square_, reciprocal_: ops.reciprocal_ },
  ...{ sin_: ops.sin_, cos_: ops.cos_, tan_: ops.tan_, asin_: ops.asin_, acos_: ops.acos_ },
  ...{ atan_: ops.atan_, sinh_: ops.sinh_, cosh_: ops.cosh_, asinh_: ops.asinh_, acosh_: ops.acosh_ },
  ...{ atanh_: ops.atanh_, sigmoid_: ops.sigmoid_, relu_: ops.relu_, erf_: ops.erf_, erfc_: ops.erfc_ },
  ...{ floor_: ops.floor_, ceil_: ops.ceil_, trunc_: ops.trunc_, round_: ops.round_, frac_: ops.frac_ },
  ...{ sinc_: ops.sinc_, logit_: ops.logit_, nanToNum_: ops.nanToNum_, deg2rad_: ops.deg2rad_, rad2deg_: ops.rad2deg_ },
  ...{
    pow_: ops.pow_,
    fmod_: ops.fmod_,
    remainder_: ops.remainder_,
    floorDivide_: ops.floorDivide_,
    atan2_: ops.atan2_,
  },
  ...{ hypot_: ops.hypot_, copysign_: ops.copysign_, xlogy_: ops.xlogy_, lerp_: ops.lerp_, addcmul_: ops.addcmul_ },
  ...{ addcdiv_: ops.addcdiv_ },
};
const methods = Tensor.prototype as unknown as Record<string, unknown>;
for (const [name, f] of Object.entries(named)) {
  methods[name] = function (this: Tensor, ...rest: unknown[]) {
    return f(this, ...rest);
  };
}
