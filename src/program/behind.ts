// What may not run behind a fault: rows that depend on what failed. A row whose results are new loses them, and who reads those is told
// why; one that writes in place, or state that outlasts the step, does nothing, so that its target is as it was.
import type { WasmgradError } from "../core/error.ts";
import { factsOf } from "./kernels/facts.ts";

/** What of a row is looked at: who it is of, and which storages it touches, outputs first. */
export interface Touching<S> {
  readonly kernel: string;
  readonly op: string;
  readonly storages: readonly S[];
  readonly outputs: number;
  /** What it writes in place is lost with its inputs: it is differentiated. */
  readonly tied?: boolean;
}

/** Which storages are lost, and why. */
export interface Lost<S> {
  of(storage: S): WasmgradError | null;
  mark(storage: S, fault: WasmgradError): void;
}

/**
 * True for a row whose target is as it was where it may not run. Ops in place are called as PyTorch calls them: `add_`, and
 * `accumulate_` of a gradient that was there.
 */
export const lasts = ({ kernel, op, tied }: Pick<Touching<unknown>, "kernel" | "op" | "tied">): boolean =>
  (op.endsWith("_") && !tied) || factsOf(kernel).lasting === true;

/** Loses what a row would have made new. */
export function lose<S>(row: Touching<S>, fault: WasmgradError, lost: Lost<S>): void {
  if (!lasts(row)) for (let j = 0; j < row.outputs; j++) lost.mark(row.storages[j]!, fault);
}

/** Whether a row may not run, because an input is lost; what it would have made is lost then, too. */
export function heldBack<S>(row: Touching<S>, lost: Lost<S>): boolean {
  for (let j = row.outputs; j < row.storages.length; j++) {
    const fault = lost.of(row.storages[j]!);
    if (fault === null) continue;
    lose(row, fault, lost);
    return true;
  }
  return false;
}
