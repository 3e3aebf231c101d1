// What a division leaves over, and functions of the bits of whole numbers.
import { isFloat } from "../core/dtype.ts";
import { fail, noMore } from "../core/error.ts";
import { apply, type Op, save } from "../core/op.ts";
import { show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { div, mul, neg, sub } from "./binary.ts";
import { compareScalar } from "./compare.ts";
import { compose } from "./compose.ts";
import { toBool } from "./copy.ts";
import { constant } from "./create.ts";
import { pairwise } from "./elementwise.ts";
import { type Operand, operands } from "./promote.ts";
import { floorOf, trunc } from "./rounding.ts";

const both = (a: Tensor, b: Tensor, _: Tensor, wants: number): void => {
  if (wants & 2) save(a, b);
};
const Fmod: Op = /* @__PURE__ */ pairwise(
  "fmod",
  "fmod",
  (g, { saved: [a, b] }) => [g, () => neg(mul(g, trunc(div(a!, b!))))],
  both,
);
const Remainder: Op = /* @__PURE__ */ pairwise(
  "remainder",
  "remainder",
  (g, { saved: [a, b] }) => [g, () => neg(mul(g, floorOf(a!, b!)))],
  both,
);

/** Quotients of int32, of which a rest is made. */
const FmodOf = /* @__PURE__ */ pairwise("fmod", "trunc_divide");
const RemainderOf = /* @__PURE__ */ pairwise("remainder", "floor_divide");

/**
 * What is left of a without whole multiples of b, with the sign of `a`, exactly. NaN where b is 0; of int32 that is an error. Shapes and
 * dtypes as in `add`, one may be a number. https://pytorch.org/docs/stable/generated/torch.fmod.html
 */
export function fmod(a: Operand, b: Operand, ...none: []): Tensor {
  return left("fmod", Fmod, a, b, none);
}
/** As `fmod`, but with the sign of `b`: Python's %. https://pytorch.org/docs/stable/generated/torch.remainder.html */
export function remainder(a: Operand, b: Operand, ...none: []): Tensor {
  return left("remainder", Remainder, a, b, none);
}
function left(name: string, op: Op, a: Operand, b: Operand, none: readonly unknown[]): Tensor {
  noMore(name, none);
  return compose(() => {
    const [x, y] = operands(name, a, b);
    if (x.dtype === "bool") fail(name, `${show(x.shape)} and ${show(y.shape)} of bool: int32 or floats are expected`);
    if (isFloat(x.dtype)) return apply(op, [x, y], null);
    return sub(x, mul(apply(op === Fmod ? FmodOf : RemainderOf, [x, y], null), y));
  });
}

/** x - trunc(x), element by element, for floats. https://pytorch.org/docs/stable/generated/torch.frac.html */
export function frac(x: Tensor, ...none: []): Tensor {
  alive("frac", x, none);
  if (!isFloat(x.dtype)) fail("frac", `${show(x.shape)} of ${x.dtype}: a float is expected`);
  return compose(() => sub(x, trunc(x)));
}

const And = /* @__PURE__ */ pairwise("bitwiseAnd", "and");
const Or = /* @__PURE__ */ pairwise("bitwiseOr", "or");
const Xor = /* @__PURE__ */ pairwise("bitwiseXor", "xor");
function bits(op: Op, a: Operand, b: Operand, none: readonly unknown[]): Tensor {
  noMore(op.name, none);
  return compose(() => {
    const [x, y] = operands(op.name, a, b);
    if (isFloat(x.dtype))
      fail(op.name, `${show(x.shape)} and ${show(y.shape)} of ${x.dtype}: int32 or bool are expected`);
    return apply(op, [x, y], null);
  });
}
/** The bits that both have, of int32, or of bool what both are; shapes and dtypes as in `add`. https://pytorch.org/docs/stable/generated/torch.bitwise_and.html */
export const bitwiseAnd = (a: Operand, b: Operand, ...none: []): Tensor => bits(And, a, b, none);
/** The bits that either has; otherwise as `bitwiseAnd`. https://pytorch.org/docs/stable/generated/torch.bitwise_or.html */
export const bitwiseOr = (a: Operand, b: Operand, ...none: []): Tensor => bits(Or, a, b, none);
/** The bits in which the two differ; otherwise as `bitwiseAnd`. https://pytorch.org/docs/stable/generated/torch.bitwise_xor.html */
export const bitwiseXor = (a: Operand, b: Operand, ...none: []): Tensor => bits(Xor, a, b, none);

/** The bits turned round, of int32: -x - 1; of bool as `logicalNot`. https://pytorch.org/docs/stable/generated/torch.bitwise_not.html */
export function bitwiseNot(x: Tensor, ...none: []): Tensor {
  alive("bitwiseNot", x, none);
  if (isFloat(x.dtype)) fail("bitwiseNot", `${show(x.shape)} of ${x.dtype}: int32 or bool are expected`);
  if (x.dtype === "bool") return logicalNot(x);
  return compose(() => apply(Xor, [x, constant(-1, x)], null));
}

function logical(name: string, op: Op, a: Tensor, b: Tensor, none: readonly unknown[]): Tensor {
  alive(name, a, none);
  alive(name, b);
  return compose(() => apply({ ...op, name }, [toBool(a), toBool(b)], null));
}
/** Whether both are true, element by element, as bool; what is not 0 is true. Shapes broadcast. https://pytorch.org/docs/stable/generated/torch.logical_and.html */
export const logicalAnd = (a: Tensor, b: Tensor, ...none: []): Tensor => logical("logicalAnd", And, a, b, none);
/** Whether one of the two is true; otherwise as `logicalAnd`. https://pytorch.org/docs/stable/generated/torch.logical_or.html */
export const logicalOr = (a: Tensor, b: Tensor, ...none: []): Tensor => logical("logicalOr", Or, a, b, none);
/** Whether one alone is true; otherwise as `logicalAnd`. https://pytorch.org/docs/stable/generated/torch.logical_xor.html */
export const logicalXor = (a: Tensor, b: Tensor, ...none: []): Tensor => logical("logicalXor", Xor, a, b, none);
/** Whether it is 0, element by element, as bool. https://pytorch.org/docs/stable/generated/torch.logical_not.html */
export function logicalNot(x: Tensor, ...none: []): Tensor {
  alive("logicalNot", x, none);
  return compareScalar("eq", x, 0);
}
