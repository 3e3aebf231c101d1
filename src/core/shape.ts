// Shape arithmetic. Shapes are plain arrays of non-negative integers; `[]` is a scalar.
/** Sizes of a tensor's dims, such as `[64, 1, 28, 28]`: non-negative integers. `[]` is a scalar. */
export type Shape = readonly number[];

/** @internal */
export const show = (shape: Shape): string => `[${shape.join(",")}]`;

/** @internal */
export function numel(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i]!;
  return n;
}

/** @internal */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
