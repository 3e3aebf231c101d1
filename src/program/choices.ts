// Other rows for the same result, such as a convolution by Winograd's algorithm: offered by the op that launches the plain row,
// taken by a device that has the kernels and need not keep the order of sums.
import type { Device, Row, Storage } from "../core/device.ts";

/** Rows in the place of one, which have no choice themselves; null where the plain one is as fast. `make` gives a storage of so many bytes for what lies between. */
export type Choice = (row: Row, make: (bytes: number) => Storage) => readonly Row[] | null;

const offered = new Map<string, Choice>();

/** The choices for rows of these kernels. */
export function offer(choices: Readonly<Record<string, Choice>>): void {
  for (const kernel of Object.keys(choices)) offered.set(kernel, choices[kernel]!);
}

/** What was offered for a kernel. */
export const choiceOf = (kernel: string): Choice | null => offered.get(kernel) ?? null;

/** Launches other rows in the place of one; false where the plain one is as fast. */
export function launchChosen(device: Device, choice: Choice, row: Row): boolean {
  const between: Storage[] = [];
  const rows = choice(row, (bytes) => {
    const storage = device.alloc(bytes, row.op);
    between.push(storage);
    return storage;
  });
  if (rows === null) return false;
  for (const r of rows) device.launch(r.kernel, r.buffers, r.outputs, r.extents, r.scalars, row.op);
  // Later rows may have their bytes: they run behind these.
  for (const storage of between) device.free(storage);
  return true;
}
