// Views of other shapes and orders, and of parts: they share storage, as in PyTorch. reshape and flatten copy where no view can.
import { fail } from "../core/error.ts";
import { denseStrides } from "../core/layout.ts";
import { apply, contiguous, type Op } from "../core/op.ts";
import { numel, type Shape, show } from "../core/shape.ts";
import { alive, stridesOf, type Tensor } from "../core/tensor.ts";
import { compose } from "./compose.ts";
import { sumTo } from "./reduce.ts";
import { dimension, viewedStrides } from "./strides.ts";
import { type Place, partGradient, viewOf } from "./views.ts";

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
export function view(x: Tensor, shape: Shape): Tensor {
  alive("view", x);
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
export function reshape(x: Tensor, shape: Shape): Tensor {
  alive("reshape", x);
  const full = resolve("reshape", x, shape);
  const strides = viewedStrides(x.shape, stridesOf(x), full);
  if (strides !== undefined) return apply(View, [x], { shape: full, strides });
  return compose(() => apply(View, [contiguous(x)], { shape: full, strides: denseStrides(full) }));
}

/**
 * Merges dims `startDim` to `endDim`, all by default: `[n, c, h, w]` from 1 on gives `[n, c h w]`.
 * https://pytorch.org/docs/stable/generated/torch.flatten.html
 */
export function flatten(x: Tensor, startDim = 0, endDim = -1): Tensor {
  alive("flatten", x);
  const [from, to] = [dimension("flatten", startDim, x.shape), dimension("flatten", endDim, x.shape)];
  if (from > to) fail("flatten", `${show(x.shape)}: startDim ${startDim} lies behind endDim ${endDim}`);
  if (from === to && x.ndim > 0) return x;
  return reshape(x, [...x.shape.slice(0, from), numel(x.shape.slice(from, to + 1)), ...x.shape.slice(to + 1)]);
}

/**
 * Without the dims of size 1, or without `dim` where its size is 1: `[1, 3, 1]` gives `[3]`, with dim 0 `[3, 1]`. Shares storage.
 */
export function squeeze(x: Tensor, dim?: number): Tensor {
  alive("squeeze", x);
  const d = dim === undefined ? null : dimension("squeeze", dim, x.shape);
  const stays = (i: number): boolean => !(x.shape[i] === 1 && (d === null || i === d));
  const strides = stridesOf(x).filter((_, i) => stays(i));
  return apply(View, [x], { shape: x.shape.filter((_, i) => stays(i)), strides });
}

/** With one more dim of size 1 at `dim`: `[3]` gives `[1, 3]` with 0, `[3, 1]` with 1 or -1. Shares storage. */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  alive("unsqueeze", x);
  const rank = x.ndim + 1;
  if (!Number.isInteger(dim) || dim < -rank || dim >= rank)
    fail(
      "unsqueeze",
      `${show(x.shape)}, dim ${typeof dim === "number" ? dim : `of type ${typeof dim}`}: an integer from ${-rank} to ${rank - 1} is expected`,
    );
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
export function t(x: Tensor): Tensor {
  alive("t", x);
  if (x.ndim > 2) fail("t", `${show(x.shape)}: at most 2 dims are expected, use transpose()`);
  return apply(Permute, [x], x.ndim < 2 ? x.shape.map((_, i) => i) : [1, 0]);
}

/** Swaps two dims: `[2, 3, 4]` with 0 and 2 gives `[4, 3, 2]`. A view. https://pytorch.org/docs/stable/generated/torch.transpose.html */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
  alive("transpose", x);
  const [a, b] = [dimension("transpose", dim0, x.shape), dimension("transpose", dim1, x.shape)];
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
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  alive("permute", x);
  const order = dims.map((d) => dimension("permute", d, x.shape));
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
): Tensor {
  alive("movedim", x);
  const list = (v: number | readonly number[]): number[] =>
    (Array.isArray(v) ? v : [v]).map((d) => dimension("movedim", d, x.shape));
  const [from, to] = [list(source), list(destination)];
  if (from.length !== to.length || new Set(from).size !== from.length || new Set(to).size !== to.length) {
    fail("movedim", `${show(x.shape)}, source [${from}], destination [${to}]: as many different dims are expected`);
  }
  const rest = x.shape.map((_, i) => i).filter((i) => !from.includes(i));
  const order = x.shape.map((_, i) => (to.includes(i) ? from[to.indexOf(i)]! : rest.shift()!));
  return apply(Permute, [x], order);
}

