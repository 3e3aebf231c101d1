// relu behind a product with bias goes into the product's row: the kernels apply it as they store. Keeps the bits.
import { elementsOf, type Row } from "../../core/device.ts";
import { rows as matmul } from "../kernels/matmul.ts";
import { reader } from "../kernels/reader.ts";
import { compact, onlyReader, type Pass, untouched, uses } from "./rows.ts";

const named = /* @__PURE__ */ reader(matmul);

/** From now on also behind products of this family, whose rows have a switch of that name. */
export const reluBehind = (family: string): void => named.know(family);

export const activation: Pass = {
  name: "activation",
  exact: true,
  run(rows, isTemporary) {
    const table = uses(rows);
    const out: (Row | null)[] = [...rows];
    let found = false;
    rows.forEach((row, i) => {
      if (!named.has(row.kernel, "relu")) return;
      const j = onlyReader(rows, table, i, isTemporary);
      const next = rows[j];
      if (next?.kernel !== "relu_f32" || !untouched(rows, [next.buffers[0]!.storage], i, j)) return;
      if (next.extents[0]! !== elementsOf(row.buffers[0]!.storage)) return;
      const { scalars } = named.changed(row, { relu: 1 });
      out[i] = { ...row, buffers: [next.buffers[0]!, ...row.buffers.slice(1)], scalars };
      out[j] = null;
      found = true;
    });
    return found ? compact(out) : rows;
  },
};
