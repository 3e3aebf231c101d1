// Bytes for programs' temporaries. Programs share them: only state and results outlive a run.
import type { Storage } from "../core/device.ts";

export class Arenas<S extends Storage> {
  #list: { storage: S; users: number }[] = [];
  readonly #make: (bytes: number) => S;
  readonly #free: (storage: S) => void;

  constructor(make: (bytes: number) => S, free: (storage: S) => void) {
    this.#make = make;
    this.#free = free;
  }

  /** One that is large enough. */
  take(bytes: number): S {
    let found = this.#list.find((a) => a.storage.bytes >= bytes);
    if (found === undefined) {
      found = { storage: this.#make(bytes), users: 0 };
      this.#list.push(found);
    }
    found.users++;
    return found.storage;
  }

  /** The last user frees it. */
  release(storage: S): void {
    const found = this.#list.find((a) => a.storage === storage)!;
    if (--found.users > 0) return;
    this.#list = this.#list.filter((a) => a !== found);
    this.#free(storage);
  }
}
