// Reads: a copy of a range and, with it, of the fault word, as they are when all that was launched before has run.
import type { WasmgradError } from "../core/error.ts";
import { FAULT_BYTES, type Faults } from "./faults.ts";
import type { Staging } from "./staging.ts";

/** What the device does for it. */
interface Reading {
  enqueue(encode: (encoder: GPUCommandEncoder) => void): void;
  /** Runs `run` when what was enqueued has been handed over. */
  behind(run: () => void): void;
  /** How many rows were appended. */
  appended(): number;
  /** What went wrong since the last wait. */
  trouble(): WasmgradError | null;
  /** The reason where a read is refused. */
  gone(): WasmgradError;
}

export class Reads {
  private readonly staging: Staging;
  private readonly faults: Faults;
  private readonly device: Reading;
  private readonly waiting = new Set<(error: WasmgradError) => void>();

  constructor(staging: Staging, faults: Faults, device: Reading) {
    this.staging = staging;
    this.faults = faults;
    this.device = device;
  }

  /** The bytes; throws the fault that the word tells of. */
  take(from: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    const { device, faults, staging, waiting } = this;
    return new Promise((resolve, reject) => {
      waiting.add(reject);
      const buffer = staging.take(bytes + FAULT_BYTES);
      const at = device.appended();
      device.enqueue((encoder) => {
        encoder.copyBufferToBuffer(faults.word.buffer, 0, buffer, 0, FAULT_BYTES);
        if (bytes > 0) encoder.copyBufferToBuffer(from, offset, buffer, FAULT_BYTES, bytes);
      });
      // Behind the job, which may wait for pipelines.
      device.behind(() => {
        staging.read(buffer, bytes + FAULT_BYTES).then(
          (all) => {
            waiting.delete(reject);
            const error = device.trouble() ?? faults.read(all, at, device.appended);
            if (error !== null) reject(error);
            else resolve(all.slice(FAULT_BYTES));
          },
          () => {
            waiting.delete(reject);
            reject(device.trouble() ?? device.gone());
          },
        );
      });
    });
  }

  /** The device has ended. */
  reject(error: WasmgradError): void {
    for (const f of this.waiting) f(error);
    this.waiting.clear();
  }
}
