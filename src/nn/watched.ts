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
let called: Set<Holder> | null = null;

/** The module, which takes part from here on: for those that have no parameter by which that is seen. @internal */
export function used<M extends object>(module: M): M {
  called?.add(module as Holder);
  return module;
}

/** What hung on every module when a recording began. @internal */
export class Watch {
  private readonly before = new Map<Holder, [key: string | number, value: unknown][]>();
  private readonly took = new Set<Holder>();

  constructor() {
    const modules = living.map((ref) => ref.deref() as Holder | undefined).filter((m) => m !== undefined);
    for (const m of modules) this.before.set(m, []);
    for (const m of modules) this.note(m);
    called = this.took;
  }

  private note(holder: Holder): void {
    const entries = Object.entries(holder).map(([key, value]): [string | number, unknown] => [
      /^\d+$/.test(key) ? Number(key) : key,
      value,
    ]);
    for (const [, value] of entries)
      if (Array.isArray(value) && !this.before.has(value as never) && this.leads(value)) this.note(value as never);
    // What is appended is noticed, too: by the length of an array, by the place behind a Sequential's last.
    if (Array.isArray(holder)) entries.push(["length", holder.length]);
    else if ("length" in holder) entries.push([holder.length as number, undefined]);
    this.before.set(holder, entries);
  }

  private leads(array: readonly unknown[]): boolean {
    return array.some(
      (v) => v instanceof Tensor || this.before.has(v as Holder) || (Array.isArray(v) && v !== array && this.leads(v)),
    );
  }

  /** The recording, whose rows named these storages, is over. */
  end(named: readonly Storage[]): Watched {
    const storages = new Set(named);
    const { before, took } = this;
    const parents = new Map<unknown, Holder[]>();
    for (const [holder, entries] of before) {
      for (const [, value] of entries) {
        if (value instanceof Tensor && storages.has(value.storage)) took.add(holder);
        if (!before.has(value as Holder)) continue;
        const above = parents.get(value);
        if (above === undefined) parents.set(value, [holder]);
        else above.push(holder);
      }
    }
    // Both loops go on with what they add: to all that lead there, and to all that these lead to.
    for (const holder of took) for (const above of parents.get(holder) ?? []) took.add(above);
    for (const holder of took)
      for (const [, value] of before.get(holder) ?? []) if (before.has(value as Holder)) took.add(value as Holder);
    const watched = new Watched();
    for (const holder of took) {
      for (const [key, value] of before.get(holder) ?? []) {
        const unread = value instanceof Tensor && !storages.has(value.storage);
        // What the function itself changes, such as a counter, is no state that it is given.
        if (!unread && Object.is(holder[key], value)) watched.add(holder, key, value);
      }
    }
    return watched;
  }

  /** The function has returned, or thrown. */
  static over(): void {
    called = null;
  }
}

/** What a recorded program holds for: values of properties. @internal */
export class Watched {
  private readonly holders: Holder[] = [];
  private readonly keys: (string | number)[] = [];
  private readonly values: unknown[] = [];

  add(holder: Holder, key: string | number, value: unknown): void {
    this.holders.push(holder);
    this.keys.push(key);
    this.values.push(value);
  }

  /** Whether all have these values still. */
  same(): boolean {
    const { holders, keys, values } = this;
    for (let i = 0; i < keys.length; i++) if (!Object.is(holders[i]![keys[i]!], values[i])) return false;
    return true;
  }
}
