// Faults that only a kernel can see. A kernel sets the fault word once: the number of its row, an index and a value; and a bit that
// stands for its number. Rows in place and of lasting state carry the bits of the rows that their inputs depend on, and do nothing where one is
// set. The host notes the bits of results that are new: they are lost. The word comes back with every read; it is cleared behind all that was
// launched until it was thrown.
import { type Buffer, elementsOf, type Row, type Storage } from "../core/device.ts";
import { WasmgradError } from "../core/error.ts";
import { heldBack, isTarget, Losses, lacks, lasts } from "../program/behind.ts";
import { faultMessage } from "../program/fault.ts";
import { factsOf } from "../program/kernels/facts.ts";
import { dependsOn, isStep, TIED } from "../row/under.ts";
import type { Memory } from "./memory.ts";
import type { Range } from "./pipelines.ts";

/** Rows that a fault can still name. */
const MOST = 1 << 14;

/** Words: row, index, value, the word that skips rows that last (`amp_skip_i32`), bits, and three that nobody uses. */
export const FAULT_BYTES = 32;

/** Whether a row writes all of an output's storage, without reading it. */
function wholly({ buffers, outputs }: Row, i: number): boolean {
  const { storage, strides, numel } = buffers[i] as Buffer & { strides?: unknown; numel?: number }; // most are tensors
  return (
    strides === null && numel === elementsOf(storage) && !buffers.some((b, j) => j >= outputs && b.storage === storage)
  );
}

/** All rows that may fault. */
const ANY = -1;

const bitOf = (number: number): number => 1 << (number & 31);
export const mayFault = (row: Row): boolean => factsOf(row.kernel).faults !== undefined;

/** Results of rows that nobody has heard of yet. */
interface Unproven {
  /** Behind which it is lost. */
  readonly bits: number;
  /** Behind which it is as it was, but lacks something. */
  readonly stale: number;
  /** Rows that were appended before. */
  readonly at: number;
}

export class Faults {
  readonly word: Range;
  readonly losses = new Losses();
  private readonly rows = new Map<number, { kernel: string; op: string; extents: readonly number[] }>();
  /** By serial, in the order in which they were written. */
  private readonly unproven = new Map<number, Unproven>();
  private last = 0;
  private turn = 0;
  /** Rows that had been appended when the word was last cleared: reads from before see what was thrown then. */
  private cleared = -1;
  private readonly clear: () => void;
  private readonly living: () => Iterable<Storage>;

  /** `clear` clears the word behind all that was launched. */
  constructor(memory: Memory, clear: (word: GPUBuffer) => void) {
    const { buffer, id } = memory.allocate(FAULT_BYTES, "fault word");
    this.word = { buffer, id, offset: 0, size: FAULT_BYTES };
    this.clear = () => clear(buffer);
    this.living = () => memory.live;
  }

  /** A number by which a fault names the row; those of programs are kept until `forget`. */
  number(row: Row, under = 0): number {
    const { kernel, op, extents } = row;
    this.last++;
    // Those that may fault take turns with the bits; a part of a step shares that of the part that it depends on.
    if (mayFault(row)) this.last += ((isStep(under) ? this.turn : ++this.turn) - this.last) & 31;
    this.rows.set(this.last, { kernel, op, extents });
    return this.last;
  }

  /**
   * Notes a row that is launched behind `at` others, itself or as a part of `whole`; returns its word. Null where an input is lost, so that
   * there is nothing to launch. The parts of an optimizer's step belong together.
   */
  launched(row: Row, whole: Row, number: number, under: number, at: number): number | null {
    const storages = row.buffers.map(({ storage }) => storage.serial);
    const also = dependsOn(under);
    if (also > 0) storages.push(also);
    const { kernel, op, outputs } = row;
    const touching = { kernel, op, storages, outputs, tied: under === TIED, step: isStep(under) };
    if (row !== whole && lasts(touching))
      for (const { storage } of whole.buffers.slice(whole.outputs)) storages.push(storage.serial);
    if (this.losses.size > 0 && heldBack(touching, this.losses)) return null;
    const stays = lasts(touching);
    let [bits, stale] = [0, 0];
    for (let i = outputs; i < storages.length; i++) {
      const u = this.unproven.get(storages[i]!);
      bits |= u?.bits ?? 0;
      if (!(stays && isTarget(touching, i))) stale |= u?.stale ?? 0;
    }
    const faulty = mayFault(row);
    const made = faulty ? bits | bitOf(number) : bits;
    if (!stays || lacks(touching))
      for (let i = 0; i < outputs; i++) {
        const serial = storages[i]!;
        if ((made | stale) !== 0) this.note(serial, stays ? 0 : made, stays ? made | stale : stale, at);
        else if (wholly(row, i)) this.forgetStorage(serial);
      }
    return faulty ? number : bits | stale;
  }

  /** The word of a program's row: its bits are those of all. */
  static wordOf = (row: Row, number: number): number => (mayFault(row) ? number : ANY);

  bitsOf(serial: number): number {
    return this.unproven.get(serial)?.bits ?? 0;
  }

  /** A storage was written by what may fault, or depends on it. */
  note(serial: number, bits: number, stale: number, at: number): void {
    const before = this.unproven.get(serial);
    this.unproven.delete(serial);
    this.unproven.set(serial, { bits: bits | (before?.bits ?? 0), stale: stale | (before?.stale ?? 0), at });
  }

  /** The storage is made anew, or freed. */
  forgetStorage(serial: number): void {
    this.unproven.delete(serial);
    if (this.losses.size > 0) this.losses.delete(serial);
  }

  forget(numbers: readonly number[]): void {
    for (const n of numbers) this.rows.delete(n);
  }

  /** Lets go of numbers of eager rows long past. */
  trim(eager: number[]): void {
    if (eager.length > MOST) this.forget(eager.splice(0, eager.length - MOST));
  }

  /** What the word says that was read behind `at` rows, or null; `now` have been appended since. */
  read(bytes: ArrayBuffer, at: number, now: () => number): WasmgradError | null {
    const [number, index, value, , bits] = [...new Int32Array(bytes, 0, 5)] as [number, number, number, number, number];
    if (number === 0) {
      for (const [serial, u] of this.unproven) {
        if (u.at > at) break;
        this.unproven.delete(serial);
      }
      return null;
    }
    if (at <= this.cleared) return null; // it was thrown
    this.clear();
    this.cleared = now();
    const row = this.rows.get(number);
    const text =
      row === undefined
        ? `a kernel reported the value ${value} at ${index}`
        : faultMessage(row.kernel, row.op, row.extents, index, value);
    const fault = new WasmgradError(text);
    for (const { serial } of this.living()) if ((this.bitsOf(serial) & bits) !== 0) this.losses.mark(serial, fault);
    for (const [serial, u] of this.unproven) if (u.at <= at || (u.bits & bits) !== 0) this.unproven.delete(serial);
    return fault;
  }
}

/** Bits by which a program's rows may fault. */
export const bitsOfRows = (rows: readonly Row[], numbers: readonly number[]): number =>
  rows.reduce((bits, row, i) => (mayFault(row) ? bits | bitOf(numbers[i]!) : bits), 0);
