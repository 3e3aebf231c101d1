// Faults that only a kernel can see. A kernel sets the fault word once: the number of its row, an index and a value. The
// word comes back with every read; it is cleared when it has been thrown.
import type { Row } from "../core/device.ts";
import { WasmgradError } from "../core/error.ts";
import { faultMessage } from "../program/fault.ts";
import type { Memory } from "./memory.ts";
import type { Range } from "./pipelines.ts";

/** Rows that a fault can still name. */
const MOST = 1 << 14;

export const FAULT_BYTES = 16;

export class Faults {
  readonly word: Range;
  private readonly rows = new Map<number, { kernel: string; op: string; extents: readonly number[] }>();
  private last = 0;
  private readonly clear: () => void;

  constructor(memory: Memory, clear: (word: GPUBuffer) => void) {
    const { buffer, id } = memory.allocate(FAULT_BYTES, "fault word");
    this.word = { buffer, id, offset: 0, size: FAULT_BYTES };
    this.clear = () => clear(buffer);
  }

  /** A number by which a fault names the row; those of programs are kept until `forget`. */
  number({ kernel, op, extents }: Row): number {
    this.rows.set(++this.last, { kernel, op, extents });
    return this.last;
  }

  forget(numbers: readonly number[]): void {
    for (const n of numbers) this.rows.delete(n);
  }

  /** Lets go of numbers of eager rows long past. */
  trim(eager: number[]): void {
    if (eager.length > MOST) this.forget(eager.splice(0, eager.length - MOST));
  }

  /** What the word says, or null. */
  read(bytes: ArrayBuffer): WasmgradError | null {
    const [number, index, value] = [...new Int32Array(bytes, 0, 3)] as [number, number, number];
    if (number === 0) return null;
    this.clear();
    const row = this.rows.get(number);
    if (row === undefined) return new WasmgradError(`a kernel reported the value ${value} at ${index}`);
    return new WasmgradError(faultMessage(row.kernel, row.op, row.extents, index, value));
  }
}
