// How long tensors live: modes that say who owns what is made, and who releases it.
// Each holds its storage once, and is released by a step (tape.ts), a scope, the loader, `dispose()`, or at last by the FinalizationRegistry.
import type { Device, Storage } from "./device.ts";
import type { WasmgradError } from "./error.ts";
import type { Recording } from "./recording.ts";
import type { Tensor } from "./tensor.ts";

/** What a tensor in the registry's net holds, apart from the tensor; null once that was released. @internal */
export type Hold = { storage: Storage | null };

const none = (): void => {};
/** Modes of the thread of execution. All are synchronous, so plain variables do. @internal */
export const mode: {
  grad: boolean;
  /** Inside a scope, which owns what is made. */
  scope: boolean;
  recording: Recording | null;
  /** The inputs of an op of this name in the dtypes that `autocast` wants. */
  autocast: ((op: string, inputs: readonly Tensor[]) => readonly Tensor[]) | null;
  /** Gives a view whose base was written the entry that it now has: ops/views.ts. */
  refresh(view: Tensor): void;
  /** Throws where an op may not read a view that stays behind such a write. */
  current(op: string, view: Tensor): void;
  /** Adds to a view, off the tape: ops/inplace.ts. */
  addTo(view: Tensor, by: Tensor): void;
} = { grad: true, scope: false, recording: null, autocast: null, refresh: none, current: none, addTo: none };

/** Live tensors, of all devices. @internal */
export const count = { tensors: 0, made: 0 };

/** One holder less; the last one frees. @internal */
export function unhold(storage: Storage): void {
  if (--storage.holders === 0) storage.device.free(storage);
}

const net = new FinalizationRegistry<Hold>(({ storage }) => {
  if (storage === null) return;
  count.tensors--;
  unhold(storage);
});

/**
 * Live tensors that the net does not know yet. Finalizers run only when the event loop turns, so it is early enough to
 * register then what is still alive. Most are released by name before: registering costs, and so does what a scavenge finds.
 */
let young: Tensor[] = [];
const MOST_YOUNG = 1 << 14;
let handing: ReturnType<typeof setTimeout> | undefined;

/** Takes a tensor that was made; returns its place among the young. @internal */
export function born(t: Tensor): number {
  count.tensors++;
  count.made++;
  if (young.length === MOST_YOUNG) handToNet();
  handing ??= setTimeout(handToNet, 0);
  if (mode.scope) owned.push(t);
  if (mode.recording !== null) mode.recording.made.push(t);
  return young.push(t) - 1;
}

/** Takes a tensor from its place among the young: it was released. @internal */
export function gone(t: Tensor, place: number): void {
  const last = young.pop()!;
  last.place = place;
  if (last !== t) young[place] = last;
}

/** Lets the net watch a tensor. @internal */
export function watch(t: Tensor): Hold {
  const hold = { storage: t.storage };
  net.register(t, hold);
  return hold;
}

/** Gives the young to the net: at every turn of the event loop. @internal */
export function handToNet(): void {
  clearTimeout(handing);
  handing = undefined;
  for (const t of young) t.toNet();
  young = [];
}

/** `make()`; where it finds no room, once more behind a collection. It does nothing but make. @internal */
export async function withRoom<T>(device: Device, make: () => T): Promise<T> {
  try {
    return make();
  } catch (error) {
    if (!(error as WasmgradError).full) throw error;
    await device.upkeep();
    return make();
  }
}

/** What open scopes own: one list for all, the part of each behind that of the one around it. */
const owned: Tensor[] = [];

type Judge<T> = (t: Tensor, result: T | null) => boolean;

/**
 * `f(a)` as a scope: what it made is released but for what is to stay, which goes to the scope `around`, if any. @internal
 */
export function owning<A, T>(f: (a: A) => T, a: A, reason: string, stays: Judge<T>, around = mode.scope): T {
  const { scope } = mode;
  const begin = owned.length;
  let result: T | null = null;
  mode.scope = true;
  try {
    result = f(a);
    return result;
  } finally {
    mode.scope = scope;
    let end = begin;
    for (let i = begin; i < owned.length; i++) {
      const t = owned[i]!;
      if (!stays(t, result)) t.release(reason);
      else if (around) owned[end++] = t;
    }
    while (owned.length > end) owned.pop();
  }
}
