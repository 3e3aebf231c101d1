// What may not run behind a fault: rows that depend on what failed. A row whose results are new loses them, and who reads those is told
// why; one that writes in place, or state that outlasts the step, does nothing, so that its target is as it was.
import type { Row, Storage } from "../core/device.ts";
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

/** Serials of the storages that are lost, and why, until they are freed. */
export class Losses extends Map<number, WasmgradError> implements Lost<number> {
  of(serial: number): WasmgradError | null {
    return this.get(serial) ?? null;
  }

  mark(serial: number, fault: WasmgradError): void {
    if (!this.has(serial)) this.set(serial, fault);
  }
}

/**
 * The storages from outside that a program touches: those that each run makes anew, such as gradients, and those that it reads as they were
 * before.
 */
export function outsides<S extends Storage>(
  rows: readonly Row[],
  real: (s: Storage) => S & { readonly block: unknown },
): { made: S[]; read: S[] } {
  const [made, read] = [new Set<S>(), new Set<S>()];
  for (const row of rows) {
    const storages = row.buffers.map(({ storage }) => real(storage));
    const inputs = storages.slice(row.outputs);
    for (const [j, s] of storages.entries()) {
      if (s.block === null || made.has(s) || read.has(s)) continue;
      if (j < row.outputs && !lasts(row) && !inputs.includes(s)) made.add(s);
      else if (j >= row.outputs) read.add(s);
    }
  }
  return { made: [...made], read: [...read] };
}
