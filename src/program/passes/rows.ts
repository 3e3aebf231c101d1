// What passes share: who writes and reads a temporary of a recorded program.
import type { Buffer, Row, Storage } from "../../core/device.ts";

/** A row of an elementwise kernel: `y | inputs | n | scalars`, as all of these have it. */
export const elementwise = (
  kernel: string,
  op: string,
  buffers: readonly Buffer[],
  n: number,
  ...scalars: number[]
): Row => ({
  kernel,
  buffers,
  outputs: 1,
  extents: [n],
  scalars,
  op,
});

/** A pass puts better rows in the place of some; it returns the same array when it finds nothing. */
export interface Pass {
  readonly name: string;
  /** Keeps the bits: also used under `deterministic`. */
  readonly exact: boolean;
  run(rows: readonly Row[], isTemporary: (s: Storage) => boolean, host?: Host): readonly Row[];
}

/** What a device tells of itself. */
export interface Host {
  readonly deterministic: boolean;
  has(kernel: string): boolean;
  /** True where it will put another kernel in the place of the row's (choices.ts): passes had better leave it as it is. */
  replaces?(row: Row): boolean;
}

export interface Uses {
  /** Indices of the rows that write it. */
  readonly writers: number[];
  readonly readers: number[];
}

/** Writers and readers of every storage. A row that writes in place counts as both. */
export function uses(rows: readonly Row[]): Map<Storage, Uses> {
  const found = new Map<Storage, Uses>();
  const of = (s: Storage): Uses => {
    let u = found.get(s);
    if (u === undefined) {
      u = { writers: [], readers: [] };
      found.set(s, u);
    }
    return u;
  };
  rows.forEach((row, i) => {
    row.buffers.forEach((b, j) => {
      const s = b.storage.alias ?? b.storage;
      (j < row.outputs ? of(s).writers : of(s).readers).push(i);
    });
  });
  return found;
}

/** The one reader of what `row` writes first, when nobody else touches it in between; else -1. */
export function onlyReader(
  rows: readonly Row[],
  table: ReadonlyMap<Storage, Uses>,
  i: number,
  isTemporary: (s: Storage) => boolean,
): number {
  const storage = rows[i]!.buffers[0]!.storage;
  if (!isTemporary(storage)) return -1;
  const { writers, readers } = table.get(storage)!;
  return writers.length === 1 && readers.length === 1 ? readers[0]! : -1;
}

/** True when no row in (from, to) writes one of the storages. */
export function untouched(rows: readonly Row[], storages: readonly Storage[], from: number, to: number): boolean {
  const real = storages.map((s) => s.alias ?? s);
  for (let i = from + 1; i < to; i++) {
    const row = rows[i]!;
    for (let j = 0; j < row.outputs; j++) {
      const s = row.buffers[j]!.storage;
      if (real.includes(s.alias ?? s)) return false;
    }
  }
  return true;
}

/** The rows without those that are null. */
export const compact = (rows: readonly (Row | null)[]): Row[] => rows.filter((r): r is Row => r !== null);
