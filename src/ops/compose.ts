// Compositions: functions made of several ops, whose helpers must not linger.

import { owning } from "../core/lifetime.ts";
import { empty } from "../core/make.ts";
import type { Tensor } from "../core/tensor.ts";

/** Undefined contents on the device of `x` and in its dtype, by default in its shape too. @internal */
export const like = (x: Tensor, label: string, shape = x.shape): Tensor => empty(shape, x.dtype, label, x.device);

/** Releases helpers of a forward that nobody else has seen. @internal */
export function done(...temporaries: Tensor[]): void {
  for (const t of temporaries) t.release("the op that made it");
}

/**
 * Runs a composition of ops: helpers that it made and nobody recorded are released; those that the result's gradient
 * needs go with its entry.
 * @internal
 */
export const compose = (f: () => Tensor): Tensor => owning(f, null, "the op that made it", stays);

function stays(t: Tensor, out: Tensor | null): boolean {
  if (out === null || t === out || t.entry !== null || t.kept || t.gone !== null) return true;
  if (out.entry === null) return false;
  out.entry.helpers ??= [];
  out.entry.helpers.push(t);
  return true;
}
