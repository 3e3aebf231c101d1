// What initial weights follow from: how many inputs and outputs a unit has; and PyTorch's default for layers.
import { fail } from "../core/error.ts";
import { show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { uniform_ } from "../ops/index.ts";
import { noGrad } from "../ops/modes.ts";

/** Inputs and outputs of one unit: weight [out, in, ...receptive field]. @internal */
export function fans(op: string, x: Tensor): { fanIn: number; fanOut: number } {
  alive(op, x);
  const { shape } = x;
  if (shape.length < 2) fail(op, `${show(shape)}: fan in and fan out need at least 2 dims`);
  const field = shape.slice(2).reduce((a, b) => a * b, 1);
  return { fanIn: shape[1]! * field, fanOut: shape[0]! * field };
}

/**
 * PyTorch's default for a layer's weight and bias: U(-1/sqrt(fanIn), 1/sqrt(fanIn)), which is kaiming with a = sqrt 5.
 * @internal
 */
export function layerDefault(fanIn: number): (x: Tensor) => void {
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  return (x) => {
    noGrad(() => uniform_(x, -bound, bound));
  };
}
