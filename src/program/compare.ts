// Comparing two recordings of one captured function, row by row.
import type { Buffer, Row, Storage } from "../core/device.ts";
import { sameShape } from "../core/shape.ts";

const canonical = (s: Storage): Storage => s.alias ?? s;

/** Storages from outside that the rows name. */
export function outsideStorages(rows: readonly Row[]): Storage[] {
  const found = new Set<Storage>();
  for (const row of rows)
    for (const b of row.buffers) if (!canonical(b.storage).virtual) found.add(canonical(b.storage));
  return [...found];
}

/** Two recordings of one function launch the same rows, up to the names of what they made: difference.ts says what is not the same. */
export function sameRows(a: readonly Row[], b: readonly Row[]): boolean {
  const names = new Map<Storage, Storage>();
  const same = (x: Row, y: Row): boolean =>
    x.kernel === y.kernel &&
    sameShape(x.extents, y.extents) &&
    sameShape(x.scalars, y.scalars) &&
    x.buffers.every((p, j) => sameBuffer(p, y.buffers[j]!, names));
  return a.length === b.length && a.every((x, i) => same(x, b[i]!));
}

/** Lasting storages are the same; `names` has the virtual ones of the second by those of the first. */
export function sameBuffer(p: Buffer, q: Buffer, names: Map<Storage, Storage>): boolean {
  const [s, t] = [canonical(p.storage), canonical(q.storage)];
  if (s.virtual && t.virtual && !names.has(s)) names.set(s, t);
  return p.offset === q.offset && (s.virtual && t.virtual ? names.get(s) : s) === t;
}

interface Input {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** As many inputs, of the same dtypes and shapes. */
export function sameInputs(a: readonly Input[], b: readonly Input[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i]!.dtype !== b[i]!.dtype || !sameShape(a[i]!.shape, b[i]!.shape)) return false;
  }
  return true;
}
