// What makes pieces of chains is loaded when a program could use it: most pages never need it.
import type { MadePieces } from "./piece.ts";

export class PiecesOnDemand {
  /** Null until they are loaded, and where code may not be made. */
  made: MadePieces | null = null;
  #make: (() => Promise<MadePieces>) | null;

  constructor(make: (() => Promise<MadePieces>) | null) {
    this.#make = make;
  }

  /** Loads them, once; where that fails there are none. */
  async load(): Promise<void> {
    const make = this.#make;
    this.#make = null;
    const made = await make?.().catch(() => null);
    if (made && this.#make !== GONE) this.made = made;
  }

  /** The device is gone. */
  dispose(): void {
    this.made = null;
    this.#make = GONE;
  }
}

const GONE = (): Promise<never> => Promise.reject(new Error("gone"));
