// What a device's memory is used for, by the op that asked: shared by the devices.
import type { MemoryUse } from "../core/device.ts";
import { WasmgradError } from "../core/error.ts";
import { type Growth, STORAGE_COST } from "./growth.ts";
import { type Held, press } from "./upkeep.ts";

/** Live bytes and storages of an op. */
export interface Use {
  bytes: number;
  storages: number;
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
  private readonly live = new Map<string, Use>();

  /** Live bytes, and what live storages cost besides. */
  get heldBytes(): number {
    return this.liveBytes + STORAGE_COST * this.storages;
  }

  /** The use of an op, to book with. */
  useOf(label: string): Use {
    let use = this.live.get(label);
    if (use === undefined) {
      use = { bytes: 0, storages: 0 };
      this.live.set(label, use);
    }
    return use;
  }

  /** Books a storage in and out, for `memory()`. */
  book(use: Use, bytes: number, sign: 1 | -1): void {
    this.liveBytes += sign * bytes;
    this.storages += sign;
    use.bytes += sign * bytes;
    use.storages += sign;
  }

  use(): MemoryUse {
    const byOp: MemoryUse["byOp"] = {};
    for (const [label, entry] of [...this.live].sort((a, b) => b[1].bytes - a[1].bytes)) {
      if (entry.storages > 0) byOp[label] = { ...entry };
    }
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
