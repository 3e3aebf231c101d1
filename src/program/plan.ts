// The memory plan of a captured program: temporaries whose lives do not overlap share bytes of the arena.
import type { Row, Storage } from "../core/device.ts";

interface Life {
  readonly storage: Storage;
  readonly size: number;
  first: number;
  last: number;
  offset: number;
}

/** Rows from the first to the last that names each temporary. */
function lives(rows: readonly Row[], isTemporary: (s: Storage) => boolean, align: number): Map<Storage, Life> {
  const found = new Map<Storage, Life>();
  rows.forEach((row, i) => {
    for (const b of row.buffers) {
      const storage = b.storage;
      if (!isTemporary(storage)) continue;
      const life = found.get(storage);
      if (life === undefined) {
        const size = Math.max(align, Math.ceil(storage.bytes / align) * align);
        found.set(storage, { storage, size, first: i, last: i, offset: 0 });
      } else life.last = i;
    }
  });
  return found;
}

/** Offsets of the temporaries in an arena, multiples of `align`: the largest first, each at the lowest place free during its life. */
export function plan(
  rows: readonly Row[],
  isTemporary: (s: Storage) => boolean,
  align = 64,
): { offsets: Map<Storage, number>; bytes: number } {
  const placed: Life[] = [];
  const offsets = new Map<Storage, number>();
  let bytes = 0;
  for (const life of [...lives(rows, isTemporary, align).values()].sort(
    (a, b) => b.size - a.size || a.first - b.first,
  )) {
    const rivals = placed
      .filter((p) => p.first <= life.last && life.first <= p.last)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const r of rivals) {
      if (offset + life.size <= r.offset) break;
      offset = Math.max(offset, r.offset + r.size);
    }
    life.offset = offset;
    placed.push(life);
    offsets.set(life.storage, offset);
    bytes = Math.max(bytes, offset + life.size);
  }
  return { offsets, bytes };
}
