// How a tensor lies in its storage: pure functions of shapes and strides, which know no device. Strides are in elements, one a
// dim, 0 where a dim is expanded; null stands for those of a dense, row-major tensor.
import { fail } from "./error.ts";
import { numel, type Shape, show } from "./shape.ts";

/** @internal */
export type Strides = readonly number[] | null;

/** The strides of a dense, row-major tensor: `[2, 3, 4]` has `[12, 4, 1]`. @internal */
export function denseStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= Math.max(1, shape[i]!);
  }
  return strides;
}

/** Null where these strides are dense; those of dims of size 1 do not count, and nothing is dense. @internal */
export function asStrides(shape: Shape, strides: readonly number[]): Strides {
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] === 0) return null;
    if (shape[i] !== 1 && strides[i] !== stride) return strides;
    stride *= shape[i]!;
  }
  return null;
}

/** The last two dims are swapped, everything else is dense: matmul reads this as it lies. @internal */
export function isTurned(shape: Shape, strides: Strides): boolean {
  const last = shape.length - 1;
  if (strides === null || last < 1) return false;
  const [m, n] = [shape[last - 1]!, shape[last]!];
  if ((m !== 1 && strides[last - 1] !== 1) || (n !== 1 && strides[last] !== m)) return false;
  let stride = m * n;
  for (let i = last - 2; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== stride) return false;
    stride *= shape[i]!;
  }
  return true;
}

/**
 * The strides by which `to` shows the same elements in the same order, or undefined where only a copy can: neighbouring dims
 * that follow one another in memory are taken together, and each such run must be cut by the new sizes.
 * https://pytorch.org/docs/stable/generated/torch.Tensor.view.html
 * @internal
 */
export function viewedStrides(shape: Shape, strides: readonly number[], to: Shape): number[] | undefined {
  if (numel(shape) === 0) return denseStrides(to);
  const result = new Array<number>(to.length);
  let j = to.length - 1;
  let i = shape.length - 1;
  while (i >= 0) {
    const base = strides[i]!;
    let run = shape[i]!;
    while (i > 0 && (shape[i - 1] === 1 || strides[i - 1] === run * base)) run *= shape[--i]!;
    i--;
    let seen = 1;
    while (j >= 0 && (seen < run || to[j] === 1)) {
      result[j] = seen * base;
      seen *= to[j--]!;
    }
    if (seen !== run) return undefined;
  }
  for (; j >= 0; j--) {
    if (to[j] !== 1) return undefined;
    result[j] = 1;
  }
  return result;
}

/** No two of its elements lie in one place. Views are made by steps over distinct places, but for those of stride 0. @internal */
export const hasZeroStride = (shape: Shape, strides: Strides): boolean =>
  strides?.some((s, i) => s === 0 && shape[i]! > 1) ?? false;

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
