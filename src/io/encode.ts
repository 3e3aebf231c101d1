// Tensors as the bytes of a safetensors file. Names, shapes, values and texts are looked at before a byte is written: what is
// written is what `parse.ts` reads.
import { type DType, TYPES } from "../core/dtype.ts";
import { fail } from "../core/error.ts";
import { numel } from "../core/shape.ts";
import { describeKind, kindOf } from "../host/kinds.ts";
import { FORMATS, LONGEST_HEADER, NAMES, reserved } from "./formats.ts";
import { isText, LARGEST_SIZE, METADATA, MOST_DIMS, shown } from "./header.ts";

/** A tensor that was looked at. */
interface Checked {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: ArrayLike<unknown>;
}

/** The bytes of a file with these tensors and texts by name. `subject` stands in messages. */
export function encode(subject: string, tensors: unknown, metadata: unknown): Uint8Array {
  const list = Object.entries(checkRecord(subject, tensors)).map(([name, x]) => checkTensor(subject, name, x));
  const header: [string, unknown][] = checkTexts(subject, metadata);
  // Small elements last, so that the others lie aligned.
  list.sort((a, b) => sizeOf(b) - sizeOf(a));
  let end = 0;
  let letters = 0;
  for (const x of list) {
    const begin = end;
    end += x.data.length * sizeOf(x);
    letters += x.name.length;
    header.push([x.name, { dtype: NAMES[x.dtype], shape: x.shape, data_offsets: [begin, end] }]);
  }
  for (const [key, text] of Object.entries((metadata ?? {}) as Record<string, string>))
    letters += key.length + text.length;
  const tooLong = (bytes: number): void => {
    if (bytes > LONGEST_HEADER) fail(subject, `header of ${bytes} bytes: at most ${LONGEST_HEADER} are allowed`);
  };
  tooLong(letters);
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const length = Math.ceil(text.length / 8) * 8;
  tooLong(length);
  const bytes = reserved(subject, 8 + length + end, () => new Uint8Array(8 + length + end));
  bytes.fill(0x20, 8 + text.length, 8 + length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  let at = 8 + length;
  for (const x of list) {
    put(subject, x, bytes, at);
    at += x.data.length * sizeOf(x);
  }
  return bytes;
}

const sizeOf = ({ dtype }: Checked): number => FORMATS[NAMES[dtype]]!.bytes;

/** Throws unless this is an object of tensors by name. */
export function checkRecord(subject: string, x: unknown): Record<string, unknown> {
  if (typeof x === "object" && x !== null) {
    const prototype = Object.getPrototypeOf(x);
    // A plain object of any realm.
    if (prototype === null || Object.getPrototypeOf(prototype) === null) return x as Record<string, unknown>;
  }
  return fail(subject, `${describeKind(x)}: tensors by name are expected, as in model.stateDict()`);
}

function checkTexts(subject: string, metadata: unknown): [string, unknown][] {
  if (metadata === undefined) return [];
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata))
    fail(subject, `metadata: ${describeKind(metadata)}: an object of strings is expected`);
  const list = Object.entries(metadata);
  for (const [key, text] of list) {
    const at = `metadata ${shown(key)}`;
    if (typeof text !== "string") fail(subject, `${at} is ${typeof text}: the format takes strings only`);
    if (!isText(key) || !isText(text)) fail(subject, `${at} has half of a pair of surrogates: it must be Unicode`);
  }
  return list.length > 0 ? [[METADATA, metadata]] : [];
}

const printed = (shape: readonly unknown[]): string =>
  shown(`[${Array.from(shape.slice(0, 70), (n) => (typeof n === "number" ? n : typeof n)).join(",")}]`);

function checkTensor(subject: string, name: string, x: unknown): Checked {
  if (typeof x !== "object" || x === null || !("dtype" in x)) {
    const what = `a value of type ${typeof x}: a tensor is expected, as in model.stateDict()`;
    return fail(`${subject} (${shown(name)})`, what);
  }
  const { dtype, shape, data } = x as { dtype: unknown; shape: unknown; data: unknown };
  if (name === METADATA) fail(subject, `name ${METADATA}: the format keeps it for metadata`);
  if (!isText(name)) fail(subject, `name ${shown(name)} has half of a pair of surrogates: it must be Unicode`);
  const key = shown(name);
  if (typeof dtype !== "string" || !Object.hasOwn(NAMES, dtype)) {
    const given = typeof dtype === "string" ? shown(dtype) : describeKind(dtype);
    return fail(subject, `${key} is ${given}: ${Object.keys(NAMES).join(", ")} are expected`);
  }
  if (!Array.isArray(shape)) return fail(subject, `${key}: shape is ${describeKind(shape)}: an array is expected`);
  if (shape.length > MOST_DIMS)
    fail(subject, `${key}: shape of ${shape.length} dims: at most ${MOST_DIMS} are expected`);
  for (let i = 0; i < shape.length; i++) {
    const size: unknown = shape[i];
    if (Number.isInteger(size) && (size as number) >= 0 && (size as number) <= LARGEST_SIZE) continue;
    fail(subject, `${key}: shape ${printed(shape)}: integers from 0 to ${LARGEST_SIZE} are expected`);
  }
  if (!Array.isArray(data) && (!ArrayBuffer.isView(data) || kindOf(data) === "DataView"))
    return fail(subject, `${key}: data is ${describeKind(data)}: an array of its values is expected`);
  const values = data as ArrayLike<unknown>;
  if (values.length !== numel(shape)) {
    fail(subject, `${key}: ${values.length} values for shape ${printed(shape)}: it holds ${numel(shape)}`);
  }
  return { name, dtype: dtype as DType, shape, data: values };
}

/** Writes the values of a tensor. */
function put(subject: string, { name, dtype, data }: Checked, bytes: Uint8Array, begin: number): void {
  if (data.length === 0) return;
  const { bytes: size, same, set } = FORMATS[NAMES[dtype]]!;
  if (same && kindOf(data) === TYPES[dtype].array.name) {
    const { buffer, byteOffset, byteLength } = data as Float32Array;
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), begin);
    return;
  }
  const view = new DataView(bytes.buffer);
  const { range } = TYPES[dtype];
  for (let i = 0; i < data.length; i++) {
    const given = data[i];
    const value = typeof given === "bigint" || typeof given === "boolean" ? Number(given) : given;
    const fits = typeof value === "number" && (range === undefined || value === (value | 0));
    if (!fits) {
      const what = typeof value === "number" ? String(value) : describeKind(given);
      fail(
        subject,
        `${shown(name)}: ${what} at ${i}: ${range === undefined ? "a number" : `${dtype}, ${range},`} is expected`,
      );
    }
    set!(view, begin + i * size, value as number);
  }
}
