// Backward: reads the tape, entries that remember what was computed (entry.ts), by falling serial number.
//
// No list holds the entries: each hangs on the tensor that it made. Backward consumes what it visits. Consumed values stay
// readable until a recorded op next reads a leaf that this backward reached, that is the same model's next forward;
// then they are released. What was not visited is not touched.
import { elementsOf } from "./device.ts";
import { consume, type Entry, nextSerial } from "./entry.ts";
import { fail } from "./error.ts";
import { mode, owning } from "./lifetime.ts";
import { apply, cast, contiguous, current, denseCopy, launch, NO_GRADS, type Op } from "./op.ts";
import { sameShape, show } from "./shape.ts";
import { alias, alive, empty, lasting, type Tensor } from "./tensor.ts";

/** Options of `backward()` and `grad()`. */
export interface BackwardOptions {
  /** Leave the graph, so that backward can run again; the value of `createGraph` by default. */
  retainGraph?: boolean;
  /** Record the backward itself, so that gradients can be differentiated; false by default. */
  createGraph?: boolean;
}

/**
 * Accumulates d(root)/d(leaf) into `leaf.grad` for every leaf that requires it. A `root` of one element needs no `gradient`;
 * for others it has the root's shape. What the graph held is consumed unless `retainGraph`.
 * https://pytorch.org/docs/stable/generated/torch.Tensor.backward.html
 */
export function backward(root: Tensor, gradient: Tensor | null = null, options: BackwardOptions = {}): void {
  const found = differentiate(root, gradient, options, null);
  for (const [leaf, g] of found) accumulate(leaf, g, options.createGraph ?? false);
}

/** Options of `grad()`. */
export interface GradOptions extends BackwardOptions {
  /** The gradient of `root`, of its shape; 1 by default, for a root of one element. */
  gradient?: Tensor;
}

/**
 * Gradients of `root` with respect to `inputs`, returned instead of accumulated: one of each input's shape, null where the
 * root does not depend on it (where PyTorch throws). Only what leads to them is walked, and consumed.
 * https://pytorch.org/docs/stable/generated/torch.autograd.grad.html
 */
export function grad(root: Tensor, inputs: readonly Tensor[], options: GradOptions = {}): (Tensor | null)[] {
  const found = differentiate(root, options.gradient ?? null, options, new Set(inputs));
  return inputs.map((x) => {
    const g = found.get(x);
    return g === undefined ? null : contiguous(g);
  });
}

/** Walks back from `root`; returns the gradients of the leaves, or of `wanted` where that is given. */
function differentiate(
  root: Tensor,
  gradient: Tensor | null,
  options: BackwardOptions,
  wanted: ReadonlySet<Tensor> | null,
): Map<Tensor, Tensor> {
  alive("backward", root);
  current("backward", root);
  for (const x of wanted ?? []) current("grad", x);
  if (!root.requiresGrad)
    fail("backward", `${root.describe()}: element 0 of tensors does not require grad and does not have a grad_fn`);
  if (gradient === null && root.numel !== 1)
    fail("backward", `${root.describe()}: grad can be implicitly created only for scalar outputs; pass a gradient`);
  if (gradient !== null && !sameShape(gradient.shape, root.shape))
    fail("backward", `gradient ${show(gradient.shape)} for ${show(root.shape)}: the shapes must be the same`);
  const { createGraph: create = false, retainGraph: retain = create } = options;
  const order = reached(root, wanted);
  const found = new Map<Tensor, Tensor>();
  const { grad: outerGrad, autocast } = mode;
  mode.grad = create;
  mode.autocast = null;
  try {
    const seed = gradient === null ? ones(root) : own(gradient, create);
    add(root, root.entry, root.slot, seed, found, wanted, create);
    for (const entry of order) {
      const { grads: gs, out, inputs, edges, slots } = entry;
      if (gs.length === 0) continue;
      check(entry);
      const grads = create ? gradients(entry) : owning(gradients, entry, "backward()", isAmong, false);
      entry.grads = NO_GRADS;
      for (let i = 0; i < grads.length; i++) {
        const x = grads[i]!;
        if (x !== null && (gs.includes(x) || x === out || inputs.includes(x))) grads[i] = own(x, create);
      }
      if (!create) for (const g of gs) g?.release("backward()");
      for (let i = 0; i < inputs.length; i++) {
        const gx = grads[i] ?? null;
        if (gx === null) continue;
        const x = inputs[i]!;
        const edge = edges[i]!;
        if (edge !== null || x.requiresGrad) add(x, edge, slots[i] ?? 0, gx, found, wanted, create);
        else if (!create) gx.release("backward()");
      }
    }
  } finally {
    mode.grad = outerGrad;
    mode.autocast = autocast;
    for (const entry of order) entry.grads = NO_GRADS;
    leads = null;
  }
  if (!retain) consume(order, root);
  return found;
}

