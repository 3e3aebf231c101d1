// What a reference kernel works on: views of f64 storages, the words of its scalars, and the scale of a sum.

import type { Buffer, Device, Storage } from "../../src/core/device.ts";

/** The nearest float16 of the nearest float32, ties to even: what a kernel that computes with floats leaves in float16. */
export function roundHalf(x: number): number {
  const value = Math.fround(x);
  const size = Math.abs(value);
  if (!(size < 65520)) return Number.isNaN(value) ? value : Math.sign(value) * Number.POSITIVE_INFINITY;
  const step = 2 ** (Math.max(-14, Math.floor(Math.log2(size))) - 10);
  return Math.sign(value) * step * (size / step + 2 ** 52 - 2 ** 52);
}

/** One f64 an element, whatever its dtype. What is written as float16 is rounded when a kernel reads it. */
export class ReferenceStorage implements Storage {
  readonly device: Device;
  readonly bytes: number;
  readonly width: number;
  /** Nothing is lost here. */
  readonly serial = 0;
  version = 0;
  holders = 0;
  readonly label: string;
  readonly virtual: boolean;
  alias: Storage | null = null;
  data: Float64Array;
  /** s = sqrt(sum of term²) of the elements that are sums, 0 of the others; null where no element is a sum. */
  scale: Float64Array | null = null;
  /** k, the number of terms: the largest of its elements. */
  terms = 0;

  constructor(device: Device, bytes: number, label: string, virtual: boolean, width = 4) {
    this.device = device;
    this.bytes = bytes;
    this.width = width;
    this.label = label;
    this.virtual = virtual;
    // Contents are undefined: NaN shows who relies on them.
    this.data = new Float64Array(Math.ceil(bytes / width)).fill(Number.NaN);
  }

  /** Where its elements lie: a storage of a recording may have been bound to a lasting one. */
  get place(): ReferenceStorage {
    return this.alias ? (this.alias as ReferenceStorage).place : this;
  }
}

export class View {
  readonly storage: ReferenceStorage;
  readonly offset: number;
  /** The elements from the buffer's offset on. */
  readonly v: Float64Array;

  constructor(buffer: Buffer, input = false) {
    this.storage = (buffer.storage as ReferenceStorage).place;
    this.offset = buffer.offset;
    const values = this.storage.data.subarray(buffer.offset);
    this.v = input && this.storage.width === 2 ? values.map(roundHalf) : values;
  }

  /** Writes element i, and its scale and terms where it is a sum. */
  set(i: number, value: number, s = 0, terms = 0): void {
    if (!(i >= 0 && i < this.v.length)) throw new RangeError(`reference: element ${i} of ${this.v.length} is written`);
    this.v[i] = value;
    if (s === 0 && this.storage.scale === null) return;
    this.storage.scale ??= new Float64Array(this.storage.data.length);
    this.storage.scale[this.offset + i] = s;
    this.storage.terms = Math.max(this.storage.terms, terms);
  }

  /** s of element i where it is a sum, else 0. */
  s(i: number): number {
    return this.storage.scale === null ? 0 : this.storage.scale[this.offset + i];
  }

  /** What element i brings to the s of a sum over it: its own s where it is a sum, else its size. */
  size(i: number): number {
    return this.s(i) || Math.abs(this.v[i]);
  }

  /** How many terms element i stands for. */
  get terms(): number {
    return Math.max(1, this.storage.terms);
  }
}

/** y | x | extents | scalars (32-bit words) | op, for messages. */
export type Kernel = (y: View[], x: View[], extents: readonly number[], scalars: readonly number[], op: string) => void;
export type Kernels = Record<string, Kernel>;

const words = new DataView(new ArrayBuffer(8));

export function f32(word: number): number {
  words.setInt32(0, word | 0);
  return words.getFloat32(0);
}

export function f64(low: number, high: number): number {
  words.setInt32(0, high | 0);
  words.setInt32(4, low | 0);
  return words.getFloat64(0);
}

export const i32 = (word: number): number => word | 0;
