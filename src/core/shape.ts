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

/** `dim` counted from the front; negative ones count from the end, as in PyTorch. */
export function dimension(op: string, dim: number, shape: Shape): number {
  const rank = Math.max(1, shape.length);
  if (!Number.isInteger(dim) || dim < -rank || dim >= rank) {
    fail(op, `${show(shape)}: dim ${dim} is out of range, expected ${-rank} to ${rank - 1}`);
  }
  return dim < 0 ? dim + rank : dim;
}

/** The shape that `a` and `b` broadcast to (https://pytorch.org/docs/stable/notes/broadcasting.html). */
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