/** The gradients of an entry's inputs that want one, each in its input's shape. */
function gradients(entry: Entry): (Tensor | null)[] {
  const { op, inputs, grads } = entry;
  const wants = leads === null ? entry.wants : leads.get(entry)!;
  const made = op.vjp!((entry.others.length === 0 ? grads[0] : grads) as Tensor, entry);
  for (let i = 0; i < made.length; i++) {
    let g = made[i]!;
    if (g === null || (wants & (1 << i)) === 0) {
      made[i] = null; // what was made of it in vain is released with the rest
      continue;
    }
    if (typeof g === "function") g = g();
    const { shape } = inputs[i]!;
    if (!sameShape(g.shape, shape)) {
      if (op.fit === undefined)
        fail(
          `backward of ${op.name}`,
          `a gradient of ${show(g.shape)} for ${show(shape)}: the shapes must be the same`,
        );
      g = op.fit(g, shape);
    }
    made[i] = g;
  }
  return made as (Tensor | null)[];
}
const isAmong = (t: Tensor, grads: readonly (Tensor | null)[] | null): boolean => grads === null || grads.includes(t);

/** A tensor of its own over the same storage; differentiable where gradients are. */
const own = (x: Tensor, create: boolean): Tensor => (create ? apply(Alias, [x], null) : alias(x));
const Alias: Op = { name: "alias", strided: true, forward: ([x]) => alias(x!), vjp: (g) => [g] };

/** Every entry that `root` reaches, by falling serial number; where gradients of `wanted` are asked for, of what leads to them. */
function reached(root: Tensor, wanted: ReadonlySet<Tensor> | null): Entry[] {
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
  leads = wanted === null ? null : leading(order, wanted);
  if (leads !== null) order = order.filter((entry) => leads!.has(entry));
  const first = spent ? order.find((entry) => entry.consumed) : undefined;
  if (first !== undefined)
    fail(
      "backward",
      `${first.out.describe()}: trying to backward through the graph a second time: its saved values have been released; use retainGraph the first time`,
    );
  return order;
}

/** The entries by which the `wanted` are reached, with bits for the inputs on the way there; null where every leaf is wanted. */
let leads: ReadonlyMap<Entry, number> | null = null;
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

/** Saved values must be there, and unchanged since. */
function check({ op, saved, versions }: Entry): void {
  for (let i = 0; i < versions.length; i++) {
    const x = saved[i]!;
    if (x === null || versions[i] === -1) continue;
    if (x.gone !== null) alive(`backward of ${op.name}`, x);
    if (x.storage.version !== versions[i])
      fail(
        `backward of ${op.name}`,
        `${x.describe()} is at version ${x.storage.version}, expected version ${versions[i]}: one of the variables needed for gradient computation has been modified by an inplace operation`,
      );
  }
}

