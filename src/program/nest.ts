// Loop nests of kernels that walk their operands by strides.
import { fail } from "../core/error.ts";
import { type Shape, show } from "../core/shape.ts";

/** Most dimensions that a strided kernel walks, after merging. @internal */
export const WALK = 6;

/**
 * Merges neighbouring dims that every operand walks as one, and pads to WALK dims in front.
 * `strides` holds one list an operand; lists come back in the same order behind the extents.
 * @internal
 */
export function walk(
  op: string,
  shape: Shape,
  strides: readonly (readonly number[])[],
): { extents: number[]; strides: number[][] } {
  const extents = new Array<number>(WALK).fill(1);
  const merged = strides.map(() => new Array<number>(WALK).fill(0));
  let at = WALK;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i]!;
    if (size === 1) continue;
    let one = at < WALK;
    for (let j = 0; one && j < merged.length; j++) one = strides[j]![i] === merged[j]![at]! * extents[at]!;
    if (one) extents[at]! *= size;
    else {
      if (--at < 0) fail(op, `${show(shape)}: at most ${WALK} dims that cannot be merged`);
      extents[at] = size;
      for (let j = 0; j < merged.length; j++) merged[j]![at] = strides[j]![i]!;
    }
  }
  return { extents, strides: merged };
}
