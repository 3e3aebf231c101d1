// What is known of kernels besides the layouts of their rows: a record for each that differs from the rest. All families' records are
// here because every page has them; the layouts, which are longer, come with whoever reads rows by names.
import { denseOf } from "../../row/nest.ts";
import { type Facts, names } from "./table.ts";

/** A multiply-add costs about a sixteenth of an elementwise operation, which waits for memory. */
const cost = 1 / 16;
const LABEL = "label {value} in row {index} is outside [0, {classes}): input [{rows},{classes}], target [{rows}]";

const RECORDS: Readonly<Record<string, Facts>> = {
  // matmul
  matmul_nn_f32: { cost, skipping: "matmul_nn_sparse_f32", masked: "matmul_nn_relu_vjp_f32" },
  matmul_nt_f32: { cost, skipping: "matmul_nt_sparse_f32", turned: "matmul_nn_f32" },
  matmul_tn_f32: { cost, skipping: "matmul_tn_sparse_f32" },
  matmul_nn_bias_f32: { cost, skipping: "matmul_nn_sparse_bias_f32" },
  matmul_nt_bias_f32: { cost, skipping: "matmul_nt_sparse_bias_f32", turned: "matmul_nn_bias_f32" },
  matmul_nn_relu_vjp_f32: { cost, skipping: "matmul_nn_sparse_relu_vjp_f32" },
  matmul_nn_sparse_f32: { cost, masked: "matmul_nn_sparse_relu_vjp_f32" },
  matmul_nt_sparse_f32: { cost, turned: "matmul_nn_sparse_f32" },
  matmul_nt_sparse_bias_f32: { cost, turned: "matmul_nn_sparse_bias_f32" },
  "matmul_{tn_sparse,nn_sparse_bias,nn_sparse_relu_vjp,strided,strided_bias}_f32": { cost },
  // conv
  "conv2d_{,bias_,vjp_x_,vjp_w_,pool_,pool_vjp_x_,pool_vjp_w_,winograd_,winograd_vjp_w_}f32": { cost },
  winograd_weight_f32: { cost: 16 }, // each pair of a row and a channel is a transform of some 100 operations
  // loss
  "{cross_entropy,nll}_f32": { faults: LABEL },
  bce_f32: { faults: "input {value:f32} at {index} of [{n}] is outside [0, 1]" },
  nll_mean_f32: { once: true },
  // optim, amp, random
  tick_f32: { once: true, lasting: true },
  "{sgd,sgd_momentum,adam,adam_amsgrad}_f32": { segments: true, lasting: true },
  amp_unscale_f32: { segments: true, lasting: true },
  amp_update_f32: { once: true, lasting: true },
  amp_skip_i32: { once: true },
  random_take_i32: { once: true, lasting: true },
};

const NONE: Facts = {};
let found: Map<string, Facts> | null = null;

/** The records by kernel. */
export function knownFacts(): ReadonlyMap<string, Facts> {
  if (found === null) {
    found = new Map();
    for (const pattern of Object.keys(RECORDS)) for (const name of names(pattern)) found.set(name, RECORDS[pattern]!);
  }
  return found;
}

/** What is known of a kernel, over views of its dense one; an empty record where it is as most are. */
export const factsOf = (kernel: string): Facts => knownFacts().get(denseOf(kernel)) ?? NONE;
