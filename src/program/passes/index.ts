// The passes, in the order in which they run over a recorded program before it is kept.
import type { Row, Storage } from "../../core/device.ts";
import { activation } from "./activation.ts";
import { constants } from "./constants.ts";
import { reluGradient } from "./gradient.ts";
import { poolBeforeRelu } from "./order.ts";
import { poolBackward, poolForward } from "./pool.ts";
import type { Pass } from "./rows.ts";
import { zeros } from "./zeros.ts";

export const passes: readonly Pass[] = [
  constants,
  poolBeforeRelu,
  poolForward,
  poolBackward,
  activation,
  reluGradient,
  zeros,
];

/** The rows after the passes; under `deterministic` only those that keep the bits. */
export function improve(
  rows: readonly Row[],
  isTemporary: (s: Storage) => boolean,
  has: (kernel: string) => boolean,
  deterministic: boolean,
): readonly Row[] {
  let out = rows;
  for (const pass of passes) {
    if (deterministic && !pass.exact) continue;
    const better = pass.run(out, isTemporary);
    if (better.every((r) => has(r.kernel))) out = better;
  }
  return out;
}
