// What one run of a captured function did besides launching: the host state that it read, and the gradients that it touched.
import type { Device, Recorder, Storage } from "./device.ts";
import { fail } from "./error.ts";
import { mode, unhold } from "./lifetime.ts";
import { alias, empty, lasting } from "./make.ts";
import type { Leaf, Tensor } from "./tensor.ts";

/** Reads host state that shapes rows: a recorded program keeps the reader and compares at each call. `name` is for a warning. @internal */
export function guard<T>(read: () => T, name?: () => string): T {
  const value = read();
  mode.recording?.guards.push({ read, value, name });
  return value;
}

/** A gradient as it was before, and what happened to it. */
type Touched = { before: Tensor | null; written: boolean; held: boolean } & Pick<Leaf, "sparse" | "seen" | "users">;

/** What one run of the function did, besides launching. @internal */
export class Recording {
  readonly made: Tensor[] = [];
  readonly guards: { readonly read: () => unknown; readonly value: unknown; name: (() => string) | undefined }[] = [];
  /** Tensors from outside that were read: where each lay, and whether it wanted a gradient. */
  readonly read: { readonly x: Tensor; readonly storage: Storage; readonly wants: boolean }[] = [];
  /** Leaves whose gradient was looked at, and where that lay. */
  readonly looked: { readonly x: Tensor; readonly at: Storage | null }[] = [];
  /** Leaves whose gradient the function read or set, with what was there before. */
  readonly grads = new Map<Tensor, Touched>();
  readonly #shown = new Set<Tensor>(); // gradients that the function has seen
  readonly #seen = new Set<Tensor>();
  /** Versions of outside storages: rows that never run have not written. */
  readonly #versions = new Map<Storage, number>();
  readonly device: Device;
  readonly recorder: Recorder;

  constructor(device: Device) {
    this.device = device;
    this.recorder = device.record();
  }

  /** A tensor from outside shapes the rows by its storage and by whether it wants a gradient. */
  reads(x: Tensor): void {
    if (x.storage.virtual || this.#seen.has(x)) return;
    if (x.device !== this.device)
      fail("capture", `${x.describe()} is on ${x.device.type}: the inputs are on ${this.device.type}`);
    this.#seen.add(x);
    if (!this.#versions.has(x.storage)) this.#versions.set(x.storage, x.storage.version);
    this.read.push({ x, storage: x.storage, wants: x.requiresGrad });
  }

  /** The function looks at a gradient, most often at one that it has not set itself. */
  readsGrad(x: Tensor, shown = false): void {
    const before = x.ownGrad;
    if (shown && before !== null) this.#shown.add(before);
    if (this.grads.get(x)?.written) return;
    this.touches(x, false);
    const plain = before?.offset === 0 && before.strides === null && !before.storage.virtual;
    if (plain && x.leaf.users === 0) x.leaf.home ??= lasting(before.storage, x);
    this.looked.push({ x, at: before?.storage ?? null });
  }

  /**
   * The function looks at a gradient, or sets or drops it. The one of before is held until the end: it comes back when the
   * function throws.
   */
  touches(leaf: Tensor, written: boolean): void {
    const before = leaf.ownGrad;
    if (!this.grads.has(leaf)) {
      const { sparse, seen, users } = leaf.leaf;
      this.grads.set(leaf, { before, sparse, seen, users, written, held: false });
      if (before !== null) before.storage.holders++;
    } else if (written) this.grads.get(leaf)!.written = true;
  }

  /** A gradient is dropped: whether the function has seen it and may use it further, so that it stays as it is until the end. */
  holds(leaf: Tensor, gradient: Tensor): boolean {
    if (!this.#shown.has(gradient)) return false;
    this.grads.get(leaf)!.held = true;
    return true;
  }

  /** Where later calls look for a leaf's gradient. */
  homeOf(x: Tensor): Tensor {
    x.leaf.home ??= this.outside(() => empty(x.shape, x.dtype, "gradient", x.device).keep());
    return x.leaf.home;
  }

  /** Leaves whose gradient has come to lie elsewhere, with that. */
  astray(): [Tensor, Tensor][] {
    const all = [...this.grads.keys()].map((x) => [x, x.ownGrad] as const);
    return all.filter(([x, g]) => g !== null && g.storage !== x.leaf.home?.storage) as [Tensor, Tensor][];
  }

  end(): void {
    for (const { before } of this.grads.values()) if (before !== null) unhold(before.storage);
  }

  /** After a throw nothing has run: versions and gradients are those of before. */
  undo(): void {
    for (const [storage, version] of this.#versions) storage.version = version;
    for (const [x, { before, sparse, seen, users }] of this.grads) {
      x.leaf.sparse = null;
      x.setGrad(before?.gone ? alias(before).keep() : before);
      Object.assign(x.leaf, { sparse, seen, users });
    }
  }

  /** Runs `f` outside the recording: what it makes lasts, what it launches runs before the program. */
  outside<T>(f: () => T): T {
    const { scope, recording } = mode;
    mode.scope = false;
    mode.recording = null;
    this.recorder.suspend(true);
    try {
      return f();
    } finally {
      this.recorder.suspend(false);
      mode.scope = scope;
      mode.recording = recording;
    }
  }

  readonly refuse = (op: string, what: string): never => fail(op, `inside capture this ${what}`);
}

/** State that outlives a step, such as an optimizer's: made outside the recording when there is one. @internal */
export function lastingState<T>(make: () => T): T {
  return mode.recording === null ? make() : mode.recording.outside(make);
}

/** Inside a captured function this is refused. @internal */
export const refuseInCapture = (op: string, what: string): void => mode.recording?.refuse(op, what);
/** A captured function reads a tensor outside of an op. @internal */
export const noteRead = (x: Tensor): void => mode.recording?.reads(x);
/** It looks at a leaf's gradient. @internal */
export const noteGrad = (leaf: Tensor): void => mode.recording?.readsGrad(leaf);
/** What is being recorded, or null: tells one recording from another. @internal */
export const recordingNow = (): object | null => mode.recording;
