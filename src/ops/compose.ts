// Compositions: functions made of several ops, whose helpers must not linger.
import { empty, mode, type Tensor } from "../core/tensor.ts";

/** Undefined contents on the device of `x` and in its dtype, by default in its shape too. */
export const like = (x: Tensor, label: string, shape = x.shape): Tensor => empty(shape, x.dtype, label, x.device);

/** Releases helpers of a forward that nobody else has seen. */
export function done(...temporaries: Tensor[]): void {
  for (const t of temporaries) t.release("the op that made it");
}

/**
 * Runs a composition of ops: helpers that it made and nobody recorded are released; those that the result's gradient
 * needs go with its entry.
 */
export function compose(f: () => Tensor): Tensor {
  const outer = mode.scope;
  const made: Tensor[] = [];
  mode.scope = made;
  let out: Tensor;
  try {
    out = f();
  } finally {
    mode.scope = outer;
  }
  for (const t of made) {
    if (t === out || t.entry !== null || t.kept || t.gone !== null) outer?.push(t);
    else if (out.entry !== null) {
      out.entry.saved.push(t);
      outer?.push(t);
    } else t.release("the op that made it");
  }
  return out;
}
