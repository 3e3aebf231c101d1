/// <reference lib="esnext.disposable" preserve="true" />
// A tensor: a shape over a storage, where it hangs on the tape, and what released it, of which its user is told. Its life: lifetime.ts.
import type { Device, Storage } from "./device.ts";
import { type DType, isFloat } from "./dtype.ts";
import type { Entry } from "./entry.ts";
import { expectFlag, fail, given, noMore } from "./error.ts";
import { faultOf } from "./fault.ts";
import { denseStrides, isTurned, type Strides } from "./layout.ts";
import { born, count, gone, type Hold, mode, unhold, watch } from "./lifetime.ts";
import { numel, type Shape, sameShape, show } from "./shape.ts";

/** Of a gradient that user code has set. */
const KEPT = 2;

/** What only a leaf has. @internal */
export interface Leaf {
  /** Its gradient. */
  grad: Tensor | null;
  /** A gradient by rows, in place of that: ops/sparse.ts. */
  sparse: { drop(): null; zero(): void; refuse(op: string, rule?: string): never } | null;
  /** User code has seen the gradient, so dropping it does not release it. */
  seen: boolean;
  /** The gradient was set by user code, whose it stays when it is dropped; KEPT where that had kept it. */
  users: 0 | 1 | typeof KEPT;
  /** Where a captured program writes the gradient. */
  home: Tensor | null;
  /** What a backward consumed that reached this leaf: released when a recorded op next reads the leaf. */
  spent: Tensor[][] | null;
}

/**
 * A dense, row-major array on a device. Functions such as `tensor()`, `zeros()` and ops make them; the class is there for
 * `instanceof` and for types. https://pytorch.org/docs/stable/tensors.html
 */
export abstract class Tensor {
  /** Sizes of its dims; `[]` for a scalar. */
  readonly shape: Shape;
  /** Type of its elements. */
  readonly dtype: DType;
  /** Number of elements: the product of the sizes (a method in PyTorch). */
  readonly numel: number;
  /** First element in the storage. @internal */
  readonly offset: number;
  /** Null where it lies dense. @internal */
  readonly strides: Strides;
  /** Another one only after `to(device)` of a module. @internal */
  storage: Storage;
  /** What released it, or null. @internal */
  gone: string | null = null;
  /** The entry that made it: null for leaves. @internal */
  entry: Entry | null = null;
  /** Which of that entry's outputs it is. @internal */
  slot = 0;
  /** What it is a view of, itself no view; null for what is none. Writes in place are seen by both, in gradients too. @internal */
  base: Tensor | null = null;
  /**
   * Recorded writes in place, to it or a view of it; of a view: those of its base when its entry was made; if `fixed`, its version.
   * After `v = y.select(0, 0)` and `y.add_(1)` y has 1 and v still 0: v's entry leads to the y of before, so the next who reads v
   * has it replaced (`mode.refresh`). @internal
   */
  rebases = 0;
  /** Why a view may not be written while gradients are on, in PyTorch's words. @internal */
  fixed: string | null = null;
  /** Not released by steps and scopes: parameters, buffers, gradients, optimizer state, `keep()`. @internal */
  kept = false;
  /** Entries that were not consumed yet and saved it. @internal */
  readers = 0;
  /** What is to release it when they are. @internal */
  releaseLater: string | null = null;
  /** Name in messages, such as a parameter's: layers give `weight` and `bias`; null by default. */
  name: string | null = null;
  /** In the net. @internal */
  private hold: Hold | null = null;
  /** Before that, its place among the young. @internal */
  place: number;
  /** What hangs on its gradient, once there was one; `leaf` makes it. @internal */
  own: Leaf | null = null;
  /** The one private name in the published types: without any, an object that looks like a tensor would be taken for one. */
  private wantsGrad = false;