const Expand: Op<Shape> = {
  name: "expand",
  strided: true,
  forward([x], shape) {
    const lead = shape.length - x!.ndim;
    const own = stridesOf(x!);
    const strides = shape.map((n, i) => (i < lead || (x!.shape[i - lead] === 1 && n !== 1) ? 0 : own[i - lead]!));
    return viewOf(x!, shape, strides);
  },
  vjp: (g, { inputs: [x] }) => [() => sumTo(g, x!.shape)],
};

/**
 * Repeats dims of size 1: `[3, 1]` to `[2, 3, 4]`; -1 keeps a size. A view, which nothing but `fill_` and `zero_` may write to.
 * https://pytorch.org/docs/stable/generated/torch.Tensor.expand.html
 */
export function expand(x: Tensor, shape: Shape): Tensor {
  alive("expand", x);
  const lead = shape.length - x.ndim;
  const full = shape.map((n, i) => (n === -1 && i >= lead ? x.shape[i - lead]! : n));
  let fits = lead >= 0;
  for (let i = 0; fits && i < full.length; i++) {
    const from = i < lead ? 1 : x.shape[i - lead]!;
    fits = Number.isInteger(full[i]) && full[i]! >= 0 && (from === 1 || from === full[i]);
  }
  if (!fits) fail("expand", `${show(x.shape)} to ${show(shape)}: sizes must be equal, or 1 in the source`);
  return apply(Expand, [x], full);
}

/** Some elements, at equal steps: where they lie as seen from the input, and where they would lie in a dense one. */
const Slice: Op<{ readonly here: Place; readonly dense: Place; readonly fixed: string | null }> = {
  name: "slice",
  strided: true,
  forward([x], { here, fixed }) {
    return viewOf(x!, here.shape, here.strides, x!.offset + here.offset, fixed);
  },
  vjp: (g, { inputs: [x], params }) => [partGradient(g, params.dense, x!.shape)],
};

/** `cut` gives the place for the strides of a tensor of this shape. */
function slicing(x: Tensor, cut: (strides: readonly number[]) => Place, fixed: string | null = null): Tensor {
  const dense = cut(denseStrides(x.shape));
  return apply(Slice, [x], { here: x.strides === null ? dense : cut(x.strides), dense, fixed });
}

const cutting =
  (shape: Shape, d: number, start: number, length: number, step: number) =>
  (strides: readonly number[]): Place => ({
    shape: shape.map((n, i) => (i === d ? length : n)),
    strides: strides.map((s, i) => (i === d ? s * step : s)),
    offset: start * (strides[d] ?? 0),
    memory: null,
  });

function narrowed(x: Tensor, d: number, start: number, length: number, fixed: string | null = null): Tensor {
  return slicing(x, cutting(x.shape, d, start, length, 1), fixed);
}

/**
 * Items `start` to `start + length` of `dim`: `[4, 3]` with dim 0, start 1 and length 2 gives `[2, 3]`. A negative start counts
 * from the end. A view. https://pytorch.org/docs/stable/generated/torch.narrow.html
 */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  alive("narrow", x);
  const d = dimension("narrow", dim, x.shape);
  const size = x.shape[d] ?? 1;
  const from = start < 0 ? start + size : start;
  if (!Number.isInteger(start) || !Number.isInteger(length) || from < 0 || length < 0 || from + length > size) {
    fail("narrow", `${show(x.shape)}, dim ${dim}: start ${start} and length ${length} lie outside [0, ${size}]`);
  }
  return narrowed(x, d, from, length);
}

