// Powers: of tensors and numbers, on either side. https://pytorch.org/docs/stable/generated/torch.pow.html
import { type DType, isFloat } from "../core/dtype.ts";
import { fail, noMore } from "../core/error.ts";
import { empty } from "../core/make.ts";
import { apply, type Op, save } from "../core/op.ts";
import { show } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { addScalar, mul, mulScalar, rdivScalar } from "./binary.ts";
import { compareScalar } from "./compare.ts";
import { compose } from "./compose.ts";
import { clone, toFloat } from "./copy.ts";
import { constant } from "./create.ts";
import { launchEach } from "./each.ts";
import { pairwise, silently } from "./elementwise.ts";
import { expectDtype } from "./expect.ts";
import { zerosAs } from "./gradient.ts";
import { expectOperand, type Operand, operands, together } from "./promote.ts";
import { log, rsqrt, sqrt } from "./unary.ts";
import { where } from "./where.ts";

/** x^y of two tensors. Where y is 0 x has no gradient, and where x is 0 and y not below 0 y has none. */
const Pow: Op = /* @__PURE__ */ pairwise(
  "pow",
  "pow",
  (g, { saved: [x, y, power] }) => [
    () => where(compareScalar("eq", y!, 0), 0, mul(mul(g, y!), raised(x!, addScalar(y!, -1)))),
    () => mul(g, logged(x!, y!, power!)),
  ],
  (x, y, power, wants) => save(x, y, wants & 2 ? power : null),
);
const raised = (x: Tensor, y: Tensor): Tensor => apply(Pow, [x, y], null);

/** x^y log x, 0 where x is 0 and y is not below 0. */
function logged(x: Tensor, y: Tensor, power: Tensor): Tensor {
  const some = where(compareScalar("ge", y, 0), x, 1);
  return where(compareScalar("eq", some, 0), 0, mul(power, log(x)));
}

/** x^s for a number s; roots, squares and inverses by their own kernels, as in PyTorch. */
const PowNumber: Op<number> = {
  name: "pow",
  strided: true,
  forward([x], s, wants) {
    expectDtype("pow", x!, "float32");
    if (wants !== 0) save(x!);
    return silently(() => byNumber(x!, s));
  },
  vjp: (g, { params: s, saved: [x] }) => [s === 0 ? () => zerosAs(g) : () => mulScalar(mul(g, toNumber(x!, s - 1)), s)],
};
function byNumber(x: Tensor, s: number): Tensor {
  if (s === 1) return clone(x);
  if (s === 2) return mul(x, x);
  if (s === 3) return mul(mul(x, x), x);
  if (s === 0.5) return sqrt(x);
  if (s === -0.5) return rsqrt(x);
  if (s === -1) return rdivScalar(x, 1);
  if (s === -2) return rdivScalar(mul(x, x), 1);
  return raised(x, constant(s, x));
}
const toNumber = (x: Tensor, s: number): Tensor => apply(PowNumber, [x], s);

/** s^x for a number s. */
const NumberPow: Op<number> = {
  name: "pow",
  strided: true,
  forward([x], s, wants) {
    const base = constant(s, x!);
    const y = empty(x!.shape, x!.dtype, "pow", x!.device);
    launchEach("pow_f32", y, [base, x!], undefined, "pow");
    base.release("pow");
    if (wants !== 0) save(y, s === 0 ? x! : null);
    return y;
  },
  vjp: (g, { params: s, saved: [y, x] }) => [
    () => {
      const slope = mulScalar(mul(g, y!), Math.log(s));
      return x ? where(compareScalar("ge", x, 0), 0, slope) : slope;
    },
  ],
};

/**
 * x to the power of `exponent`, element by element, as C's pow has it at zeros, infinities and NaN. Shapes broadcast, dtypes meet as in
 * `add`, and one of the two may be a number; int32 to a negative number is an error.
 * https://pytorch.org/docs/stable/generated/torch.pow.html
 */
export function pow(x: Operand, exponent: Operand, ...none: []): Tensor {
  noMore("pow", none);
  if (!(exponent instanceof Tensor)) {
    expectOperand("pow", exponent, x);
    const base = x as Tensor;
    const s = Number(exponent);
    if (isFloat(base.dtype)) return toNumber(base, s);
    if (!Number.isInteger(s)) return compose(() => toNumber(toFloat(base), s));
    if (s < 0)
      fail(
        "pow",
        `${show(base.shape)} of ${base.dtype} and ${s}: an exponent of at least 0 is expected, or float() first`,
      );
  } else if (!(x instanceof Tensor)) {
    expectOperand("pow", x, exponent);
    if (isFloat(exponent.dtype)) return apply(NumberPow, [exponent], Number(x));
    if (!Number.isInteger(Number(x))) return compose(() => apply(NumberPow, [toFloat(exponent)], Number(x)));
  } else if (x.dtype === exponent.dtype && isFloat(x.dtype)) return raised(x, exponent);
  return compose(() => {
    const [a, b] = operands("pow", x, exponent);
    const bool = a.dtype === "bool";
    if (bool)
      fail(
        "pow",
        `${show(a.shape)} and ${show(b.shape)} of bool: powers of bool are not supported, use int() or float()`,
      );
    return raised(...together(a, b));
  });
}

/** x^2, element by element: `pow(x, 2)`. https://pytorch.org/docs/stable/generated/torch.square.html */
export function square(x: Tensor, ...none: []): Tensor {
  noMore("square", none);
  return pow(x, 2);
}

/** 2^x, element by element, for floats; int32 and bool as float32. https://pytorch.org/docs/stable/special.html#torch.special.exp2 */
export function exp2(x: Tensor, ...none: []): Tensor {
  noMore("exp2", none);
  return compose(() => pow(2, asFloat(x)));
}

/**
 * x to the power of `exponent` in floats: int32 and bool become float32, where PyTorch computes in float64. Otherwise as `pow`.
 * https://pytorch.org/docs/stable/generated/torch.float_power.html
 */
export function floatPower(x: Operand, exponent: Operand, ...none: []): Tensor {
  noMore("floatPower", none);
  return compose(() => pow(asFloat(x), asFloat(exponent)));
}
function asFloat<T extends Operand>(x: T): T {
  const integer: DType[] = ["int32", "bool"];
  return x instanceof Tensor && integer.includes(x.dtype) ? (toFloat(x) as typeof x) : x;
}
