// What is filled with one number and then divided, scaled or spread is filled with the result instead: the gradient
// that a mean begins with. Keeps the bits: f32 arithmetic is exact in f64, rounded once.
import { elementsOf, type Row, type Storage } from "../../core/device.ts";
import { compact, elementwise, type Pass, uses } from "./rows.ts";

const floats = new Float32Array(1);
const words = new Int32Array(floats.buffer);

function floatOf(word: number): number {
  words[0] = word;
  return floats[0]!;
}

function wordOf(float: number): number {
  floats[0] = float;
  return words[0]!;
}

const SCALAR: Record<string, (x: number, s: number) => number> = {
  add_scalar_f32: (x, s) => x + s,
  mul_scalar_f32: (x, s) => x * s,
  div_scalar_f32: (x, s) => x / s,
};

export const constants: Pass = {
  name: "constants",
  exact: true,
  run(rows, isTemporary) {
    const table = uses(rows);
    const out: (Row | null)[] = [...rows];
    /** The row that fills each storage with one word: index, and the word. */
    const filled = new Map<Storage, { at: number; word: number }>();
    let found = false;
    const once = (s: Storage): boolean => isTemporary(s) && s.alias === null && table.get(s)!.writers.length === 1;
    rows.forEach((row, i) => {
      const to = row.buffers[0]!;
      // What is read from float16 has been rounded.
      const whole = to.offset === 0 && to.storage.width === 4 && once(to.storage);
      if (row.kernel === "fill_f32") {
        if (whole && row.extents[0] === elementsOf(to.storage))
          filled.set(to.storage, { at: i, word: row.scalars[0]! });
        return;
      }
      const from = row.buffers.length === 2 ? filled.get(row.buffers[1]!.storage) : undefined;
      if (from === undefined) return;
      const compute = SCALAR[row.kernel];
      if (compute === undefined && row.kernel !== "permute_b32") return;
      const value = compute?.(floatOf(from.word), floatOf(row.scalars[0]!));
      if (Number.isNaN(value)) return;
      const word = value === undefined ? from.word : wordOf(value);
      const n = row.extents.reduce((a, b) => a * b, 1);
      out[i] = elementwise("fill_f32", row.op, [to], n, word);
      if (whole && n === elementsOf(to.storage)) filled.set(to.storage, { at: i, word });
      found = true;
    });
    if (!found) return rows;
    // A fill that nobody reads any more goes.
    const left = uses(compact(out));
    for (const [storage, { at }] of filled) if (left.get(storage)!.readers.length === 0) out[at] = null;
    return compact(out);
  },
};