/**
 * Items `start` to but without `end` of `dim`, every `step`-th: as `x[start:end:step]` in Python, where negative numbers count
 * from the end, null leaves a bound out, and what lies outside is cut. `[5, 3]` with dim 0, 1, null and step 2 gives `[2, 3]`. A
 * view.
 */
export function slice(
  x: Tensor,
  dim: number,
  start: number | null = null,
  end: number | null = null,
  step = 1,
): Tensor {
  alive("slice", x);
  const d = dimension("slice", dim, x.shape);
  const size = x.shape[d];
  if (size === undefined) fail("slice", `${show(x.shape)}: at least one dim is expected`);
  if (!Number.isInteger(step) || step < 1)
    fail("slice", `${show(x.shape)}, step ${step}: a positive integer is expected`);
  const bound = (v: number | null, absent: number): number => {
    if (v !== null && !Number.isInteger(v))
      fail("slice", `${show(x.shape)}, bound ${v}: an integer or null is expected`);
    const at = v ?? absent;
    return Math.min(size, Math.max(0, at < 0 ? at + size : at));
  };
  const from = bound(start, 0);
  const length = Math.max(0, Math.ceil((bound(end, size) - from) / step));
  return slicing(x, cutting(x.shape, d, from, length, step));
}

/** Item `index` of `dim`, without that dim: `[4, 3]` with dim 0 gives `[3]`. A negative index counts from the end. A view. */
export function select(x: Tensor, dim: number, index: number): Tensor {
  alive("select", x);
  const d = dimension("select", dim, x.shape);
  const size = x.shape[d] ?? 0;
  if (!Number.isInteger(index) || index < -size || index >= size) {
    fail("select", `${show(x.shape)}, dim ${dim}: index ${index} is outside [${-size}, ${size})`);
  }
  return selected(x, d, index < 0 ? index + size : index, null);
}

const selected = (x: Tensor, d: number, index: number, fixed: string | null): Tensor =>
  slicing(
    x,
    (strides) => ({
      shape: x.shape.filter((_, i) => i !== d),
      strides: strides.filter((_, i) => i !== d),
      offset: index * strides[d]!,
      memory: null,
    }),
    fixed,
  );

/**
 * The diagonal of `dim1` and `dim2` (0 and 1 by default), as a last dim: `[3, 4]` gives `[3]`. A positive `offset` lies above the
 * main one, a negative one below. A view. https://pytorch.org/docs/stable/generated/torch.diagonal.html
 */
export function diagonal(x: Tensor, offset = 0, dim1 = 0, dim2 = 1): Tensor {
  alive("diagonal", x);
  const [a, b] = [dimension("diagonal", dim1, x.shape), dimension("diagonal", dim2, x.shape)];
  if (a === b || x.ndim < 2)
    fail("diagonal", `${show(x.shape)}, dims ${dim1} and ${dim2}: two different dims are expected`);
  if (!Number.isInteger(offset)) fail("diagonal", `${show(x.shape)}, offset ${offset}: an integer is expected`);
  const [m, n] = [x.shape[a]!, x.shape[b]!];
  const length = Math.max(0, offset >= 0 ? Math.min(m, n - offset) : Math.min(m + offset, n));
  return slicing(x, (strides) => ({
    shape: [...x.shape.filter((_, i) => i !== a && i !== b), length],
    strides: [...strides.filter((_, i) => i !== a && i !== b), strides[a]! + strides[b]!],
    offset: length === 0 ? 0 : offset >= 0 ? offset * strides[b]! : -offset * strides[a]!,
    memory: null,
  }));
}

const ONE_OF_SEVERAL =
  "a view that is the output of a function that returns multiple views is modified in place: this is refused; use narrow() or select(), or clone() it";

