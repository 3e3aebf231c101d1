// Results straight: what a captured function returns is written where it will lie, not copied there at the end. Keeps the bits.
import type { Row, Storage } from "../../core/device.ts";
import { uses } from "./rows.ts";

const real = (s: Storage): Storage => s.alias ?? s;

/**
 * `takes` among the rows copy results to what the caller gives. Such a row goes where it copies all of a temporary, which rows of the
 * program write: these write there instead. Each temporary becomes one result; another over it, and what is returned as it came, are copied.
 */
export function straight(
  rows: readonly Row[],
  takes: readonly Row[],
  isTemporary: (s: Storage) => boolean,
): readonly Row[] {
  const table = uses(rows);
  const moved = new Map<Storage, Storage>();
  const gone = new Set<Row>();
  for (const take of takes) {
    const [to, from] = take.buffers as [Row["buffers"][0], Row["buffers"][0]];
    const s = real(from.storage);
    const whole = from.offset === 0 && take.extents[0]! * s.width === s.bytes;
    if (!whole || !isTemporary(from.storage) || moved.has(s) || table.get(s)!.writers.length === 0) continue;
    moved.set(s, to.storage);
    gone.add(take);
  }
  if (gone.size === 0) return rows;
  return rows.flatMap((row) => {
    if (gone.has(row)) return [];
    if (!row.buffers.some((b) => moved.has(real(b.storage)))) return [row];
    const buffers = row.buffers.map((b) => {
      const storage = moved.get(real(b.storage));
      return storage === undefined ? b : { storage, offset: b.offset };
    });
    return [{ ...row, buffers }];
  });
}
