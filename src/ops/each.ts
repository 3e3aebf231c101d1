// Launching elementwise kernels: dense operands as they are, views by their strides.
import { launch } from "../core/op.ts";
import type { Shape } from "../core/shape.ts";
import { empty, type Tensor } from "../core/tensor.ts";
import { merge, walk, walking } from "../program/nest.ts";
import { done } from "./compose.ts";
import { broadcastStrides } from "./strides.ts";

/** Names of rows over views, made once. */
const NAMES = new Map<string, string>();

/**
 * Launches a dense kernel `y | inputs | n | scalars` with what broadcasts to the dense `y`, views as they lie. Where the most
 * common ops look at their one operand first, V8 makes one function of theirs and `launch`: a fifth of a small eager row.
 * @internal
 */
export function launchEach(
  kernel: string,
  y: Tensor,
  inputs: readonly Tensor[],
  scalars: readonly number[] | undefined,
  op: string,
): void {
  let dense = true;
  for (let i = 0; i < inputs.length; i++) dense &&= inputs[i]!.strides === null && inputs[i]!.numel === y.numel;
  if (dense) launch(kernel, [y], inputs, [y.numel], scalars, op);
  else launchWalk(kernel, y, inputs, scalars, op);
}

function launchWalk(
  kernel: string,
  y: Tensor,
  inputs: readonly Tensor[],
  scalars: readonly number[] = [],
  op: string,
): void {
  const strides: (readonly number[])[] = [];
  for (let i = 0; i < inputs.length; i++) {
    const x = inputs[i]!;
    strides.push(
      x.strides !== null && x.ndim === y.ndim && x.numel === y.numel ? x.strides : broadcastStrides(x, y.shape),
    );
  }
  const nest = merge(y.shape, strides);
  if (nest === null) {
    // Too many dims together: each by itself has less.
    const dense = inputs.map((x) => denseIn(x, y.shape));
    launch(kernel, [y], dense, [y.numel], scalars, op);
    done(...dense);
    return;
  }
  const name = NAMES.get(kernel) ?? walking(kernel);
  NAMES.set(kernel, name);
  let words = nest.strides[0]!;
  for (let i = 1; i < inputs.length; i++) words = words.concat(nest.strides[i]!);
  launch(name, [y], inputs, nest.extents, scalars.length > 0 ? words.concat(scalars) : words, op);
}

/** A dense copy of what broadcasts. */
function denseIn(x: Tensor, shape: Shape): Tensor {
  const y = empty(shape, x.dtype, "expand", x.device);
  const { extents, strides } = walk("expand", shape, [broadcastStrides(x, shape)]);
  launch("permute_f32", [y], [x], extents, strides[0]!, "expand");
  return y;
}
