// The one place that gives tensors their methods: each is the function of the same name with the tensor in front.

import type { Device } from "./core/device.ts";
import type { DType, HostArray } from "./core/dtype.ts";
import { fail } from "./core/error.ts";
import { faultOf } from "./core/fault.ts";
import { contiguous } from "./core/op.ts";
import { recordingNow } from "./core/recording.ts";
import type { Shape } from "./core/shape.ts";
import { type BackwardOptions, backward } from "./core/tape.ts";
import { alive, Tensor } from "./core/tensor.ts";
import { toBool, toFloat, toHalf, toInt } from "./ops/copy.ts";
import * as ops from "./ops/index.ts";
import { isContiguous, storageOffset, stride } from "./ops/shape.ts";
import { data, dataSync, item, itemSync, to } from "./read.ts";

type Other = ops.Operand;

declare module "./core/tensor.ts" {
  interface Tensor {
    /** this + b, element by element; shapes broadcast: `[2, 3]` and `[3]` give `[2, 3]`. Dtypes as in `add`. */
    add(b: Other, options?: ops.AlphaOptions): Tensor;
    /** this - b, element by element; shapes broadcast. */
    sub(b: Other, options?: ops.AlphaOptions): Tensor;
    /** this times b, element by element; shapes broadcast. For products of matrices see `matmul`. */
    mul(b: Other): Tensor;
    /** this / b, element by element, as float; shapes broadcast. With `roundingMode` whole numbers. */
    div(b: Other, options?: ops.DivOptions): Tensor;
    /** The larger of each two elements, for floats; shapes broadcast. NaN in either gives NaN. */
    maximum(b: Tensor): Tensor;
    /** The smaller of each two elements, for floats; shapes broadcast. NaN in either gives NaN. */
    minimum(b: Tensor): Tensor;
    /** this = b, element by element, as bool; shapes broadcast. */
    eq(b: Other): Tensor;
    /** this ≠ b, element by element, as bool; shapes broadcast. */
    ne(b: Other): Tensor;
    /** this < b, element by element, as bool; shapes broadcast. */
    lt(b: Other): Tensor;
    /** this ≤ b, element by element, as bool; shapes broadcast. */
    le(b: Other): Tensor;
    /** this > b, element by element, as bool; shapes broadcast. */
    gt(b: Other): Tensor;
    /** this ≥ b, element by element, as bool; shapes broadcast. */
    ge(b: Other): Tensor;
    /** -x, element by element; the same shape. */
    neg(): Tensor;
    /** e^x, element by element; the same shape. */
    exp(): Tensor;
    /** Natural logarithm, element by element; the same shape. NaN below zero, -infinity at zero. */
    log(): Tensor;
    /** Square root, element by element; the same shape. NaN below zero. */
    sqrt(): Tensor;
    /** Hyperbolic tangent, element by element; the same shape. */
    tanh(): Tensor;
    /** 1 / (1 + e^-x), element by element; the same shape. */
    sigmoid(): Tensor;
    /** max(x, 0), element by element, of floats and int32; the same shape. The gradient at 0 is 0. */
    relu(): Tensor;
    /** |x|, element by element; the same shape. */
    abs(): Tensor;
    /** Sine of angles in radians, element by element; the same shape. */
    sin(): Tensor;
    /** Cosine of angles in radians, element by element; the same shape. */
    cos(): Tensor;
    /** -1, 0 or 1 by each element's sign; the same shape and dtype. Its gradient is 0. */
    sign(): Tensor;
    /** x to the power of `exponent`, a tensor or a number; shapes broadcast. */
    pow(exponent: Other): Tensor;
    /** x^2, element by element; the same shape. */
    square(): Tensor;
    /** 1 / sqrt(x), element by element; the same shape. */
    rsqrt(): Tensor;
    /** 1 / x, element by element; the same shape. */
    reciprocal(): Tensor;
    /** The largest whole number that is not above x; the same shape. Its gradient is 0. */
    floor(): Tensor;
    /** The smallest whole number that is not below x; the same shape. Its gradient is 0. */
    ceil(): Tensor;
    /** The nearest whole number, the even one of two; the same shape. Its gradient is 0. */
    round(): Tensor;
    /** x without its fraction; the same shape. Its gradient is 0. */
    trunc(): Tensor;
    /** The error function, element by element; the same shape. */
    erf(): Tensor;
    /** e^x - 1, exact for small x too; the same shape. */
    expm1(): Tensor;
    /** log(1 + x), exact for small x too; the same shape. */
    log1p(): Tensor;
    /** Logarithm to the base 2, element by element; the same shape. */
    log2(): Tensor;
    /** Logarithm to the base 10, element by element; the same shape. */
    log10(): Tensor;
    /** Tangent of angles in radians, element by element; the same shape. */
    tan(): Tensor;
    /** What is left without whole multiples of `b`, with the sign of `b`; shapes broadcast. */
    remainder(b: Other): Tensor;
    /** this + weight (end - this), for floats; shapes broadcast. */
    lerp(end: Tensor, weight: Tensor | number): Tensor;
    /** Whether it is NaN, as bool; the same shape. */
    isnan(): Tensor;
    /** Whether it is infinite, as bool; the same shape. */
    isinf(): Tensor;
    /** Whether it is neither NaN nor infinite, as bool; the same shape. */
    isfinite(): Tensor;
    /** Whether it is 0, as bool; the same shape. */
    logicalNot(): Tensor;
    /** As float32; itself where it is that already. */
    float(): Tensor;
    /** As float16, which WebGPU devices with `shader-f16` have: 11 bits of precision, infinity from 65520 on. */
    half(): Tensor;
    /** As int32: floats are cut towards zero. */
    int(): Tensor;
    /** As bool: true where not zero. */
    bool(): Tensor;
    /** A copy with storage of its own; gradients flow through. */
    clone(): Tensor;
    /** Another tensor over the same storage, off the tape: no gradients flow through it. */
    detach(): Tensor;
    /**
     * Sum over `dim`, or over all: `[2, 3]` gives `[]`, with 1 or `{ dim: 1 }` `[2]`, with keepdim `[2, 1]`. That of int32 and bool
     * is int32.
     */
    sum(dim?: ops.Over, keepdim?: boolean): Tensor;
    /** Mean over `dim`, or over all; shapes as in `sum`. NaN over nothing. */
    mean(dim?: ops.Over, keepdim?: boolean): Tensor;
    /** The largest element, as `[]`; equal ones share the gradient evenly. NaN wins. */
    max(): Tensor;
    /**
     * Values and int32 indices of the largest along `dim`: `[2, 3]` with dim 1 gives two of `[2]`, or `[2, 1]` with
     * keepdim.
     */
    max(dim: number, keepdim?: boolean): ops.Extremes;
    /** The smallest element, as `[]`; equal ones share the gradient evenly. NaN wins. */
    min(): Tensor;
    /**
     * Values and int32 indices of the smallest along `dim`: `[2, 3]` with dim 1 gives two of `[2]`, or `[2, 1]` with
     * keepdim.
     */
    min(dim: number, keepdim?: boolean): ops.Extremes;
    /** The largest over `dim`, or over all; shapes as in `sum`. Equal ones share the gradient evenly. */
    amax(dim?: ops.Over, keepdim?: boolean): Tensor;
    /** The smallest over `dim`, or over all; shapes as in `sum`. Equal ones share the gradient evenly. */
    amin(dim?: ops.Over, keepdim?: boolean): Tensor;
    /**
     * Index of the largest, int32: along `dim` (`[2, 3]` with dim 1 gives `[2]`), or in the flat order, as `[]`. The
     * first of a tie.
     */
    argmax(dim?: number, keepdim?: boolean): Tensor;
    /**
     * Index of the smallest, int32: along `dim` (`[2, 3]` with dim 1 gives `[2]`), or in the flat order, as `[]`. The
     * first of a tie.
     */
    argmin(dim?: number, keepdim?: boolean): Tensor;
    /** Each element, held between `min` and `max`: numbers or tensors that broadcast; the same shape. NaN stays. */
    clamp(bounds: ops.ClampOptions): Tensor;
    /** `value` where `mask` is true; the mask broadcasts. */
    maskedFill(mask: Tensor, value: number): Tensor;
    /** 0 where negative or NaN, 1 where positive, `values` at 0. No gradient. */
    heaviside(values: Tensor): Tensor;
    /** e^x / Σ e^x along `dim`; the same shape. */
    softmax(dim: number): Tensor;
    /** x - log Σ e^x along `dim`; the same shape. */
    logSoftmax(dim: number): Tensor;
    /** The same elements in another shape, sharing storage: `view(3, -1)` or `view([3, -1])`; one size may be -1. */
    view(...shape: number[] | [Shape]): Tensor;
    /** As `view`, but what has no such view is copied first: `[2, 6]` by `reshape(3, -1)` gives `[3, 4]`. */
    reshape(...shape: number[] | [Shape]): Tensor;
    /** Repeats dims of size 1: `[3, 1]` by `expand(2, 3, 4)`; -1 keeps a size. A view. */
    expand(...shape: number[] | [Shape]): Tensor;
    /** Reorders dims: `[2, 3, 4]` by `permute(2, 0, 1)` gives `[4, 2, 3]`. A view. */
    permute(...dims: number[] | [readonly number[]]): Tensor;
    /** Moves the dims at `source` to the places `destination`: `[2, 3, 4]` by `movedim(0, 2)` gives `[3, 4, 2]`. A view. */
    movedim(source: number | readonly number[], destination: number | readonly number[]): Tensor;
    /** Merges dims `startDim` to `endDim`, all by default: `[n, c, h, w]` by `flatten(1)` gives `[n, c h w]`. */
    flatten(startDim?: number, endDim?: number): Tensor;
    /** Without the dims of size 1, or without `dim` where its size is 1: `[1, 3, 1]` gives `[3]`. Shares storage. */
    squeeze(dim?: number): Tensor;
    /** With one more dim of size 1 at `dim`: `[3]` gives `[1, 3]` with 0, `[3, 1]` with 1 or -1. Shares storage. */
    unsqueeze(dim: number): Tensor;
    /** The transpose of a matrix, `[m, n]` to `[n, m]`: a view, which matmul absorbs. */
    t(): Tensor;
    /** Swaps two dims: `[2, 3, 4]` by `transpose(0, 2)` gives `[4, 3, 2]`. A view. */
    transpose(dim0: number, dim1: number): Tensor;
    /** Items `start` to `start + length` of `dim`: `[4, 3]` by `narrow(0, 1, 2)` gives `[2, 3]`. A view. */
    narrow(dim: number, start: number, length: number): Tensor;
    /** Item `index` of `dim`, without that dim: `[4, 3]` by `select(0, -1)` gives `[3]`. A view. */
    select(dim: number, index: number): Tensor;
    /** Items `start` to but without `end` of `dim`, every `step`-th, as `x[start:end:step]` in Python; null leaves a bound out. A view. */
    slice(dim: number, start?: number | null, end?: number | null, step?: number): Tensor;
    /** The diagonal of two dims (0 and 1 by default), as a last dim: `[3, 4]` gives `[3]`. A view. */
    diagonal(offset?: number, dim1?: number, dim2?: number): Tensor;
    /** Its items along `dim` (0 by default), without that dim: `[2, 3]` gives two of `[3]`. Views. */
    unbind(dim?: number): Tensor[];
    /** Parts of `dim` (0 by default), of one size or of the sizes given: `[5, 3]` by `split(2)` gives `[2, 3]` twice and `[1, 3]`. Views. */
    split(size: number | readonly number[], dim?: number): Tensor[];
    /** At most `chunks` equal parts of `dim` (0 by default): `[5, 3]` by `chunk(2)` gives `[3, 3]` and `[2, 3]`. Views. */
    chunk(chunks: number, dim?: number): Tensor[];
    /** A dense copy where its elements do not lie row by row; else itself. */
    contiguous(): Tensor;
    /** True where its elements lie row by row, without gaps. */
    isContiguous(): boolean;
    /** Steps in the storage from one item of each dim to the next, in elements: `[2, 3]` has `[3, 1]`. */
    stride(): number[];
    /** The step of one dim. */
    stride(dim: number): number;
    /** Where its first element lies in the storage, in elements. */
    storageOffset(): number;
    /**
     * The product of matrices, `[m, k]` and `[k, n]` to `[m, n]`, of batches of them, or with vectors: see `matmul`.
     */
    matmul(b: Tensor): Tensor;
    /** The product of two matrices, `[m, k]` and `[k, n]` to `[m, n]`. */
    mm(b: Tensor): Tensor;
    /** this += b in place, where `b` broadcasts to this shape; returns this. */
    add_(b: Tensor | number, options?: ops.AlphaOptions): Tensor;
    /** this -= b in place, where `b` broadcasts to this shape; returns this. */
    sub_(b: Other, options?: ops.AlphaOptions): Tensor;
    /** this *= b in place, where `b` broadcasts to this shape; returns this. */
    mul_(b: Other): Tensor;
    /** this /= b in place, for floats, where `b` broadcasts to this shape; returns this. */
    div_(b: Other): Tensor;
    /** The elements become `value` where the bool `mask`, which broadcasts, is true, in place; returns this. */
    maskedFill_(mask: Tensor, value: number): Tensor;
    /** Every element is held between `min` and `max`, in place; returns this. */
    clamp_(bounds: ops.ClampOptions): Tensor;
    /** Every element becomes its hyperbolic tangent, in place; returns this. */
    tanh_(): Tensor;
    /** Every element becomes 0, in place; returns this. */
    zero_(): Tensor;
    /** Every element becomes `value`, in place; returns this. */
    fill_(value: number): Tensor;
    /** The elements of `source` become this tensor's, in place: converted and broadcast. Returns this. */
    copy_(source: Tensor): Tensor;
    /** Fills with numbers drawn uniformly from [low, high), 0 and 1 by default, in place; returns this. */
    uniform_(low?: number, high?: number): Tensor;
    /** Fills with normal numbers, of mean 0 and deviation 1 by default, in place; returns this. */
    normal_(mean?: number, std?: number): Tensor;
    /**
     * Accumulates d(this)/d(leaf) into `leaf.grad` for every leaf that requires it. With one element it needs no `gradient`;
     * otherwise that has this shape.
     */
    backward(gradient?: Tensor | BackwardOptions | null, options?: BackwardOptions): void;
    /** The values, row by row, when what was launched before has run: a fresh copy. bool is 0 or 1 in an Int32Array. */
    data(): Promise<HostArray>;
    /**
     * As `data()`, without a promise, where this thread may wait (`device.canBlock`): not in a page's own, not on
     * WebGPU.
     */
    dataSync(): HostArray;
    /** The value of a tensor of one element; bool is 0 or 1. */
    item(): Promise<number>;
    /** As `item()`, without a promise, where this thread may wait (`device.canBlock`). */
    itemSync(): number;
    /** The values in another dtype; itself where it has that already. */
    to(dtype: DType): Tensor;
    /**
     * The values on another device, off the tape (itself where it is there): a device, or the latest of that name, which is
     * made where there is none.
     */
    to(device: Device | "wasm" | "webgpu"): Promise<Tensor>;
    /** As PyTorch prints it, where this thread may wait for the values; else what it is. */
    toString(): string;
    /** For JSON: the values as nested arrays, or, of more than a thousand or where this thread may not wait, what it is. */
    toJSON(): unknown;
    /** Its rows: views along the first dim, as `unbind(0)`. */
    [Symbol.iterator](): IterableIterator<Tensor>;
  }
}

