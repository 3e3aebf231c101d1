// What a training step holds and makes: bytes and tensors that live after so many steps, rows and allocations of a step.
import { cases, type Mode } from "./cases.ts";
import type { Settings } from "./measure.ts";
import { digits, table } from "./timing.ts";
import { prepare } from "./work.ts";

const SETTLE = 20;
const STEPS = 200;

export interface MemoryRow {
  readonly name: string;
  readonly mode: Mode;
  /** MiB that live above what was there before, after the first steps and after many more. */
  readonly settled: number;
  readonly later: number;
  readonly reserved: number;
  readonly tensors: number;
  readonly rows: number;
  readonly allocations: number;
}

interface Counters {
  readonly rows: number;
  readonly allocations: number;
}

export async function memorySection({ w, device }: Settings): Promise<MemoryRow[]> {
  const counters = (device as unknown as { counters: Counters }).counters;
  const rows: MemoryRow[] = [];
  for (const c of cases.filter((x) => x.section === "step" && x.task.kind === "train")) {
    for (const mode of c.modes) {
      await new Promise((r) => setTimeout(r, 10));
      const before = w.memory(device);
      const work = prepare(w, device, c, mode)!;
      await work.run(SETTLE);
      const settled = w.memory(device).liveBytes;
      const { rows: r0, allocations: a0 } = { ...counters };
      await work.run(STEPS);
      const after = w.memory(device);
      rows.push({
        ...{ name: c.name, mode, settled: (settled - before.liveBytes) / 2 ** 20 },
        ...{ later: (after.liveBytes - before.liveBytes) / 2 ** 20, reserved: after.reservedBytes / 2 ** 20 },
        tensors: after.tensors - before.tensors,
        ...{ rows: (counters.rows - r0) / STEPS, allocations: (counters.allocations - a0) / STEPS },
      });
      work.dispose?.();
    }
  }
  return rows;
}

export const memoryTable = (rows: readonly MemoryRow[]): string =>
  table(
    ["case", "mode", `live MiB after ${SETTLE}`, `after ${SETTLE + STEPS}`, "tensors", "rows/step", "allocations/step"],
    rows.map((r) => [
      ...[r.name, r.mode, digits(r.settled), digits(r.later), String(r.tensors), digits(r.rows), digits(r.allocations)],
    ]),
  );
