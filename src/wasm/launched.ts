// What the host knows of rows: of launched ones until they have run, of a program's for as long as it lives. For messages, and for what
// a fault takes with it.
import type { Buffer, Row } from "../core/device.ts";
import type { WasmgradError } from "../core/error.ts";
import { readable } from "../core/fault.ts";
import { heldBack, type Losses, lose, outsides } from "../program/behind.ts";
import { WALK } from "../row/nest.ts";
import { dependsOn, isStep, TIED } from "../row/under.ts";
import type { Memory, WasmStorage } from "./memory.ts";
import type { Rows } from "./runner.ts";
import type { EncodedRow } from "./script.ts";

/** Bits of who has touched a block: thread 0, or all; shifted, who has written it. */
const [ONE, ALL, WRITTEN] = [1, 2, 2];

/** Launched rows. Numbers alone are kept of them: what is held here would live on, and be moved by each collection. */
export class Launched implements Rows {
  readonly ops: string[] = [];
  /** `Device.under` as it was at each launch. */
  readonly under: number[] = [];
  /** Of the buffers of all rows, one after another. */
  readonly serials: number[] = [];
  /** How many these are. */
  count = 0;
  /** The row behind which the threads last met, and who has run since then what may report a fault. */
  #met = 0;
  #faulty = 0;
  readonly #lost: Losses;
  /** The name of a kernel by its place. */
  readonly #nameOf: (row: EncodedRow) => string;

  /** Bytes of the storage of this number, if it begins there. */
  readonly #bytesFrom: (serial: number, address: number) => number | undefined;

  constructor(lost: Losses, nameOf: (row: EncodedRow) => string, bytesFrom: Memory["bytesFrom"]) {
    this.#lost = lost;
    this.#nameOf = nameOf;
    this.#bytesFrom = bytesFrom;
  }

  clear(): void {
    this.count = 0;
  }

  /**
   * Whether the threads meet before row `serial`, as in a program (program/barriers.ts): where it reads what another wrote since they last
   * met, or writes what another touched, unless thread 0 alone runs both. Comes before the buffers' blocks get their new last row.
   */
  meets(
    serial: number,
    first: boolean,
    buffers: readonly Buffer[],
    outputs: number,
    parallel: boolean,
    faults: boolean,
  ): boolean {
    const who = parallel ? ALL : ONE;
    if (first) this.#met = serial - 1;
    let rivals = first ? 0 : this.#faulty;
    for (let j = 0; j < buffers.length && !first; j++) {
      const block = (buffers[j]!.storage as WasmStorage).block!;
      if (block.met === this.#met) rivals |= (block.touched >> WRITTEN) | (j < outputs ? block.touched : 0);
      else if (block.last > this.#met) rivals |= ALL; // cut out of others, one of which was touched
    }
    rivals &= ONE | ALL;
    const meet = rivals > 0 && ((rivals | who) & ALL) !== 0;
    if (meet) this.#met = serial - 1;
    if (meet || first) this.#faulty = 0;
    for (let j = 0; j < buffers.length; j++) {
      const block = (buffers[j]!.storage as WasmStorage).block!;
      if (block.met !== this.#met) block.touched = 0;
      block.met = this.#met;
      block.touched |= j < outputs ? who << WRITTEN : who;
    }
    if (faults) this.#faulty |= who;
    return meet;
  }

  op(n: number): string | undefined {
    return this.ops[n];
  }

  behind(failed: number, fault: WasmgradError | null, rows: readonly EncodedRow[]): boolean[] {
    let at = 0;
    return rows.map((encoded, n) => {
      const storages = this.serials.slice(at, at + encoded.buffers);
      at += encoded.buffers;
      const under = this.under[n]!;
      const also = dependsOn(under);
      if (also > 0) storages.push(also);
      const [kernel, op, outputs] = [this.#nameOf(encoded), this.ops[n]!, encoded.outputs.length];
      const row = { kernel, op, storages, outputs, tied: under === TIED, step: isStep(under) };
      if (n === failed) lose(row, fault!, this.#lost);
      if (n <= failed || heldBack(row, this.#lost)) return false;
      if (this.#lost.any) this.#heal(kernel, encoded, storages);
      return true;
    });
  }

  /** What a row that runs writes whole, without reading it, is there again. */
  #heal(kernel: string, { outputs, buffers, extents }: EncodedRow, serials: readonly number[]): void {
    const inputs = serials.slice(outputs.length, buffers);
    if (inputs.some((serial) => this.#lost.stale.has(serial))) return; // what is made of such lacks something, too
    for (const [j, address] of outputs.entries()) {
      const serial = serials[j]!;
      if (!this.#lost.has(serial) && !this.#lost.stale.has(serial)) continue;
      // The first extent is what elementwise rows write, and no more than others do.
      const elements = /^permute_/.test(kernel) ? extents.slice(0, WALK).reduce((n, size) => n * size, 1) : extents[0]!;
      if (this.#bytesFrom(serial, address) === 4 * elements && !inputs.includes(serial)) this.#lost.heal(serial);
    }
  }
}

/** Rows of a program, which run again and again. */
export class Recorded implements Rows {
  readonly rows: readonly Row[];
  /** The same before some were put together: of a chain nobody could tell what it makes and then reads from what was there before. */
  readonly #plain: readonly Row[];
  readonly #losses: Losses;
  /** Found when first needed. */
  #outside: ReturnType<typeof outsides<WasmStorage>> | null = null;

  constructor(rows: readonly Row[], losses: Losses, plain = rows) {
    this.rows = rows;
    this.#plain = plain;
    this.#losses = losses;
  }

  op(n: number): string | undefined {
    return this.rows[n]?.op;
  }

  /** Before a run, where something is lost: throws where that is what the rows read. What they make anew is whole again. */
  begin(): void {
    const { made, read } = this.#outsides();
    for (const s of read) readable(s);
    for (const { serial } of made) this.#losses.heal(serial);
  }

  /** Behind a row that failed none runs, as in PyTorch none is reached. */
  behind(failed: number, fault: WasmgradError | null): boolean[] {
    if (fault !== null) for (const { serial } of this.#outsides().made) this.#losses.mark(serial, fault);
    return this.rows.map(() => failed < 0);
  }

  #outsides(): { made: WasmStorage[]; read: WasmStorage[] } {
    this.#outside ??= outsides(this.#plain, (s) => ((s as WasmStorage).alias ?? s) as WasmStorage);
    return this.#outside;
  }
}
