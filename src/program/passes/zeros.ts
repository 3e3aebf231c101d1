// Products that skip the zeros of their first factor: behind a relu about half of the activations are zeros, and so are
// the gradients; of a drawn digit four fifths. The kernel looks at a sample of the factor and lists what is not zero
// only where that pays.
//
// A skipped zero stands for nothing, even against an infinity or a NaN: only there the result differs.
import type { Row } from "../../core/device.ts";
import type { Pass } from "./rows.ts";

const SKIPPING: Record<string, string> = {
  matmul_nn_f32: "matmul_nn_sparse_f32",
  matmul_nt_f32: "matmul_nt_sparse_f32",
  matmul_tn_f32: "matmul_tn_sparse_f32",
  matmul_nn_bias_f32: "matmul_nn_sparse_bias_f32",
  matmul_nt_bias_f32: "matmul_nt_sparse_bias_f32",
  matmul_nn_relu_vjp_f32: "matmul_nn_sparse_relu_vjp_f32",
};
/** Columns of the result from which lists can pay, and madds from which looking costs about a hundredth (bench/lab, 156). */
const LEAST_COLUMNS = 48;
const LEAST_WORK = 1 << 17;

export const zeros: Pass = {
  name: "zeros",
  exact: false,
  run(rows) {
    let found = false;
    const out = rows.map((row): Row => {
      const kernel = SKIPPING[row.kernel];
      if (kernel === undefined) return row;
      const [, m, n, k] = row.extents as [number, number, number, number];
      if (n < LEAST_COLUMNS || m * n * k < LEAST_WORK) return row;
      found = true;
      return { ...row, kernel };
    });
    return found ? out : rows;
  },
};