/** Its items along `dim` (0 by default), without that dim: `[2, 3]` gives two of `[3]`. Views, which may not be written where gradients are recorded. */
export function unbind(x: Tensor, dim = 0): Tensor[] {
  alive("unbind", x);
  const d = dimension("unbind", dim, x.shape);
  if (x.ndim === 0) fail("unbind", `${show(x.shape)}: at least one dim is expected`);
  return Array.from({ length: x.shape[d]! }, (_, i) => selected(x, d, i, ONE_OF_SEVERAL));
}

/**
 * Parts of `dim` (0 by default), of a size, of which the last may be smaller, or of the sizes given: `[5, 3]` by 2 gives
 * `[2, 3]`, `[2, 3]` and `[1, 3]`. Views, which may not be written where gradients are recorded.
 * https://pytorch.org/docs/stable/generated/torch.split.html
 */
export function split(x: Tensor, size: number | readonly number[], dim = 0): Tensor[] {
  alive("split", x);
  const d = dimension("split", dim, x.shape);
  const n = x.shape[d];
  if (n === undefined) fail("split", `${show(x.shape)}: at least one dim is expected`);
  let sizes: readonly number[];
  if (typeof size === "number") {
    if (!Number.isInteger(size) || size < 0 || (size === 0 && n !== 0)) {
      fail("split", `${show(x.shape)}, size ${size}: a positive integer is expected`);
    }
    sizes = n === 0 ? [0] : Array.from({ length: Math.ceil(n / size) }, (_, i) => Math.min(size, n - i * size));
  } else {
    if (!Array.isArray(size))
      fail(
        "split",
        `${show(x.shape)}, size of type ${typeof size}: a positive integer or an array of sizes is expected`,
      );
    sizes = size;
  }
  const total = sizes.reduce((a, b) => a + b, 0);
  if (total !== n || !sizes.every((s) => Number.isInteger(s) && s >= 0)) {
    fail("split", `${show(x.shape)}, sizes [${sizes}]: sizes whose sum is ${n} are expected`);
  }
  let from = 0;
  return sizes.map((length) => {
    const y = narrowed(x, d, from, length, ONE_OF_SEVERAL);
    from += length;
    return y;
  });
}

/**
 * At most `chunks` parts of `dim` (0 by default), of equal size but for the last: `[5, 3]` in 2 gives `[3, 3]` and `[2, 3]`. Views,
 * as of `split`. https://pytorch.org/docs/stable/generated/torch.chunk.html
 */
export function chunk(x: Tensor, chunks: number, dim = 0): Tensor[] {
  alive("chunk", x);
  const d = dimension("chunk", dim, x.shape);
  if (!Number.isInteger(chunks) || chunks < 1)
    fail("chunk", `${show(x.shape)}, chunks ${chunks}: a positive integer is expected`);
  const n = x.shape[d];
  if (n === undefined) fail("chunk", `${show(x.shape)}: at least one dim is expected`);
  return split(x, n === 0 ? Array.from({ length: chunks }, () => 0) : Math.ceil(n / chunks), d);
}

/** True where its elements lie row by row, without gaps. https://pytorch.org/docs/stable/generated/torch.Tensor.is_contiguous.html @internal */
export function isContiguous(x: Tensor): boolean {
  alive("isContiguous", x);
  return x.strides === null;
}

/** Steps in the storage from one item of each dim to the next, in elements; of one dim, where it is given. @internal */
export function stride(x: Tensor): number[];
/** @internal */
export function stride(x: Tensor, dim: number): number;
export function stride(x: Tensor, dim?: number): number | number[] {
  alive("stride", x);
  const all = stridesOf(x);
  return dim === undefined ? [...all] : all[dimension("stride", dim, x.shape)]!;
}

/** Where its first element lies in the storage, in elements. @internal */
export function storageOffset(x: Tensor): number {
  alive("storageOffset", x);
  return x.offset;
}
