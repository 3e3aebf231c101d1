// Where the threads that walk a program must meet. Between two meetings each goes from row to row at its own pace: rows
// that neither read nor write what another row writes share a barrier, such as the two gradients of a layer.
import type { Row } from "../core/device.ts";
import { factsOf } from "./kernels/facts.ts";

/** Who has touched something since the threads last met: thread 0, whose rows run in order, or all. */
const [ONE, ALL] = [1, 2];

/**
 * True for each row before which the threads meet. `bytesOf` names the bytes behind buffer j of a row: equal names may share
 * bytes, others do not. Rows that are not parallel are thread 0's.
 */
export function meetings(
  rows: readonly Row[],
  isParallel: (row: Row) => boolean,
  bytesOf: (row: Row, j: number) => unknown,
): boolean[] {
  let reads = new Map<unknown, number>();
  let writes = new Map<unknown, number>();
  let faulty = 0;
  return rows.map((row, i) => {
    const who = isParallel(row) ? ALL : ONE;
    let rival = faulty;
    for (let j = 0; j < row.buffers.length; j++) {
      const bytes = bytesOf(row, j);
      rival = Math.max(rival, writes.get(bytes) ?? 0, j < row.outputs ? (reads.get(bytes) ?? 0) : 0);
    }
    const meet = i > 0 && rival > 0 && Math.max(rival, who) === ALL;
    if (meet) {
      reads = new Map();
      writes = new Map();
      faulty = 0;
    }
    for (let j = 0; j < row.buffers.length; j++) {
      const map = j < row.outputs ? writes : reads;
      const bytes = bytesOf(row, j);
      map.set(bytes, Math.max(map.get(bytes) ?? 0, who));
    }
    // Behind a fault no row may run.
    if (factsOf(row.kernel).faults !== undefined) faulty = Math.max(faulty, who);
    return meet;
  });
}
