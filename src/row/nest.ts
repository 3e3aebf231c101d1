// Loop nests of kernels that walk their operands by strides.
import type { Buffer } from "../core/device.ts";
import { fail } from "../core/error.ts";
import { type Shape, show } from "../core/shape.ts";

/** Most dimensions that a strided kernel walks, after merging. @internal */
export const WALK = 6;
/** Most that rows of such kernels walk together: a row for each index of the dims in front. */
const MOST = 8;

/** A loop nest of WALK dims; `next` is that of the next row, where one does not reach. @internal */
export interface Nest {
  readonly extents: number[];
  /** One list an operand. */
  readonly strides: number[][];
  /** Elements of the whole nest in front of this one, and where in each operand it begins. */
  readonly start: number;
  readonly from: readonly number[];
  readonly next: Nest | null;
}

/**
 * Merges neighbouring dims that every operand walks as one, and pads to WALK dims in front.
 * `strides` holds one list an operand; lists come back in the same order. Null where there is nothing to walk.
 * @internal
 */
export const walk = (op: string, shape: Shape, strides: readonly (readonly number[])[]): Nest | null =>
  merge(shape, strides, WALK) ?? rows(op, shape, strides);

/** `x` from another element on, for one of several rows. @internal */
export const shifted = <T extends Buffer>(x: T, by: number): T =>
  by === 0 ? x : Object.create(x, { offset: { value: x.offset + by } });

/** Null where more than `most` dims are left. */
function merge(shape: Shape, strides: readonly (readonly number[])[], most: number): Nest | null {
  const extents = most === WALK ? [1, 1, 1, 1, 1, 1] : new Array<number>(most).fill(1);
  const merged: number[][] = [];
  for (let j = 0; j < strides.length; j++) merged.push(most === WALK ? [0, 0, 0, 0, 0, 0] : new Array(most).fill(0));
  let at = most;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i]!;
    if (size === 1) continue;
    let one = at < most;
    for (let j = 0; one && j < merged.length; j++) one = strides[j]![i] === merged[j]![at]! * extents[at]!;
    if (one) extents[at]! *= size;
    else {
      if (--at < 0) return null;
      extents[at] = size;
      for (let j = 0; j < merged.length; j++) merged[j]![at] = strides[j]![i]!;
    }
  }
  return { extents, strides: merged, start: 0, from: START, next: null };
}
const START = [0, 0, 0];

/** A nest for each index of the dims in front that one does not reach. */
function rows(op: string, shape: Shape, strides: readonly (readonly number[])[]): Nest | null {
  const whole = merge(shape, strides, MOST);
  if (whole === null) fail(op, `${show(shape)}: at most ${MOST} dims that cannot be merged`);
  const [outer, middle] = whole.extents as [number, number];
  const extents = whole.extents.slice(MOST - WALK);
  const inner = whole.strides.map((list) => list.slice(MOST - WALK));
  const elements = extents.reduce((n, size) => n * size, 1);
  let next: Nest | null = null;
  for (let i = outer * middle - 1; i >= 0; i--) {
    const from = whole.strides.map(([s, t]) => Math.floor(i / middle) * s! + (i % middle) * t!);
    next = { extents, strides: inner, start: i * elements, from, next };
  }
  return next;
}

// A row over views is that of a dense elementwise kernel, `y | inputs | n | scalars`, under another name, with the nest in
// place of n and the strides of each input in front of the scalars: devices make it from the dense kernel.
const PREFIX = "walk:";

/** The name of a dense kernel's row over views. @internal */
export const walking = (kernel: string): string => PREFIX + kernel;

/** The dense kernel behind a name; the name itself where it is no row over views. @internal */
export const denseOf = (name: string): string => (name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name);
