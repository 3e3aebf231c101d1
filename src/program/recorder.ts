// The recording half of a device's door: rows are kept instead of run, and storages get their bytes later.
import type { Buffer, Program, Recorder, Row, Storage } from "../core/device.ts";

/** What a device gives to it. */
interface Recordable {
  /** Where launches go while a recording is on; null where they run. */
  recorded: Row[] | null;
  alloc(bytes: number, label: string, width: number): Storage;
  program(rows: readonly Row[], ...ends: Parameters<Recorder["finish"]>): Program;
}

export function recorder(device: Recordable): Recorder {
  const rows: Row[] = [];
  device.recorded = rows;
  return {
    suspend(on) {
      device.recorded = on ? null : rows;
    },
    bind(storage, target) {
      device.recorded = null;
      const alias = target ?? device.alloc(storage.bytes, storage.label, storage.width);
      device.recorded = rows;
      Object.assign(storage, { alias });
      return alias;
    },
    finish(inputs, outputs) {
      device.recorded = null;
      // Buffers alone: a program must keep no tensor alive.
      const bare = ({ storage, offset }: Buffer): Buffer => ({ storage, offset });
      return device.program(
        rows.map((row) => ({ ...row, buffers: row.buffers.map(bare) })),
        inputs,
        outputs,
      );
    },
    abandon() {
      device.recorded = null;
    },
  };
}
