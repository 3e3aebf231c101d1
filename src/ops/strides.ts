// Dims, and strides: of what broadcasts, and of views in other shapes.
import { fail, given } from "../core/error.ts";
import { denseStrides, type Strides } from "../core/layout.ts";
import { numel, type Shape, sameShape, show } from "../core/shape.ts";
import { alive, stridesOf, type Tensor } from "../core/tensor.ts";
import { notOptions } from "../hints.ts";

/** `dim` counted from the front; negative ones count from the end, as in PyTorch. @internal */
export function dimension(op: string, dim: number, x: Tensor): number {
  alive(op, x);
  const { shape } = x;
  const rank = Math.max(1, shape.length);
  if (!Number.isInteger(dim)) {
    fail(
      op,
      `${show(shape)}, dim ${given(dim)}: an integer from ${-rank} to ${rank - 1} is expected${notOptions(dim)}`,
    );
  }
  if (dim < -rank || dim >= rank) {
    fail(op, `${show(shape)}: dim ${dim} is out of range, expected ${-rank} to ${rank - 1}`);
  }
  return dim < 0 ? dim + rank : dim;
}

/** Throws where a write to `x` would write an element more than once. @internal */
export function expectSingle(op: string, x: Tensor): void {
  if (!hasZeroStride(x.shape, x.strides)) return;
  fail(
    op,
    `${show(x.shape)}: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation.`,
  );
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

/** The strides of `x`, zero where it is broadcast to `out`; aligned at the end. @internal */
export function broadcastStrides(x: Tensor, out: Shape): number[] {
  const strides = new Array<number>(out.length).fill(0);
  const own = stridesOf(x);
  const lead = out.length - x.ndim;
  for (let i = 0; i < x.ndim; i++) if (x.shape[i] !== 1) strides[lead + i] = own[i]!;
  return strides;
}

/**
 * Where each operand is one element or lies as `out` does: the strides of `walk`, for one loop over all elements. Null where an
 * operand lies in another way.
 * @internal
 */
export function oneLoop(operands: readonly Tensor[], out: Tensor): readonly number[] | null {
  let which = 0;
  for (let i = 0; i < operands.length; i++) {
    const s = step(operands[i]!, out);
    if (s < 0) return null;
    which |= s << i;
  }
  return LOOPS[operands.length]![which]!;
}

/** How far an operand goes an element of the output: 0 where it is one element, 1 where it lies as the output does, else -1. */
function step(x: Tensor, out: Tensor): -1 | 0 | 1 {
  if (x.numel === 1) return 0;
  if (x.strides === null) return sameShape(x.shape, out.shape) ? 1 : -1;
  for (let i = 0; i < x.ndim; i++) if (x.strides[i] !== 0 && x.shape[i] !== 1) return -1;
  return 0;
}

/** By the number of operands, then by a bit for each that goes on. */
const LOOPS = [0, 1, 2, 3].map((operands) =>
  Array.from({ length: 1 << operands }, (_, which) =>
    Array.from({ length: operands }, (_, i) => [0, 0, 0, 0, 0, (which >> i) & 1]).flat(),
  ),
);

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

/** Its elements fill a run of memory, in any order of dims. @internal */
export function withoutGaps(shape: Shape, strides: readonly number[]): boolean {
  const dims = strides.map((s, i) => [s, shape[i]!] as const).filter(([, n]) => n !== 1);
  let stride = 1;
  for (const [s, n] of dims.sort((a, b) => a[0] - b[0])) {
    if (s !== stride) return false;
    stride *= n;
  }
  return true;
}

/**
 * Two loops, outer and inner, that walk `shape` by all of these strides: sizes, and the two steps of each list in turn; null where it
 * takes more. Neighbouring dims that every list walks as one are one. @internal
 */
export function twoLoops(
  shape: Shape,
  lists: readonly (readonly number[])[],
): { sizes: [number, number]; steps: number[] } | null {
  const sizes: [number, number] = [1, 1];
  const steps = new Array<number>(2 * lists.length).fill(0);
  let at = 2;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i]!;
    if (size === 1) continue;
    if (at < 2 && lists.every((s, j) => s[i] === steps[2 * j + at]! * sizes[at]!)) sizes[at]! *= size;
    else {
      if (--at < 0) return null;
      sizes[at] = size;
      for (let j = 0; j < lists.length; j++) steps[2 * j + at] = lists[j]![i]!;
    }
  }
  return { sizes, steps };
}
