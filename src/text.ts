// Tensors shown with their values, which takes a thread that may wait for them: loaded where there is one.
import { defaultDevice } from "./core/device.ts";
import type { Tensor } from "./core/tensor.ts";
import { formatTensor } from "./print.ts";
import { dataSync } from "./read.ts";

/** As PyTorch prints it. */
export function print(x: Tensor): string {
  const device = x.device === defaultDevice() ? null : x.device.type;
  const gradFn = x.requiresGrad ? (x.entry?.op.name ?? null) : null;
  return formatTensor(x.shape, x.dtype, dataSync(x), { gradFn, requiresGrad: x.requiresGrad, device });
}

/** Its values as nested arrays. */
export function json(x: Tensor): unknown {
  const flat = Array.from(dataSync(x), (v) => (x.dtype === "bool" ? v !== 0 : v));
  let at = 0;
  const nested = (depth: number): unknown =>
    depth === x.ndim ? flat[at++] : Array.from({ length: x.shape[depth]! }, () => nested(depth + 1));
  return nested(0);
}
