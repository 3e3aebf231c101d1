// Other rows for the same result, such as a convolution by Winograd's algorithm: offered by the op that launches the plain row,
// taken by a device that has the kernels and need not keep the order of sums.
import type { Row, Storage } from "../core/device.ts";

/** Rows in the place of one, which have no choice themselves; null where the plain one is as fast. `make` gives a storage of so many bytes for what lies between. */
export type Choice = (row: Row, make: (bytes: number) => Storage) => readonly Row[] | null;

const offered = new Map<string, Choice>();

/** The choices for rows of these kernels. */
export function offer(choices: Readonly<Record<string, Choice>>): void {
  for (const kernel of Object.keys(choices)) offered.set(kernel, choices[kernel]!);
}

/** What was offered for a kernel. */
export const choiceOf = (kernel: string): Choice | null => offered.get(kernel) ?? null;
