// Reductions over all, one or several dims. A dim is seen as [outer, n, inner].
import { isFloat, suffix } from "../core/dtype.ts";
import { fail } from "../core/error.ts";
import { apply, cast, launch, type Op, save } from "../core/op.ts";
import { numel, type Shape, sameShape, show } from "../core/shape.ts";
import { alias, empty, type Tensor } from "../core/tensor.ts";
import { word } from "../row/words.ts";
import { div, eq, mul, ne } from "./binary.ts";
import { compose, done, like } from "./compose.ts";
import { expectDtype, expectOptions } from "./expect.ts";
import { expand, reshape } from "./shape.ts";
import { dimension } from "./strides.ts";
import { divScalar, toFloat } from "./unary.ts";
import { where } from "./where.ts";

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

interface Reduction {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
  /** The sum of float16 is float32. */
  readonly wide: boolean;
}

function reduction(op: string, x: Tensor, options: ReduceOptions, wide = false): Reduction {
  expectOptions(op, options, "{ dim: 0 }");
  const { dim: given, keepdim = false } = options;
  if (given === undefined || (Array.isArray(given) && given.length === 0)) {
    return { dims: x.shape.map((_, i) => i), keepdim, wide };
  }
  const dims = (typeof given === "number" ? [given] : [...given]).map((d) => dimension(op, d, x.shape));
  if (new Set(dims).size !== dims.length) fail(op, `${show(x.shape)}, dim [${dims}]: a dim appears twice`);
  return { dims: dims.sort((a, b) => a - b), keepdim, wide };
}

/** The shape after reducing: without the dims, or with size 1 there. */
function reducedShape(shape: Shape, dims: readonly number[], keepdim: boolean): Shape {
  return keepdim ? shape.map((n, i) => (dims.includes(i) ? 1 : n)) : shape.filter((_, i) => !dims.includes(i));
}

