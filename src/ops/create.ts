// Tensors from nothing: filled, counted, random. https://pytorch.org/docs/stable/torch.html#creation-ops
import { type Device, expectDevice } from "../core/device.ts";
import { DTYPES, type DType, isFloat, suffix, TYPES } from "../core/dtype.ts";
import { expectOptions, fail, given, noMore } from "../core/error.ts";
import { empty as emptyTensor } from "../core/make.ts";
import { launch } from "../core/op.ts";
import { type Shape, show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { word } from "../row/words.ts";
import { checkShape } from "./expect.ts";

/** Options of functions that make tensors. */
export interface TensorOptions {
  /** Type of the elements; float32 by default, where the function says nothing else. */
  dtype?: DType;
  /** Where the tensor goes; the default device by default. */
  device?: Device;
  /** Whether `backward()` finds its gradient, for floats; false by default. */
  requiresGrad?: boolean;
}

/** A number as a dtype has it: among int32 it is cut towards zero, as in PyTorch, and must fit. @internal */
export function cut(op: string, value: number, like: { readonly shape: Shape; readonly dtype: DType }): number {
  const { range, array } = TYPES[like.dtype];
  if (!range) return value;
  const below = Math.floor(value);
  if (new array([below])[0] !== below)
    fail(op, `${show(like.shape)} of ${like.dtype} and ${value}: a number that ${like.dtype} holds is expected`);
  return Math.trunc(value);
}

/** The word of `value` in a dtype. @internal */
export function wordOf(value: number, dtype: DType): number {
  if (isFloat(dtype)) return word(value);
  return dtype === "bool" ? Number(value !== 0) : value;
}

/** @internal */
export function finish(t: Tensor, options: TensorOptions | undefined): Tensor {
  if (options?.requiresGrad) t.requiresGrad = true;
  return t;
}

const NONE: TensorOptions = {};
const NAMES = "dtype device requiresGrad?";

/** The options of what makes tensors, checked. @internal */
export function making(op: string, options: TensorOptions | undefined, names = NAMES): TensorOptions {
  if (options === undefined) return NONE;
  expectOptions(op, options, names);
  if (options.device !== undefined) expectDevice(op, options.device);
  return options;
}

/** A tensor of `shape` with undefined contents. */
export function empty(shape: Shape, options?: TensorOptions, ...none: []): Tensor {
  noMore("empty", none);
  checkShape("empty", shape);
  const { device } = making("empty", options);
  return finish(emptyTensor(shape, dtypeOf("empty", options, "float32"), "empty", device), options);
}

/** The dtype asked for, else `usual`. @internal */
export function dtypeOf(op: string, options: TensorOptions | undefined, usual: DType, names = DTYPES): DType {
  const { dtype = usual } = options ?? NONE;
  if (!names.includes(dtype)) fail(op, `dtype ${given(dtype)}: one of ${names.join(", ")} is expected`);
  return dtype;
}

function filled(
  label: string,
  shape: Shape,
  value: number,
  options: TensorOptions | undefined,
  none?: readonly [],
): Tensor {
  noMore(label, none);
  checkShape(label, shape);
  const { device } = making(label, options);
  if (typeof value !== "number") fail(label, `shape ${show(shape)}, ${given(value)}: a number is expected`);
  const dtype = dtypeOf(label, options, "float32");
  const whole = isFloat(dtype) ? value : cut(label, value, { shape, dtype });
  const y = emptyTensor(shape, dtype, label, device);
  launch(`fill_${suffix(dtype)}`, [y], [], [y.numel], [wordOf(whole, dtype)], label);
  return finish(y, options);
}

/** A number beside tensors of a dtype. @internal */
export function constant(value: number, { dtype, device }: Tensor): Tensor {
  const t = emptyTensor([], dtype, "number", device);
  launch(`fill_${suffix(dtype)}`, [t], [], [1], [wordOf(value, dtype)], "number");
  return t;
}

/** A tensor of `shape` full of zeros. The shape is an array, as `zeros([2, 3])`; `[]` gives a scalar. */
export const zeros = (shape: Shape, options?: TensorOptions, ...none: []): Tensor =>
  filled("zeros", shape, 0, options, none);
/** A tensor of `shape` full of ones. */
export const ones = (shape: Shape, options?: TensorOptions, ...none: []): Tensor =>
  filled("ones", shape, 1, options, none);
/** A tensor of `shape` full of `value`: float32 unless `dtype` says otherwise, for whole values too (where PyTorch infers). */
export const full = (shape: Shape, value: number, options?: TensorOptions, ...none: []): Tensor =>
  filled("full", shape, value, options, none);

/** Options for a tensor like `x`, where they do not say otherwise. @internal */
export function as(op: string, x: Tensor, options: TensorOptions | undefined, dtype?: DType): TensorOptions {
  alive(op, x);
  const own = making(op, options);
  return { dtype: own.dtype ?? dtype, device: own.device ?? x.device, requiresGrad: own.requiresGrad };
}

function alike(op: string, x: Tensor, value: number, options: TensorOptions | undefined, none: readonly []): Tensor {
  const own = as(op, x, options, x?.dtype);
  return filled(op, x.shape, value, own, none);
}

/** Zeros in the shape of `x`, by default in its dtype and on its device too. */
export const zerosLike = (x: Tensor, options?: TensorOptions, ...none: []): Tensor =>
  alike("zerosLike", x, 0, options, none);
/** Ones in the shape of `x`, by default in its dtype and on its device too. */
export const onesLike = (x: Tensor, options?: TensorOptions, ...none: []): Tensor =>
  alike("onesLike", x, 1, options, none);
/** `value` in the shape of `x`, by default in its dtype and on its device too. */
export const fullLike = (x: Tensor, value: number, options?: TensorOptions, ...none: []): Tensor =>
  alike("fullLike", x, value, options, none);
/** Undefined contents in the shape of `x`, by default in its dtype and on its device too. */
export function emptyLike(x: Tensor, options?: TensorOptions, ...none: []): Tensor {
  noMore("emptyLike", none);
  const own = as("emptyLike", x, options, x?.dtype);
  return empty(x.shape, own);
}

/**
 * start, start + step, ... up to but without `end`, of shape `[ceil((end - start) / step)]`: `arange(end)`,
 * `arange(start, end)` or `arange(start, end, step)`, options behind. int32 when all are integers (PyTorch's int64).
 * https://pytorch.org/docs/stable/generated/torch.arange.html
 */
export function arange(...args: [...numbers: number[], options: TensorOptions] | number[]): Tensor {
  const numbers = args.slice() as number[];
  const options = numbers.length > 0 && typeof args[args.length - 1] !== "number" ? numbers.pop() : undefined;
  const { device } = making("arange", options as TensorOptions | undefined);
  const [start, end, step = 1] = numbers.length === 1 ? [0, numbers[0]!] : (numbers as [number, number, number?]);
  if (numbers.length < 1 || numbers.length > 3 || !numbers.every(Number.isFinite)) {
    fail("arange", `${given(numbers)}: one to three finite numbers are expected: end, or start, end and step`);
  }
  if (step === 0 || (end! - start!) * step < 0) {
    fail("arange", `start ${start}, end ${end}, step ${step}: the step must lead from start to end`);
  }
  const whole = numbers.every(Number.isInteger);
  const dtype = dtypeOf("arange", options as TensorOptions | undefined, whole ? "int32" : "float32", NUMBERS);
  const n = Math.ceil((end! - start!) / step);
  if (dtype === "int32") {
    if (!whole) fail("arange", `${given(numbers)} of int32: integers are expected`);
    for (const v of [start, start! + (n - 1) * step, step]) cut("arange", v!, { shape: [n], dtype });
  }
  const y = emptyTensor([n], dtype, "arange", device);
  launch(`arange_${suffix(dtype)}`, [y], [], [n], [wordOf(start!, dtype), wordOf(step, dtype)], "arange");
  return finish(y, options as TensorOptions | undefined);
}
const NUMBERS = DTYPES.filter((dtype) => dtype !== "bool");
