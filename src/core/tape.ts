// Backward: reads the tape, entries that remember what was computed (entry.ts), by falling serial number.
// No list holds the entries: each hangs on the tensor that it made. Backward consumes what it visits. Consumed values stay
// readable until a recorded op next reads a leaf that this backward reached, that is the same model's next forward;
// then they are released. What was not visited is not touched.

import { noGradient } from "../hints.ts";
import { accumulate, addUp } from "./accumulate.ts";
import { isFloat } from "./dtype.ts";
import { consume, type Entry, type Leads, reached } from "./entry.ts";
import { expectOptions, fail, given, kindOf, noMore } from "./error.ts";
import { mode, owning } from "./lifetime.ts";
import { alias, empty } from "./make.ts";
import { apply, cast, contiguous, current, launch, NO_GRADS, type Op } from "./op.ts";
import { sameShape, show } from "./shape.ts";
import { alive, mixed, Tensor } from "./tensor.ts";

/** Options of `backward()` and `grad()`. */
export interface BackwardOptions {
  /** Leave the graph, so that backward can run again; the value of `createGraph` by default. */
  retainGraph?: boolean;
  /** Record the backward itself, so that gradients can be differentiated; false by default. */
  createGraph?: boolean;
}

/**
 * Accumulates d(root)/d(leaf) into `leaf.grad` for every leaf that requires it. A `root` of one element needs no `gradient`;
 * for others it has the root's shape (options may stand in its place). What the graph held is consumed unless `retainGraph`.
 * https://pytorch.org/docs/stable/generated/torch.Tensor.backward.html
 */
export function backward(
  root: Tensor,
  gradient: Tensor | BackwardOptions | null = null,
  options?: BackwardOptions,
  ...none: []
): void {
  noMore("backward", none);
  let own = options;
  let g = gradient as Tensor | null;
  if (own === undefined && g !== null && !(g instanceof Tensor) && kindOf(g) === "Object")
    [g, own] = [null, gradient as BackwardOptions];
  expectOptions("backward", own, NAMES);
  own ??= NONE;
  const found = differentiate(root, g, own, null);
  const { device } = root;
  const { under } = device;
  device.under = root.storage.serial;
  try {
    for (const [leaf, by] of found) accumulate(leaf, by, own.createGraph ?? false);
  } finally {
    device.under = under;
  }
}
const NAMES = "retainGraph? createGraph?";
const NAMES_OF_GRAD = `gradient ${NAMES}`;
const NONE: GradOptions = {};

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
export function grad(
  root: Tensor | readonly [Tensor],
  inputs: Tensor | readonly Tensor[],
  options: GradOptions = NONE,
  ...none: []
): (Tensor | null)[] {
  expectOptions("grad", options, NAMES_OF_GRAD, none);
  const list: readonly Tensor[] = inputs instanceof Tensor ? [inputs] : (inputs as readonly Tensor[]);
  if (!Array.isArray(list)) fail("grad", `inputs ${given(inputs)}: an array of tensors is expected`);
  const roots: readonly Tensor[] = Array.isArray(root) ? root : [root as Tensor];
  if (roots.length !== 1) fail("grad", `roots ${given(root)}: one is expected, add() them`);
  for (const x of list) alive("grad", x);
  const found = differentiate(roots[0]!, options.gradient ?? null, options, new Set(list));
  return list.map((x: Tensor) => (found.has(x) ? contiguous(found.get(x)!) : null));
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
  if (!root.requiresGrad) fail("backward", noGradient(root.describe(), root.storage.label));
  if (gradient === null && root.numel !== 1)
    fail("backward", `${root.describe()}: grad can be implicitly created only for scalar outputs; pass a gradient`);
  if (gradient !== null && !(gradient instanceof Tensor))
    fail(
      "backward",
      `gradient ${given(gradient)} for ${show(root.shape)}: a tensor or null is expected before options`,
    );
  if (gradient !== null) {
    alive("backward", gradient);
    if (!sameShape(gradient.shape, root.shape))
      fail("backward", `gradient ${show(gradient.shape)} for ${show(root.shape)}: the shapes must be the same`);
    if (!isFloat(gradient.dtype))
      fail("backward", `gradient ${show(gradient.shape)} of ${gradient.dtype}: floats are expected, use float()`);
    if (gradient.device !== root.device) mixed("backward", root, gradient);
  }
  const { createGraph: create = false, retainGraph: retain = create } = options;
  const { order, leads } = reached(root, wanted);
  const found = new Map<Tensor, Tensor>();
  const at: Visit = { entry: null!, found, wanted, leads };
  const { grad: outerGrad, autocast } = mode;
  const { device } = root;
  const { under } = device;
  device.under = root.storage.serial;
  mode.grad = create;
  mode.autocast = null;
  try {
    const seed = gradient === null ? ones(root) : own(gradient, create);
    add(root, root.entry, root.slot, seed, at, create);
    for (const entry of order) {
      const { grads: gs, out, inputs, edges, slots } = entry;
      if (gs.length === 0) continue;
      check(entry);
      at.entry = entry;
      const grads = create ? gradients(at) : owning(gradients, at, "backward()", isAmong, false);
      entry.grads = NO_GRADS;
      for (let i = 0; i < grads.length; i++) {
        let gx = grads[i]!;
        if (gx === null) continue;
        if (gx === gs[0] || gx === out || inputs.includes(gx) || gs.includes(gx)) gx = own(gx, create);
        const x = inputs[i]!;
        const edge = edges[i]!;
        if (edge !== null || x.requiresGrad) add(x, edge, slots.length > 0 ? slots[i]! : 0, gx, at, create);
        else if (!create) gx.release("backward()");
      }
      if (!create) for (let i = 0; i < gs.length; i++) gs[i]?.release("backward()");
    }
  } catch (error) {
    for (const entry of order) entry.grads = NO_GRADS;
    throw error;
  } finally {
    mode.grad = outerGrad;
    mode.autocast = autocast;
    device.under = under;
  }
  if (!retain) consume(order, root);
  return found;
}

