// Modules as captured steps see them. What hangs on the modules that took part in a recording shaped its rows: each call compares it,
// and a layer, a parameter or a number that was replaced since is recorded anew.
import type { Storage } from "../core/device.ts";
import { Tensor } from "../core/tensor.ts";

/** Every module that lives; none is kept alive by standing here. */
let living: WeakRef<object>[] = [];
/** As many entries are looked through for those that are gone. */
let most = 64;

/** A module was made. @internal */
export function noteModule(module: object): void {
  if (living.length >= most) {
    living = living.filter((ref) => ref.deref() !== undefined);
    most = Math.max(most, 2 * living.length);
  }
  living.push(new WeakRef(module));
}

/** A module, or an array of modules and tensors. */
type Holder = Record<string | number, unknown>;

/** Modules that took part in the recording that is going on, as far as they say so. */
let called: Set<unknown> | null = null;

/** The module, which takes part from here on: for those that have no parameter by which that is seen. @internal */
export function used<M extends object>(module: M): M {
  called?.add(module);
  return module;
}

/** A value of a property that a recorded program holds for. */
interface Watched {
  readonly holder: Holder;
  readonly key: string | number;
  readonly value: unknown;
}

/**
 * Weights, biases, other properties, and items: each in a loop of its own, since the host reads what has always the same name in a third of
 * the time. Most of what is compared are weights and biases.
 * @internal
 */
export const noneWatched = () => ({
  weights: [] as Watched[],
  biases: [] as Watched[],
  named: [] as Watched[],
  items: [] as Watched[],
});

/** The first that has another value now, or null. @internal */
export function changed({ weights, biases, named, items }: ReturnType<typeof noneWatched>): Watched | null {
  for (let i = 0; i < weights.length; i++) if (weights[i]!.holder.weight !== weights[i]!.value) return weights[i]!;
  for (let i = 0; i < biases.length; i++) if (biases[i]!.holder.bias !== biases[i]!.value) return biases[i]!;
  for (let i = 0; i < items.length; i++)
    if (items[i]!.holder[items[i]!.key as number] !== items[i]!.value) return items[i]!;
  for (let i = 0; i < named.length; i++)
    if (!Object.is(named[i]!.holder[named[i]!.key], named[i]!.value)) return named[i]!;
  return null;
}

/** What hung on every module when a recording began. @internal */
export class Watch {
  readonly #before = new Map<Holder, [key: string | number, value: unknown][]>();
  readonly #took = new Set<unknown>();

  constructor() {
    called = this.#took;
    for (const ref of living) if (ref.deref() !== undefined) this.#before.set(ref.deref() as Holder, []);
    // Goes on with the arrays that it adds.
    for (const holder of this.#before.keys()) this.#note(holder);
  }

  #note(holder: Holder): void {
    const entries = this.#before.get(holder)!;
    for (const key of Object.keys(holder)) {
      // A getter is not asked: it may compute.
      const { get, value } = Object.getOwnPropertyDescriptor(holder, key)!;
      if (get !== undefined) continue;
      entries.push([String(Number(key)) === key ? Number(key) : key, value]);
      if (Array.isArray(value) && !this.#before.has(value as never) && value.some((v) => this.#leads(v)))
        this.#before.set(value as never, []);
    }
    // What is appended is noticed, too: by the length of an array, by the place behind a Sequential's last.
    if (Array.isArray(holder)) entries.push(["length", holder.length]);
    else if ("length" in holder) entries.push([holder.length as number, undefined]);
  }

  #leads(item: unknown): boolean {
    return item instanceof Tensor || Array.isArray(item) || this.#before.has(item as Holder);
  }

  /** The recording, whose rows name these storages, is over. */
  end(storages: readonly Storage[]) {
    const before = this.#before;
    const took = this.#took;
    const named = new Set(storages);
    const isNamed = (value: unknown): boolean => value instanceof Tensor && named.has(value.storage);
    // Those that own such a tensor or took part, all that lead to them, and all that these lead to. Modules are made before those that
    // lead to them, or behind: the passes take turns.
    const list = [...before];
    for (let size = -1; size < took.size; list.reverse()) {
      size = took.size;
      for (const [holder, entries] of list) if (entries.some(([, v]) => took.has(v) || isNamed(v))) took.add(holder);
    }
    const watched = noneWatched();
    for (const holder of took) {
      for (const [key, value] of before.get(holder as Holder) ?? []) {
        if (before.has(value as Holder)) took.add(value);
        // What the function itself changes, such as a counter, is no state that it is given.
        if ((value instanceof Tensor && !isNamed(value)) || !Object.is((holder as Holder)[key], value)) continue;
        const { weights, biases, named, items } = watched;
        const number = typeof key === "number" && !Number.isNaN(value);
        const list = number ? items : key === "weight" ? weights : key === "bias" ? biases : named;
        list.push({ holder: holder as Holder, key, value });
      }
    }
    return watched;
  }

  /** The function has returned, or thrown. */
  static over(): void {
    called = null;
  }
}
