// Elementwise kernels that select. Words travel as u32, so that no float is touched, but where widths of float meet.
import type { Row } from "../../core/device.ts";
import { type Implementation, isHalf, one, type Registry } from "../kernel.ts";

/** gx | g x o: whole, half where equal, or 0 where x is on the other side. */
const pick = (loses: string): Implementation =>
  one({
    body: `let d = g[i]; let p = order_(x[i]); let q = order_(o[i]); let known = ordered_(x[i], o[i]);
  gx[i] = select(select(d, 0.0, known && p ${loses} q), d * 0.5, known && p == q);`,
  });

export const where: Registry = {
  where_f32: {
    kernels: {
      "": { body: "y[i] = select(b[i], a[i], c[i] != 0u);" },
      half: { buffers: "y c:u32 a b", body: "y[i] = select(b[i], a[i], c[i] != 0u);" },
    },
    variant: ({ buffers: [y] }: Row) => (isHalf(y!.storage) ? "half" : ""),
  },
  maximum_vjp_f32: pick("<"),
  minimum_vjp_f32: pick(">"),
};
