// Weights turned once. A product of few rows with b [n, k] spends much of its time on turning b for the register tile.
// Where b outlasts the program and no row writes it, the program keeps a copy as [k, n]; `WasmProgram.run` makes it again
// when b's version has changed. Keeps the bits from five rows on: below, the plain kernel has k in its lanes.
import type { Row, Storage } from "../../core/device.ts";
import { uses } from "./rows.ts";

const TURNED: Record<string, string> = {
  matmul_nt_f32: "matmul_nn_f32",
  matmul_nt_bias_f32: "matmul_nn_bias_f32",
  matmul_nt_sparse_f32: "matmul_nn_sparse_f32",
  matmul_nt_sparse_bias_f32: "matmul_nn_sparse_bias_f32",
};
/** A strided product of rows with a weight that lies dense: its extents as those of a dense one; null where it is another. */
function stridedExtents({ kernel, extents, scalars }: Row): readonly number[] | null {
  const [turnA, turnB, , pitch] = scalars;
  const fits = kernel.startsWith("matmul_strided") && turnA === 0 && turnB === 1 && extents[0] === 1;
  return fits && pitch === extents[4] ? extents.slice(1) : null;
}
/** Rows up to which it gains more than 5 % (bench/lab, 142 to 144: 23 % at 5, 8 % at 16, 2 % at 64). */
const MOST_ROWS = 16;
/** Rows up to which the plain kernel takes dot products, and the size of b from which the turned one is faster still. */
const DOT_ROWS = 4;
const DOT_SIZE = 16384;
/** Columns up to which it takes dot products in any case. */
const DOT_COLUMNS = 16;

/** Better rows, and what makes the copies that they read. `make` gives a storage of so many bytes. */
export function turnWeights(
  rows: readonly Row[],
  deterministic: boolean,
  make: (bytes: number) => Storage,
): { rows: readonly Row[]; copies: readonly Row[] } {
  const table = uses(rows);
  const copies: Row[] = [];
  const out = rows.map((row): Row => {
    const strided = stridedExtents(row);
    const kernel = strided !== null ? row.kernel : TURNED[row.kernel];
    if (kernel === undefined) return row;
    const [batch, m, n, k] = (strided ?? row.extents) as [number, number, number, number];
    if (batch !== 1 || m < 1 || m > MOST_ROWS || n <= DOT_COLUMNS || k < 1) return row;
    if (m <= DOT_ROWS && (deterministic || n * k < DOT_SIZE)) return row;
    const { storage: named, offset } = row.buffers[2]!;
    const storage = named.alias ?? named;
    if (storage.virtual || table.get(storage)!.writers.length > 0) return row;
    let copy = copies.find(
      ({ buffers: [, b], extents }) =>
        b!.storage === storage && b!.offset === offset && extents[1] === n && extents[2] === k,
    );
    if (copy === undefined) {
      const buffers = [make(n * k * 4), storage].map((s, i) => ({ storage: s, offset: i * offset }));
      copy = { kernel: "transpose_f32", buffers, outputs: 1, extents: [1, n, k], scalars: [], op: row.op };
      copies.push(copy);
    }
    const [c, a] = row.buffers;
    const scalars = strided === null ? row.scalars : row.scalars.map((s, i) => (i === 1 ? 0 : i === 3 ? n : s));
    return { ...row, kernel, scalars, buffers: [c!, a!, copy.buffers[0]!, ...row.buffers.slice(3)] };
  });
  return copies.length > 0 ? { rows: out, copies } : { rows, copies };
}
