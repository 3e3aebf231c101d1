// Views: tensors over another's storage, which see its writes and it theirs, in gradients too.
//
// A base and its views share one history. What a base is to autograd stands in its entry; a write to a view gives the base a
// new one (write.ts), and each view makes its entry anew from the base's when it is next read.
//
// After `v = y.select(1, 1)` of a dense y [2, 3], `v.mul_(3)` gives y the entry `copySlices`: mul_ at the place { shape [2], strides
// [3], offset 1 }, with the y of before as its input. Backward multiplies the gradient by 3 at that place alone. v's own entry is
// from then on `asStrided`, that place of the new y: what reads v differentiates through the write.

import { fail } from "../core/error.ts";
import { asStrides, denseStrides } from "../core/layout.ts";
import { mode } from "../core/lifetime.ts";
import { alias } from "../core/make.ts";
import { apply, contiguous, type Gradient, launch, type Making, type Op, record } from "../core/op.ts";
import { type Shape, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { COPY, SCATTER } from "../row/movers.ts";
import { shifted, walk } from "../row/nest.ts";
import { like } from "./compose.ts";
import { sum } from "./reduce.ts";
import { viewOf } from "./shape.ts";
import { hasZeroStride } from "./strides.ts";

/** Where a view's elements lie among those of a dense tensor. @internal */
export interface Place {
  readonly shape: Shape;
  readonly strides: readonly number[];
  /** From the first element on. */
  readonly offset: number;
  /**
   * Of a view whose base does not lie dense: how the base lies in a run of memory, among whose elements the view's then are. Null
   * where the base is that run.
   */
  readonly memory: { readonly shape: Shape; readonly strides: readonly number[]; readonly extent: number } | null;
}

/** Copies the dense `x` to `y`, which may lie strided, or adds it to what is there. @internal */
export function writeStrided(op: string, y: Tensor, x: Tensor, add = false): void {
  const { width } = y.storage;
  if (y.strides === null) launch(add ? "add_f32" : COPY[width]!, [y], add ? [y, x] : [x], [y.numel], undefined, op);
  else
    for (let n = walk(op, y.shape, [y.strides]); n !== null; n = n.next) {
      const [to, from] = [shifted(y, n.from[0]!), shifted(x, n.start)];
      if (add) launch("scatter_add_f32", [to], [to, from], n.extents, n.strides[0]!, op);
      else launch(SCATTER[width]!, [to], [from], n.extents, n.strides[0]!, op);
    }
}

/** The part of `x`, made dense where it is not, at a place. @internal */
export const part = (x: Tensor, place: Place): Tensor => apply(Part, [contiguous(x)], { ...place, memory: null });

/** What has a base's shape as the run of memory in which that lies, and back. @internal */
export function toMemory(x: Tensor, { memory }: Place): Tensor {
  return memory === null ? x : spread(x, { ...memory, offset: 0, memory: null }, [memory.extent]);
}
/** @internal */
export const fromMemory = (x: Tensor, { memory }: Place): Tensor =>
  memory === null ? x : part(x, { ...memory, offset: 0, memory: null });

/** The part at a place of what has the base's shape. @internal */
export const partOf = (x: Tensor, place: Place): Tensor => part(toMemory(x, place), place);

/** A view of its base, by the places of memory. @internal */
export const Part: Op<Place> = {
  name: "asStrided",
  strided: true,
  forward: ([x], { shape, strides, offset }) => viewOf(x!, shape, strides, x!.offset + offset),
  vjp: (g, { inputs: [x], params }) => [
    params.memory === null
      ? partGradient(g, params, x!.shape)
      : () => fromMemory(spread(g, params, [params.memory!.extent]), params),
  ],
};

/** Zeros of `shape`, with `g` at the place. What lies in one place there is added up. @internal */
export function spread(g: Tensor, place: Place, shape: Shape): Tensor {
  const once = place.strides.map((s, i) => (s === 0 && place.shape[i]! > 1 ? i : -1)).filter((i) => i >= 0);
  if (once.length === 0) return apply(Spread, [g], { place, shape });
  const size = place.shape.map((n, i) => (once.includes(i) ? 1 : n));
  return apply(Spread, [sum(g, { dim: once, keepdim: true })], { place: { ...place, shape: size }, shape });
}

/** The gradient of an input of this shape, from that of its part at a place. @internal */
export function partGradient(g: Tensor, place: Place, shape: Shape): Gradient {
  const made: Making = () => spread(g, place, shape);
  if (!hasZeroStride(place.shape, place.strides)) {
    made.into = (whole) => {
      const at = alias(whole, place.shape, place.offset, asStrides(place.shape, place.strides));
      writeStrided("asStrided", at, contiguous(g), true);
      at.release("asStrided");
    };
  }
  return made;
}

const Spread: Op<{ place: Place; shape: Shape }> = {
  name: "asStridedVjp",
  forward([g], { place, shape }) {
    const gx = like(g!, "gradient of a view", shape);
    launch("fill_f32", [gx], [], [gx.numel], [0], "asStrided");
    const at = alias(gx, place.shape, place.offset, asStrides(place.shape, place.strides));
    writeStrided("asStrided", at, g!);
    at.release("asStrided");
    return gx;
  },
  vjp: (gg, { params: { place } }) => [() => part(gg, place)],
};

/** Where a view lies in its base. @internal */
export function placeOf(view: Tensor): Place {
  const base = view.base!;
  const { shape, strides } = base;
  const extent = strides === null ? 0 : strides.reduce((n, s, i) => n + s * (shape[i]! - 1), 1);
  return {
    shape: view.shape,
    strides: view.strides ?? denseStrides(view.shape),
    offset: view.offset - base.offset,
    memory: strides === null ? null : { shape, strides, extent },
  };
}

mode.refresh = (view) => {
  const base = view.base!;
  if (base.rebases === view.rebases) return;
  if (view.fixed !== null) return; // it stays behind
  view.rebases = base.rebases;
  record(Part as Op, [base], placeOf(view), [], view, [], 1);
};

// One of several views, or one made under noGrad, is refused behind any write to what has a gradient, as in PyTorch; not where
// nothing is recorded.
mode.current = (op, view) => {
  if (view.storage.version !== view.rebases && view.base!.requiresGrad)
    fail(op, `${show(view.shape)} is a view whose base has been modified in place since: ${view.fixed}`);
};
