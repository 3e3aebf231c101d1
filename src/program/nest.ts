// Loop nests of kernels that walk their operands by strides.
import { fail } from "../core/error.ts";
import { type Shape, show } from "../core/shape.ts";

/** Most dimensions that a strided kernel walks, after merging. @internal */
export const WALK = 6;

interface Nest {
  extents: number[];
  strides: number[][];
}

/**
 * Merges neighbouring dims that every operand walks as one, and pads to WALK dims in front.
 * `strides` holds one list an operand; lists come back in the same order behind the extents. Null where more dims are left.
 * @internal
 */
export function merge(shape: Shape, strides: readonly (readonly number[])[]): Nest | null {
  const extents = [1, 1, 1, 1, 1, 1];
  const merged: number[][] = [];
  for (let j = 0; j < strides.length; j++) merged.push([0, 0, 0, 0, 0, 0]);
  let at = WALK;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i]!;
    if (size === 1) continue;
    let one = at < WALK;
    for (let j = 0; one && j < merged.length; j++) one = strides[j]![i] === merged[j]![at]! * extents[at]!;
    if (one) extents[at]! *= size;
    else {
      if (--at < 0) return null;
      extents[at] = size;
      for (let j = 0; j < merged.length; j++) merged[j]![at] = strides[j]![i]!;
    }
  }
  return { extents, strides: merged };
}

/** The same; throws where more dims are left. @internal */
export const walk = (op: string, shape: Shape, strides: readonly (readonly number[])[]): Nest =>
  merge(shape, strides) ?? fail(op, `${show(shape)}: at most ${WALK} dims that cannot be merged`);

// A row over views is that of a dense elementwise kernel, `y | inputs | n | scalars`, under another name, with the nest in
// place of n and the strides of each input in front of the scalars: devices make it from the dense kernel.
const PREFIX = "walk:";

/** The name of a dense kernel's row over views. @internal */
export const walking = (kernel: string): string => PREFIX + kernel;

/** The dense kernel behind a name; the name itself where it is no row over views. @internal */
export const denseOf = (name: string): string => (name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name);
