// Views and rearrangements. view, reshape, t and slices of the leading dim share storage; permute and expand copy.
import { fail } from "../core/error.ts";
import { apply, contiguous, launch, type Op } from "../core/op.ts";
import { numel, type Shape, sameShape, show } from "../core/shape.ts";
import { alias, type Tensor, viewOf } from "../core/tensor.ts";
import { like } from "./compose.ts";
import { sumTo } from "./reduce.ts";
import { broadcastStrides, dimension, walk } from "./strides.ts";

/** `shape` with its one -1 worked out. */
function resolve(op: string, x: Tensor, shape: Shape): Shape {
  const unknown = shape.indexOf(-1);
  let known = 1;
  for (let i = 0; i < shape.length; i++) {
    const n = shape[i]!;
    if (i === unknown) continue;
    if (!Number.isInteger(n) || n < 0)
      fail(op, `${show(x.shape)} as ${show(shape)}: sizes are non-negative integers, one may be -1`);
    known *= n;
  }
  const size = unknown < 0 ? 1 : known === 0 ? 0 : x.numel / known;
  if (known * size !== x.numel || !Number.isInteger(size)) {
    fail(op, `${show(x.shape)} as ${show(shape)}: ${x.numel} elements do not fill the shape`);
  }
  return unknown < 0 ? shape : shape.map((n) => (n === -1 ? size : n));
}

const View: Op<Shape> = {
  name: "view",
  forward: ([x], shape) => viewOf(x!, shape),
  vjp: (g, { inputs: [x] }) => [reshape(g, x!.shape)],
};

/**
 * The same elements in another shape, sharing storage; one size may be -1. A transposed view has no such view: see `reshape`.
 * https://pytorch.org/docs/stable/generated/torch.Tensor.view.html
 */
export function view(x: Tensor, shape: Shape): Tensor {
  const full = resolve("view", x, shape);
  if (x.transposed) {
    fail("view", `${show(x.shape)} as ${show(shape)}: a transposed view has no such view, use reshape(), which copies`);
  }
  return apply(View, [x], full);
}

/** As `view`, `[2, 6]` to `[3, -1]` gives `[3, 4]`; a transposed view is copied first. https://pytorch.org/docs/stable/generated/torch.reshape.html */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const full = resolve("reshape", x, shape);
  return apply(View, [contiguous(x)], full);
}

/**
 * Merges dims `startDim` to `endDim`, all by default: `[n, c, h, w]` from 1 on gives `[n, c h w]`.
 * https://pytorch.org/docs/stable/generated/torch.flatten.html
 */
export function flatten(x: Tensor, startDim = 0, endDim = -1): Tensor {
  const [from, to] = [dimension("flatten", startDim, x.shape), dimension("flatten", endDim, x.shape)];
  if (from > to) fail("flatten", `${show(x.shape)}: startDim ${startDim} lies behind endDim ${endDim}`);
  return reshape(x, [...x.shape.slice(0, from), numel(x.shape.slice(from, to + 1)), ...x.shape.slice(to + 1)]);
}

/**
 * Without the dims of size 1, or without `dim` where its size is 1: `[1, 3, 1]` gives `[3]`, with dim 0 `[3, 1]`. Shares storage.
 */
export function squeeze(x: Tensor, dim?: number): Tensor {
  const d = dim === undefined ? null : dimension("squeeze", dim, x.shape);
  return reshape(
    x,
    x.shape.filter((n, i) => !(n === 1 && (d === null || i === d))),
  );
}

/** With one more dim of size 1 at `dim`: `[3]` gives `[1, 3]` with 0, `[3, 1]` with 1 or -1. Shares storage. */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  const d = dimension("unsqueeze", dim, [...x.shape, 1]);
  return reshape(x, [...x.shape.slice(0, d), 1, ...x.shape.slice(d)]);
}

const T: Op = {
  name: "t",
  strided: true,
  forward([x]) {
    const shape = x!.shape.slice();
    const last = shape.length - 1;
    shape[last] = x!.shape[last - 1]!;
    shape[last - 1] = x!.shape[last]!;
    return viewOf(x!, shape, x!.offset, !x!.transposed);
  },
  vjp: (g) => [apply(T, [g], null)],
};

/** The transpose of a matrix, `[m, n]` to `[n, m]`: a view, which matmul absorbs. A vector or scalar stays as it is. */
export function t(x: Tensor): Tensor {
  if (x.ndim > 2) fail("t", `${show(x.shape)}: at most 2 dims are expected, use transpose()`);
  return x.ndim < 2 ? apply(View, [x], x.shape) : apply(T, [x], null);
}

/** Swaps two dims: `[2, 3, 4]` with 0 and 2 gives `[4, 3, 2]`. A view when they are the last two, else a copy (in PyTorch a view). */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
  const [p, q] = [dimension("transpose", dim0, x.shape), dimension("transpose", dim1, x.shape)];
  const [a, b] = [Math.min(p, q), Math.max(p, q)];
  if (a === b) return apply(View, [contiguous(x)], x.shape);
  if (b === x.ndim - 1 && a === x.ndim - 2) return apply(T, [x], null);
  const dims = x.shape.map((_, i) => (i === a ? b : i === b ? a : i));
  return rearranged("transpose", x, dims);
}

