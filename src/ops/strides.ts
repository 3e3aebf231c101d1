// Dims, and strides for the kernels that walk them one by one: broadcasting, permute, expand.
import { fail } from "../core/error.ts";
import { type Shape, sameShape, show } from "../core/shape.ts";

/** `dim` counted from the front; negative ones count from the end, as in PyTorch. @internal */
export function dimension(op: string, dim: number, shape: Shape): number {
  const rank = Math.max(1, shape.length);
  if (!Number.isInteger(dim) || dim < -rank || dim >= rank) {
    fail(op, `${show(shape)}: dim ${dim} is out of range, expected ${-rank} to ${rank - 1}`);
  }
  return dim < 0 ? dim + rank : dim;
}

/** The shape that `a` and `b` broadcast to (https://pytorch.org/docs/stable/notes/broadcasting.html). @internal */
export function broadcast(op: string, a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const x = a[a.length - i] ?? 1;
    const y = b[b.length - i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      fail(op, `${show(a)} and ${show(b)}: sizes ${x} and ${y} of dim -${i} differ and neither is 1`);
    }
    out[rank - i] = x === 1 ? y : x;
  }
  return out;
}

/**
 * Strides in elements of a dense tensor of `shape`, zero where it is broadcast to `out`; aligned at the end.
 * @internal
 */
export function broadcastStrides(shape: Shape, out: Shape): number[] {
  const strides = new Array<number>(out.length).fill(0);
  let stride = 1;
  for (let i = 1; i <= shape.length; i++) {
    const size = shape[shape.length - i]!;
    if (size !== 1) strides[out.length - i] = stride;
    stride *= size;
  }
  return strides;
}

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
