// How a tensor lies in its storage, by strides in elements: 0 where a dim is expanded, null for those of a dense, row-major tensor.
import type { Shape } from "./shape.ts";

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
  if (shape.includes(0)) return null;
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
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
