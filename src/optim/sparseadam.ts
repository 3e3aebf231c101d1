// SparseAdam: Adam for gradients by rows.
import type { Device } from "../core/device.ts";
import { checkNumber, fail } from "../core/error.ts";
import { empty } from "../core/make.ts";
import { contiguous, launch } from "../core/op.ts";
import type { Tensor } from "../core/tensor.ts";
import { ABOVE_0 } from "../ops/bounds.ts";
import { noGrad } from "../ops/modes.ts";
import { rowsOf } from "../ops/sparse.ts";
import { stepBy } from "../row/under.ts";
import { words64 } from "../row/words.ts";
import { Optimizer, type ParamState, type Params } from "./optimizer.ts";
import type { Rule } from "./rule.ts";
import { checkBetas } from "./terms.ts";

const NAME = "SparseAdam";

/** Hyperparameters of `SparseAdam` besides the learning rate. */
export interface SparseAdamHyperparameters {
  /** Decay of the means of the gradient and of its square; [0.9, 0.999] by default. */
  betas: readonly [number, number];
  /** Added to the denominator, above 0; 1e-8 by default. */
  eps: number;
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `SparseAdam`. */
export interface SparseAdamOptions extends Partial<SparseAdamHyperparameters> {
  /** Learning rate, above 0; 0.001 by default. */
  lr?: number;
}

/** `launch()`, whose rows depend on `x`, if any, besides their inputs. */
function under(device: Device, x: Tensor | undefined, launch: () => void): void {
  const { under } = device;
  if (x !== undefined) device.under = stepBy(x.storage.serial);
  try {
    launch();
  } finally {
    device.under = under;
  }
}

/** The rule of one optimizer: during a step it holds in which order the values of rows are added up. */
function sparseAdam(): Rule<SparseAdamHyperparameters> {
  const orders = new Map<Tensor, Tensor>();
  const last = new Map<Device, Tensor>();
  return {
    name: NAME,
    defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, maximize: false },
    bounds: { eps: ABOVE_0 },
    check: ({ betas }) => checkBetas(NAME, betas),
    gradient(p) {
      if (p.ownGrad !== null)
        fail(NAME, `${p.describe()} has a dense gradient: a sparse gradient is expected, use Adam`);
      return rowsOf(NAME, p)?.values ?? null;
    },
    // All indices are looked at before anything is written. Each of these rows depends on the one before, and on its values: the last on all.
    begin(params) {
      for (const p of params) {
        const { indices, values } = rowsOf(NAME, p)!;
        const [n, rows] = [indices.numel, p.shape[0]!];
        if (n === 0) continue;
        const dense = noGrad(() => contiguous(indices));
        const order = empty([n, 2], "int32", NAME, p.device);
        const table = empty([rows], "int32", NAME, p.device);
        orders.set(p, order);
        under(p.device, last.get(p.device), () =>
          launch("sparse_rows_i32", [order, table], [dense, values], [n, rows], undefined, NAME),
        );
        last.set(p.device, order);
        table.release(NAME);
        if (dense !== indices) dense.release(NAME);
      }
      return last;
    },
    end() {
      for (const order of orders.values()) order.release(NAME);
      orders.clear();
      last.clear();
    },
    step({ betas, eps, maximize }) {
      const scalars = [...[...betas, eps].flatMap(words64), Number(maximize)];
      return [
        ["expAvg", "expAvgSq"],
        (outputs, [rate, ...inputs]) => {
          for (let i = 0; 3 * i < outputs.length; i++) {
            const written = outputs.slice(3 * i, 3 * i + 3);
            const [p] = written as [Tensor];
            const [values, step] = inputs.slice(2 * i, 2 * i + 2) as [Tensor, Tensor];
            if (values.numel === 0) continue;
            const [n] = values.shape as [number];
            const read = [rate!, values, orders.get(p)!, step];
            under(p.device, last.get(p.device), () =>
              launch("sparse_adam_f32", written, read, [n, values.numel / n], scalars, NAME),
            );
          }
        },
      ];
    },
  };
}

/**
 * Adam for gradients by rows, as `setSparseGrad` sets them: rows that no index names stay as they are, and so do their means.
 * m += (1 - b1) (g - m), v += (1 - b2) (g² - v), p -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps), where g is the sum of a
 * row's values, in the order in which they stand, and t counts the steps of the parameter. An index out of range is told at the
 * next wait; that step changes nothing. https://pytorch.org/docs/stable/generated/torch.optim.SparseAdam.html
 */
export class SparseAdam extends Optimizer<SparseAdamHyperparameters, ParamState> {
  /** `params` are tensors with at least one dim, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<SparseAdamHyperparameters>, options: SparseAdamOptions = {}, ...none: []) {
    super(sparseAdam(), params, options, none);
    if (options.lr !== undefined) checkNumber(NAME, "lr", options.lr, ABOVE_0); // PyTorch lets groups have 0
  }
}
