// IDX, the format of the MNIST files: two zero bytes, a type byte, the number of dimensions, their sizes as big-endian
// 32-bit words, then the values, the last dimension fastest. Read here: unsigned bytes (type 0x08).
import { expectOptions, fail, noMore, WasmgradError } from "../core/error.ts";
import { numel, show } from "../core/shape.ts";
import { asBytes, describeKind } from "../host/kinds.ts";

/** What an IDX file holds. */
export interface Idx {
  /** Sizes of its dims. */
  readonly shape: readonly number[];
  /** Its values, row by row: a view into the file's bytes. */
  readonly data: Uint8Array;
}

/** Options of `parseIdx`. */
export interface IdxOptions {
  /** What the messages are about, such as `MNIST: train-labels-idx1-ubyte`; "IDX" by default. */
  name?: string;
  /** Number of dimensions that the file must have; 1 to 4 by default. */
  dims?: number;
  /** What the first dimension counts, for messages; "items" by default. */
  items?: string;
}

const UBYTE = 0x08;
const MOST_DIMS = 4;

const hex = (word: number): string => `0x${word.toString(16).padStart(8, "0")}`;

/** Sizes of tensors stand in 32-bit words with a sign. */
const LARGEST_SIZE = 2 ** 31 - 1;

/** What to do with what is packed: only a promise could give the bytes. */
const UNPACK = 'new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer()';

/**
 * Parses an IDX file of unsigned bytes, unpacked: an ArrayBuffer or a view of one. The data is a view into it. Throws when magic number,
 * dims or length are not what they should be.
 */
export function parseIdx(file: ArrayBufferLike | ArrayBufferView, options: IdxOptions = {}, ...none: []): Idx {
  expectOptions("parseIdx", options, "name dims items", none);
  const { name = "IDX", dims, items = "items" } = options;
  const refuse = (what: string): never => {
    throw new WasmgradError(`${name}: ${what}`);
  };
  const bytes =
    asBytes(file) ??
    refuse(`${describeKind(file)}: an ArrayBuffer or a view of one is expected, as await blob.arrayBuffer()`);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b)
    refuse(`${bytes.length} bytes of gzip data: unpacked bytes are expected, as await ${UNPACK}`);
  if (bytes.length < 4)
    refuse(`${bytes.length} bytes, an IDX file begins with 4 bytes of magic number: it is cut short`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const expected = dims === undefined ? `${hex(UBYTE << 8)} + dimensions` : hex((UBYTE << 8) | dims);
  const wrong = `magic number ${hex(magic)}, expected ${expected} (unsigned bytes${dims === undefined ? "" : `, ${plural(dims)}`})`;
  if (magic >>> 16 !== 0) refuse(`${wrong}: it is not an IDX file`);
  if (magic >>> 8 !== UBYTE) refuse(`${wrong}: its values have another type`);
  const found = magic & 255;
  if (dims !== undefined && found !== dims) refuse(`${wrong}: it has ${plural(found)}`);
  if (found < 1 || found > MOST_DIMS) refuse(`${wrong}: it has ${plural(found)}, from 1 to ${MOST_DIMS} are read`);
  const header = 4 + 4 * found;
  if (bytes.length < header) {
    refuse(`${bytes.length} bytes, the header for ${plural(found)} alone has ${header}: it is cut short`);
  }
  const shape = Array.from({ length: found }, (_, i) => view.getUint32(4 + 4 * i));
  const count = numel(shape);
  const says = `header says ${describe(shape, items)} (${header + count} bytes), the file has ${bytes.length}`;
  if (!(header + count <= bytes.length)) refuse(`${says}: it is cut short`);
  if (header + count !== bytes.length) refuse(`${says}: it is too long`);
  // Beside a size of 0 as well: the others may say anything.
  for (const size of shape) {
    if (size > LARGEST_SIZE)
      refuse(`header says ${describe(shape, items)}: sizes of at most ${LARGEST_SIZE} are expected`);
  }
  return { shape, data: bytes.subarray(header) };
}

const plural = (n: number): string => `${n} dimension${n === 1 ? "" : "s"}`;

function describe(shape: readonly number[], items: string): string {
  if (shape.length === 1) return `${shape[0]} ${items}`;
  return shape.length === 3 ? `${shape[0]} ${items} of ${shape[1]}x${shape[2]}` : `${show(shape)} ${items}`;
}

/** The bytes of an IDX file with these values of `shape`, from 1 to 4 dims. */
export function formatIdx(data: Uint8Array, shape: readonly number[], ...none: []): Uint8Array {
  noMore("formatIdx", none);
  const op = "formatIdx";
  const given = asBytes(data);
  if (given === null || given.length !== data.length) fail(op, `${describeKind(data)}: a Uint8Array is expected`);
  const sizes = Array.isArray(shape) ? shape : fail(op, `shape is ${describeKind(shape)}: an array is expected`);
  if (sizes.length < 1 || sizes.length > MOST_DIMS) {
    fail(op, `shape of ${plural(sizes.length)}: from 1 to ${MOST_DIMS} are expected`);
  }
  for (let i = 0; i < sizes.length; i++) {
    const size: unknown = sizes[i];
    if (Number.isInteger(size) && (size as number) >= 0 && (size as number) <= LARGEST_SIZE) continue;
    const what = typeof size === "number" ? `size ${size}` : describeKind(size);
    fail(op, `shape with ${what} at ${i}: integers from 0 to ${LARGEST_SIZE} are expected`);
  }
  if (numel(sizes) !== data.length)
    fail(op, `${data.length} values for shape ${show(sizes)}: it holds ${numel(sizes)}`);
  const header = 4 + 4 * sizes.length;
  const bytes = new Uint8Array(header + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (UBYTE << 8) | sizes.length);
  for (let i = 0; i < sizes.length; i++) view.setUint32(4 + 4 * i, sizes[i]!);
  bytes.set(data, header);
  return bytes;
}
