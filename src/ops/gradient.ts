// Gradients that do not depend on what they are the gradient of.

import { mode } from "../core/lifetime.ts";
import { alias, empty } from "../core/make.ts";
import { launch, type Op, record } from "../core/op.ts";
import type { Tensor } from "../core/tensor.ts";

/** No gradient, whatever comes in: an infinity times 0 would be NaN. @internal */
export function zerosAs(g: Tensor): Tensor {
  const z = empty(g.shape, g.dtype, "gradient", g.device);
  launch("fill_f32", [z], [], [z.numel], [0], "zeros");
  return z;
}

/**
 * A gradient that does not depend on the input `x`, where PyTorch's graph leads to `x` all the same: a second derivative there is
 * zeros, or none, and not refused.
 * @internal
 */
export function besides(g: Tensor, x: Tensor, second: "zeros" | "none"): Tensor {
  if (!mode.grad) return g;
  const y = alias(g);
  record(BESIDES[second], [g, x], null, [], y, [], g.requiresGrad ? 3 : 2);
  return y;
}
const BESIDES: Record<"zeros" | "none", Op> = {
  zeros: { name: "linearVjp", forward: ([g]) => g!, vjp: (gg, { inputs: [, x] }) => [gg, () => zerosAs(x!)] },
  none: { name: "linearVjp", forward: ([g]) => g!, vjp: (gg) => [gg, null] },
};
