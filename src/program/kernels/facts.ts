// What is known of kernels besides the layouts of their rows: a record for each that differs from the rest. All families' records are
// here because every page has them; the layouts, which are longer, come with whoever reads rows by names.
import { denseOf } from "../../row/nest.ts";
import { names } from "./names.ts";

/** What is known of a kernel besides the layout of its row. */
export interface Facts {
  /** Changes what threads share: runs once, on one thread. */
  readonly once?: true;
  /** The extents are a number of segments and their lengths: their sum is the work. */
  readonly segments?: true;
  /** It may report a fault, behind which no row may run: the names of its extents, and a sentence in which they, `index` and `value` (of a
   * float: `bits`) stand for numbers. */
  readonly faults?: string;
  /** What it writes outlasts the step, such as parameters: it runs only while there is no fault. */
  readonly lasting?: true;
}

const LABEL =
  "rows classes: label {value} in row {index} is outside [0, {classes}): input [{rows},{classes}], target [{rows}]";

const ROW = "n rows: index {value} at {index} is outside [0, {rows}): indices [{n}] of a parameter of {rows} rows";

const RECORDS: Readonly<Record<string, Facts>> = {
  // loss
  "{cross_entropy,nll}_f32": { faults: LABEL },
  bce_f32: { faults: "n: input {bits} at {index} of [{n}] is outside [0, 1]" },
  nll_mean_f32: { once: true },
  "{trunc,floor}_divide_i32": { faults: "n: {value} at {index} of [{n}] is divided by 0: an int32 has no infinity" },
  // optim, amp, random
  tick_f32: { once: true, lasting: true },
  corrections_f32: { once: true },
  sparse_rows_i32: { once: true, faults: ROW },
  sparse_adam_f32: { lasting: true },
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

/** Families of products: a multiply-add costs about a sixteenth of an elementwise operation, which waits for memory. */
const PRODUCTS = /^(matmul|conv2d)_/;

/**
 * Work of a row in elementwise units for each point of its nest. The nest of winograd_weight is rows, channels and the kernel's size:
 * each pair of the first two is a transform of some 100 operations.
 */
export const costOf = (kernel: string): number =>
  PRODUCTS.test(kernel) ? 1 / 16 : kernel === "winograd_weight_f32" ? 16 : 1;
