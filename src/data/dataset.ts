// Samples by number. A dataset writes the samples that it is asked for, one after another, into plain arrays; the loader
// makes tensors of them.

import { type DType, type HostArray, TYPES } from "../core/dtype.ts";
import { checkNumber, expectOptions, fail, given, noMore } from "../core/error.ts";
import { contiguous } from "../core/op.ts";
import { numel, type Shape, show } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { describeKind, kindOf } from "../host/kinds.ts";
import { FINITE } from "../ops/bounds.ts";
import { checkShape } from "../ops/expect.ts";
import { noGrad } from "../ops/modes.ts";

export type { HostArray };

/** One part of a sample, such as the image or the label: its shape and type. A batch has one more dim in front. */
export interface Field {
  /** Sizes of its dims, without the batch; `[]` for a label. */
  readonly shape: Shape;
  /** Type of its elements. */
  readonly dtype: DType;
}

/** A tensor a field: `[Tensor, Tensor]` for two. */
export type Batch<B extends readonly unknown[]> = { -readonly [K in keyof B]: Tensor };

/** Samples by number, for a `DataLoader`. `B` is the type of a batch, a tensor a field: `[Tensor, Tensor]` for inputs and labels. */
export interface Dataset<B extends readonly unknown[] = Tensor[]> {
  /** Number of samples. */
  readonly length: number;
  /** What a sample is made of, one for each tensor of a batch. */
  readonly fields: { readonly [K in keyof B]: Field };
  /** Writes the samples `indices` into `out`, an array a field (Int32Array for int32 and bool), densely. */
  gather(indices: Int32Array, out: readonly HostArray[]): void | Promise<void>;
}

/** Values that are copied once: floats to float32, integers to int32, where every one fits. */
export type CopiedArray =
  | Float64Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** Host data with a shape whose first dim counts samples. Bytes may be scaled: they become float32 when gathered. */
export interface ArraySource {
  /** The values, row by row. Arrays of float32, int32 and bytes are used where they are, others are copied. */
  readonly data: Float32Array | Int32Array | Uint8Array | Uint8ClampedArray | CopiedArray;
  /** `[data.length]` by default; the first dim counts samples. */
  readonly shape?: Shape;
  /** For bytes: the value is byte * scale + shift, 1 and 0 by default. With either the dtype is float32, with none int32. */
  readonly scale?: number;
  /** See `scale`. */
  readonly shift?: number;
}

/** What a `TensorDataset` takes. */
export type Source = Tensor | ArraySource["data"] | ArraySource;

type Bytes = Uint8Array | Uint8ClampedArray;

/** A source made ready: rows of `size` values, and how bytes become numbers. */
interface Column {
  /** Null while a tensor's values are on their way. */
  data: HostArray | Bytes | null;
  readonly size: number;
  readonly table: HostArray | null;
  readonly shape: Shape;
  readonly dtype: DType;
}

const NAME = "TensorDataset";

/**
 * Arrays and tensors side by side, with one first dim; sample i is row i of each. Arrays are used where they are. A tensor is read once, with
 * the value that it has now, and batches of it are copies off the tape.
 */
export class TensorDataset<const S extends readonly Source[]> implements Dataset<{ -readonly [K in keyof S]: Tensor }> {
  /** Number of samples. */
  readonly length: number;
  /** What a sample is made of, one for each source. */
  readonly fields: { readonly [K in keyof S]: Field };
  /** @internal */
  private readonly columns: readonly Column[];
  /** @internal */
  private reading: Promise<unknown> | null = null;

  /** Throws when there is none, or when the first dims differ. */
  constructor(...sources: S) {
    if (sources.length === 0) fail(NAME, "no tensors: at least one is expected");
    const reads: Promise<void>[] = [];
    this.columns = sources.map((source, i) => column(source, i, reads));
    const shapes = this.columns.map((c) => c.shape);
    this.length = shapes[0]![0]!;
    if (shapes.some((s) => s[0] !== this.length)) {
      fail(NAME, `${shapes.map(show).join(" and ")}: the first dims differ, they count the samples`);
    }
    const fields: Field[] = this.columns.map((c) => ({ shape: c.shape.slice(1), dtype: c.dtype }));
    this.fields = fields as { [K in keyof S]: Field };
    if (reads.length > 0) {
      this.reading = Promise.all(reads);
      this.reading.catch(() => {}); // told by gather
    }
  }

  /** Writes the samples `indices` into `out`, an array a source; a promise while a tensor's values are on their way. */
  gather(indices: Int32Array, out: readonly HostArray[], ...none: []): void | Promise<void> {
    noMore(NAME, none);
    if (
      kindOf(indices) !== "Int32Array" ||
      !Array.isArray(out) ||
      !(out as readonly unknown[]).every(isArray) ||
      out.length !== this.columns.length
    )
      fail(
        `${NAME}.gather`,
        `(${given(indices)}, ${given(out)}): an Int32Array and an array for each field are expected`,
      );
    if (this.reading === null) return this.copy(indices, out);
    return this.reading.then(() => {
      this.reading = null;
      this.copy(indices, out);
    });
  }

