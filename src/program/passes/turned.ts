// Weights turned once. A product of few rows with b [n, k] spends much of its time on turning b for the register tile.
// Where b outlasts the program and no row writes it, the program keeps a copy as [k, n]; `WasmProgram.run` makes it again
// when b's version has changed. Keeps the bits from five rows on: below, the plain kernel has k in its lanes.
import type { Row, Storage } from "../../core/device.ts";
import { rows as matmul } from "../kernels/matmul.ts";
import { reader } from "../kernels/reader.ts";
import { uses } from "./rows.ts";

const named = /* @__PURE__ */ reader(matmul);

/** The kernel for the copy: of a dense product its twin, of a strided one of rows with a weight that lies dense the same. */
function twin(row: Row): string | null {
  if (!named.has(row.kernel, "ldb")) return named.twin(row.kernel, "matmul_nt", "matmul_nn");
  const [outer, k, transA, transB, ldb] = named.numbers(row, "outer", "k", "transA", "transB", "ldb");
  return transA === 0 && transB === 1 && outer === 1 && ldb === k ? row.kernel : null;
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
    const kernel = twin(row);
    if (kernel === null) return row;
    const [m, n, k] = named.numbers(row, "m", "n", "k");
    // A batch over one weight is one product of more rows to the kernel, but not here: it keeps to what was measured.
    const [batch] = kernel === row.kernel ? named.numbers(row, "inner") : named.numbers(row, "batch");
    if (batch !== 1 || m < 1 || m > MOST_ROWS || n <= DOT_COLUMNS || k < 1) return row;
    if (m <= DOT_ROWS && (deterministic || n * k < DOT_SIZE)) return row;
    const [b] = named.buffers(row, "b");
    const { offset } = b;
    const storage = b.storage.alias ?? b.storage;
    if (storage.virtual || table.get(storage)!.writers.length > 0) return row;
    let made = copies.find(
      ({ buffers: [, x], extents }) =>
        x!.storage === storage && x!.offset === offset && extents[1] === n && extents[2] === k,
    );
    if (made === undefined) {
      const buffers = [make(n * k * 4), storage].map((s, i) => ({ storage: s, offset: i * offset }));
      made = { kernel: "transpose_b32", buffers, outputs: 1, extents: [1, n, k], scalars: [], op: row.op };
      copies.push(made);
    }
    return named.changed(row, { b: made.buffers[0]!, transB: 0, ldb: n }, kernel);
  });
  return copies.length > 0 ? { rows: out, copies } : { rows, copies };
}
