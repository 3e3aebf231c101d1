// Reading values back, and moving tensors between devices.

import type { Device } from "./core/device.ts";
import type { HostArray } from "./core/dtype.ts";
import { DTYPES, type DType } from "./core/dtype.ts";
import { fail, noMore } from "./core/error.ts";
import { withRoom } from "./core/lifetime.ts";
import { valuesOf } from "./core/op.ts";
import { refuseInCapture } from "./core/recording.ts";
import { show } from "./core/shape.ts";
import { alive, type Tensor } from "./core/tensor.ts";
import { toDtype } from "./ops/copy.ts";
import { fromData } from "./ops/data.ts";
import { deviceOf } from "./ops/follow.ts";

/** At once, not by the promise, which nobody may look at: so the captured call fails. */
const refuse = (op: string): void => refuseInCapture(op, "reads a value: return it from the function instead");

function readable(op: string, x: Tensor): Tensor {
  alive(op, x);
  refuse(op);
  return x.strides === null ? x : valuesOf(x);
}

function blocking(op: string, x: Tensor): void {
  alive(op, x);
  if (!x.device.canBlock) fail(op, `${show(x.shape)}: this thread may not wait; use await ${op.replace("Sync", "")}()`);
}

function single(op: string, x: Tensor): void {
  if (x.numel !== 1) fail(op, `${show(x.shape)}: a tensor with ${x.numel} elements cannot be converted to a number`);
}

/** The values as they are now, in row-major order: a fresh copy. Waits for what was launched before. @internal */
export function data(x: Tensor, ...none: []): Promise<HostArray> {
  noMore("data", none);
  refuse("data");
  return read(x);
}

async function read(x: Tensor): Promise<HostArray> {
  const dense = readable("data", x);
  const values = dense.device.read(dense, dense.numel, dense.dtype) as Promise<HostArray>;
  if (dense !== x) dense.release("data()");
  return values;
}

/** As `data()`, without a promise, where this thread may wait. @internal */
export function dataSync(x: Tensor, ...none: []): HostArray {
  noMore("dataSync", none);
  blocking("dataSync", x);
  const dense = readable("dataSync", x);
  const values = dense.device.readSync(dense, dense.numel, dense.dtype) as HostArray;
  if (dense !== x) dense.release("dataSync()");
  return values;
}

/** The value of a tensor of one element. @internal */
export function item(x: Tensor, ...none: []): Promise<number> {
  noMore("item", none);
  refuse("item");
  return first(x);
}

async function first(x: Tensor): Promise<number> {
  single("item", x);
  return (await read(x))[0]!;
}

/** @internal */
export function itemSync(x: Tensor, ...none: []): number {
  noMore("itemSync", none);
  single("itemSync", x);
  return dataSync(x)[0]!;
}

/**
 * The values in another dtype; or, off the tape, on another device, as a promise. The tensor itself where it has them.
 * https://pytorch.org/docs/stable/generated/torch.Tensor.to.html
 * @internal
 */
export function to(x: Tensor, target: DType): Tensor;
/** @internal */
export function to(x: Tensor, target: Device | "wasm" | "webgpu"): Promise<Tensor>;
/** @internal */
export function to(x: Tensor, target: Device | string, ...none: []): Tensor | Promise<Tensor> {
  noMore("to", none);
  return DTYPES.includes(target as DType) ? toDtype(x, target as DType) : move(x, target);
}

async function move(x: Tensor, target: Device | string): Promise<Tensor> {
  alive("to", x);
  const device = await deviceOf(target);
  if (x.device !== device) {
    const values = await data(x);
    const moved = await withRoom(device, () => fromData(values, x.shape, x.dtype, { device, label: x.storage.label }));
    moved.requiresGrad = x.requiresGrad;
    x = moved;
  }
  await device.upkeep();
  return x;
}
