// The passes, in the order in which they run over a recorded program before it is kept.
import type { Row, Storage } from "../../core/device.ts";
import { activation } from "./activation.ts";
import { constants } from "./constants.ts";
import { reluGradient } from "./gradient.ts";
import type { Host, Pass } from "./rows.ts";
import { zeros } from "./zeros.ts";

/** Those that an op brings with it when it is first called: who does not use the op does not download them. */
const brought = new Set<Pass>();

/** From now on these run too. @internal */
export function bring(passes: readonly Pass[]): void {
  for (const pass of passes) brought.add(pass);
}

export const passes = (): readonly Pass[] => [constants, ...brought, activation, reluGradient, zeros];

/** The rows after the passes; under `deterministic` only those that keep the bits. */
export function improve(rows: readonly Row[], isTemporary: (s: Storage) => boolean, host: Host): readonly Row[] {
  let out = rows;
  for (const pass of passes()) {
    if (host.deterministic && !pass.exact) continue;
    const better = pass.run(out, isTemporary, host);
    if (better.every((r) => host.has(r.kernel))) out = better;
  }
  return out;
}
