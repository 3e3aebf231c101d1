// SparseAdam for tests of all optimizers, whose gradients are dense: before a step each becomes one by rows, which names every row once.
import { optim, setSparseGrad, type Tensor, tensor } from "../src/index.ts";

export class RowsOfAll extends optim.SparseAdam {
  readonly #all = new Map<Tensor, Tensor>();

  constructor(params: Tensor[], options?: optim.SparseAdamOptions) {
    super(params, options);
    for (const p of params) {
      const rows = Array.from({ length: p.shape[0]! }, (_, i) => p.shape[0]! - 1 - i);
      this.#all.set(p, tensor(Int32Array.from(rows), { device: p.device }).keep());
    }
  }

  override step(): void;
  override step<R>(closure: () => R): Promise<R>;
  override step<R>(closure?: () => R): Promise<R> | undefined {
    if (closure !== undefined) throw new Error("without a closure alone");
    for (const { params } of this.paramGroups)
      for (const p of params) {
        const { grad } = p;
        if (grad === null) continue;
        // The values stand as the rows are named, from the last one to the first.
        setSparseGrad(p, { indices: this.#all.get(p)!, values: grad, size: p.shape });
      }
    super.step();
    return undefined;
  }
}
