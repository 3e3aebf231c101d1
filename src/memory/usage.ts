// What a device's memory is used for, by the op that asked: shared by the devices.
import type { MemoryUse } from "../core/device.ts";
import { WasmgradError } from "../core/error.ts";
import { type Growth, STORAGE_COST } from "./growth.ts";
import { type Held, press } from "./upkeep.ts";

/** A live storage: how many bytes which op asked for. */
export interface Live {
  readonly label: string;
  readonly bytes: number;
}

export abstract class Usage implements Held {
  liveBytes = 0;
  storages = 0;
  /** Bytes taken from the host, and the most that may be. */
  abstract readonly reservedBytes: number;
  abstract readonly maximum: number;
  /** In the sentence for memory that ran out: "memory". */
  protected abstract readonly what: string;
  growth?: Growth;
  pressed = false;
  turning: Promise<void> | null = null;

  /** Live bytes, and what live storages cost besides. */
  get heldBytes(): number {
    return this.liveBytes + STORAGE_COST * this.storages;
  }

  /** Books a storage in and out. */
  book(bytes: number, sign: 1 | -1): void {
    this.liveBytes += sign * bytes;
    this.storages += sign;
  }

  /** The live storages, for who asks: nothing is counted by op before. */
  protected abstract held(): Iterable<Live>;

  use(): MemoryUse {
    const found = new Map<string, { bytes: number; storages: number }>();
    for (const { label, bytes } of this.held()) {
      const entry = found.get(label) ?? { bytes: 0, storages: 0 };
      found.set(label, { bytes: entry.bytes + bytes, storages: entry.storages + 1 });
    }
    const byOp = Object.fromEntries([...found].sort((a, b) => b[1].bytes - a[1].bytes));
    return { liveBytes: this.liveBytes, reservedBytes: this.reservedBytes, storages: this.storages, byOp };
  }

  /** Memory has run out: throws, and has the next wait collect, so that what the sentence advises helps. */
  exhausted(label: string, bytes: number): never {
    press(this);
    const most = Object.entries(this.use().byOp).slice(0, 4);
    const holds = most.map(([op, e]) => `${op} ${mib(e.bytes)} in ${e.storages}`).join(", ");
    throw Object.assign(
      new WasmgradError(
        `${label}: ${mib(bytes)} asked for, ${mib(this.liveBytes)} of ${mib(this.maximum)} in use: ${this.what} has run out; most is held by ${holds}; ` +
          "awaiting in the loop (data(), item(), the loader) frees more, so do scope() and dispose()",
      ),
      { full: true },
    );
  }
}

export const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
