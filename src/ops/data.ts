// Host data on its way to a device.

import type { Device } from "../core/device.ts";
import type { DType } from "../core/dtype.ts";
import { fail } from "../core/error.ts";
import { empty } from "../core/make.ts";
import { refuseInCapture } from "../core/recording.ts";
import { numel, type Shape, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { checkShape } from "./expect.ts";

/** A tensor of host data. @internal */
export function fromData(
  data: ArrayLike<number>,
  shape: Shape,
  dtype: DType,
  options: { device?: Device; label?: string } = {},
): Tensor {
  const label = options.label ?? "tensor";
  checkShape(label, shape);
  if (data.length !== numel(shape))
    fail(label, `${data.length} values for shape ${show(shape)}: it holds ${numel(shape)}`);
  refuseInCapture(label, "writes host data: pass it as an input or make it outside");
  const t = empty(shape, dtype, label, options.device);
  t.device.write(t, data, dtype);
  return t;
}
