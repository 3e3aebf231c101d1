// What may not run behind a fault: rows that depend on what failed. A row whose results are new loses them, and who reads those is told
// why; one that writes in place, or state that outlasts the step, does nothing, so that its target is as it was.
import type { Buffer, Storage } from "../core/device.ts";
import type { WasmgradError } from "../core/error.ts";
import { factsOf } from "./kernels/facts.ts";

/** Which storages are lost, and why, but for what else they need. */
export interface Lost {
  own(storage: Storage): WasmgradError | null;
  mark(storage: Storage, fault: WasmgradError): void;
}

/** What of a row is looked at. */
interface Behind {
  readonly kernel: string;
  readonly op: string;
  readonly buffers: readonly Buffer[];
  readonly outputs: number;
}

/** True for a row whose target is as it was where it may not run. Ops in place are called as PyTorch calls them: `add_`, and `accumulate_` of a gradient that was there. */
export const lasts = ({ kernel, op }: Behind): boolean => op.endsWith("_") || factsOf(kernel).lasting === true;

/** Loses what a row would have made new. */
export function lose(row: Behind, fault: WasmgradError, lost: Lost): void {
  if (!lasts(row)) for (let j = 0; j < row.outputs; j++) lost.mark(row.buffers[j]!.storage, fault);
}

/** Whether a row may not run, because an input is lost, or what its results need; they are lost then, too. */
export function heldBack(row: Behind, lost: Lost): boolean {
  const { buffers, outputs } = row;
  let held = false;
  for (let j = 0; j < outputs; j++) {
    const { storage } = buffers[j]!;
    const fault = needed(storage, lost);
    if (fault === null) continue;
    lost.mark(storage, fault);
    held = true;
  }
  for (let j = outputs; j < buffers.length; j++) {
    const { storage } = buffers[j]!;
    const fault = lost.own(storage) ?? needed(storage, lost);
    if (fault === null) continue;
    lose(row, fault, lost);
    return true;
  }
  return held;
}

/** Why what a storage needs is lost. */
function needed({ needs }: Storage, lost: Lost): WasmgradError | null {
  for (let n = needs; n !== null; n = n.next) {
    const fault = lost.own(n.of) ?? needed(n.of, lost);
    if (fault !== null) return fault;
  }
  return null;
}
