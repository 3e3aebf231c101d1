// The safetensors format (https://huggingface.co/docs/safetensors): an 8-byte length, a JSON header that gives each tensor's
// dtype, shape and place, and the bytes. Reading checks every length and offset before anything is used.
import { type DType, type HostArray, TYPES } from "../core/dtype.ts";
import { fail, given, kindOf } from "../core/error.ts";
import { numel, type Shape, show } from "../core/shape.ts";

/** A tensor's values on the host. */
export interface HostTensor {
  /** Type of its elements. */
  readonly dtype: DType;
  /** Sizes of its dims. */
  readonly shape: Shape;
  /** Its values, row by row. float16 is in a Float32Array; bool is 0 or 1 in an Int32Array. */
  readonly data: HostArray;
}

/** What a safetensors file holds. */
export interface Safetensors {
  /** Tensors by name. */
  tensors: Record<string, HostTensor>;
  /** Text of its own by name; `{}` where there is none. */
  metadata: Record<string, string>;
}

/** Longest header, as in the format's own reader. */
const LONGEST_HEADER = 100_000_000;
/** The format's types: bytes of an element, what it becomes here, and how it is read and written. */
const FORMATS: Readonly<Record<string, Format>> = {
  F32: {
    bytes: 4,
    dtype: "float32",
    get: (view, at) => view.getFloat32(at, true),
    set: (view, at, value) => view.setFloat32(at, value, true),
  },
  I32: {
    bytes: 4,
    dtype: "int32",
    get: (view, at) => view.getInt32(at, true),
    set: (view, at, value) => view.setInt32(at, value, true),
  },
  I64: { bytes: 8, dtype: "int32", get: (view, at) => view.getBigInt64(at, true) },
  F16: {
    bytes: 2,
    dtype: "float32",
    get: (view, at) => half(view.getUint16(at, true)),
    set: (view, at, value) => view.setUint16(at, halfBits(value), true),
  },
  BF16: { bytes: 2, dtype: "float32", get: (view, at) => brain(view.getUint16(at, true)) },
  BOOL: {
    bytes: 1,
    dtype: "bool",
    get: (view, at) => view.getUint8(at),
    set: (view, at, value) => view.setUint8(at, Number(value !== 0)),
  },
};
interface Format {
  readonly bytes: number;
  readonly dtype: DType;
  get(view: DataView, at: number): number | bigint;
  /** Missing where nothing is written so. */
  set?(view: DataView, at: number, value: number): void;
}
/** How types are written. */
const NAMES: Readonly<Record<DType, string>> = { float32: "F32", float16: "F16", int32: "I32", bool: "BOOL" };
const METADATA = "__metadata__";

