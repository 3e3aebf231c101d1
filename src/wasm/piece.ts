// Pieces of chains: one loop in registers for elementwise rows that stand side by side, as a small module made at run time (piece/). What a
// row computes is written there once more, in the order of its kernel, so the bits are the same; test/pieces.test.ts holds them together.
import type { Piece, Pieces } from "../program/passes/chain.ts";
import { hasFormula, isStraight } from "./piece/formulas.ts";
import { bytesOf } from "./piece/kernel.ts";

/** The pieces of a device, which are made once; where code may not be made there are none. */
export class MadePieces implements Pieces {
  readonly #made = new Map<string, number>();
  readonly #memory: WebAssembly.Memory;
  readonly #table: WebAssembly.Table;
  readonly #relaxed: boolean;

  constructor(memory: WebAssembly.Memory, table: WebAssembly.Table, relaxed: boolean) {
    this.#memory = memory;
    this.#table = table;
    this.#relaxed = relaxed;
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
    try {
      const shared = !(this.#memory.buffer instanceof ArrayBuffer);
      const module = new WebAssembly.Module(bytesOf(piece, shared, this.#relaxed));
      const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
      const index = this.#table.grow(1, exports.f);
      this.#made.set(key, index);
      return index;
    } catch {
      return null;
    }
  }
}
