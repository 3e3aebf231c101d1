// Views of other shapes and orders: they share storage, as in PyTorch. reshape and flatten copy where no view can.

import { fail, given } from "../core/error.ts";
import { asStrides, denseStrides } from "../core/layout.ts";
import { mode } from "../core/lifetime.ts";
import { alias } from "../core/make.ts";
import { apply, contiguous, type Op } from "../core/op.ts";
import { numel, type Shape, show } from "../core/shape.ts";
import { alive, stridesOf, type Tensor } from "../core/tensor.ts";
import { compose } from "./compose.ts";
import { expectList } from "./expect.ts";
import { dimension, viewedStrides } from "./strides.ts";

const UNDER_NO_GRAD =
  "a view was created in no_grad mode and is being modified inplace with grad mode enabled; take the view with gradients on, or clone() it";

/** A view of `x` with these strides, from element `offset` of the storage on, which may be `fixed`. @internal */
export function viewOf(
  x: Tensor,
  shape: Shape,
  strides: readonly number[],
  offset = x.offset,
  fixed: string | null = null,
): Tensor {
  const view = alias(x, shape, offset, asStrides(shape, strides));
  view.base = x.base ?? x;
  view.fixed = x.fixed ?? (mode.grad ? fixed : UNDER_NO_GRAD);
  view.rebases = view.fixed === null ? view.base.rebases : view.storage.version;
  return view;
}

/** `shape` with its one -1 worked out. */
function resolve(op: string, x: Tensor, shape: Shape): Shape {
  expectList(op, "shape", shape);
  const unknown = shape.indexOf(-1);
  let known = 1;
  for (let i = 0; i < shape.length; i++) {
    const n = shape[i]!;
    if (i === unknown) continue;
    if (!Number.isInteger(n) || n < 0)
      fail(op, `${show(x.shape)} as ${given(shape)}: sizes are non-negative integers, one may be -1`);
    known *= n;
  }
  const size = unknown < 0 ? 1 : known === 0 ? 0 : x.numel / known;
  if (known * size !== x.numel || !Number.isInteger(size)) {
    fail(op, `${show(x.shape)} as ${show(shape)}: ${x.numel} elements do not fill the shape`);
  }
  return unknown < 0 ? shape : shape.map((n) => (n === -1 ? size : n));
}

const View: Op<{ shape: Shape; strides: readonly number[] }> = {
  name: "view",
  strided: true,
  forward: ([x], { shape, strides }) => viewOf(x!, shape, strides),
  vjp: (g, { inputs: [x] }) => [() => reshape(g, x!.shape)],
};

/**
 * The same elements in another shape, sharing storage; one size may be -1. Refused where no strides can show them so, as of most
 * transposed tensors: see `reshape`. https://pytorch.org/docs/stable/generated/torch.Tensor.view.html
 */
export function view(x: Tensor, shape: Shape, ...none: []): Tensor {
  alive("view", x, none);
  const full = resolve("view", x, shape);
  const strides = viewedStrides(x.shape, stridesOf(x), full);
  if (strides === undefined) {
    fail(
      "view",
      `${show(x.shape)} as ${show(shape)}: at least one dimension spans across two subspaces of its strides [${stridesOf(x)}], use reshape(), which copies`,
    );
  }
  return apply(View, [x], { shape: full, strides });
}

/**
 * As `view`, `[2, 6]` to `[3, -1]` gives `[3, 4]`, but what has no such view is copied first.
 * https://pytorch.org/docs/stable/generated/torch.reshape.html
 */
export function reshape(x: Tensor, shape: Shape, ...none: []): Tensor {
  alive("reshape", x, none);
  const full = resolve("reshape", x, shape);
  const strides = viewedStrides(x.shape, stridesOf(x), full);
  if (strides !== undefined) return apply(View, [x], { shape: full, strides });
  return compose(() => apply(View, [contiguous(x)], { shape: full, strides: denseStrides(full) }));
}

/**
 * Merges dims `startDim` to `endDim`, all by default: `[n, c, h, w]` from 1 on gives `[n, c h w]`.
 * https://pytorch.org/docs/stable/generated/torch.flatten.html
 */
export function flatten(x: Tensor, startDim = 0, endDim = -1, ...none: []): Tensor {
  alive("flatten", x, none);
  const [from, to] = [dimension("flatten", startDim, x), dimension("flatten", endDim, x)];
  if (from > to) fail("flatten", `${show(x.shape)}: startDim ${startDim} lies behind endDim ${endDim}`);
  if (from === to && x.ndim > 0) return x;
  return reshape(x, [...x.shape.slice(0, from), numel(x.shape.slice(from, to + 1)), ...x.shape.slice(to + 1)]);
}

/**
 * Without the dims of size 1, or without `dim` where its size is 1: `[1, 3, 1]` gives `[3]`, with dim 0 `[3, 1]`. Shares storage.
 */
export function squeeze(x: Tensor, dim?: number, ...none: []): Tensor {
  alive("squeeze", x, none);
  const d = dim === undefined ? null : dimension("squeeze", dim, x);
  const stays = (i: number): boolean => !(x.shape[i] === 1 && (d === null || i === d));
  const strides = stridesOf(x).filter((_, i) => stays(i));
  return apply(View, [x], { shape: x.shape.filter((_, i) => stays(i)), strides });
}