function living(x: Tensor, ...none: []): Tensor {
  alive("contiguous", x, none);
  return contiguous(x);
}

// biome-ignore lint/suspicious/noExplicitAny: one loop over functions of many signatures
type AnyFunction = (x: Tensor, ...rest: any[]) => unknown;

const named: Record<string, AnyFunction> = {
  ...{ add: ops.add, sub: ops.sub, mul: ops.mul, div: ops.div, maximum: ops.maximum, minimum: ops.minimum },
  ...{ eq: ops.eq, ne: ops.ne, lt: ops.lt, le: ops.le, gt: ops.gt, ge: ops.ge },
  ...{ neg: ops.neg, exp: ops.exp, log: ops.log, sqrt: ops.sqrt, tanh: ops.tanh, sigmoid: ops.sigmoid, relu: ops.relu },
  ...{
    abs: ops.abs,
    sin: ops.sin,
    cos: ops.cos,
    sign: ops.sign,
    float: toFloat,
    half: toHalf,
    int: toInt,
    bool: toBool,
  },
  ...{ pow: ops.pow, square: ops.square, rsqrt: ops.rsqrt, reciprocal: ops.reciprocal, lerp: ops.lerp },
  ...{ floor: ops.floor, ceil: ops.ceil, round: ops.round, trunc: ops.trunc, remainder: ops.remainder },
  ...{ erf: ops.erf, expm1: ops.expm1, log1p: ops.log1p, log2: ops.log2, log10: ops.log10, tan: ops.tan },
  ...{ isnan: ops.isnan, isinf: ops.isinf, isfinite: ops.isfinite, logicalNot: ops.logicalNot },
  ...{ clone: ops.clone, detach: ops.detach, sum: ops.sum, mean: ops.mean, max: ops.max, min: ops.min },
  ...{ amax: ops.amax, amin: ops.amin, argmax: ops.argmax, argmin: ops.argmin },
  ...{ softmax: ops.softmax, logSoftmax: ops.logSoftmax, flatten: ops.flatten, squeeze: ops.squeeze },
  ...{ unsqueeze: ops.unsqueeze, t: ops.t, transpose: ops.transpose, narrow: ops.narrow, select: ops.select },
  ...{ movedim: ops.movedim, slice: ops.slice, diagonal: ops.diagonal, unbind: ops.unbind, split: ops.split },
  ...{ chunk: ops.chunk, contiguous: living, isContiguous, stride },
  ...{ clamp: ops.clamp, maskedFill: ops.maskedFill, heaviside: ops.heaviside },
  ...{ storageOffset, div_: ops.div_, maskedFill_: ops.maskedFill_, tanh_: ops.tanh_, clamp_: ops.clamp_ },
  ...{ matmul: ops.matmul, mm: ops.mm, add_: ops.add_, sub_: ops.sub_, mul_: ops.mul_, zero_: ops.zero_ },
  ...{ fill_: ops.fill_, copy_: ops.copy_, uniform_: ops.uniform_, normal_: ops.normal_ },
  ...{ backward, data, dataSync, item, itemSync, to },
};

