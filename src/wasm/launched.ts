// What the rows of a script are of, as long as they have not run: for messages, and for what a fault takes with it.
import { type Buffer, elementsOf, type Row, type Storage } from "../core/device.ts";
import type { WasmgradError } from "../core/error.ts";
import { marks } from "../core/fault.ts";
import { heldBack, type Lost, lasts, lose } from "../program/behind.ts";
import type { WasmStorage } from "./memory.ts";
import type { Rows } from "./runner.ts";
import type { WasmKernel } from "./script.ts";

/** Marks that stay until the storage is freed. */
export const lasting: Lost = {
  own: (storage) => storage.fault,
  mark(storage, fault) {
    if (storage.fault === null && (storage as WasmStorage).block !== null) marks.count++;
    storage.fault ??= fault;
  },
};

const NOTHING: readonly Buffer[] = [];

export class Launched implements Rows {
  private readonly kernels: WasmKernel[] = [];
  private readonly buffers: (readonly Buffer[])[] = [];
  private readonly outputs: number[] = [];
  private readonly ops: string[] = [];
  private count = 0;

  take(n: number, kernel: WasmKernel, buffers: readonly Buffer[], outputs: number, op: string): void {
    this.kernels[n] = kernel;
    this.buffers[n] = buffers;
    this.outputs[n] = outputs;
    this.ops[n] = op;
    this.count = n + 1;
  }

  /** They have run: tensors are not held any longer. */
  clear(): void {
    for (let n = 0; n < this.count; n++) this.buffers[n] = NOTHING;
    this.count = 0;
  }

  op(n: number): string | undefined {
    return this.ops[n];
  }

  behind(failed: number, fault: WasmgradError | null): boolean[] {
    const row = (n: number) => ({
      kernel: this.kernels[n]!.name,
      op: this.ops[n]!,
      buffers: this.buffers[n]!,
      outputs: this.outputs[n]!,
    });
    if (fault !== null) lose(row(failed), fault, lasting);
    return Array.from({ length: this.count }, (_, n) => {
      if (n <= failed || heldBack(row(n), lasting)) return false;
      if (marks.count > 0) remake(row(n));
      return true;
    });
  }
}

/** What a row writes whole, without reading it, is there again. */
function remake({ buffers, outputs }: { buffers: readonly Buffer[]; outputs: number }): void {
  for (let j = 0; j < outputs; j++) {
    const { storage, strides, numel } = buffers[j] as Buffer & { strides?: unknown; numel?: number }; // most are tensors
    const whole = strides === null && numel === elementsOf(storage);
    if (whole && !buffers.some((b, i) => i >= outputs && b.storage === storage)) unmark(storage as WasmStorage);
  }
}

/** The rows of a program, which run again and again: what they lose of its own storages they lose for one run. */
export class Recorded implements Rows {
  readonly rows: readonly Row[];
  private readonly lost = new Map<Storage, WasmgradError>();
  /** Lasting storages that each run makes anew, such as gradients; found when first needed. */
  private remade: WasmStorage[] | null = null;

  constructor(rows: readonly Row[]) {
    this.rows = rows;
  }

  op(n: number): string | undefined {
    return this.rows[n]?.op;
  }

  /** What was lost of a storage in the run before. */
  of(storage: Storage): WasmgradError | null {
    return this.lost.get(storage) ?? null;
  }

  /** Before each run. */
  begin(): void {
    if (this.lost.size > 0) this.lost.clear();
    if (marks.count === 0) return;
    this.remade ??= this.findRemade();
    for (const s of this.remade) unmark(s);
  }

  behind(failed: number, fault: WasmgradError | null): boolean[] {
    const lost: Lost = {
      own: (s) => this.of(s) ?? real(s).fault,
      mark: (s, why) => {
        this.lost.set(s, why);
        if (real(s).block !== null) lasting.mark(real(s), why);
      },
    };
    if (fault !== null) lose(this.rows[failed]!, fault, lost);
    return this.rows.map((row, n) => n > failed && !heldBack(row, lost));
  }

  private findRemade(): WasmStorage[] {
    const seen = new Set<Storage>();
    const found: WasmStorage[] = [];
    for (const row of this.rows) {
      const inputs = row.buffers.slice(row.outputs).map(({ storage }) => real(storage));
      for (const [j, { storage }] of row.buffers.entries()) {
        const s = real(storage);
        if (!seen.has(s) && s.block !== null && j < row.outputs && !lasts(row) && !inputs.includes(s)) found.push(s);
        seen.add(s);
      }
    }
    return found;
  }
}

const real = (s: Storage): WasmStorage => (s as WasmStorage).alias ?? (s as WasmStorage);

/** Its values are made anew. */
function unmark(s: WasmStorage): void {
  if (s.fault === null) return;
  s.fault = null;
  marks.count--;
}
