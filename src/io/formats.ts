// The types of the safetensors format: bytes of an element, what it becomes here, and how its values are read and written.
import { type DType, type HostArray, TYPES } from "../core/dtype.ts";
import { fail } from "../core/error.ts";
import { numel, type Shape, show } from "../core/shape.ts";
import { type Entry, shown } from "./header.ts";

/** A tensor's values on the host. */
export interface HostTensor {
  /** Type of its elements. */
  readonly dtype: DType;
  /** Sizes of its dims. */
  readonly shape: Shape;
  /** Its values, row by row. float16 is in a Float32Array; bool is 0 or 1 in an Int32Array. */
  readonly data: HostArray;
}

/** @internal */
export interface Format {
  readonly bytes: number;
  readonly dtype: DType;
  /** True where the host has the bytes as the file has them. */
  readonly same?: boolean;
  /** A bigint is one that no number of 32 bits is. */
  get(view: DataView, at: number): number | bigint;
  /** Missing where nothing is written so. */
  set?(view: DataView, at: number, value: number): void;
}

const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** @internal */
export const FORMATS: Readonly<Record<string, Format>> = {
  F32: {
    bytes: 4,
    dtype: "float32",
    same: LITTLE,
    get: (view, at) => view.getFloat32(at, true),
    set: (view, at, value) => view.setFloat32(at, value, true),
  },
  F64: { bytes: 8, dtype: "float32", get: (view, at) => view.getFloat64(at, true) },
  F16: {
    bytes: 2,
    dtype: "float32",
    get: (view, at) => half(view.getUint16(at, true)),
    set: (view, at, value) => view.setUint16(at, halfBits(value), true),
  },
  BF16: { bytes: 2, dtype: "float32", get: (view, at) => brain(view.getUint16(at, true)) },
  I32: {
    bytes: 4,
    dtype: "int32",
    same: LITTLE,
    get: (view, at) => view.getInt32(at, true),
    set: (view, at, value) => view.setInt32(at, value, true),
  },
  I64: { bytes: 8, dtype: "int32", get: int64 },
  I16: { bytes: 2, dtype: "int32", get: (view, at) => view.getInt16(at, true) },
  I8: { bytes: 1, dtype: "int32", get: (view, at) => view.getInt8(at) },
  U64: { bytes: 8, dtype: "int32", get: uint64 },
  U32: { bytes: 4, dtype: "int32", get: (view, at) => view.getUint32(at, true) },
  U16: { bytes: 2, dtype: "int32", get: (view, at) => view.getUint16(at, true) },
  U8: { bytes: 1, dtype: "int32", get: (view, at) => view.getUint8(at) },
  BOOL: {
    bytes: 1,
    dtype: "bool",
    get: (view, at) => view.getUint8(at),
    set: (view, at, value) => view.setUint8(at, Number(value !== 0)),
  },
};

/** How types are written. @internal */
export const NAMES: Readonly<Record<DType, string>> = { float32: "F32", float16: "F16", int32: "I32", bool: "BOOL" };

/** Longest header, as in the format's own reader. @internal */
export const LONGEST_HEADER = 100_000_000;

/** What `make` makes of so many bytes, or an error of ours where the host has them not. @internal */
export function reserved<T>(subject: string, bytes: number, make: () => T): T {
  try {
    return make();
  } catch {
    return fail(
      subject,
      `${bytes} bytes: this host has not as many in one piece, smaller tensors or files are expected`,
    );
  }
}

/** What tensors without values share: a file may have many of them. */
const empty: Partial<Record<DType, HostArray>> = {};

/** The values of a tensor, from its bytes. @internal */
export function decode(subject: string, entry: Entry, bytes: Uint8Array): HostTensor {
  const { type, shape } = entry;
  const { bytes: size, dtype, same, get } = FORMATS[type]!;
  const count = numel(shape);
  if (count === 0) {
    empty[dtype] ??= new TYPES[dtype].array(0);
    return { dtype, shape, data: empty[dtype] };
  }
  const data = reserved(subject, count * 4, () => new TYPES[dtype].array(count));
  if (same) {
    new Uint8Array(data.buffer).set(bytes);
    return { dtype, shape, data };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = dtype === "int32";
  const most = dtype === "bool" ? 1 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    const value = get(view, i * size);
    if (typeof value === "bigint") return refuse(subject, entry, value, i);
    data[i] = value;
    if ((whole && data[i] !== value) || value > most) refuse(subject, entry, value, i);
  }
  return { dtype, shape, data };
}

function refuse(subject: string, { key, type, shape }: Entry, value: number | bigint, i: number): never {
  const what = `${shown(key)}: value ${value} at ${i} of ${type} ${shown(show(shape))}`;
  const { range } = TYPES.int32;
  return fail(
    subject,
    `${what} ${type === "BOOL" ? "is no bool: 0 or 1 is" : `does not fit into int32: ${range} is`} expected`,
  );
}

function int64(view: DataView, at: number): number | bigint {
  const low = view.getInt32(at, true);
  return view.getInt32(at + 4, true) === low >> 31 ? low : view.getBigInt64(at, true);
}

function uint64(view: DataView, at: number): number | bigint {
  return view.getUint32(at + 4, true) === 0 ? view.getUint32(at, true) : view.getBigUint64(at, true);
}

/** 1 sign bit, 5 of exponent, 10 of mantissa. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

const word = new DataView(new ArrayBuffer(4));

/** The nearest float16, ties to even. */
function halfBits(value: number): number {
  word.setFloat32(0, value);
  const sign = (word.getUint8(0) & 0x80) << 8;
  const size = Math.abs(value);
  if (!(size < 65520)) return sign | (Number.isNaN(value) ? 0x7e00 : 0x7c00);
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  // Steps of 2^(exponent - 10): beside 2^52 only whole ones are left.
  const steps = size * 2 ** (10 - exponent) + 2 ** 52 - 2 ** 52;
  return sign | (steps + (exponent + 14) * 1024);
}

/** The upper half of a float32. */
function brain(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}
