// An entry of the tape: what is remembered of an op that was recorded, and when what it held goes.
import { isFloat } from "./dtype.ts";
import type { Op } from "./op.ts";
import type { Tensor } from "./tensor.ts";

/** What is remembered of an op that was recorded. @internal */
export interface Entry<P = unknown> {
  readonly op: Op<P>;
  /** Order of execution. */
  readonly serial: number;
  /** What it made; the value of then, when that has changed in place since. */
  out: Tensor;
  /** Its further outputs. */
  readonly others: readonly Tensor[];
  inputs: readonly Tensor[];
  /** Bit i: input i wanted a gradient when this was recorded. */
  readonly wants: number;
  /** The inputs' entries at the time of recording (later in-place writes give them others), and which of their outputs they were. */
  edges: readonly (Entry | null)[];
  readonly slots: readonly number[];
  readonly params: P;
  /** What the forward saved for the vjp. */
  saved: readonly (Tensor | null)[];
  /** Versions of what was saved; -1 for temporaries, which are released with the entry. */
  readonly versions: readonly number[];
  /** What else is released with it: temporaries of a composition. */
  helpers: Tensor[] | null;
  consumed: boolean;
  /** The gradients of the outputs that have come together so far, during a backward. */
  grads: (Tensor | null)[];
  /** The last walk over the tape that came by. */
  pass: number;
}

let serials = 0;
/** The next number in the order of execution. @internal */
export const nextSerial = (): number => ++serials;
const NONE: never[] = [];

/** Versions of what was saved; -1 for temporaries, which are neither inputs nor outputs. @internal */
export function versionsOf(
  saved: Entry["saved"],
  inputs: Entry["inputs"],
  out: Tensor,
  others: Entry["others"],
): number[] {
  if (saved.length === 0) return NONE;
  return saved.map((s) => {
    if (s === null || !(s === out || inputs.includes(s) || others.includes(s))) return -1;
    s.readers++;
    return s.storage.version;
  });
}

/** Releases what backward consumed on the way to this leaf: the next forward has begun. @internal */
export function releaseSpent(leaf: Tensor, reader: string): void {
  const lists = leaf.spent!;
  leaf.spent = null;
  for (const spent of lists) {
    if (spent.length === 0) continue; // by way of another leaf
    const by = `the next forward (${reader} read a parameter that backward() had reached)`;
    for (const t of spent) if (!t.kept) t.release(by);
    spent.length = 0;
  }
}

/**
 * The entries are done: helpers go at once, values with the next forward that reads one of the leaves. Those that saved nothing,
 * nor stand behind one that did, may be walked again. @internal
 */
export function consume(order: readonly Entry[], root: Tensor): void {
  const spent: Tensor[] = [];
  // What was made last comes first in `order`: an entry behind a consumed one cannot be walked again either.
  for (let k = order.length - 1; k >= 0; k--) {
    const entry = order[k]!;
    const { saved, versions, helpers } = entry;
    for (const x of entry.inputs) {
      if (x.isLeaf && x.requiresGrad && x.spent?.at(-1) !== spent) x.spent = x.spent ? [...x.spent, spent] : [spent];
    }
    if (entry.out !== root) spent.push(entry.out);
    for (const out of entry.others) if (out !== root && isFloat(out.dtype)) spent.push(out);
    for (const h of helpers ?? NONE) h.release(`backward(), which was done with ${entry.op.name}`);
    entry.helpers = null;
    entry.consumed = saved.some((s) => s !== null) || entry.edges.some((edge) => edge?.consumed);
    if (!entry.consumed) continue;
    for (let i = 0; i < saved.length; i++) {
      const s = saved[i]!;
      if (s === null) continue;
      if (versions[i] === -1) s.release(`backward(), which was done with ${entry.op.name}`);
      else if (--s.readers === 0 && s.releaseLater !== null) s.release(s.releaseLater);
    }
    entry.saved = NONE;
    entry.inputs = NONE;
    entry.edges = NONE;
  }
}
