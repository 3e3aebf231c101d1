// Shape arithmetic. Shapes are plain arrays of non-negative integers; `[]` is a scalar.
import { fail } from "./error.ts";

export type Shape = readonly number[];

export const show = (shape: Shape): string => `[${shape.join(",")}]`;

export function numel(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i]!;
  return n;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Throws unless every size is a non-negative integer. */
export function checkShape(op: string, shape: Shape): void {
  if (!Array.isArray(shape)) fail(op, `shape ${String(shape)}: an array of sizes is expected`);
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0) fail(op, `shape ${show(shape)}: sizes must be non-negative integers`);
  }
}
