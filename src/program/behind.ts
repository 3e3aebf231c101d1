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
  /** It is part of an optimizer's step: what it leaves as it was lacks nothing. */
  readonly step?: boolean;
}

/** Which storages are lost, and why; and which are as they were, but lack what a held row would have done, until the fault is thrown. */
export interface Lost<S> {
  of(storage: S): WasmgradError | null;
  mark(storage: S, fault: WasmgradError): void;
  readonly stale: Set<S>;
}

/**
 * True for a row whose target is as it was where it may not run. Ops in place are called as PyTorch calls them: `add_`, and
 * `accumulate_` of a gradient that was there.
 */
export const lasts = ({ kernel, op, tied }: Pick<Touching<unknown>, "kernel" | "op" | "tied">): boolean =>
  (op.endsWith("_") && !tied) || factsOf(kernel).lasting === true;

/** True for a row whose target lacks something where it may not run: it is in place, and no part of an optimizer's step. */
export const lacks = ({ op, step }: Pick<Touching<unknown>, "op" | "step">): boolean => op.endsWith("_") && !step;

/** Loses what a row would have made new. */
export function lose<S>(row: Touching<S>, fault: WasmgradError, lost: Lost<S>): void {
  if (!lasts(row)) for (let j = 0; j < row.outputs; j++) lost.mark(row.storages[j]!, fault);
}

/** Whether the input at place j is what the row writes in place: what it lacks keeps nobody from adding to it. */
export const isTarget = ({ storages, outputs }: Pick<Touching<unknown>, "storages" | "outputs">, j: number): boolean =>
  storages.indexOf(storages[j]!) < outputs;

/**
 * Whether a row may not run, because an input is lost, or lacks something and the row lasts (its target may: it lacks that still). What
 * it would have made is lost then, or, where it stays as it was, lacks something from here on; so does what is made of such. But
 * parameters and state that a step leaves as they were lack nothing: the next batch goes on with them.
 */
export function heldBack<S>(row: Touching<S>, lost: Lost<S>): boolean {
  const { storages, outputs } = row;
  const stays = lasts(row);
  let fault: WasmgradError | null = null;
  let stale = false;
  for (let j = outputs; j < storages.length && fault === null; j++) {
    fault = lost.of(storages[j]!);
    stale ||= lost.stale.has(storages[j]!) && !(stays && isTarget(row, j));
  }
  if (fault === null && !stale) return false;
  if (stays ? lacks(row) : fault === null) for (let j = 0; j < outputs; j++) lost.stale.add(storages[j]!);
  if (fault !== null) lose(row, fault, lost);
  return stays || fault !== null;
}

/** Serials of the storages that are lost, and why, until they are freed. */
export class Losses extends Map<number, WasmgradError> implements Lost<number> {
  readonly stale = new Set<number>();

  get count(): number {
    return this.size + this.stale.size;
  }

  /** Whether anybody has to look. */
  get any(): boolean {
    return this.count > 0;
  }

  /** Its values are made anew. */
  heal(serial: number): void {
    this.delete(serial);
    this.stale.delete(serial);
  }

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