const Permute: Op<readonly number[]> = {
  name: "permute",
  forward([x], dims) {
    const y = like(
      x!,
      "permute",
      dims.map((d) => x!.shape[d]!),
    );
    const dense = denseStrides(x!.shape);
    const { extents, strides } = walk("permute", y.shape, [dims.map((d) => dense[d]!)]);
    launch("permute_f32", [y], [x!], extents, strides[0]!, "permute");
    return y;
  },
  vjp(g, { params: dims }) {
    const back = new Array<number>(dims.length);
    dims.forEach((d, i) => {
      back[d] = i;
    });
    return [apply(Permute, [g], back)];
  },
};

function denseStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i]!;
  }
  return strides;
}

function rearranged(name: string, x: Tensor, dims: readonly number[]): Tensor {
  const y = apply(Permute, [x], dims);
  y.copyOf = name;
  return y;
}

/**
 * Reorders dims: `[2, 3, 4]` with `[2, 0, 1]` gives `[4, 2, 3]`. A copy here, in PyTorch a view.
 * https://pytorch.org/docs/stable/generated/torch.permute.html
 */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  const order = dims.map((d) => dimension("permute", d, x.shape));
  if (order.length !== x.ndim || new Set(order).size !== order.length) {
    fail("permute", `${show(x.shape)}, dims [${dims}]: each dim must appear once`);
  }
  return rearranged("permute", x, order);
}

const Expand: Op<Shape> = {
  name: "expand",
  forward([x], shape) {
    const y = like(x!, "expand", shape);
    const { extents, strides } = walk("expand", shape, [broadcastStrides(x!.shape, shape)]);
    launch("permute_f32", [y], [x!], extents, strides[0]!, "expand");
    return y;
  },
  vjp: (g, { inputs: [x] }) => [sumTo(g, x!.shape)],
};

/**
 * Repeats dims of size 1: `[3, 1]` to `[2, 3, 4]`; -1 keeps a size. A copy here, in PyTorch a view.
 * https://pytorch.org/docs/stable/generated/torch.Tensor.expand.html
 */
export function expand(x: Tensor, shape: Shape): Tensor {
  const lead = shape.length - x.ndim;
  const full = shape.map((n, i) => (n === -1 && i >= lead ? x.shape[i - lead]! : n));
  let fits = lead >= 0;
  for (let i = 0; fits && i < full.length; i++) {
    const from = i < lead ? 1 : x.shape[i - lead]!;
    fits = Number.isInteger(full[i]) && full[i]! >= 0 && (from === 1 || from === full[i]);
  }
  if (!fits) fail("expand", `${show(x.shape)} to ${show(shape)}: sizes must be equal, or 1 in the source`);
  if (sameShape(full, x.shape)) return x;
  const y = apply(Expand, [x], full);
  y.copyOf = "expand";
  return y;
}

/**
 * Items `start` to `start + length` of `dim`: `[4, 3]` with dim 0, start 1 and length 2 gives `[2, 3]`. A negative start counts
 * from the end. Those of dim 0 share storage; of other dims they are a copy (in PyTorch a view).
 */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  const d = dimension("narrow", dim, x.shape);
  const size = x.shape[d] ?? 1;
  const from = start < 0 ? start + size : start;
  if (!Number.isInteger(start) || !Number.isInteger(length) || from < 0 || length < 0 || from + length > size) {
    fail("narrow", `${show(x.shape)}, dim ${dim}: start ${start} and length ${length} lie outside [0, ${size}]`);
  }
  if (d !== 0) {
    const order = [d, ...x.shape.map((_, i) => i).filter((i) => i !== d)];
    const back = x.shape.map((_, i) => order.indexOf(i));
    return rearranged("narrow", narrow(permute(x, order), 0, start, length), back);
  }
  return apply(Narrow, [x], { from, length });
}

const Narrow: Op<{ from: number; length: number }> = {
  name: "narrow",
  forward([x], { from, length }) {
    const row = numel(x!.shape.slice(1));
    return viewOf(x!, [length, ...x!.shape.slice(1)], x!.offset + from * row);
  },
  vjp: (g, { inputs: [x], params }) => [apply(NarrowVjp, [g], { ...params, shape: x!.shape })],
};

const NarrowVjp: Op<{ from: number; length: number; shape: Shape }> = {
  name: "narrowVjp",
  forward([g], { from, length, shape }) {
    const gx = like(g!, "narrow gradient", shape);
    launch("fill_f32", [gx], [], [gx.numel], [0], "narrow");
    const rows = alias(gx, [length, ...shape.slice(1)], from * numel(shape.slice(1)));
    launch("copy_f32", [rows], [g!], [rows.numel], undefined, "narrow");
    rows.release("narrow");
    return gx;
  },
  vjp: (gg, { params: { from, length } }) => [narrow(gg, 0, from, length)],
};

/**
 * Item `index` of `dim`, without that dim: `[4, 3]` with dim 0 gives `[3]`. A negative index counts from the end. Shares storage
 * for dim 0, else a copy.
 */
export function select(x: Tensor, dim: number, index: number): Tensor {
  const d = dimension("select", dim, x.shape);
  const size = x.shape[d] ?? 0;
  if (!Number.isInteger(index) || index < -size || index >= size) {
    fail("select", `${show(x.shape)}, dim ${dim}: index ${index} is outside [${-size}, ${size})`);
  }
  const y = narrow(x, d, index < 0 ? index + size : index, 1);
  return reshape(
    y,
    x.shape.filter((_, i) => i !== d),
  );
}
