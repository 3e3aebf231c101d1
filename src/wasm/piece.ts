// Pieces of chains: one loop in registers for elementwise rows that stand side by side, as a small module made at run time (piece/). What a
// row computes is written there once more, in the order of its kernel, so the bits are the same; test/pieces.test.ts holds them together.
import type { Piece, Pieces } from "../program/passes/chain.ts";
import { PIECES, PIECES_BASE, PIECES_BYTES } from "./control.ts";
import type { Memory } from "./memory.ts";
import { hasFormula, isStraight } from "./piece/formulas.ts";
import { bytesOf } from "./piece/kernel.ts";
import type { Threads } from "./threads.ts";

type Shared = Pick<Memory, "memory" | "i32">;

/**
 * The pieces of a device. Each is made once, here and by the workers, which find its bytes in the memory: as many as there is room for.
 */
export class MadePieces implements Pieces {
  /** Places in the table; null of those for which there was no room. */
  readonly #made = new Map<string, number | null>();
  readonly #memory: Shared;
  readonly #table: WebAssembly.Table;
  readonly #threads: Threads;
  readonly #relaxed: boolean;

  /** `relaxed`: the kernels of the build are written with the relaxed instructions. */
  constructor(memory: Shared, table: WebAssembly.Table, threads: Threads, relaxed: boolean) {
    this.#memory = memory;
    this.#table = table;
    this.#threads = threads;
    this.#relaxed = relaxed;
  }

  /** True when a worker has come that takes none. */
  get refused(): boolean {
    return this.#threads.ready(true) < this.#threads.ready();
  }

  fits(kernel: string): boolean {
    return hasFormula(kernel);
  }

  sums(kernels: readonly string[]): boolean {
    return kernels.every(isStraight);
  }

  index(piece: Piece): number | null {
    const key = JSON.stringify(piece);
    const there = this.#made.get(key);
    if (there !== undefined) return there;
    const { memory, i32 } = this.#memory;
    const bytes = bytesOf(piece, this.#relaxed);
    const used = i32[PIECES >> 2]!;
    const end = (used + 7 + bytes.length) & -4;
    if (end > PIECES_BYTES) {
      this.#made.set(key, null);
      return null;
    }
    try {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
      const index = this.#table.grow(1, exports.f);
      i32[(PIECES_BASE + used) >> 2] = bytes.length;
      new Uint8Array(memory.buffer).set(bytes, PIECES_BASE + used + 4);
      Atomics.store(i32, PIECES >> 2, end);
      this.#made.set(key, index);
      return index;
    } catch {
      return null;
    }
  }
}
