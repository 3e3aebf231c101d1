// relu behind a product with bias goes into the product's row: the kernels apply it as they store. Keeps the bits.
import { elementsOf, type Row } from "../../core/device.ts";
import { compact, onlyReader, type Pass, untouched, uses } from "./rows.ts";

/** Where a kernel's scalars hold the relu switch, in the lowest bit. */
const SWITCH: Record<string, number> = {
  matmul_nn_bias_f32: 2,
  matmul_nt_bias_f32: 2,
  matmul_strided_bias_f32: 11,
  conv2d_f32: 9,
  conv2d_bias_f32: 9,
  conv2d_winograd_f32: 4,
};

export const activation: Pass = {
  name: "activation",
  exact: true,
  run(rows, isTemporary) {
    const table = uses(rows);
    const out: (Row | null)[] = [...rows];
    let found = false;
    rows.forEach((row, i) => {
      const at = SWITCH[row.kernel];
      if (at === undefined) return;
      const j = onlyReader(rows, table, i, isTemporary);
      const next = rows[j];
      if (next?.kernel !== "relu_f32" || !untouched(rows, [next.buffers[0]!.storage], i, j)) return;
      if (next.extents[0]! !== elementsOf(row.buffers[0]!.storage)) return;
      const scalars = row.scalars.map((s, k) => (k === at ? s | 1 : s));
      out[i] = { ...row, buffers: [next.buffers[0]!, ...row.buffers.slice(1)], scalars };
      out[j] = null;
      found = true;
    });
    return found ? compact(out) : rows;
  },
};
