// The dtype in which two operands meet, as in PyTorch: the higher of bool, int32 and float; a number counts by its kind alone.
// https://pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
import { type DType, isFloat } from "../core/dtype.ts";
import { fail, given } from "../core/error.ts";
import { show } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { toDtype } from "./copy.ts";
import { constant, cut } from "./create.ts";

/** An operand that may be a number; true and false count as bool. */
export type Operand = Tensor | number | boolean;

const rank = (dtype: DType): number => (dtype === "bool" ? 0 : dtype === "int32" ? 1 : 2);
const rankOf = (s: number | boolean): number => (typeof s === "boolean" ? 0 : Number.isInteger(s) ? 1 : 2);

/** Whether an op takes the two as they are: of one dtype, or two floats, of which kernels take any. @internal */
export const meeting = (a: Tensor, b: Tensor): boolean =>
  a?.dtype === b?.dtype || !(a instanceof Tensor && b instanceof Tensor) || (isFloat(a.dtype) && isFloat(b.dtype));

/** Two tensors in the wider dtype of the two. @internal */
export function together(a: Tensor, b: Tensor): [Tensor, Tensor] {
  if (meeting(a, b)) return [a, b];
  return rank(a.dtype) > rank(b.dtype) ? [a, toDtype(b, a.dtype)] : [toDtype(a, b.dtype), b];
}

/** Throws unless it is a number, or true or false, beside a tensor. @internal */
export function expectOperand(op: string, s: unknown, x: unknown): asserts s is number | boolean {
  alive(op, x as Tensor);
  if (typeof s !== "number" && typeof s !== "boolean")
    fail(op, `${show((x as Tensor).shape)} and ${given(s)}: a tensor or a number is expected`);
}

/** The dtype of a tensor with a number or another tensor. @internal */
export function beside(x: Tensor, s: Operand): DType {
  const k = s instanceof Tensor ? rank(s.dtype) : rankOf(s);
  return k <= rank(x.dtype) ? x.dtype : k === 1 ? "int32" : "float32";
}

/** A tensor and a number of [] in the dtype of both. @internal */
export function withNumber(op: string, x: Tensor, s: number | boolean): [Tensor, Tensor] {
  const wide = toDtype(x, beside(x, s));
  return [wide, constant(cut(op, Number(s), wide), wide)];
}

/** Two operands, one of them a tensor, as tensors in the dtype of both. @internal */
export function operands(op: string, a: Operand, b: Operand): [Tensor, Tensor] {
  if (a instanceof Tensor && b instanceof Tensor) return together(a, b);
  if (a instanceof Tensor) {
    expectOperand(op, b, a);
    return withNumber(op, a, b);
  }
  if (!(b instanceof Tensor)) fail(op, `${given(a)} and ${given(b)}: one of them a tensor is expected`);
  expectOperand(op, a, b);
  const [x, s] = withNumber(op, b, a);
  return [s, x];
}
