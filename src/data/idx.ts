// IDX, the format of the MNIST files: two zero bytes, a type byte, the number of dimensions, their sizes as big-endian
// 32-bit words, then the values, the last dimension fastest. Read here: unsigned bytes (type 0x08).
import { expectOptions, fail, given, kindOf, WasmgradError } from "../core/error.ts";
import { show } from "../core/shape.ts";

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

/**
 * Parses an IDX file of unsigned bytes, unpacked. The data is a view into `bytes`. Throws when magic number, dims or length are
 * not what they should be.
 */
export function parseIdx(bytes: Uint8Array, options: IdxOptions = {}): Idx {
  expectOptions("parseIdx", options, "name dims items");
  if (kindOf(bytes) !== "Uint8Array") fail("parseIdx", `${given(bytes)} was given: a Uint8Array is expected`);
  const { name = "IDX", dims, items = "items" } = options;
  const refuse = (what: string): never => {
    throw new WasmgradError(`${name}: ${what}`);
  };
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
  const count = shape.reduce((n, size) => n * size, 1);
  const says = `header says ${describe(shape, items)} (${header + count} bytes), the file has ${bytes.length}`;
  if (!(header + count <= bytes.length)) refuse(`${says}: it is cut short`);
  if (header + count !== bytes.length) refuse(`${says}: it is too long`);
  return { shape, data: bytes.subarray(header) };
}

const plural = (n: number): string => `${n} dimension${n === 1 ? "" : "s"}`;

function describe(shape: readonly number[], items: string): string {
  if (shape.length === 1) return `${shape[0]} ${items}`;
  return shape.length === 3 ? `${shape[0]} ${items} of ${shape[1]}x${shape[2]}` : `${show(shape)} ${items}`;
}

/** The bytes of an IDX file with these values of `shape`. */
export function formatIdx(data: Uint8Array, shape: readonly number[]): Uint8Array {
  if (kindOf(data) !== "Uint8Array") fail("formatIdx", `${given(data)} was given: a Uint8Array is expected`);
  const fits = Array.isArray(shape) && shape.length <= MOST_DIMS && shape.every((n) => n === n >>> 0);
  if (!fits || shape.reduce((n, size) => n * size, 1) !== data.length)
    fail("formatIdx", `shape ${given(shape)} for ${data.length} values: sizes whose product is that are expected`);
  const header = 4 + 4 * shape.length;
  const bytes = new Uint8Array(header + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (UBYTE << 8) | shape.length);
  for (let i = 0; i < shape.length; i++) view.setUint32(4 + 4 * i, shape[i]!);
  bytes.set(data, header);
  return bytes;
}
