// A parameter: a tensor that modules list and optimizers change.

import { type Device, expectDevice } from "../core/device.ts";
import { empty } from "../core/make.ts";
import { contiguous } from "../core/op.ts";
import type { Shape } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { noGrad } from "../ops/modes.ts";

/**
 * A tensor that counts as a parameter of the module whose property it is. It shares the storage of `data`, or of
 * a dense copy where that is a view whose elements do not lie row by row; no step or scope releases it. https://pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html
 */
export class Parameter extends Tensor {
  /** Requires gradients unless `requiresGrad` is false. */
  constructor(data: Tensor, requiresGrad = true, ...none: []) {
    alive("Parameter", data, none);
    const dense = noGrad(() => contiguous(data));
    super(dense.storage, dense.offset, dense.shape, dense.dtype);
    if (dense !== data) dense.release("Parameter, which shares its storage");
    this.kept = true;
    this.requiresGrad = requiresGrad;
  }
}

/** A new parameter filled by `fill`. @internal */
export function made(name: string, shape: Shape, device: Device | undefined, fill: (x: Tensor) => void): Parameter {
  if (device !== undefined) expectDevice(name, device);
  const x = empty(shape, "float32", name, device);
  fill(x);
  const p = new Parameter(x);
  x.release("the layer that made it");
  p.name = name;
  return p;
}
