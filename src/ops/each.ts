// Launching elementwise kernels: dense operands as they are, views by their strides.
import { launch } from "../core/op.ts";
import type { Tensor } from "../core/tensor.ts";
import { shifted, walk, walking } from "../row/nest.ts";
import { broadcastStrides, oneLoop } from "./strides.ts";

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
  let name = NAMES.get(kernel);
  if (name === undefined) {
    name = walking(kernel);
    NAMES.set(kernel, name);
  }
  const steps = oneLoop(inputs, y);
  if (steps !== null) {
    launch(name, [y], inputs, [1, 1, 1, 1, 1, y.numel], scalars.length > 0 ? steps.concat(scalars) : steps, op);
    return;
  }
  const strides: (readonly number[])[] = [];
  for (let i = 0; i < inputs.length; i++) {
    const x = inputs[i]!;
    strides.push(
      x.strides !== null && x.ndim === y.ndim && x.numel === y.numel ? x.strides : broadcastStrides(x, y.shape),
    );
  }
  for (let n = walk(op, y.shape, strides); n !== null; n = n.next) {
    const { start, from } = n;
    let words = n.strides[0]!;
    for (let i = 1; i < inputs.length; i++) words = words.concat(n.strides[i]!);
    const read = n.next === null && start === 0 ? inputs : inputs.map((x, i) => shifted(x, from[i]!));
    launch(name, [shifted(y, start)], read, n.extents, scalars.length > 0 ? words.concat(scalars) : words, op);
  }
}
