// Tensors from nothing: filled, counted, random. https://pytorch.org/docs/stable/torch.html#creation-ops
import { type Device, defaultDevice, type TypedData } from "../core/device.ts";
import { DTYPES, type DType, isFloat, suffix, TYPES } from "../core/dtype.ts";
import { fail } from "../core/error.ts";
import { empty as emptyTensor } from "../core/make.ts";
import { launch } from "../core/op.ts";
import { type Shape, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { word } from "../row/words.ts";
import { fromData } from "./data.ts";
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

/** A number or boolean, or arrays of them to any depth: `[[1, 2], [3, 4]]`. */
export type Nested = number | boolean | readonly Nested[];

/** The word of `value` in a dtype. @internal */
export function wordOf(value: number, dtype: DType): number {
  if (isFloat(dtype)) return word(value);
  return dtype === "bool" ? Number(value !== 0) : Math.trunc(value) | 0;
}

/** @internal */
export function finish(t: Tensor, options: TensorOptions): Tensor {
  if (options.requiresGrad) t.requiresGrad = true;
  return t;
}

/** A tensor of `shape` with undefined contents. */
export function empty(shape: Shape, options: TensorOptions = {}): Tensor {
  checkShape("empty", shape);
  return finish(
    emptyTensor(shape, dtypeOf("empty", options, "float32"), "empty", options.device ?? defaultDevice()),
    options,
  );
}

/** The dtype asked for, else `usual`. */
function dtypeOf(op: string, options: TensorOptions, usual: DType): DType {
  const { dtype = usual } = options;
  if (!DTYPES.includes(dtype)) fail(op, `dtype ${String(dtype)}: one of ${DTYPES.join(", ")} is expected`);
  return dtype;
}

function filled(label: string, shape: Shape, value: number, options: TensorOptions): Tensor {
  checkShape(label, shape);
  if (typeof value !== "number")
    fail(label, `shape ${show(shape)}, a value of type ${typeof value}: a number is expected`);
  const dtype = dtypeOf(label, options, "float32");
  const y = emptyTensor(shape, dtype, label, options.device ?? defaultDevice());
  launch(`fill_${suffix(dtype)}`, [y], [], [y.numel], [wordOf(value, dtype)], label);
  return finish(y, options);
}

/** A number beside tensors of a dtype. @internal */
export function constant(value: number, { dtype, device }: Tensor): Tensor {
  const t = emptyTensor([], dtype, "number", device);
  launch(`fill_${suffix(dtype)}`, [t], [], [1], [wordOf(value, dtype)], "number");
  return t;
}

/** A tensor of `shape` full of zeros. The shape is an array, as `zeros([2, 3])`; `[]` gives a scalar. */
export const zeros = (shape: Shape, options: TensorOptions = {}): Tensor => filled("zeros", shape, 0, options);
/** A tensor of `shape` full of ones. */
export const ones = (shape: Shape, options: TensorOptions = {}): Tensor => filled("ones", shape, 1, options);
/** A tensor of `shape` full of `value`: float32 unless `dtype` says otherwise, for whole values too (where PyTorch infers). */
export const full = (shape: Shape, value: number, options: TensorOptions = {}): Tensor =>
  filled("full", shape, value, options);

const like = (x: Tensor, options: TensorOptions): TensorOptions => ({ dtype: x.dtype, device: x.device, ...options });

/** Zeros in the shape of `x`, by default in its dtype and on its device too. */
export const zerosLike = (x: Tensor, options: TensorOptions = {}): Tensor => zeros(x.shape, like(x, options));
/** Ones in the shape of `x`, by default in its dtype and on its device too. */
export const onesLike = (x: Tensor, options: TensorOptions = {}): Tensor => ones(x.shape, like(x, options));
/** `value` in the shape of `x`, by default in its dtype and on its device too. */
export const fullLike = (x: Tensor, value: number, options: TensorOptions = {}): Tensor =>
  full(x.shape, value, like(x, options));
/** Undefined contents in the shape of `x`, by default in its dtype and on its device too. */
export const emptyLike = (x: Tensor, options: TensorOptions = {}): Tensor => empty(x.shape, like(x, options));

/**
 * start, start + step, ... up to but without `end`, of shape `[ceil((end - start) / step)]`: `arange(end)`,
 * `arange(start, end)` or `arange(start, end, step)`, options behind. int32 when all are integers (PyTorch's int64).
 * https://pytorch.org/docs/stable/generated/torch.arange.html
 */
export function arange(...args: [...numbers: number[], options: TensorOptions] | number[]): Tensor {
  const last = args[args.length - 1];
  const options = typeof last === "object" ? last : {};
  const numbers = (typeof last === "object" ? args.slice(0, -1) : args) as number[];
  const [start, end, step = 1] = numbers.length === 1 ? [0, numbers[0]!] : (numbers as [number, number, number?]);
  if (numbers.length < 1 || numbers.length > 3 || !numbers.every(Number.isFinite)) {
    fail("arange", `(${numbers.join(", ")}): one to three finite numbers are expected: end, or start, end and step`);
  }
  if (step === 0 || (end! - start!) * step < 0) {
    fail("arange", `start ${start}, end ${end}, step ${step}: the step must lead from start to end`);
  }
  const dtype = dtypeOf("arange", options, numbers.every(Number.isInteger) ? "int32" : "float32");
  const n = Math.ceil((end! - start!) / step);
  const y = emptyTensor([n], dtype, "arange", options.device ?? defaultDevice());
  launch(`arange_${suffix(dtype)}`, [y], [], [n], [wordOf(start!, dtype), wordOf(step, dtype)], "arange");
  return finish(y, options);
}

function flattenInto(value: Nested, shape: number[], depth: number, out: number[]): void {
  if (!Array.isArray(value)) {
    if (depth !== shape.length)
      fail("tensor", `nested array of shape ${show(shape)}: a number at depth ${depth}: the depth must be the same`);
    out.push(Number(value));
    return;
  }
  if (depth >= shape.length || value.length !== shape[depth]) {
    fail(
      "tensor",
      `nested array of shape ${show(shape)}: ${value.length} items at depth ${depth}: it must not be ragged`,
    );
  }
  for (const v of value) flattenInto(v, shape, depth + 1, out);
}

/**
 * A tensor with the values of nested arrays, whose shape it takes, or of a typed array, of `shape` (`[length]` by default).
 * Numbers give float32, whole ones too (where PyTorch gives int64), booleans bool, an Int32Array int32, unless `dtype` says
 * otherwise. Ragged arrays are an error, and so is what does not fit into int32.
 * https://pytorch.org/docs/stable/generated/torch.tensor.html
 */
export function tensor(
  data: Nested | TypedData | Uint8Array,
  options: TensorOptions & {
    /** The shape that the values fill, row by row. */
    shape?: Shape;
  } = {},
): Tensor {
  const { device = defaultDevice() } = options;
  if (ArrayBuffer.isView(data)) {
    const dtype = dtypeOf("tensor", options, data instanceof Int32Array ? "int32" : "float32");
    const values = convert(data as unknown as ArrayLike<number>, dtype);
    return finish(fromData(values, options.shape ?? [data.length], dtype, { device }), options);
  }
  const shape: number[] = [];
  let probe: Nested = data;
  while (Array.isArray(probe)) {
    shape.push(probe.length);
    probe = probe[0] as Nested;
    if (probe === undefined) break;
  }
  const flat: number[] = [];
  flattenInto(data, shape, 0, flat);
  const dtype = dtypeOf("tensor", options, typeof probe === "boolean" ? "bool" : "float32");
  return finish(fromData(convert(flat, dtype), options.shape ?? shape, dtype, { device }), options);
}

/** Whole numbers as their type has them. Devices round floats by themselves. */
function convert(data: ArrayLike<number>, dtype: DType): ArrayLike<number> {
  const { array, float, range } = TYPES[dtype];
  if (float || (range && data instanceof array)) return data;
  const out = new array(data.length);
  for (let i = 0; i < data.length; i++) {
    const v = data[i]!;
    out[i] = range ? v : Number(v !== 0);
    if (range && out[i] !== v) {
      fail("tensor", `value ${v} at ${i} for ${dtype}: integers from ${range} are expected`);
    }
  }
  return out;
}