  /** @internal */
  constructor(storage: Storage, offset: number, shape: Shape, dtype: DType, strides: Strides = null) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.dtype = dtype;
    this.strides = strides;
    this.numel = numel(shape);
    storage.holders++;
    this.place = born(this);
  }

  /** Where it lies. */
  get device(): Device {
    return this.storage.device;
  }

  /** @internal */
  get leaf(): Leaf {
    this.own ??= { grad: null, sparse: null, seen: false, users: 0, home: null, spent: null };
    return this.own;
  }

  /**
   * The gradient, for the engine: does not count as seen by user code. `setGrad` puts it in place. One that is lost behind a fault
   * counts as none from the throw on. @internal
   */
  get ownGrad(): Tensor | null {
    if (this.own === null) return null;
    const { grad } = this.own;
    if (grad === null || faultOf(grad.storage) === null || this.device.untold) return grad;
    if (mode.recording?.grads.get(this)?.written) return grad; // each run of the program makes it anew
    this.setGrad(null);
    return null;
  }

  /** Number of dims. */
  get ndim(): number {
    return this.shape.length;
  }

  /** True for what no recorded op made: parameters, data, and all that was computed without gradients. */
  get isLeaf(): boolean {
    if (this.base !== null) mode.refresh(this);
    return this.entry === null;
  }

  /**
   * Whether ops on it are recorded, and `backward()` finds its gradient. Set it on float leaves; a result has it when one of
   * its inputs does.
   */
  get requiresGrad(): boolean {
    if (this.base !== null && this.base.rebases !== this.rebases) mode.refresh(this);
    return this.wantsGrad;
  }

  set requiresGrad(on: boolean) {
    expectFlag("requiresGrad", "value", on);
    if (on && !isFloat(this.dtype))
      fail("requiresGrad", `${show(this.shape)} of ${this.dtype}: only floats can require gradients`);
    if (this.entry !== null && !on)
      fail("requiresGrad", `${this.describe()} was made by a recorded op: only leaves can be frozen, use detach()`);
    this.wantsGrad = on;
  }

  /**
   * The gradient that `backward()` accumulated into this leaf, of its shape and dtype, or null. What reads it keeps it:
   * `zeroGrad()` then drops it without releasing it.
   */
  get grad(): Tensor | null {
    mode.recording?.readsGrad(this, true);
    this.own?.sparse?.refuse("grad", "getSparseGrad() reads it");
    if (this.ownGrad !== null) this.leaf.seen = true;
    return this.ownGrad;
  }

  set grad(value: Tensor | null) {
    if (value !== null) alive("grad", value);
    if (value !== null && (!sameShape(value.shape, this.shape) || value.dtype !== this.dtype))
      fail("grad", `${show(value.shape)} of ${value.dtype} for ${this.describe()}: shape and dtype must be the same`);
    if (value !== null && value.device !== this.device) mixed("grad", value, this);
    mode.recording?.touches(this, true);
    const { leaf } = this;
    const users = value === leaf.grad && leaf.users ? leaf.users : value === null ? 0 : value.kept ? KEPT : 1;
    this.setGrad(value);
    leaf.seen = value !== null;
    leaf.users = users;
  }

  /** Puts a gradient in place; the one before is released unless user code has seen it. @internal */
  setGrad(value: Tensor | null): void {
    const { leaf } = this;
    const { grad: old, home } = leaf;
    if (leaf.sparse !== null) leaf.sparse = leaf.sparse.drop();
    if (old === value) return;
    if (value !== null) value.kept = true;
    leaf.grad = value;
    if (old !== null) {
      old.kept = leaf.users === KEPT;
      if (leaf.users > 0) {
        // Neither released nor written from here on.
      } else if (home !== null && old.storage === home.storage && !mode.recording?.holds(this, old)) {
        old.release("a captured step, which writes this gradient in place (clone() keeps it)");
      } else if (!leaf.seen) {
        old.release("zeroGrad()");
      }
    }
    leaf.seen = false;
    leaf.users = 0;
  }

  /** Lets go of the storage at once. `reason` completes "it was released by ...". @internal */
  release(reason: string): void {
    if (this.gone !== null) return;
    this.gone = reason;
    if (this.hold !== null) this.hold.storage = null;
    else gone(this, this.place);
    count.tensors--;
    unhold(this.storage);
  }

  /** Lets the net watch it. @internal */
  toNet(): void {
    this.hold = watch(this);
  }

  /** It goes with its device and is no one else's: not counted, nor watched by the net, which would keep the device alive. @internal */
  unwatched(): this {
    gone(this, this.place);
    count.tensors--;
    this.hold = { storage: null };
    return this;
  }

  /** Releases, but not before the graphs that read it are consumed: for batches, which belong to the loader. @internal */
  releaseUnread(reason: string): void {
    if (this.readers === 0) this.release(reason);
    else this.releaseLater = reason;
  }

  /**
   * Releases the memory now instead of at the next collection; views of it keep the bytes. Whoever uses the tensor afterwards
   * gets an error.
   */
  dispose(...none: []): void {
    noMore("dispose", none);
    this.release("dispose()");
  }

  /** `dispose()`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Keeps the value readable until `dispose()` or collection: steps and scopes leave it alone. Returns the tensor. */
  keep(...none: []): this {
    noMore("keep", none);
    this.kept = true;
    return this;
  }

  /** Sets `requiresGrad` (true by default) and returns the tensor. */
  requiresGrad_(on = true, ...none: []): this {
    noMore("requiresGrad_", none);
    this.requiresGrad = on;
    return this;
  }

  /** `matmul [64,10]`: for messages. @internal */
  describe(): string {
    return `${this.name ?? this.entry?.op.name ?? this.storage.label} ${show(this.shape)}`;
  }
}

/** Throws when `x` was released, or is no tensor, or where more was given than `op` takes. @internal */
export function alive(op: string, x: Tensor, none?: readonly unknown[]): void {
  noMore(op, none);
  if (x?.gone === null) return;
  if (!(x instanceof Tensor)) fail(op, `${given(x)} was given: a tensor is expected`);
  const cure = /clone\(\)|return it/.test(x.gone) ? "" : "; keep() or clone() would have kept it";
  fail(op, `the tensor ${x.storage.label} ${show(x.shape)} was released by ${x.gone}${cure}`);
}

/** @internal */
export function mixed(op: string, a: Tensor, b: Tensor): never {
  const [x, y] = [a, b].map(
    (t) => `${show(t.shape)} on ${t !== a && a.device.type === b.device.type ? "another " : ""}`,
  );
  return fail(
    op,
    `${x}${a.device.type} and ${y}${b.device.type}: the devices must be the same, move one with to(device)`,
  );
}

/** The last two dims are swapped, everything else is dense. @internal */
export const turned = (x: Tensor): boolean => isTurned(x.shape, x.strides);

/** Its strides, written out. @internal */
export const stridesOf = (x: Tensor): readonly number[] => x.strides ?? denseStrides(x.shape);
