// What a training step holds and makes: bytes and tensors that live after so many steps, rows and allocations of a step.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Case, cases, type Mode } from "./cases.ts";
import type { Settings } from "./measure.ts";
import { digits, type Grid } from "./timing.ts";
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

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

/** What earlier work left behind goes: finalizers run when the event loop turns. */
async function collect(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    gc();
    await new Promise((r) => setTimeout(r, 5));
  }
}

export async function memorySection(settings: Settings): Promise<MemoryRow[]> {
  const rows: MemoryRow[] = [];
  for (const c of cases.filter((x) => x.section === "step" && x.task.kind === "train")) {
    for (const mode of c.modes) {
      // A function of its own: nothing of it is left on the stack when the next one counts.
      await collect();
      rows.push(await one(settings, c, mode));
    }
  }
  return rows;
}

async function one({ w, device }: Settings, c: Case, mode: Mode): Promise<MemoryRow> {
  const counters = (device as unknown as { counters: Counters }).counters;
  const before = w.memory(device);
  const work = prepare(w, device, c, mode)!;
  await work.run(SETTLE);
  await collect();
  const settled = w.memory(device).liveBytes;
  const { rows, allocations } = { ...counters };
  await work.run(STEPS);
  const per = { rows: (counters.rows - rows) / STEPS, allocations: (counters.allocations - allocations) / STEPS };
  await collect();
  const after = w.memory(device);
  work.dispose?.();
  return {
    ...{ name: c.name, mode, settled: (settled - before.liveBytes) / 2 ** 20 },
    ...{ later: (after.liveBytes - before.liveBytes) / 2 ** 20, reserved: after.reservedBytes / 2 ** 20 },
    ...{ tensors: after.tensors - before.tensors, ...per },
  };
}

export const memoryGrid = (rows: readonly MemoryRow[]): Grid => [
  ["case", "mode", `live MiB after ${SETTLE}`, `after ${SETTLE + STEPS}`, "tensors", "rows/step", "allocations/step"],
  rows.map((r) => [
    ...[r.name, r.mode, digits(r.settled), digits(r.later), String(r.tensors), digits(r.rows), digits(r.allocations)],
  ]),
];