/** Shapes come as one array or as numbers. */
const shaped: Record<string, (x: Tensor, shape: readonly number[], ...none: []) => Tensor> = {
  ...{ view: ops.view, reshape: ops.reshape, expand: ops.expand, permute: ops.permute },
};

const methods = Tensor.prototype as unknown as Record<string, unknown>;
for (const [name, f] of Object.entries(named)) {
  methods[name] = function (this: Tensor, ...rest: unknown[]) {
    return f(this, ...rest);
  };
}
for (const [name, f] of Object.entries(shaped)) {
  methods[name] = function (this: Tensor, ...shape: number[] | [readonly number[], ...none: []]) {
    return Array.isArray(shape[0]) ? f(this, ...(shape as [number[]])) : f(this, shape as number[]);
  };
}

/** What shows values, once there is a device for which this thread may wait: text.ts. */
let text: { print(x: Tensor): string; json(x: Tensor): unknown } | null = null;

export function setText(loaded: typeof text): void {
  text = loaded;
}

/** Whether its values can be shown now. */
const shown = (x: Tensor): boolean =>
  text !== null &&
  x.gone === null &&
  recordingNow() === null &&
  x.device.canBlock &&
  x.device.failed === null &&
  faultOf(x.storage) === null;

/** What it is, without its values. */
const told = (x: Tensor): string =>
  x.gone === null
    ? `Tensor(${x.describe()}, ${x.dtype}${faultOf(x.storage) === null ? "" : `, lost: ${faultOf(x.storage)!.message}`})`
    : `Tensor(${x.storage.label} [${x.shape}], released by ${x.gone})`;

