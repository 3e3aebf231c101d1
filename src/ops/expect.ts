// What ops expect of what they are given.

import { type DType, isFloat, TYPES } from "../core/dtype.ts";
import { checkNumber, fail, given, kindOf } from "../core/error.ts";
import { type Shape, show } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { FINITE } from "./bounds.ts";

/** Checks a dtype and names the rule. Where float32 is expected, float16 will do. @internal */
export function expectDtype(op: string, x: Tensor, dtype: DType, what = "input"): void {
  if (!(x instanceof Tensor)) fail(op, `${what} ${given(x)}: a tensor is expected`);
  if (x.dtype !== dtype && !(dtype === "float32" && isFloat(x.dtype)))
    fail(op, `${what} ${show(x.shape)} is ${x.dtype}: ${dtype} is expected`);
}

/** Throws unless it is an array; what stands in it is another matter. @internal */
export function expectList(op: string, what: string, list: unknown): void {
  if (!Array.isArray(list)) fail(op, `${what} ${given(list)}: an array of integers is expected`);
}

/** Throws unless it is an object whose names are what it holds: no list, map or tensor. @internal */
export function expectObject(op: string, name: string, v: unknown): void {
  if (kindOf(v) !== "Object") fail(op, `${name} ${given(v)}: an object is expected`);
}

/** Throws unless every size is a non-negative integer. @internal */
export function checkShape(op: string, shape: Shape): void {
  if (!Array.isArray(shape)) fail(op, `shape ${given(shape)}: an array of sizes is expected, such as [2, 3]`);
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0) fail(op, `shape ${given(shape)}: sizes must be non-negative integers`);
  }
}

/** Throws unless `s` is a number, be it finite or not. @internal */
export function expectNumber(op: string, s: unknown, x: unknown): asserts s is number {
  alive(op, x as Tensor);
  if (typeof s !== "number") fail(op, `${show((x as Tensor).shape)} and ${given(s)}: a tensor or a number is expected`);
}

/** Throws where a dtype is not that of the first. @internal */
export function sameDtypes(op: string, inputs: readonly Tensor[]): void {
  for (let i = 1; i < inputs.length; i++) {
    const [a, b] = [inputs[0]!, inputs[i]!];
    if (b?.dtype === a.dtype) continue;
    if (!(b instanceof Tensor)) fail(op, `${show(a.shape)} and ${given(b)}: a tensor is expected`);
    fail(
      op,
      `${show(a.shape)} of ${a.dtype} and ${show(b.shape)} of ${b.dtype}: the dtypes must be the same, use float(), half() or int()`,
    );
  }
}

/** @internal */
export const isTensor = (x: unknown): x is Tensor => x instanceof Tensor;

/** Throws where a number would be cut to fit among int32. @internal */
export function expectFit(op: string, value: number, like: Tensor): void {
  if (TYPES[like.dtype].range && !Number.isInteger(value))
    fail(op, `${show(like.shape)} of ${like.dtype} and ${value}: an integer is expected, or float() first`);
}

/** @internal */
export function finite(op: string, name: string, value: unknown): number {
  checkNumber(op, name, value, FINITE);
  return value;
}

/** Throws unless it is one of these words. @internal */
export function expectWord(op: string, name: string, value: unknown, words: readonly string[]): void {
  if (words.includes(value as string)) return;
  const last = words.length - 1;
  fail(op, `${name} ${given(value)}: ${words.slice(0, last).join(", ")} or ${words[last]} is expected`);
}
