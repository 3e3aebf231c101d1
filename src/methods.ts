// The one place that gives tensors their methods: each is the function of the same name with the tensor in front.
import { type Device, defaultDevice, type TypedData } from "./core/device.ts";
import type { DType } from "./core/dtype.ts";
import type { Shape } from "./core/shape.ts";
import { type BackwardOptions, backward } from "./core/tape.ts";
import { mode, Tensor } from "./core/tensor.ts";
import * as ops from "./ops/index.ts";
import { formatTensor } from "./print.ts";
import { data, dataSync, item, itemSync, to } from "./read.ts";

type Other = Tensor | number;

declare module "./core/tensor.ts" {
  interface Tensor {
    add(b: Other): Tensor;
    sub(b: Other): Tensor;
    mul(b: Other): Tensor;
    div(b: Other): Tensor;
    maximum(b: Tensor): Tensor;
    minimum(b: Tensor): Tensor;
    eq(b: Other): Tensor;
    ne(b: Other): Tensor;
    lt(b: Other): Tensor;
    le(b: Other): Tensor;
    gt(b: Other): Tensor;
    ge(b: Other): Tensor;
    neg(): Tensor;
    exp(): Tensor;
    log(): Tensor;
    sqrt(): Tensor;
    tanh(): Tensor;
    sigmoid(): Tensor;
    relu(): Tensor;
    abs(): Tensor;
    sin(): Tensor;
    cos(): Tensor;
    sign(): Tensor;
    /** As float32. */
    float(): Tensor;
    /** As float16, which some WebGPU devices have. */
    half(): Tensor;
    /** As int32. */
    int(): Tensor;
    /** As bool. */
    bool(): Tensor;
    clone(): Tensor;
    detach(): Tensor;
    sum(options?: ops.ReduceOptions): Tensor;
    mean(options?: ops.ReduceOptions): Tensor;
    max(): Tensor;
    max(dim: number, keepdim?: boolean): { values: Tensor; indices: Tensor };
    min(): Tensor;
    min(dim: number, keepdim?: boolean): { values: Tensor; indices: Tensor };
    amax(options?: ops.ReduceOptions): Tensor;
    amin(options?: ops.ReduceOptions): Tensor;
    argmax(dim?: number, keepdim?: boolean): Tensor;
    argmin(dim?: number, keepdim?: boolean): Tensor;
    softmax(dim: number): Tensor;
    logSoftmax(dim: number): Tensor;
    view(...shape: number[] | [Shape]): Tensor;
    reshape(...shape: number[] | [Shape]): Tensor;
    expand(...shape: number[] | [Shape]): Tensor;
    permute(...dims: number[] | [readonly number[]]): Tensor;
    flatten(startDim?: number, endDim?: number): Tensor;
    squeeze(dim?: number): Tensor;
    unsqueeze(dim: number): Tensor;
    t(): Tensor;
    transpose(dim0: number, dim1: number): Tensor;
    narrow(dim: number, start: number, length: number): Tensor;
    select(dim: number, index: number): Tensor;
    matmul(b: Tensor): Tensor;
    mm(b: Tensor): Tensor;
    add_(b: Other): Tensor;
    sub_(b: Other): Tensor;
    mul_(b: Other): Tensor;
    zero_(): Tensor;
    fill_(value: number): Tensor;
    copy_(source: Tensor): Tensor;
    uniform_(low?: number, high?: number): Tensor;
    normal_(mean?: number, std?: number): Tensor;
    /** Accumulates gradients into the leaves; see `backward`. */
    backward(gradient?: Tensor | null, options?: BackwardOptions): void;
    /** The values, row by row: a fresh copy. */
    data(): Promise<TypedData>;
    dataSync(): TypedData;
    /** The value of a tensor of one element. */
    item(): Promise<number>;
    itemSync(): number;
    /** The values in another dtype. */
    to(dtype: DType): Tensor;
    /** The values on another device, off the tape: "wasm", "webgpu", or a device. */
    to(device: Device | "wasm" | "webgpu"): Promise<Tensor>;
    /** As PyTorch prints it, where this thread may wait for the values; else what it is. */
    toString(): string;
  }
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
    float: ops.toFloat,
    half: ops.toHalf,
    int: ops.toInt,
    bool: ops.toBool,
  },
  ...{ clone: ops.clone, detach: ops.detach, sum: ops.sum, mean: ops.mean, max: ops.max, min: ops.min },
  ...{ amax: ops.amax, amin: ops.amin, argmax: ops.argmax, argmin: ops.argmin },
  ...{ softmax: ops.softmax, logSoftmax: ops.logSoftmax, flatten: ops.flatten, squeeze: ops.squeeze },
  ...{ unsqueeze: ops.unsqueeze, t: ops.t, transpose: ops.transpose, narrow: ops.narrow, select: ops.select },
  ...{ matmul: ops.matmul, mm: ops.mm, add_: ops.add_, sub_: ops.sub_, mul_: ops.mul_, zero_: ops.zero_ },
  ...{ fill_: ops.fill_, copy_: ops.copy_, uniform_: ops.uniform_, normal_: ops.normal_ },
  ...{ backward, data, dataSync, item, itemSync, to },
};

/** Shapes come as one array or as numbers. */
const shaped: Record<string, (x: Tensor, shape: readonly number[]) => Tensor> = {
  ...{ view: ops.view, reshape: ops.reshape, expand: ops.expand, permute: ops.permute },
};

const methods = Tensor.prototype as unknown as Record<string, unknown>;
for (const [name, f] of Object.entries(named)) {
  methods[name] = function (this: Tensor, ...rest: unknown[]) {
    return f(this, ...rest);
  };
}
for (const [name, f] of Object.entries(shaped)) {
  methods[name] = function (this: Tensor, ...shape: number[] | [readonly number[]]) {
    return f(this, Array.isArray(shape[0]) ? shape[0] : (shape as number[]));
  };
}

/** console.log shows in Node, Deno and Bun what toString says. */
methods.toString = function (this: Tensor): string {
  if (this.gone !== null) return `Tensor(${this.storage.label} [${this.shape}], released by ${this.gone})`;
  if (mode.recording !== null || !this.device.canBlock) return `Tensor(${this.describe()}, ${this.dtype})`;
  const device = this.device === defaultDevice() ? null : this.device.type;
  const gradFn = this.requiresGrad ? (this.entry?.op.name ?? null) : null;
  return formatTensor(this.shape, this.dtype, dataSync(this), { gradFn, requiresGrad: this.requiresGrad, device });
};
Object.defineProperty(Tensor.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Tensor) {
    return this.toString();
  },
});