/** Adds a contribution, in x's dtype, to the gradient of `x`: on the entry that made it, or among the leaves. */
function add(
  x: Tensor,
  edge: Entry | null,
  slot: number,
  given: Tensor,
  found: Map<Tensor, Tensor>,
  wanted: ReadonlySet<Tensor> | null,
  create: boolean,
): void {
  const g = cast(given, x.dtype);
  if (g !== given && !create) given.release("backward()");
  if (wanted?.has(x) && edge === x.entry) {
    const before = found.get(x);
    const mine = edge === null || create ? g : alias(g);
    found.set(x, before === undefined ? mine : sum(before, mine, create));
    if (edge === null) return;
  }
  if (edge !== null && leads?.has(edge) !== false) {
    if (edge.grads.length === 0)
      edge.grads = edge.others.length === 0 ? [null] : [null, ...edge.others.map(() => null)];
    const before = edge.grads[slot]!;
    edge.grads[slot] = before === null ? g : sum(before, g, create);
  } else if (wanted === null) {
    const before = found.get(x);
    found.set(x, before === undefined ? g : sum(before, g, create));
  } else if (!create) g.release("backward()");
}

/** a + b, in place where nobody else holds `a`. Both are used up. */
function sum(a: Tensor, b: Tensor, create: boolean): Tensor {
  if (create) return apply(Add, [a, b], null);
  const x = settled(a);
  const y = settled(b);
  const out = x.storage.holders === 1 && !x.kept ? x : empty(x.shape, x.dtype, "gradient", x.device);
  launch("add_f32", [out], [x, y], [x.numel], undefined, "backward");
  if (out !== x) x.release("backward()");
  y.release("backward()");
  return out;
}

/** The dense form of a gradient; the other one is released. */
function settled(g: Tensor): Tensor {
  if (g.strides === null) return g;
  const dense = contiguous(g);
  g.release("backward()");
  return dense;
}

const Add: Op = {
  name: "add",
  forward([a, b]) {
    const y = empty(a!.shape, a!.dtype, "add", a!.device);
    launch("add_f32", [y], [a!, b!], [a!.numel]);
    return y;
  },
  vjp: (g) => [g, g],
};

function ones(root: Tensor): Tensor {
  const g = empty(root.shape, root.dtype, "gradient", root.device);
  launch("fill_f32", [g], [], [g.numel], [ONE], "backward");
  return g;
}
const ONE = 0x3f800000;

/** The leaf's gradient becomes `g`, or grows by it. */
function accumulate(leaf: Tensor, given: Tensor, create: boolean): void {
  const recording = mode.recording;
  recording?.readsGrad(leaf);
  recording?.touches(leaf, true);
  if (leaf.entry !== null) fail("backward", `${leaf.describe()}: leaf variable has been moved into the graph interior`);
  const before = leaf.ownGrad;
  if (before !== null) alive("backward", before);
  if (create) {
    // A leaf's gradient lies dense in bytes of its own: nothing that the user gave is written later.
    const own = given.strides === null && given.storage.holders === 1 ? given : denseCopy(given);
    leaf.setGrad(before === null ? own : apply(Add, [before, own], null));
    return;
  }
  const g = settled(given);
  if (before !== null) {
    launch("add_f32", [before], [before, g], [g.numel], undefined, "backward");
    g.release("backward()");
    return;
  }
  const whole = g.offset === 0 && g.numel === elementsOf(g.storage) && g.storage.holders === 1;
  // In a recording whose function still has the gradient of before, the home is not to be written yet.
  const away = recording === null ? leaf.home === null : recording.grads.get(leaf)!.held;
  if (away && whole && !g.kept) leaf.setGrad(g);
  else if (recording !== null && whole && !away) {
    // The program writes straight into the leaf's home.
    const bound = g.device.bind(g.storage, leaf.home?.storage ?? null);
    leaf.home ??= lasting(bound, leaf.shape);
    g.release("backward()");
    leaf.setGrad(lasting(leaf.home.storage, leaf.shape));
  } else {
    const home = away ? null : (leaf.home ?? recording!.homeOf(leaf));
    const own = home === null ? empty(g.shape, g.dtype, "gradient", g.device) : lasting(home.storage, leaf.shape);
    launch("copy_f32", [own], [g], [g.numel], undefined, "backward");
    g.release("backward()");
    leaf.setGrad(own);
  }
}
