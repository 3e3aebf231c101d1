// Tensors of values that are there already: nested arrays, typed arrays, other tensors.
import { defaultDevice, type TypedData } from "../core/device.ts";
import { type DType, TYPES } from "../core/dtype.ts";
import { fail, given, kindOf, noMore } from "../core/error.ts";
import { alias, empty } from "../core/make.ts";
import { readStrided } from "../core/op.ts";
import { noteRead } from "../core/recording.ts";
import { type Shape, sameShape, show } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { compose, done } from "./compose.ts";
import { toDtype } from "./copy.ts";
import { dtypeOf, finish, making, type TensorOptions } from "./create.ts";
import { fromData } from "./data.ts";

/** A number, boolean or tensor, or arrays of them to any depth: `[[1, 2], [3, 4]]`; a row may be a typed array. */
export type Nested = number | boolean | Tensor | TypedData | Uint8Array | BigInt64Array | readonly Nested[];

/** As in PyTorch. An array that holds itself has no end. */
const MOST_DIMS = 64;

type List = ArrayLike<unknown>;
const isRow = (v: unknown): v is List => ArrayBuffer.isView(v) && kindOf(v) !== "DataView";
const isList = (v: unknown): v is List => Array.isArray(v) || isRow(v);

function flattened(list: List, shape: Shape): List {
  const out: unknown[] = [];
  flatten(list, shape, [], 0, out);
  return out;
}

/** What stands in nested arrays of `shape`, row by row; `at` is the way there. */
function flatten(list: List, shape: Shape, at: number[], depth: number, out: unknown[]): void {
  const nested = `nested array of shape ${show(shape)}: `;
  if (depth >= shape.length || list.length !== shape[depth])
    fail("tensor", `${nested}${list.length} items at depth ${depth}: it must not be ragged`);
  const last = depth + 1 === shape.length;
  for (let i = 0; i < list.length; i++) {
    const v = list[i];
    at[depth] = i;
    if (
      typeof v === "number" ||
      typeof v === "boolean" ||
      (typeof v === "bigint" && isRow(list)) ||
      v instanceof Tensor
    ) {
      if (!last) fail("tensor", `${nested}a number at depth ${depth + 1}: the depth must be the same`);
      out.push(v);
    } else if (isList(v)) flatten(v, shape, at, depth + 1, out);
    else
      fail("tensor", `${given(v)} at [${at.slice(0, depth + 1).join("][")}]: a number, boolean or tensor is expected`);
  }
}

/**
 * A tensor with the values of nested arrays, whose shape it takes, or of a typed array, of `shape` (`[length]` by default).
 * Numbers give float32, whole ones too (where PyTorch gives int64), booleans alone bool, an Int32Array int32, unless `dtype` says
 * otherwise. A tensor is copied, and those in arrays are stacked, off the tape. Ragged arrays are an error, and so is what does not fit into int32.
 * https://pytorch.org/docs/stable/generated/torch.tensor.html
 */
export function tensor(
  data: Nested,
  options?: TensorOptions & {
    /** The shape that the values fill, row by row. */
    shape?: Shape;
  },
  ...none: []
): Tensor {
  noMore("tensor", none);
  const { device = defaultDevice(), shape: wanted } = making("tensor", options, "dtype device requiresGrad shape") as {
    shape?: Shape;
  } & TensorOptions;
  const shape: number[] = [];
  let first: unknown = data;
  let kind = "";
  while (isList(first)) {
    kind = kindOf(first);
    if (shape.push(first.length) > MOST_DIMS) fail("tensor", `${given(data)}: at most ${MOST_DIMS} dims are expected`);
    first = first[0];
  }
  let flat: List = [data];
  if (isRow(data)) flat = data;
  else if (isList(data)) flat = flattened(data, shape);
  else if (typeof data !== "number" && typeof data !== "boolean" && !(data instanceof Tensor))
    fail("tensor", `${given(data)}: a number, an array or a tensor is expected`);
  const whole = /^(Int32|Big)/.test(kind);
  const usual = whole ? "int32" : typeof first === "boolean" && onlyBooleans(flat) ? "bool" : "float32";
  if (first instanceof Tensor) {
    const y = stacked(Array.from(flat) as Tensor[], shape, options);
    if (wanted !== undefined && !sameShape(wanted, y.shape))
      fail("tensor", `shape ${given(wanted)} for ${show(y.shape)}: reshape() the result`);
    return finish(y, options);
  }
  const dtype = dtypeOf("tensor", options, usual);
  return finish(fromData(convert(flat, dtype, kind), wanted ?? shape, dtype, { device }), options);
}

function onlyBooleans(flat: List): boolean {
  for (let i = 0; i < flat.length; i++) if (typeof flat[i] !== "boolean") return false;
  return true;
}

/** Copies of tensors of one kind, one behind the other, off the tape. */
function stacked(list: readonly Tensor[], shape: Shape, options: TensorOptions | undefined): Tensor {
  const one = list[0]!;
  const dtype = dtypeOf("tensor", options, one.dtype);
  const device = options?.device ?? one.device;
  return compose(() => {
    const y = empty([...shape, ...one.shape], one.dtype, "tensor", one.device);
    list.forEach((x, i) => {
      alive("tensor", x);
      if (!sameShape(x.shape, one.shape) || x.dtype !== one.dtype || x.device !== device)
        fail("tensor", `${show(one.shape)} and ${show(x.shape)}: shape, dtype and device must be the same, use to()`);
      noteRead(x);
      const place = alias(y, x.shape, i * x.numel);
      readStrided("tensor", place, x);
      done(place);
    });
    return toDtype(y, dtype);
  });
}

/** Whole numbers as their type has them. Devices round floats by themselves. */
function convert(data: List, dtype: DType, kind: string): ArrayLike<number> {
  const { array, float, range } = TYPES[dtype];
  const big = kind.startsWith("Big");
  if (!big && (float || (range && kind === array.name))) return data as ArrayLike<number>;
  const out = new array(data.length);
  for (let i = 0; i < data.length; i++) {
    const v = Number(data[i]);
    out[i] = float || range ? v : Number(v !== 0);
    if (range && out[i] !== v) {
      fail("tensor", `value ${v} at ${i} for ${dtype}: integers from ${range} are expected`);
    }
  }
  return out;
}
