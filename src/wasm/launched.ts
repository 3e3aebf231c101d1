// What the host knows of rows: of launched ones until they have run, of a program's for as long as it lives. For messages, and for what
// a fault takes with it.
import type { Row, Storage } from "../core/device.ts";
import type { WasmgradError } from "../core/error.ts";
import { TIED } from "../core/fault.ts";
import { heldBack, type Losses, type Lost, lose, outsides } from "../program/behind.ts";
import type { WasmStorage } from "./memory.ts";
import type { Rows } from "./runner.ts";
import type { EncodedRow } from "./script.ts";

/** Launched rows. Numbers alone are kept of them: what is held here would live on, and be moved by each collection. */
export class Launched implements Rows {
  readonly ops: string[] = [];
  /** `Device.under` as it was at each launch. */
  readonly under: number[] = [];
  /** Of the buffers of all rows, one after another. */
  readonly serials: number[] = [];
  /** How many these are. */
  count = 0;
  private readonly lost: Losses;
  /** The name of a kernel by its place. */
  private readonly nameOf: (row: EncodedRow) => string;

  constructor(lost: Losses, nameOf: (row: EncodedRow) => string) {
    this.lost = lost;
    this.nameOf = nameOf;
  }

  clear(): void {
    this.count = 0;
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
      if (under > 0) storages.push(under);
      const [kernel, op, outputs] = [this.nameOf(encoded), this.ops[n]!, encoded.outputs.length];
      const row = { kernel, op, storages, outputs, tied: under === TIED };
      if (n === failed) lose(row, fault!, this.lost);
      return n > failed && !heldBack(row, this.lost);
    });
  }
}

/** Rows of a program, which run again and again. */
export class Recorded implements Rows {
  readonly rows: readonly Row[];
  private readonly losses: Losses;
  /** What one run has lost of the program's own storages. */
  private readonly lost = new Map<Storage, WasmgradError>();
  /** Found when first needed. */
  private remade: readonly WasmStorage[] | null = null;

  constructor(rows: readonly Row[], losses: Losses) {
    this.rows = rows;
    this.losses = losses;
  }

  op(n: number): string | undefined {
    return this.rows[n]?.op;
  }

  /** Why the last run has lost a storage. */
  of(storage: Storage): WasmgradError | null {
    return this.lost.get(storage) ?? this.losses.of(real(storage).serial);
  }

  /** Before each run. */
  begin(): void {
    if (this.lost.size > 0) this.lost.clear();
    if (this.losses.size > 0) for (const s of this.madeAnew()) this.losses.delete(s.serial);
  }

  /** Behind a row that failed none runs, as in PyTorch none is reached; else those that depend on what was lost before. */
  behind(failed: number, fault: WasmgradError | null): boolean[] {
    if (fault !== null) {
      for (const s of this.madeAnew()) this.losses.mark(s.serial, fault);
      return this.rows.map(() => false);
    }
    const lost: Lost<Storage> = {
      of: (s) => this.of(s),
      mark: (s, why) => {
        this.lost.set(s, why);
        if (real(s).block !== null) this.losses.mark(real(s).serial, why);
      },
    };
    return this.rows.map(({ kernel, op, buffers, outputs }, n) => {
      const storages = buffers.map(({ storage }) => storage);
      return n > failed && !heldBack({ kernel, op, storages, outputs }, lost);
    });
  }

  private madeAnew(): readonly WasmStorage[] {
    this.remade ??= outsides(this.rows, real).made;
    return this.remade;
  }
}

/** The lasting storage behind one, if it has one. */
const real = (s: Storage): WasmStorage => (s as WasmStorage).alias ?? (s as WasmStorage);
