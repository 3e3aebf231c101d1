// The memory plan of a captured program: temporaries whose lives do not overlap share bytes of the arena.
import type { Row, Storage } from "../core/device.ts";

interface Life {
  readonly storage: Storage;
  readonly size: number;
  first: number;
  last: number;
  offset: number;
}

/** The first and last row, for each row, that run at any time beside it. */
function beside(count: number, meets: readonly boolean[] | null): [first: number[], last: number[]] {
  const first = Array.from({ length: count }, (_, i) => i);
  const last = [...first];
  if (meets === null) return [first, last];
  for (let i = 1; i < count; i++) if (!meets[i]) first[i] = first[i - 1]!;
  for (let i = count - 2; i >= 0; i--) if (!meets[i + 1]) last[i] = last[i + 1]!;
  return [first, last];
}

/** Rows from the first that may run while a temporary is first written to the last that may while it is last read. */
function lives(
  rows: readonly Row[],
  isTemporary: (s: Storage) => boolean,
  align: number,
  meets: readonly boolean[] | null,
): Map<Storage, Life> {
  const [firstBeside, lastBeside] = beside(rows.length, meets);
  const found = new Map<Storage, Life>();
  rows.forEach((row, i) => {
    for (const b of row.buffers) {
      const storage = b.storage;
      if (!isTemporary(storage)) continue;
      const life = found.get(storage);
      if (life === undefined) {
        const size = Math.max(align, Math.ceil(storage.bytes / align) * align);
        found.set(storage, { storage, size, first: firstBeside[i]!, last: lastBeside[i]!, offset: 0 });
      } else life.last = lastBeside[i]!;
    }
  });
  return found;
}

/**
 * Offsets of the temporaries in an arena, multiples of `align`: the largest first, each at the lowest place free during its
 * life. `meets` tells before which rows all others have ended; null: before each.
 */
export function plan(
  rows: readonly Row[],
  isTemporary: (s: Storage) => boolean,
  meets: readonly boolean[] | null = null,
  align = 64,
): { offsets: Map<Storage, number>; bytes: number } {
  const placed: Life[] = [];
  const offsets = new Map<Storage, number>();
  let bytes = 0;
  for (const life of [...lives(rows, isTemporary, align, meets).values()].sort(
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
