// max_pool2d of relu becomes relu of max_pool2d: the same values from a quarter of the work, and the pool stands right behind
// its convolution, where the passes of pool.ts find it. The maximum of what relu leaves is what relu leaves of the
// maximum; where that is 0 the two may take another element of the window, and the mask stops its gradient either way.
// A zero may change its sign.
//
//   forward    relu            b <- a              max_pool2d      b, index <- a
//              max_pool2d      y, index <- b       relu            y <- b
//   backward   max_pool2d_vjp  g <- gy, index      relu_vjp        g <- gy, y
//              relu_vjp        ga <- g, b          max_pool2d_vjp  ga <- g, index
//
// A window [-1, 2, 0, -3] gives 2 either way, of the same element. [-1, -3] gives 0: of the first element behind relu, as of the
// first here, but [-3, -1] of the second here; y is 0, so no gradient comes to either.
import { elementsOf } from "../../core/device.ts";
import { rows as pooling } from "../kernels/pool.ts";
import { reader } from "../kernels/reader.ts";
import { rows as unary } from "../kernels/unary.ts";
import { type Pass, untouched, uses } from "./rows.ts";

const named = /* @__PURE__ */ reader(pooling, unary);

export const poolBeforeRelu: Pass = {
  name: "poolBeforeRelu",
  exact: false,
  run(rows, isTemporary) {
    const out = [...rows];
    const table = uses(rows);
    let found = false;
    rows.forEach((relu, i) => {
      if (relu.kernel !== "relu_f32") return;
      const [b, a] = named.buffers(relu, "y", "x");
      const [elements] = named.numbers(relu, "n");
      if (!isTemporary(b.storage) || b.offset !== 0 || elements !== elementsOf(b.storage)) return;
      const { writers, readers } = table.get(b.storage)!;
      const j = readers.find((r) => rows[r]!.kernel === "max_pool2d_f32") ?? -1;
      if (writers.length !== 1 || j < 0) return;
      const pool = rows[j]!;
      const [y, index] = named.buffers(pool, "y", "idx");
      if (!untouched(rows, [index.storage], i, j)) return;
      const [planes, oh, ow] = named.numbers(pool, "planes", "oh", "ow");
      const pooled = planes * oh * ow;
      if (pooled > elements || [a, b].some((x) => x.storage === y.storage)) return;
      // Whoever else reads relu's result must be the mask of its gradient, on the way back through the pool.
      const masks = readers.filter((r) => r !== j);
      const ways = masks.map((k) => {
        if (rows[k]!.kernel !== "relu_vjp_f32") return null;
        const [g, of] = named.buffers(rows[k]!, "g", "y");
        if (of.storage !== b.storage || !isTemporary(g.storage)) return null;
        const scattered = table.get(g.storage)!;
        const m = scattered.writers[0]!;
        const back = rows[m]!;
        if (scattered.writers.length !== 1 || scattered.readers.length !== 1) return null;
        if (back.kernel !== "max_pool2d_vjp_f32") return null;
        const [taken] = named.buffers(back, "idx");
        const fits =
          taken.storage === index.storage &&
          taken.offset === index.offset &&
          g.offset === 0 &&
          pooled <= elementsOf(g.storage);
        return fits && untouched(rows, [y.storage], j, m) && untouched(rows, [index.storage], j, k) ? { k, m } : null;
      });
      if (ways.includes(null)) return;
      // The pool's own result lies where relu's lay, its masked gradient where the scattered one lay: both are larger.
      out[i] = named.changed(pool, { y: b, x: a });
      out[j] = named.row("relu_f32", relu.op, { y, x: b, n: pooled });
      for (const way of ways) {
        const { k, m } = way!;
        const [ga, g] = named.buffers(rows[k]!, "gx", "g");
        const [gy] = named.buffers(rows[m]!, "gy");
        out[m] = named.row("relu_vjp_f32", relu.op, { gx: g, g: gy, y, n: pooled });
        out[k] = named.changed(rows[m]!, { gx: ga, gy: g });
      }
      found = true;
    });
    return found ? out : rows;
  },
};