function part(shape: Shape, from: number, to: number): number {
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

const Sum: Op<Reduction> = {
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
    if (dims.length === 0) launch("copy_f32", [y], [x!], [x!.numel], undefined, "sum");
    for (let left = dims.length; left > 0; ) {
      const to = dims[--left]! + 1;
      let from = to - 1;
      while (left > 0 && dims[left - 1] === from - 1) from = dims[--left]!;
      inner *= part(x!.shape, to, behind);
      behind = from;
      const outer = part(x!.shape, 0, from);
      const next = left === 0 ? y : empty([outer, inner], dtype, "sum", x!.device);
      launchSum(source, next, outer, part(x!.shape, from, to), inner, "sum");
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
 * Sum over `dim`, or over all: `[2, 3]` gives `[]`, with dim 1 `[2]`, with keepdim `[2, 1]`. Floats keep their dtype; the sum of
 * int32 and bool is int32. https://pytorch.org/docs/stable/generated/torch.sum.html
 */
export const sum = (x: Tensor, options: ReduceOptions = {}): Tensor => apply(Sum, [x], reduction("sum", x, options));

/** The sum in float32, divided in place. */
const Mean: Op<Reduction> = {
  name: "mean",
  forward([x], r, wants) {
    const y = Sum.forward([x!], r, wants);
    launch("div_scalar_f32", [y], [y], [y.numel], [word(countOf(x!, r))], "mean");
    return y;
  },
  vjp: (g, entry) => Sum.vjp!(divScalar(g, countOf(entry.inputs[0]!, entry.params)), entry),
};

/** How many elements each mean is of. */
function countOf(x: Tensor, { dims }: Reduction): number {
  let n = 1;
  for (const d of dims) n *= x.shape[d] ?? 1; // a scalar has a dim 0 too
  return n;
}

/** Mean of floats over `dim`, or over all; shapes as in `sum`, the dtype of `x`. NaN over nothing. https://pytorch.org/docs/stable/generated/torch.mean.html */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  expectDtype("mean", x, "float32");
  const r = reduction("mean", x, options, true);
  return x.dtype === "float32" ? apply(Mean, [x], r) : compose(() => cast(apply(Mean, [x], r), x.dtype));
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

// ---------------------------------------------------------------------------------------------------------- extremes

type Extreme = "max" | "min";

interface Along {
  readonly dim: number;
  readonly keepdim: boolean;
}

function nest(x: Tensor, dim: number): [number, number, number] {
  return [part(x.shape, 0, dim), x.shape[dim] ?? 1, part(x.shape, dim + 1, x.ndim)];
}

function notEmpty(op: string, x: Tensor, n: number): void {
  if (n === 0) fail(op, `${show(x.shape)}: there is no ${op} of nothing`);
}

/** Values and indices along a dim; the gradient goes to the index (the first of a tie). */
const along = (name: Extreme): Op<Along, readonly Tensor[]> => ({
  name,
  forward([x], { dim, keepdim }) {
    const nested = nest(x!, dim);
    notEmpty(name, x!, nested[1]);
    const shape = reducedShape(x!.shape, [dim], keepdim);
    const values = like(x!, name, shape);
    const indices = empty(shape, "int32", name, x!.device);
    launch(`${name}_${suffix(x!.dtype)}`, [values, indices], [x!], nested, undefined, name);
    save(indices);
    return [values, indices];
  },
  vjp: ([g], { inputs: [x], saved: [indices], params: { dim } }) => [
    apply(ExtremeVjp, [g!, indices!], { shape: x!.shape, dim }),
  ],
});
const ALONG = { max: along("max"), min: along("min") };

function extremes(name: Extreme, x: Tensor, dim: number, keepdim: boolean): Extremes {
  const [values, indices] = apply(ALONG[name], [x], { dim: dimension(name, dim, x.shape), keepdim });
  return { values: values!, indices: indices! };
}

/** The gradient where the indices are, zeros elsewhere. */
const ExtremeVjp: Op<{ shape: Shape; dim: number }> = {
  name: "maxVjp",
  forward([g, index], { shape, dim }) {
    const gx = like(g!, "max gradient", shape);
    launch("max_vjp_f32", [gx], [g!, index!], nest(gx, dim), undefined, "max");
    save(index!);
    return gx;
  },
  vjp: (gg, { inputs: [g], saved: [index], params }) => [
    () =>
      reshape(
        sum(where(oneHotLike(index!, params.shape, params.dim), gg, 0), { dim: params.dim, keepdim: true }),
        g!.shape,
      ),
    null,
  ],
};

/** 1 where the position along `dim` is the index. */
function oneHotLike(index: Tensor, shape: Shape, dim: number): Tensor {
  const positions = empty([shape[dim] ?? 1], "int32", "arange", index.device);
  launch("arange_i32", [positions], [], [positions.numel], [0, 1], "max");
  const wide = shape.map((n, i) => (i === dim ? n : 1));
  return eq(reshape(positions, wide), reshape(index, reducedShape(shape, [dim], true)));
}

/** The largest of the dims; equal ones share the gradient evenly, as torch.amax. */
function over(name: Extreme, label: string, x: Tensor, options: ReduceOptions): Tensor {
  const r = reduction(label, x, options);
  const op: Op<Reduction> = {
    name: label,
    forward([t], { dims, keepdim }) {
      notEmpty(label, t!, numel(dims.map((d) => t!.shape[d]!)));
      let source = t!;
      for (const d of [...dims].reverse()) {
        const shape = reducedShape(source.shape, [d], true);
        const values = like(t!, label, shape);
        const index = empty(shape, "int32", label, t!.device);
        launch(`${name}_${suffix(t!.dtype)}`, [values, index], [source], nest(source, d), undefined, label);
        done(index);
        if (source !== t) done(source);
        source = values;
      }
      if (source === t) {
        source = like(t, label);
        launch("copy_f32", [source], [t!], [source.numel], undefined, label);
      }
      const y = keepdim ? source : alias(source, reducedShape(t!.shape, dims, false));
      if (y !== source) done(source);
      save(t!, y);
      return y;
    },
    vjp(g, { saved: [t, y], params: { dims } }) {
      const shape = reducedShape(t!.shape, dims, true);
      const top = reshape(y!, shape);
      if (label[0] === "a") {
        const mask = toFloat(eq(t!, top));
        return [mul(mask, div(reshape(g, shape), sum(mask, { dim: dims, keepdim: true })))];
      }
      // In max and min NaN is equal to itself, as in PyTorch; amax and amin have NaN for its gradient.
      const taken = where(ne(top, top), ne(t!, t!), eq(t!, top));
      const share = div(reshape(g, shape), sum(toFloat(taken), { dim: dims, keepdim: true }));
      return [() => where(taken, share, 0)];
    },
  };
  return apply(op, [x], r);
}

/** What `max(x, dim)` and `min(x, dim)` give. */
export interface Extremes {
  /** The largest, or smallest, along the dim: in the dtype of `x`. */
  values: Tensor;
  /** Where they stand along the dim: int32, the first of a tie. */
  indices: Tensor;
}

/**
 * The largest element of a float tensor, as `[]`; equal ones share the gradient evenly. NaN wins. Of nothing is an error.
 * https://pytorch.org/docs/stable/generated/torch.max.html
 */
export function max(x: Tensor): Tensor;
/**
 * Values and indices of the largest along `dim`, of a float tensor: `[2, 3]` with dim 1 gives two of `[2]`, or `[2, 1]` with
 * keepdim. The first of a tie takes the gradient. NaN wins.
 */
export function max(x: Tensor, dim: number, keepdim?: boolean): Extremes;
export function max(x: Tensor, dim?: number, keepdim = false): Tensor | Extremes {
  if (dim === undefined) return over("max", "max", x, {});
  return extremes("max", x, dim, keepdim);
}

/** The smallest element of a float tensor, as `[]`; otherwise as `max(x)`. */
export function min(x: Tensor): Tensor;
/** Values and indices of the smallest along `dim`; otherwise as `max(x, dim)`. */
export function min(x: Tensor, dim: number, keepdim?: boolean): Extremes;
export function min(x: Tensor, dim?: number, keepdim = false): Tensor | Extremes {
  if (dim === undefined) return over("min", "min", x, {});
  return extremes("min", x, dim, keepdim);
}

/** The largest of floats over `dim`, or over all; shapes as in `sum`. Equal ones share the gradient evenly. NaN wins. */
export const amax = (x: Tensor, options: ReduceOptions = {}): Tensor => over("max", "amax", x, options);
/** The smallest of floats over `dim`, or over all; otherwise as `amax`. */
export const amin = (x: Tensor, options: ReduceOptions = {}): Tensor => over("min", "amin", x, options);

function arg(name: "argmax" | "argmin", x: Tensor, dim: number | undefined, keepdim: boolean): Tensor {
  if (x.dtype === "bool") fail(name, `${show(x.shape)} of bool: int() or float() is expected first`);
  const d = dim === undefined ? null : dimension(name, dim, x.shape);
  const op: Op = {
    name,
    forward([t]) {
      const nested = d === null ? ([1, t!.numel, 1] as const) : nest(t!, d);
      notEmpty(name, t!, nested[1]);
      const shape = d === null ? [] : reducedShape(t!.shape, [d], keepdim);
      const y = empty(shape, "int32", name, t!.device);
      launch(`${name}_${suffix(t!.dtype)}`, [y], [t!], nested, undefined, name);
      return y;
    },
  };
  return apply(op, [x], null);
}

/**
 * Index of the largest of floats, int32: along `dim` (`[2, 3]` with dim 1 gives `[2]`, with keepdim `[2, 1]`), or in the flat
 * order, as `[]`. NaN wins; the first of a tie. No gradient.
 */
export const argmax = (x: Tensor, dim?: number, keepdim = false): Tensor => arg("argmax", x, dim, keepdim);
/** Index of the smallest; otherwise as `argmax`. */
export const argmin = (x: Tensor, dim?: number, keepdim = false): Tensor => arg("argmin", x, dim, keepdim);
