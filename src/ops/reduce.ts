// Sums over all, one or several dims, and expand: each is the gradient of the other. A dim is seen as [outer, n, inner].

import { isFloat, suffix } from "../core/dtype.ts";
import { expectFlag, expectOptions, fail, given } from "../core/error.ts";
import { empty } from "../core/make.ts";
import { apply, launch, type Op, readStrided } from "../core/op.ts";
import { type Shape, sameShape, show } from "../core/shape.ts";
import { alive, stridesOf, type Tensor } from "../core/tensor.ts";
import { FLOATS } from "../row/movers.ts";
import { done } from "./compose.ts";
import { expectList } from "./expect.ts";
import { reshape, viewOf } from "./shape.ts";
import { dimension } from "./strides.ts";

/** Options of functions that reduce dims. */
export interface ReduceOptions {
  /** The dim or dims to reduce, negative ones from the end; all when left out or empty. */
  dim?: number | readonly number[];
  /** Keep reduced dims with size 1; false by default. */
  keepdim?: boolean;
}

/** Sums over fewer outputs than this and more terms than CHUNK go in two rows, so that threads can share them. */
const FEW_OUTPUTS = 64;
const CHUNK = 4096;

/** What a reduction does, as its op gets it. @internal */
export interface Reducing {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
  /** The sum of float16 is float32. */
  readonly wide: boolean;
}

/** The dim or dims to reduce, negative ones from the end, or options; all dims when left out or empty. */
export type Over = number | readonly number[] | ReduceOptions;

/** Checks the arguments of a reduction: `(1, true)`, as in PyTorch, or options. @internal */
export function reducing(
  op: string,
  x: Tensor,
  over?: Over,
  keep?: boolean,
  none?: readonly [],
  wide = false,
): Reducing {
  alive(op, x, none);
  let dim = over as ReduceOptions["dim"];
  let keepdim = keep;
  if (over !== undefined && typeof over !== "number" && !Array.isArray(over)) {
    expectOptions(op, over, "dim keepdim?");
    ({ dim, keepdim = keep } = over as ReduceOptions);
  }
  keepdim ??= false;
  expectFlag(op, "keepdim", keepdim);
  if (dim === undefined || (Array.isArray(dim) && dim.length === 0))
    return { dims: x.shape.map((_, i) => i), keepdim, wide };
  const dims = (Array.isArray(dim) ? dim : [dim]).map((d) => dimension(op, d, x));
  if (new Set(dims).size !== dims.length) fail(op, `${show(x.shape)}, dim [${dims}]: a dim appears twice`);
  return { dims: dims.sort((a, b) => a - b), keepdim, wide };
}

/** The shape after reducing: without the dims, or with size 1 there. @internal */
export function reducedShape(shape: Shape, dims: readonly number[], keepdim: boolean): Shape {
  return keepdim ? shape.map((n, i) => (dims.includes(i) ? 1 : n)) : shape.filter((_, i) => !dims.includes(i));
}

/** The product of the sizes `from` to but without `to`. @internal */
export function product(shape: Shape, from: number, to: number): number {
  let n = 1;
  for (let i = from; i < to && i < shape.length; i++) n *= shape[i]!;
  return n;
}

/** Launches the sum of x seen as [outer, n, inner] into y. @internal */
export function launchSum(x: Tensor, y: Tensor, outer: number, n: number, inner: number, op: string): void {
  const kind = suffix(x.dtype);
  if (kind === "f32" && outer * inner < FEW_OUTPUTS && n > 2 * CHUNK) {
    const chunks = Math.ceil(n / CHUNK);
    const partial = empty([outer, chunks, inner], "float32", op, x.device);
    launch("sum_chunk_f32", [partial], [x], [outer, n, inner, chunks], [CHUNK], op);
    launch("sum_f32", [y], [partial], [outer, chunks, inner], undefined, op);
    done(partial);
  } else launch(kind === "f32" ? "sum_f32" : "sum_i32", [y], [x], [outer, n, inner], undefined, op);
}

/** @internal */
export const Sum: Op<Reducing> = {
  name: "sum",
  forward([x], { dims, keepdim, wide }) {
    const dtype = isFloat(x!.dtype) ? "float32" : "int32";
    const y = empty(
      reducedShape(x!.shape, dims, keepdim),
      wide || dtype === "int32" ? dtype : x!.dtype,
      "sum",
      x!.device,
    );
    // Runs of neighbouring dims are summed one after the other, from the last.
    let source = x!;
    let inner = 1;
    let behind = x!.ndim;
    if (dims.length === 0) {
      if (y.storage.width === x!.storage.width) readStrided("sum", y, x!);
      else launch(FLOATS[y.storage.width]!, [y], [x!], [x!.numel], undefined, "sum");
    }
    for (let left = dims.length; left > 0; ) {
      const to = dims[--left]! + 1;
      let from = to - 1;
      while (left > 0 && dims[left - 1] === from - 1) from = dims[--left]!;
      inner *= product(x!.shape, to, behind);
      behind = from;
      const outer = product(x!.shape, 0, from);
      const next = left === 0 ? y : empty([outer, inner], dtype, "sum", x!.device);
      launchSum(source, next, outer, product(x!.shape, from, to), inner, "sum");
      if (source !== x) done(source);
      source = next;
    }
    return y;
  },
  vjp(g, { inputs: [x], params: { dims, keepdim } }) {
    const fits = keepdim || dims.length === x!.ndim;
    return [expand(fits ? g : reshape(g, reducedShape(x!.shape, dims, true)), x!.shape)];
  },
};

/**
 * Sum over `dim`, or over all: `[2, 3]` gives `[]`, with 1 or `{ dim: 1 }` `[2]`, with keepdim `[2, 1]`. Floats keep their dtype; the sum of
 * int32 and bool is int32. https://pytorch.org/docs/stable/generated/torch.sum.html
 */
export function sum(x: Tensor, dim?: Over, keepdim?: boolean, ...none: []): Tensor {
  return apply(Sum, [x], reducing("sum", x, dim, keepdim, none));
}

/** Sums a gradient over the dims in which `shape` was broadcast. @internal */
export function sumTo(g: Tensor, shape: Shape): Tensor {
  if (sameShape(g.shape, shape)) return g;
  const lead = g.ndim - shape.length;
  const dims: number[] = [];
  for (let i = 0; i < g.ndim; i++) if (i < lead || (shape[i - lead] === 1 && g.shape[i] !== 1)) dims.push(i);
  const s = apply(Sum, [g], { dims, keepdim: false, wide: false });
  return sameShape(s.shape, shape) ? s : reshape(s, shape);
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
export function expand(x: Tensor, shape: Shape, ...none: []): Tensor {
  alive("expand", x, none);
  expectList("expand", "shape", shape);
  const lead = shape.length - x.ndim;
  const full = shape.map((n, i) => (n === -1 && i >= lead ? x.shape[i - lead]! : n));
  let fits = lead >= 0;
  for (let i = 0; fits && i < full.length; i++) {
    const from = i < lead ? 1 : x.shape[i - lead]!;
    fits = Number.isInteger(full[i]) && full[i]! >= 0 && (from === 1 || from === full[i]);
  }
  if (!fits) fail("expand", `${show(x.shape)} to ${given(shape)}: sizes must be equal, or 1 in the source`);
  return apply(Expand, [x], full);
}
