// Products that skip the zeros of their first factor: behind a relu about half of the activations are zeros, and so are
// the gradients; of a drawn digit four fifths. The kernel looks at a sample of the factor and lists what is not zero
// only where that pays.
//
// A skipped zero stands for nothing, even against an infinity or a NaN: only there the result differs.
import type { Row } from "../../core/device.ts";
import { rows as matmul } from "../kernels/matmul.ts";
import { reader } from "../kernels/reader.ts";
import type { Pass } from "./rows.ts";

const named = /* @__PURE__ */ reader(matmul);

/** Columns of the result from which lists can pay, and madds from which looking costs about a hundredth (bench/lab, 156). */
const LEAST_COLUMNS = 48;
const LEAST_WORK = 1 << 17;

export const zeros: Pass = {
  name: "zeros",
  exact: false,
  run(rows) {
    let found = false;
    const out = rows.map((row): Row => {
      const skipping = named.twin(row.kernel, /(?<=^matmul_..)(?!_skipping)/, "_skipping");
      if (skipping === null) return row;
      const [m, n, k] = named.numbers(row, "m", "n", "k");
      if (n < LEAST_COLUMNS || m * n * k < LEAST_WORK) return row;
      found = true;
      return { ...row, kernel: skipping };
    });
    return found ? out : rows;
  },
};