/** The bytes of a safetensors file with these tensors by name, and text of your own as metadata. */
export function encodeSafetensors(
  tensors: Readonly<Record<string, HostTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const subject = "saveSafetensors";
  for (const x of [tensors, metadata])
    if (kindOf(x) !== "Object") fail(subject, `${given(x)} was given: tensors, and strings, by name are expected`);
  for (const [key, text] of Object.entries(metadata)) {
    if (typeof text !== "string") fail(subject, `metadata ${key} is ${given(text)}: the format takes strings only`);
  }
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [[METADATA, metadata]] : [];
  // Small elements last, so that the others lie aligned.
  const size = ([, x]: [string, HostTensor]): number => FORMATS[NAMES[x?.dtype]!]?.bytes ?? 4;
  const list = Object.entries(tensors).sort((a, b) => size(b) - size(a));
  let end = 0;
  for (const [name, x] of list) {
    const { dtype, shape, data } = x ?? {};
    if (name === METADATA) fail(subject, `name ${METADATA}: the format keeps it for metadata`);
    const type = NAMES[dtype] ?? fail(subject, `${name} is ${given(dtype)}: float32, int32 or bool is expected`);
    if (!Array.isArray(shape) || data?.length !== numel(shape)) {
      fail(
        subject,
        `${name}: ${data?.length ?? "no"} values for shape ${given(shape)}: the data of a shape is expected`,
      );
    }
    const begin = end;
    end += data.length * FORMATS[type]!.bytes;
    header.push([name, { dtype: type, shape, data_offsets: [begin, end] }]);
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const length = Math.ceil(text.length / 8) * 8;
  if (length > LONGEST_HEADER) fail(subject, `header of ${length} bytes: at most ${LONGEST_HEADER} are allowed`);
  const bytes = new Uint8Array(8 + length + end).fill(0x20, 8 + text.length, 8 + length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  let at = 8 + length;
  for (const [, { dtype, data }] of list) {
    const { bytes: size, set } = FORMATS[NAMES[dtype]]!;
    for (let i = 0; i < data.length; i++, at += size) set!(view, at, data[i]!);
  }
  return bytes;
}

/**
 * Tensors and metadata of a safetensors file. F32, I32 and BOOL as they are, F16 and BF16 as float32, I64 as int32 where
 * every value fits. `name` stands in messages. Errors: a length, offset, dtype or header that breaks the format.
 */
export function parseSafetensors(bytes: Uint8Array, name = "safetensors"): Safetensors {
  if (kindOf(bytes) !== "Uint8Array") fail("safetensors", `${given(bytes)} was given: a Uint8Array is expected`);
  const { header, data } = split(bytes, name);
  const { [METADATA]: extra = {}, ...rest } = header;
  if (!isObject(extra) || !Object.values(extra).every((v) => typeof v === "string")) {
    fail(name, `${METADATA}: an object of strings is expected`);
  }
  const entries = Object.entries(rest).map(([key, info]) => describe(name, key, info, data.length));
  let end = 0;
  for (const e of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (e.begin !== end) {
      fail(
        name,
        `${e.key} begins at ${e.begin}, the tensor before it ends at ${end}: no holes and no overlaps are allowed`,
      );
    }
    end = e.end;
  }
  if (end !== data.length)
    fail(name, `${data.length} bytes of data, the tensors take ${end}: all must belong to a tensor`);
  const tensors = entries.map((e): [string, HostTensor] => [e.key, decode(name, e, data.subarray(e.begin, e.end))]);
  return { tensors: Object.fromEntries(tensors), metadata: extra as Record<string, string> };
}

interface Described {
  key: string;
  type: string;
  shape: number[];
  begin: number;
  end: number;
}

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);

function split(bytes: Uint8Array, name: string): { header: Record<string, unknown>; data: Uint8Array } {
  if (bytes.length < 8)
    fail(name, `${bytes.length} bytes: a safetensors file begins with the 8 bytes of its header's length`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(LONGEST_HEADER)) fail(name, `header length ${length}: at most ${LONGEST_HEADER} is allowed`);
  const size = Number(length);
  if (8 + size > bytes.length) fail(name, `header length ${size}: the file has ${bytes.length - 8} bytes behind it`);
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + size));
  } catch {
    return fail(name, `header of ${size} bytes: it is not UTF-8`);
  }
  if (!text.startsWith("{")) fail(name, `the header begins with ${JSON.stringify(text.slice(0, 8))}: a { is expected`);
  try {
    header = JSON.parse(text);
  } catch (error) {
    return fail(name, `the header is not JSON: ${(error as Error).message}`);
  }
  if (!isObject(header)) return fail(name, "the header is not a JSON object");
  const twice = duplicateKey(text);
  if (twice !== null) fail(name, `the header has the key ${JSON.stringify(twice)} twice: names must differ`);
  return { header, data: bytes.subarray(8 + size) };
}

/** A key that valid JSON has twice in one object, or null: JSON.parse would take the last one in silence. */
function duplicateKey(text: string): string | null {
  const open: (Set<string> | null)[] = [];
  let before = "";
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    const keys = open[open.length - 1];
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (token[0] === '"' && keys && (before === "{" || before === ",")) {
      const key = JSON.parse(token) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
    before = token;
  }
  return null;
}

const isSize = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0;

/** One entry of the header, checked by itself. */
function describe(name: string, key: string, info: unknown, available: number): Described {
  const say = (detail: string): never => fail(name, `${key}: ${detail}`);
  if (!isObject(info)) return say("an object with dtype, shape and data_offsets is expected");
  const { dtype, shape, data_offsets: offsets, ...rest } = info;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) say(`unknown field ${unknown}: dtype, shape and data_offsets are expected`);
  if (typeof dtype !== "string" || !Object.hasOwn(FORMATS, dtype)) {
    return say(`dtype ${given(dtype)}: ${Object.keys(FORMATS).join(", ")} can be read`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    return say(`shape ${given(shape)}: an array of non-negative integers is expected`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    return say(`data_offsets ${given(offsets)}: two non-negative integers are expected`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > available) say(`data_offsets [${begin},${end}] are outside the ${available} bytes of data`);
  const size = numel(shape) * FORMATS[dtype]!.bytes;
  if (!Number.isSafeInteger(size) || size !== end - begin) {
    say(`${dtype} ${show(shape)} takes ${size} bytes, data_offsets [${begin},${end}] give ${end - begin}`);
  }
  return { key, type: dtype, shape, begin, end };
}

function decode(name: string, { key, type, shape }: Described, bytes: Uint8Array): HostTensor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { bytes: size, dtype, get } = FORMATS[type]!;
  const data = new TYPES[dtype].array(numel(shape));
  for (let i = 0; i < data.length; i++) {
    const value = get(view, i * size);
    data[i] = Number(value);
    if (typeof value === "bigint" && BigInt(data[i]!) !== value)
      fail(name, `${key}: value ${value} at ${i} of I64 ${show(shape)} does not fit into int32`);
    if (dtype === "bool" && value > 1)
      fail(name, `${key}: value ${value} at ${i} of BOOL ${show(shape)}: 0 or 1 is expected`);
  }
  return { dtype, shape, data };
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
