// Gradients by rows: what an embedding's gradient is, which is 0 in all rows but few. One stands in the place of a dense gradient.
import { expectOptions, fail, given, kindOf } from "../core/error.ts";
import { faultOf } from "../core/fault.ts";
import { alias } from "../core/make.ts";
import { noteRead, recordingNow } from "../core/recording.ts";
import { type Shape, sameShape, show } from "../core/shape.ts";
import { alive, mixed, Tensor } from "../core/tensor.ts";

/**
 * A gradient by rows: 0 but in the rows that `indices` names. It is not coalesced: the values of a row that is named several times
 * are added up. https://pytorch.org/docs/stable/sparse.html#sparse-uncoalesced-coo-docs
 */
export interface SparseGrad {
  /** Rows of the parameter, int32 [n]. Each is at least 0 and below size[0]. */
  readonly indices: Tensor;
  /** What each of them adds to its row: float32 [n, ...size.slice(1)]. */
  readonly values: Tensor;
  /** The parameter's shape. */
  readonly size: Shape;
}

/** What a leaf holds of one: tensors of its own over the storages that were given. @internal */
export class Rows {
  readonly x: Tensor;
  readonly indices: Tensor;
  readonly values: Tensor;
  /** User code has seen it, so dropping it releases nothing. */
  seen = false;
  /** The captured function that set it. */
  readonly #setIn = recordingNow();

  constructor(x: Tensor, indices: Tensor, values: Tensor, n = indices.numel) {
    this.x = x;
    this.indices = alias(indices, [n]).keep();
    this.values = alias(values, [n, ...x.shape.slice(1)]).keep();
  }

  /** What a captured function drops comes back where it throws. */
  drop(): null {
    if (recordingNow() !== this.#setIn) return null;
    for (const t of [this.indices, this.values]) {
      t.kept = false;
      if (!this.seen) t.release("zeroGrad()");
    }
    return null;
  }

  /** It names no row: what PyTorch's `zero_` makes of it. */
  zero(): void {
    this.readIn("zeroGrad");
    put(new Rows(this.x, this.indices, this.values, 0));
  }

  refuse(op: string, rule = "a dense gradient is expected, SparseAdam takes sparse ones"): never {
    fail(op, `${this.x.describe()} has a sparse gradient: ${rule}`);
  }

  /** A captured function may read what it has set itself: the next call would find another, or none. */
  readIn(op: string): this {
    if (recordingNow() !== null && recordingNow() !== this.#setIn)
      this.refuse(op, "inside capture it must have been set by the captured function, setSparseGrad() in it");
    return this;
  }
}

/** One gradient for a leaf: it stands in the place of what was there. */
function put(rows: Rows): void {
  const { x } = rows;
  x.grad = null;
  x.leaf.sparse = rows;
}

/** The sparse gradient of `x`, or null. One that is lost behind a fault counts as none, as a dense one does. @internal */
export function rowsOf(op: string, x: Tensor): Rows | null {
  const rows = (x.own?.sparse ?? null) as Rows | null;
  if (rows === null) return null;
  const lost = faultOf(rows.values.storage) ?? faultOf(rows.indices.storage);
  // What is recorded is made anew by each run.
  if (lost === null || x.device.untold || recordingNow() !== null) return rows.readIn(op);
  x.setGrad(null);
  return null;
}

/**
 * Sets the gradient of a parameter by rows, which `optim.SparseAdam` takes; it stands in the place of a dense one. Null drops it, and
 * so do `zeroGrad()` and a write of `grad`, which is not there to be read meanwhile: `getSparseGrad` reads it. The tensors are not
 * copied: later writes in place are seen. In a captured function what it sets goes with its end. Errors: other names or shapes
 * than of a `SparseGrad`, another dtype, another device; an index that is no row is found by the step, which then changes nothing.
 */
export function setSparseGrad(parameter: Tensor, grad: SparseGrad | null, ...none: []): void {
  const op = "setSparseGrad";
  alive(op, parameter, none);
  if (grad === null) {
    if (parameter.ownGrad === null) parameter.grad = null; // a dense one stays
    return;
  }
  if (kindOf(grad) !== "Object")
    fail(op, `${given(grad)} was given: an object { indices, values, size } is expected, or null`);
  expectOptions(op, grad, "indices values size");
  const { indices, values, size } = grad;
  for (const [name, x] of Object.entries({ indices, values })) {
    if (!(x instanceof Tensor)) fail(op, `${name} is ${given(x)}: a tensor is expected`);
    alive(op, x);
  }
  const { shape, dtype } = parameter;
  const what = parameter.describe();
  if (shape.length === 0)
    fail(op, `${what}: a parameter of at least one dim is expected, of whose rows some are named`);
  if (!Array.isArray(size) || !sameShape(size, shape))
    fail(op, `size ${given(size)} for ${what}: the parameter's shape is expected`);
  if (indices.dtype !== "int32" || indices.ndim !== 1)
    fail(op, `indices ${show(indices.shape)} of ${indices.dtype} for ${what}: [n] of int32 is expected`);
  const expected = [indices.numel, ...shape.slice(1)];
  if (values.dtype !== dtype || !sameShape(values.shape, expected))
    fail(
      op,
      `values ${show(values.shape)} of ${values.dtype} for ${what} and indices ${show(indices.shape)}: ${show(expected)} of ${dtype} is expected`,
    );
  for (const x of [indices, values]) {
    if (x.device !== parameter.device) mixed(op, x, parameter);
    noteRead(x);
  }
  put(new Rows(parameter, indices, values));
}

/**
 * The gradient that `setSparseGrad` gave the parameter, or null where it has none or a dense one. What reads it keeps it:
 * `zeroGrad()` then drops it without releasing it.
 */
export function getSparseGrad(parameter: Tensor, ...none: []): SparseGrad | null {
  alive("getSparseGrad", parameter, none);
  const rows = rowsOf("getSparseGrad", parameter);
  if (rows === null) return null;
  rows.seen = true;
  const { indices, values } = rows;
  return { indices, values, size: parameter.shape };
}
