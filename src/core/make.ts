// How tensors are made: with a storage of their own, over a lasting one, over that of another.
import { type Device, defaultDevice, type Storage } from "./device.ts";
import { bytesOf, type DType } from "./dtype.ts";
import { fail } from "./error.ts";
import type { Strides } from "./layout.ts";
import { mode } from "./lifetime.ts";
import { numel, type Shape } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/** To its users the class is abstract, so that `new Tensor()` does not compile. Here they are made. */
const Made = Tensor as unknown as new (...args: ConstructorParameters<typeof Tensor>) => Tensor;

/** A tensor with undefined contents. @internal */
export function empty(
  shape: Shape,
  dtype: DType,
  label: string,
  device = defaultDevice(),
  strides: Strides = null,
): Tensor {
  return new Made(storageFor(numel(shape), dtype, label, device), 0, shape, dtype, strides);
}

/** A storage for so many elements. @internal */
export function storageFor(elements: number, dtype: DType, label: string, device: Device): Storage {
  const bytes = bytesOf(dtype);
  if (dtype === "float16" && !device.float16)
    fail(label, `float16 on ${device.type}: a WebGPU device with shader-f16 is expected, others take float32`);
  return device.alloc(elements * bytes, label, bytes);
}

/** A tensor as `x` over a lasting storage: neither scope nor recording owns it. @internal */
export function lasting(storage: Storage, x: Tensor): Tensor {
  const { scope, recording } = mode;
  mode.scope = false;
  mode.recording = null;
  const t = new Made(storage, 0, x.shape, x.dtype).keep();
  mode.scope = scope;
  mode.recording = recording;
  return t;
}

/** Another tensor over the same storage, off the tape. @internal */
export function alias(x: Tensor, shape: Shape = x.shape, offset = x.offset, strides = x.strides): Tensor {
  const view = new Made(x.storage, offset, shape, x.dtype, strides);
  x.storage.aliases?.push(new WeakRef(view));
  return view;
}
