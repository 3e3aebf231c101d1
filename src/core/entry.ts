// An entry of the tape: what is remembered of an op that was recorded, which entries a walk back meets, and when what they held goes.
import { isFloat } from "./dtype.ts";
import { fail } from "./error.ts";
import type { Op } from "./op.ts";
import type { Leaf, Tensor } from "./tensor.ts";

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
  /** The last walk over the tape that came by: an entry to which two paths lead, as to y in y a + y b, is met once. */
  pass: number;
}

let serials = 0;
/** The next number in the order of execution. @internal */
export const nextSerial = (): number => ++serials;
const NONE: never[] = [];

/** Whether others than the entry may see what was saved: an input, most often one of the first, or an output. @internal */
export const seen = (s: Tensor, inputs: readonly Tensor[], out: Tensor, others: readonly Tensor[]): boolean =>
  s === out || s === inputs[0] || s === inputs[1] || inputs.includes(s) || others.includes(s);

/** Versions of what was saved; -1 for temporaries. @internal */
export function versionsOf(
  saved: Entry["saved"],
  inputs: Entry["inputs"],
  out: Tensor,
  others: Entry["others"],
): number[] {
  if (saved.length === 0) return NONE;
  const versions = new Array<number>(saved.length);
  for (let i = 0; i < saved.length; i++) {
    const s = saved[i]!;
    if (s === null || !seen(s, inputs, out, others)) versions[i] = -1;
    else {
      s.readers++;
      versions[i] = s.storage.version;
    }
  }
  return versions;
}

/** The entries by which wanted tensors are reached, with bits for the inputs on the way there; null where every leaf is wanted. @internal */
export type Leads = ReadonlyMap<Entry, number> | null;

/**
 * Every entry that `root` reaches, by falling serial number; where gradients of `wanted` are asked for, of what leads to them.
 * For y = a b (serial 1), z = y + a (serial 2): [z's, y's], and with b wanted the leads are z's by its first input and y's by
 * its second. @internal
 */
export function reached(root: Tensor, wanted: ReadonlySet<Tensor> | null): { order: Entry[]; leads: Leads } {
  let order: Entry[] = root.entry === null ? [] : [root.entry];
  const pass = nextSerial();
  let sorted = true;
  let spent = false;
  for (const entry of order) {
    spent ||= entry.consumed;
    for (const edge of entry.edges) {
      if (edge === null || edge.pass === pass) continue;
      edge.pass = pass;
      sorted &&= edge.serial < order[order.length - 1]!.serial;
      order.push(edge);
    }
  }
  if (!sorted) order.sort((a, b) => b.serial - a.serial);
  const leads = wanted === null ? null : leading(order, wanted);
  if (leads !== null) order = order.filter((entry) => leads.has(entry));
  const first = spent ? order.find((entry) => entry.consumed) : undefined;
  if (first !== undefined)
    fail(
      "backward",
      `${first.out.describe()}: trying to backward through the graph a second time: its saved values have been released; use retainGraph the first time`,
    );
  return { order, leads };
}

function leading(order: readonly Entry[], wanted: ReadonlySet<Tensor>): Map<Entry, number> {
  const found = new Map<Entry, number>();
  for (let k = order.length - 1; k >= 0; k--) {
    const { inputs, edges, wants, consumed } = order[k]!;
    let bits = 0;
    inputs.forEach((x, i) => {
      const edge = edges[i]!;
      if ((edge !== null && found.has(edge)) || (edge === x.entry && wanted.has(x))) bits |= wants & (1 << i);
    });
    if (bits !== 0 || consumed) found.set(order[k]!, bits);
  }
  return found;
}

/**
 * Releases what backward consumed on the way to this leaf: the next forward has begun. After `loss.backward()` a prediction can still
 * be read; it goes when the next `model(x)` reads a weight. One list hangs on all leaves that a backward reached, and the
 * first leaf to be read empties it. @internal
 */
export function releaseSpent(leaf: Leaf, reader: string): void {
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
    const { wants, inputs, edges, others, saved, versions, helpers } = entry;
    entry.consumed = false;
    for (let i = 0; i < saved.length; i++) if (saved[i] !== null) entry.consumed = true;
    for (let i = 0; i < edges.length; i++) {
      const edge = edges[i]!;
      if (edge !== null) entry.consumed ||= edge.consumed;
      else if (wants & (1 << i)) spend(inputs[i]!.leaf, spent);
    }
    if (entry.out !== root) spent.push(entry.out);
    for (const out of others) if (out !== root && isFloat(out.dtype)) spent.push(out);
    if (helpers !== null) for (const h of helpers) h.release(`backward(), which was done with ${entry.op.name}`);
    entry.helpers = null;
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

/** The next recorded op that reads the leaf releases these. */
function spend(leaf: Leaf, spent: Tensor[]): void {
  if (leaf.spent === null) leaf.spent = [spent];
  else if (leaf.spent[leaf.spent.length - 1] !== spent) leaf.spent.push(spent);
}