  /** @internal */
  private copy(indices: Int32Array, out: readonly HostArray[]): void {
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!;
      if (index < 0 || index >= this.length) fail(NAME, `index ${index}: there are ${this.length} samples`);
    }
    for (let c = 0; c < this.columns.length; c++) {
      const { data, size, table } = this.columns[c]!;
      if (table !== null) translate(data as Bytes, size, table, indices, out[c]!);
      else copyRows(data as HostArray, size, indices, out[c]!);
    }
  }
}

/** Arrays by what they are called in every realm, and what they are used as. */
const ARRAYS: Readonly<Record<string, "float32" | "int32" | "bytes">> = {
  Float32Array: "float32",
  Float64Array: "float32",
  Int8Array: "int32",
  Int16Array: "int32",
  Int32Array: "int32",
  BigInt64Array: "int32",
  Uint16Array: "int32",
  Uint32Array: "int32",
  BigUint64Array: "int32",
  Uint8Array: "bytes",
  Uint8ClampedArray: "bytes",
};

const isArray = (x: unknown): x is ArraySource["data"] => ArrayBuffer.isView(x) && Object.hasOwn(ARRAYS, kindOf(x));

function column(source: Source, i: number, reads: Promise<void>[]): Column {
  if (source instanceof Tensor) return tensorColumn(source, i, reads);
  const whole: ArraySource = isArray(source) ? { data: source } : source;
  if (!isArray(whole?.data)) {
    const what = describeKind(typeof whole?.data === "object" ? whole.data : source);
    fail(NAME, `source ${i + 1} is ${what}: a tensor, a typed array or { data, shape } with one is expected`);
  }
  expectOptions(NAME, whole, "data shape scale shift");
  const { data, shape = [data.length], scale, shift } = whole;
  checkShape(NAME, shape);
  if (shape.length === 0) fail(NAME, `source ${i + 1} has shape []: the first dim counts the samples`);
  if (numel(shape) !== data.length) {
    fail(NAME, `${data.length} values for shape ${show(shape)}: it holds ${numel(shape)}`);
  }
  const scaled = scale !== undefined || shift !== undefined;
  const kind = kindOf(data);
  if (scaled && ARRAYS[kind] !== "bytes") fail(NAME, `scale and shift with ${kind}: they are for bytes`);
  for (const v of [scale, shift]) if (v !== undefined) checkNumber(NAME, "scale or shift", v, FINITE);
  const size = numel(shape.slice(1));
  const dtype = ARRAYS[kind]!;
  if (dtype !== "bytes") {
    const used = kind === TYPES[dtype].array.name ? (data as HostArray) : copied(data, dtype, i);
    return { data: used, size, table: null, shape, dtype };
  }
  const values = Array.from({ length: 256 }, (_, byte) => byte * (scale ?? 1) + (shift ?? 0));
  const table = scaled ? Float32Array.from(values) : Int32Array.from(values);
  return { data: data as Bytes, size, table, shape, dtype: scaled ? "float32" : "int32" };
}

/** Values as the engine has them. */
function copied(data: ArraySource["data"], dtype: DType, source: number): HostArray {
  const values = new TYPES[dtype].array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    values[i] = Number(value);
    // The remainder of one that does not fit is another number.
    if (dtype === "int32" && values[i] !== Number(value)) {
      fail(NAME, `source ${source + 1}: value ${value} at ${i}: int32, ${TYPES.int32.range}, is expected`);
    }
  }
  return values;
}

function tensorColumn(x: Tensor, i: number, reads: Promise<void>[]): Column {
  alive(NAME, x);
  if (x.ndim === 0) fail(NAME, `source ${i + 1} has shape []: the first dim counts the samples`);
  const column: Column = { data: null, size: numel(x.shape.slice(1)), table: null, shape: x.shape, dtype: x.dtype };
  const dense = noGrad(() => contiguous(x));
  const values = x.device.read(dense, dense.numel, x.dtype);
  if (dense !== x) dense.release(NAME);
  reads.push(
    values.then((data) => {
      column.data = data as HostArray;
    }),
  );
  return column;
}

/** out[i] = data[indices[i]]; a run of neighbouring rows goes in one piece. */
function copyRows(data: HostArray, size: number, indices: Int32Array, out: HostArray): void {
  for (let i = 0; i < indices.length; ) {
    const first = indices[i]!;
    let n = 1;
    while (i + n < indices.length && indices[i + n] === first + n) n++;
    const count = n * size;
    const from = first * size;
    const to = i * size;
    if (count <= 16) for (let j = 0; j < count; j++) out[to + j] = data[from + j]!;
    else out.set(data.subarray(from, from + count), to);
    i += n;
  }
}

/** out[i] = table[data[indices[i]]], for bytes. */
function translate(data: Bytes, size: number, table: HostArray, indices: Int32Array, out: HostArray): void {
  let to = 0;
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i]! * size;
    for (let j = from; j < from + size; j++) out[to++] = table[data[j]!]!;
  }
}

/** A host array for `count` samples of a field. @internal */
export function hostArray(field: Field, count: number): HostArray {
  return new TYPES[field.dtype].array(count * numel(field.shape));
}
