// The way back through a relu: the product that makes the gradient of relu's result is masked as it is stored.
// Keeps the bits.
import { type Buffer, elementsOf, type Row, type Storage } from "../../core/device.ts";
import { rows as matmul } from "../kernels/matmul.ts";
import { reader } from "../kernels/reader.ts";
import { compact, onlyReader, type Pass, untouched, uses } from "./rows.ts";

const named = /* @__PURE__ */ reader(matmul);

export const reluGradient: Pass = {
  name: "reluGradient",
  exact: true,
  run(rows, isTemporary) {
    const table = uses(rows);
    const out: (Row | null)[] = [...rows];
    let found = false;
    rows.forEach((product, i) => {
      const masked = named.twin(product.kernel, "_f32", "_relu_vjp_f32");
      if (masked === null) return;
      const j = onlyReader(rows, table, i, isTemporary);
      const next = rows[j];
      if (next?.kernel !== "relu_vjp_f32") return;
      const [c, a, b] = named.buffers(product, "c", "a", "b");
      const [gx, g, y] = next.buffers as [Buffer, Buffer, Buffer];
      if (g.storage !== c.storage || c.offset !== 0) return;
      if (g.offset !== 0 || next.extents[0]! !== elementsOf(c.storage) || y.storage === c.storage) return;
      // It stands where the mask stood, so the factors must last until there.
      if (!untouched(rows, [a.storage, b.storage], i, j)) return;
      const real = (s: Storage): unknown => s.alias ?? s;
      if (real(gx.storage) === real(a.storage) || real(gx.storage) === real(b.storage)) return;
      out[i] = null;
      out[j] = named.changed(product, { c: gx, y }, masked);
      found = true;
    });
    return found ? compact(out) : rows;
  },
};