function print(this: Tensor): string {
  return shown(this) ? text!.print(this) : told(this);
}

/** More would fill a file, or a log, with what nobody asked for. */
const MOST_IN_JSON = 1000;

function toJSON(this: Tensor): unknown {
  return shown(this) && this.numel <= MOST_IN_JSON ? text!.json(this) : told(this);
}

/** `x * x` would be NaN, `x > 0.5` false, `loss += l` a string. */
function primitive(this: Tensor, hint: string): string {
  if (hint === "string") return this.toString();
  return fail(
    "Tensor",
    `${this.describe()} stands where JavaScript takes a number: mul(), add(), neg() or gt() is expected, item() to read it, \`\${x}\` to print it`,
  );
}

// Not by assignment: that fails where Object.prototype is frozen, whose own toString it would hide.
for (const [key, value] of [
  ["toString", print],
  ["toJSON", toJSON],
  [Symbol.toPrimitive, primitive],
  [Symbol.toStringTag, "Tensor"],
  [
    Symbol.iterator,
    function (this: Tensor) {
      return ops.unbind(this)[Symbol.iterator]();
    },
  ],
  // console.log shows in Node, Deno and Bun what toString says.
  [Symbol.for("nodejs.util.inspect.custom"), print],
] as const)
  Object.defineProperty(Tensor.prototype, key, { value, writable: true, configurable: true });
