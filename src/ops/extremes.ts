// The largest and the smallest, over all, one or several dims, and where they stand.

import { suffix } from "../core/dtype.ts";
import { expectFlag, fail, noMore } from "../core/error.ts";
import { alias, empty } from "../core/make.ts";
import { apply, launch, type Op, readStrided, save } from "../core/op.ts";
import { numel, type Shape, show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { div, mul } from "./binary.ts";
import { eq, ne } from "./compare.ts";
import { done, like } from "./compose.ts";
import { toFloat } from "./copy.ts";

import { type Over, product, type Reducing, reducedShape, reducing, sum } from "./reduce.ts";
import { reshape } from "./shape.ts";
import { dimension } from "./strides.ts";
import { where } from "./where.ts";

// ---------------------------------------------------------------------------------------------------------- extremes
type Extreme = "max" | "min";

interface Along {
  readonly dim: number;
  readonly keepdim: boolean;
}

function nest(x: Tensor, dim: number): [number, number, number] {
  return [product(x.shape, 0, dim), x.shape[dim] ?? 1, product(x.shape, dim + 1, x.ndim)];
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
  alive(name, x);
  expectFlag(name, "keepdim", keepdim);
  const [values, indices] = apply(ALONG[name], [x], { dim: dimension(name, dim, x), keepdim });
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
function over(name: Extreme, label: string, x: Tensor, dim?: Over, keepdim?: boolean, none?: readonly []): Tensor {
  const r = reducing(label, x, dim, keepdim, none);
  const op: Op<Reducing> = {
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
        readStrided(label, source, t!);
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
export function max(x: Tensor, dim?: number, keepdim = false, ...none: []): Tensor | Extremes {
  noMore("max", none);
  if (dim === undefined) return over("max", "max", x);
  return extremes("max", x, dim, keepdim);
}

/** The smallest element of a float tensor, as `[]`; otherwise as `max(x)`. */
export function min(x: Tensor): Tensor;
/** Values and indices of the smallest along `dim`; otherwise as `max(x, dim)`. */
export function min(x: Tensor, dim: number, keepdim?: boolean): Extremes;
export function min(x: Tensor, dim?: number, keepdim = false, ...none: []): Tensor | Extremes {
  noMore("min", none);
  if (dim === undefined) return over("min", "min", x);
  return extremes("min", x, dim, keepdim);
}

/** The largest of floats over `dim`, or over all; shapes as in `sum`. Equal ones share the gradient evenly. NaN wins. */
export const amax = (x: Tensor, dim?: Over, keepdim?: boolean, ...none: []): Tensor =>
  over("max", "amax", x, dim, keepdim, none);
/** The smallest of floats over `dim`, or over all; otherwise as `amax`. */
export const amin = (x: Tensor, dim?: Over, keepdim?: boolean, ...none: []): Tensor =>
  over("min", "amin", x, dim, keepdim, none);

function arg(
  name: "argmax" | "argmin",
  x: Tensor,
  dim: number | undefined,
  keepdim: boolean,
  none: readonly [],
): Tensor {
  alive(name, x, none);
  expectFlag(name, "keepdim", keepdim);
  if (x.dtype === "bool") fail(name, `${show(x.shape)} of bool: int() or float() is expected first`);
  const d = dim === undefined ? null : dimension(name, dim, x);
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
export const argmax = (x: Tensor, dim?: number, keepdim = false, ...none: []): Tensor =>
  arg("argmax", x, dim, keepdim, none);
/** Index of the smallest; otherwise as `argmax`. */
export const argmin = (x: Tensor, dim?: number, keepdim = false, ...none: []): Tensor =>
  arg("argmin", x, dim, keepdim, none);
