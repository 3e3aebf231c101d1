// Comparing two recordings of one captured function, row by row.
import type { Row, Storage } from "../core/device.ts";
import { WasmgradError } from "../core/error.ts";
import { sameShape, show } from "../core/shape.ts";

const canonical = (s: Storage): Storage => s.alias ?? s;

/** Storages from outside that the rows name. */
export function outsideStorages(rows: readonly Row[]): Storage[] {
  const found = new Set<Storage>();
  for (const row of rows)
    for (const b of row.buffers) if (!canonical(b.storage).virtual) found.add(canonical(b.storage));
  return [...found];
}

/** Two recordings of one function must launch the same rows, up to the names of what they made. */
export function compareRows(a: readonly Row[], b: readonly Row[], sameGuards: boolean): void {
  const names = new Map<Storage, Storage>();
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i]!, b[i]!];
    const where = `row ${i + 1} (${x.op})`;
    if (x.kernel !== y.kernel) {
      differ(`${where} is ${x.kernel} in one call and ${y.kernel} in the next`, "the function takes a branch");
    }
    if (!sameShape(x.extents, y.extents)) {
      differ(
        `${where} runs over ${show(x.extents)} and then ${show(y.extents)}`,
        "a size changes without an input's changing",
      );
    }
    if (!sameShape(x.scalars, y.scalars)) {
      differ(`${where} was given another number`, "a JavaScript number changes from call to call: pass it as a tensor");
    }
    for (let j = 0; j < x.buffers.length; j++) {
      const [s, t] = [canonical(x.buffers[j]!.storage), canonical(y.buffers[j]!.storage)];
      const same = s.virtual && t.virtual ? (names.get(s) ?? names.set(s, t).get(s)) === t : s === t;
      if (!same || x.buffers[j]!.offset !== y.buffers[j]!.offset) {
        differ(
          `${where} uses another tensor (${s.label}, then ${t.label})`,
          "a tensor is carried over by the closure: pass it in and return it",
        );
      }
    }
  }
  if (a.length !== b.length) {
    const more = (a.length > b.length ? a : b)[Math.min(a.length, b.length)]!;
    differ(`${a.length} rows and then ${b.length}, from ${more.op} on`, "the function takes a branch");
  }
  if (!sameGuards) {
    differ("it reads other state of modules or optimizers", "the function takes a branch");
  }
}

function differ(what: string, cause: string): never {
  throw new WasmgradError(`capture: two calls of the function did not launch the same: ${what}: ${cause}`);
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
