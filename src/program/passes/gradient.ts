// The way back through a relu: the product that makes the gradient of relu's result is masked as it is stored.
// Keeps the bits.
import { elementsOf, type Row } from "../../core/device.ts";
import { compact, onlyReader, type Pass, untouched, uses } from "./rows.ts";

export const reluGradient: Pass = {
  name: "reluGradient",
  exact: true,
  run(rows, isTemporary) {
    const table = uses(rows);
    const out: (Row | null)[] = [...rows];
    let found = false;
    rows.forEach((product, i) => {
      if (product.kernel !== "matmul_nn_f32") return;
      const j = onlyReader(rows, table, i, isTemporary);
      const next = rows[j];
      const [c, a, b] = product.buffers as [Row["buffers"][0], Row["buffers"][0], Row["buffers"][0]];
      if (next?.kernel !== "relu_vjp_f32" || next.buffers[1]!.storage !== c.storage || c.offset !== 0) return;
      const [gx, g, y] = next.buffers as [Row["buffers"][0], Row["buffers"][0], Row["buffers"][0]];
      if (g.offset !== 0 || next.extents[0]! !== elementsOf(c.storage) || y.storage === c.storage) return;
      // It stands where the mask stood, so the factors must last until there.
      if (!untouched(rows, [a.storage, b.storage], i, j)) return;
      const real = (s: Row["buffers"][0]["storage"]): unknown => s.alias ?? s;
      if (real(gx.storage) === real(a.storage) || real(gx.storage) === real(b.storage)) return;
      out[i] = null;
      out[j] = { ...product, kernel: "matmul_nn_relu_vjp_f32", buffers: [gx, a, b, y] };
      found = true;
    });
    return found ? compact(out) : rows;
  },
};