/** With one more dim of size 1 at `dim`: `[3]` gives `[1, 3]` with 0, `[3, 1]` with 1 or -1. Shares storage. */
export function unsqueeze(x: Tensor, dim: number, ...none: []): Tensor {
  alive("unsqueeze", x, none);
  const rank = x.ndim + 1;
  if (!Number.isInteger(dim) || dim < -rank || dim >= rank)
    fail("unsqueeze", `${show(x.shape)}, dim ${given(dim)}: an integer from ${-rank} to ${rank - 1} is expected`);
  const d = dim < 0 ? dim + rank : dim;
  const all = stridesOf(x);
  const strides = [...all.slice(0, d), (x.shape[d] ?? 1) * (all[d] ?? 1), ...all.slice(d)];
  return apply(View, [x], { shape: [...x.shape.slice(0, d), 1, ...x.shape.slice(d)], strides });
}

const Permute: Op<readonly number[]> = {
  name: "permute",
  strided: true,
  forward([x], dims) {
    const strides = stridesOf(x!);
    return viewOf(
      x!,
      dims.map((d) => x!.shape[d]!),
      dims.map((d) => strides[d]!),
    );
  },
  vjp(g, { params: dims }) {
    const back = new Array<number>(dims.length);
    dims.forEach((d, i) => {
      back[d] = i;
    });
    return [() => apply(Permute, [g], back)];
  },
};

/** The transpose of a matrix, `[m, n]` to `[n, m]`: a view, which matmul absorbs. A vector or scalar stays as it is. */
export function t(x: Tensor, ...none: []): Tensor {
  alive("t", x, none);
  if (x.ndim > 2) fail("t", `${show(x.shape)}: at most 2 dims are expected, use transpose()`);
  return apply(Permute, [x], x.ndim < 2 ? x.shape.map((_, i) => i) : [1, 0]);
}

/** Swaps two dims: `[2, 3, 4]` with 0 and 2 gives `[4, 3, 2]`. A view. https://pytorch.org/docs/stable/generated/torch.transpose.html */
export function transpose(x: Tensor, dim0: number, dim1: number, ...none: []): Tensor {
  alive("transpose", x, none);
  const [a, b] = [dimension("transpose", dim0, x), dimension("transpose", dim1, x)];
  return apply(
    Permute,
    [x],
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
}

/**
 * Reorders dims: `[2, 3, 4]` with `[2, 0, 1]` gives `[4, 2, 3]`. A view.
 * https://pytorch.org/docs/stable/generated/torch.permute.html
 */
export function permute(x: Tensor, dims: readonly number[], ...none: []): Tensor {
  alive("permute", x, none);
  alive("permute", x);
  expectList("permute", "dims", dims);
  const order = dims.map((d) => dimension("permute", d, x));
  if (order.length !== x.ndim || new Set(order).size !== order.length) {
    fail("permute", `${show(x.shape)}, dims [${dims}]: each dim must appear once`);
  }
  return apply(Permute, [x], order);
}

/**
 * Moves the dims at `source` to the places `destination`, the others stay in order: `[2, 3, 4]` with 0 and 2 gives `[3, 4, 2]`. A
 * view. https://pytorch.org/docs/stable/generated/torch.movedim.html
 */
export function movedim(
  x: Tensor,
  source: number | readonly number[],
  destination: number | readonly number[],
  ...none: []
): Tensor {
  alive("movedim", x, none);
  const list = (v: number | readonly number[]): number[] =>
    (Array.isArray(v) ? v : [v]).map((d) => dimension("movedim", d, x));
  const [from, to] = [list(source), list(destination)];
  if (from.length !== to.length || new Set(from).size !== from.length || new Set(to).size !== to.length) {
    fail("movedim", `${show(x.shape)}, source [${from}], destination [${to}]: as many different dims are expected`);
  }
  const rest = x.shape.map((_, i) => i).filter((i) => !from.includes(i));
  const order = x.shape.map((_, i) => (to.includes(i) ? from[to.indexOf(i)]! : rest.shift()!));
  return apply(Permute, [x], order);
}

/** True where its elements lie row by row, without gaps. https://pytorch.org/docs/stable/generated/torch.Tensor.is_contiguous.html @internal */
export function isContiguous(x: Tensor, ...none: []): boolean {
  alive("isContiguous", x, none);
  return x.strides === null;
}

/** Steps in the storage from one item of each dim to the next, in elements; of one dim, where it is given. @internal */
export function stride(x: Tensor): number[];
/** @internal */
export function stride(x: Tensor, dim: number): number;
export function stride(x: Tensor, dim?: number, ...none: []): number | number[] {
  alive("stride", x, none);
  const all = stridesOf(x);
  return dim === undefined ? [...all] : all[dimension("stride", dim, x)]!;
}

/** Where its first element lies in the storage, in elements. @internal */
export function storageOffset(x: Tensor, ...none: []): number {
  alive("storageOffset", x, none);
  return x.offset;
}