/** The entry that backward is at, and what it has found for leaves, or for those that are `wanted`. */
interface Visit {
  entry: Entry;
  readonly found: Map<Tensor, Tensor>;
  readonly wanted: ReadonlySet<Tensor> | null;
  readonly leads: Leads;
}

/** The gradients of an entry's inputs that want one, each in its input's shape; null where it grew in place. */
function gradients(at: Visit): (Tensor | null)[] {
  const { op, inputs, grads, others } = at.entry;
  const wants = at.leads === null ? at.entry.wants : at.leads.get(at.entry)!;
  const made = op.vjp!((others.length === 0 ? grads[0] : grads) as Tensor, at.entry);
  for (let i = 0; i < made.length; i++) {
    let g = wants & (1 << i) ? made[i]! : null; // what was made in vain is released with the rest
    if (typeof g === "function") g = g.into !== undefined && !mode.grad && grows(at, i, g.into) ? null : g();
    if (g !== null && !sameShape(g.shape, inputs[i]!.shape)) g = fitted(op, g, inputs[i]!);
    made[i] = g;
  }
  return made as (Tensor | null)[];
}

function fitted({ name, fit }: Op, g: Tensor, { shape }: Tensor): Tensor {
  if (fit !== undefined) return fit(g, shape);
  return fail(`backward of ${name}`, `a gradient of ${show(g.shape)} for ${show(shape)}: the shapes must be the same`);
}

/** Adds a part to what has come for input i, where that is dense and nobody else's. */
function grows({ entry, found, wanted }: Visit, i: number, into: (whole: Tensor) => void): boolean {
  const x = entry.inputs[i]!;
  const edge = entry.edges[i]!;
  const g = edge === null ? found.get(x) : wanted?.has(x) ? null : edge.grads[entry.slots[i] ?? 0];
  if (g == null || g.strides !== null || g.storage.holders > 1 || g.kept || g.dtype !== x.dtype) return false;
  into(g);
  return true;
}
const isAmong = (t: Tensor, grads: readonly (Tensor | null)[] | null): boolean =>
  grads === null || t === grads[0] || t === grads[1] || grads.includes(t);

/** A tensor of its own over the same storage; differentiable where gradients are. */
const own = (x: Tensor, create: boolean): Tensor => (create ? apply(Alias, [x], null) : alias(x));
const Alias: Op = { name: "alias", strided: true, forward: ([x]) => alias(x!), vjp: (g) => [g] };

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
  { found, wanted, leads }: Visit,
  create: boolean,
): void {
  const g = cast(given, x.dtype);
  if (g !== given && !create) given.release("backward()");
  if (wanted?.has(x) && edge === x.entry) {
    const before = found.get(x);
    const mine = edge === null || create ? g : alias(g);
    found.set(x, before === undefined ? mine : addUp(before, mine, create));
    if (edge === null) return;
  }
  if (edge !== null && leads?.has(edge) !== false) {
    if (edge.grads.length > 0) {
      const before = edge.grads[slot]!;
      edge.grads[slot] = before === null ? g : addUp(before, g, create);
    } else if (edge.others.length === 0) edge.grads = [g];
    else edge.grads = [edge.out, ...edge.others].map((_, i) => (i === slot ? g : null));
  } else if (wanted === null) {
    const before = found.get(x);
    found.set(x, before === undefined ? g : addUp(before, g, create));
  } else if (!create) g.release("backward()");
}

function ones(root: Tensor): Tensor {
  const g = empty(root.shape, root.dtype, "gradient", root.device);
  launch("fill_f32", [g], [], [g.numel], [ONE], "backward");
  return g;
}
const ONE = 0x3f800000;
