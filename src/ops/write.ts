// Writes in place, and what is recorded of them. Every write bumps the storage's version, so backward notices a saved value that
// changed; what is recorded becomes part of the history that a base shares with its views (views.ts). fill_ and copy_ are
// here because the gradient of a write to a part is made with them.

import { suffix } from "../core/dtype.ts";
import type { Entry } from "../core/entry.ts";
import { fail, given, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { alias, empty } from "../core/make.ts";
import { apply, current, launch, type Op, readStrided, record } from "../core/op.ts";
import { noteRead } from "../core/recording.ts";
import { sameShape, show } from "../core/shape.ts";
import { alive, mixed, stridesOf, type Tensor } from "../core/tensor.ts";
import { TIED } from "../row/under.ts";
import { like } from "./compose.ts";
import { clone, toDtype } from "./copy.ts";
import { cut, wordOf } from "./create.ts";
import { zerosAs } from "./gradient.ts";
import { noGrad } from "./modes.ts";
import { expand, sumTo } from "./reduce.ts";
import { broadcast, expectSingle, withoutGaps } from "./strides.ts";
import { fromMemory, Part, type Place, part, partOf, placeOf, toMemory, writeStrided } from "./views.ts";

const fillsRun = (x: Tensor): boolean => withoutGaps(x.shape, stridesOf(x));

/** Throws where `x` and an operand share some of the bytes that are written, or all in another order, as PyTorch does where it sees that. */
function apart(op: string, x: Tensor, other: Tensor): void {
  if (other.storage !== x.storage || x.numel === 0 || other.numel === 0 || !fillsRun(x) || !fillsRun(other)) return;
  if (other.offset === x.offset && other.numel === x.numel && sameShape(stridesOf(x), stridesOf(other))) return;
  const [from, to] = [Math.max(x.offset, other.offset), Math.min(x.offset + x.numel, other.offset + other.numel)];
  if (from >= to) return;
  fail(
    op,
    `${show(x.shape)} and ${show(other.shape)}: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation.`,
  );
}

/** Both show the same elements in the same order. @internal */
export const sameLayout = (a: Tensor, b: Tensor): boolean =>
  a.storage === b.storage &&
  a.offset === b.offset &&
  sameShape(a.shape, b.shape) &&
  sameShape(a.strides ?? NO_DIMS, b.strides ?? NO_DIMS);
const NO_DIMS: readonly number[] = [];

/** What an in-place op launches. Told who wants a gradient (nobody: 0), it returns what the gradients need, `x` for what it becomes. */
type Write = (wants: number) => readonly (Tensor | null)[];
/** No gradient needs anything. @internal */
export const NOTHING: readonly Tensor[] = [];

/** A write to `x`; history is rebased as PyTorch does. `spread` writes one value everywhere, so that it matters to no expanded view. @internal */
export function inPlace<P>(
  op: Op<P>,
  x: Tensor,
  others: readonly Tensor[],
  params: P,
  write: Write,
  spread = false,
): Tensor {
  alive(op.name, x);
  for (const o of others) {
    alive(op.name, o);
    if (o.device !== x.device) mixed(op.name, x, o);
    noteRead(o);
    if (mode.grad) current(op.name, o);
    apart(op.name, x, o);
  }
  if (!spread) expectSingle(op.name, x);
  let wants = x.requiresGrad ? 1 : 0;
  for (let i = 0; i < others.length; i++) if (others[i]!.requiresGrad) wants |= 2 << i;
  // One of several views, or one made under noGrad, says itself that it wants nothing: its base does.
  if (wants === 0 && x.fixed !== null && x.base!.requiresGrad) wants = 1;
  if (!mode.grad || wants === 0) {
    write(0);
    return x;
  }
  if (x.fixed !== null) fail(op.name, `${show(x.shape)}: ${x.fixed}`);
  const base = x.base ?? x;
  if (base.requiresGrad && base.isLeaf) {
    const what = base === x ? "a leaf variable that requires grad" : "a view of a leaf variable that requires grad";
    fail(op.name, `${show(x.shape)}: ${what} is being used in an in-place operation; use noGrad`);
  }
  if (base === x) rebase(op as Op, x, x, others, params, tied(x, write, wants), wants);
  else {
    const place = placeOf(x);
    const saved = tied(x, write, wants).map((s) => (s === x ? base : s));
    const inner = { op: op as Op, params, place, view: x };
    rebase(CopySlices as Op, base, x, others, inner, saved, wants | (base.requiresGrad ? 1 : 0));
  }
  return x;
}

/** What is differentiated is lost with what is written into it; where nothing is, the target of a write that fails is as it was. */
function tied({ device }: Tensor, write: Write, wants: number): ReturnType<Write> {
  if ((wants & 1) === 0) return write(wants);
  const { under } = device;
  device.under = TIED;
  try {
    return write(wants);
  } finally {
    device.under = under;
  }
}

/** The written base gets an entry of the write; what it was before is an input of that. */
function rebase(
  op: Op,
  base: Tensor,
  x: Tensor,
  others: readonly Tensor[],
  params: unknown,
  saved: readonly (Tensor | null)[],
  wants: number,
): void {
  const before = alias(base);
  const { entry, slot } = base;
  if (entry !== null) {
    before.entry = entry;
    before.slot = slot;
    if (slot === 0) entry.out = before;
  }
  if (base.requiresGrad) before.requiresGrad = true;
  base.entry = null;
  base.slot = 0;
  // What is written with itself is read as it was before.
  const inputs = [before, ...others.map((o) => (o === base ? before : o === x ? was(before, x) : o))];
  record(op, inputs, params, saved, base, NOTHING, wants);
  base.rebases++;
  if (base !== x) x.requiresGrad; // its entry is the write's part from here on
}

/** A view as it was, of what its base was. */
const was = (before: Tensor, view: Tensor): Tensor =>
  before.requiresGrad ? apply(Part, [before], placeOf(view)) : alias(view);

/** A write to a part of the base: outside it the gradient goes through. */
const CopySlices: Op<{ op: Op; params: unknown; place: Place; view: Tensor }> = {
  name: "copySlices",
  forward: ([x]) => x!,
  vjp(g, entry) {
    const { op, params, place, view } = entry.params;
    const [before, ...others] = entry.inputs;
    const inputs = [mode.grad && before!.requiresGrad ? apply(Part, [before!], place) : view, ...others];
    const saved = entry.saved.map((s) => (s !== null && s === view.base ? partOf(s, place) : s));
    const [gx, ...rest] = op.vjp!(partOf(g, place), { ...entry, op, params, inputs, saved } as Entry);
    const whole = (): Tensor => {
      const out = place.memory === null ? clone(g) : toMemory(g, place);
      const own = typeof gx === "function" ? gx() : gx;
      if (own === null || own === undefined) fill_(part(out, place), 0);
      else copy_(part(out, place), own);
      return fromMemory(out, place);
    };
    return [whole, ...rest];
  },
  fit: sumTo,
};

/** A dense tensor to write into in the place of `x`. @internal */
export const target = (x: Tensor): Tensor => (x.strides === null ? x : like(x, "in place"));
/** Brings what was written into a target to `x`. @internal */
export function settle(op: string, x: Tensor, dense: Tensor): void {
  if (dense === x) return;
  writeStrided(op, x, dense);
  dense.release(op);
}

/** What a tensor is now: a dense copy. @internal */
export const copied = (x: Tensor): Tensor => {
  const y = empty(x.shape, x.dtype, "the value before", x.device);
  readStrided("clone", y, x);
  return y;
};

const Fill: Op = { name: "fill_", forward: ([x]) => x!, vjp: (g) => [() => zerosAs(g)] };

/** Every element of `x` becomes `value`, in place; returns `x`. */
export function fill_(x: Tensor, value: number, ...none: []): Tensor {
  alive("fill_", x, none);
  if (typeof value !== "number") fail("fill_", `${show(x.shape)} and ${given(value)}: a number is expected`);
  const whole = cut("fill_", value, x);
  const write = (): readonly Tensor[] => {
    const y = target(x);
    launch(`fill_${suffix(x.dtype)}`, [y], [], [y.numel], [wordOf(whole, x.dtype)], "fill_");
    settle("fill_", x, y);
    return NOTHING;
  };
  return inPlace(Fill, x, [], null, write, true);
}

/** Every element of `x` becomes 0, in place; returns `x`. */
export function zero_(x: Tensor, ...none: []): Tensor {
  noMore("zero_", none);
  return fill_(x, 0);
}

const Copy: Op = { name: "copy_", forward: ([x]) => x!, vjp: (g) => [() => zerosAs(g), g], fit: sumTo };

/**
 * The elements of `source` become those of `x`, in place: converted to its dtype and broadcast to its shape. Returns `x`.
 * https://pytorch.org/docs/stable/generated/torch.Tensor.copy_.html
 */
export function copy_(x: Tensor, source: Tensor, ...none: []): Tensor {
  return copyInto(Copy, x, source, none);
}

/** `copy_` under the name of another op. @internal */
export const overwrite = (name: string, x: Tensor, source: Tensor): Tensor => copyInto({ ...Copy, name }, x, source);

function copyInto(op: Op, x: Tensor, source: Tensor, none?: readonly unknown[]): Tensor {
  const { name } = op;
  alive(name, x, none);
  alive(name, source);
  if (!sameShape(x.shape, source.shape) && !sameShape(broadcast(name, x.shape, source.shape), x.shape)) {
    fail(name, `${show(x.shape)} from ${show(source.shape)}: the source does not fit into the target`);
  }
  const from = toDtype(source, x.dtype);
  inPlace(op, x, [from], null, () => {
    const wide = noGrad(() => expand(from, x.shape));
    if (x.strides === null && from.storage !== x.storage) readStrided(name, x, wide);
    else if (!sameLayout(x, wide)) {
      const dense = wide.strides === null && from.storage !== x.storage ? wide : copied(wide);
      writeStrided(name, x, dense);
      if (dense !== wide) dense.release(name);
    } else x.storage.version++; // nothing moves, and it counts as a write
    if (wide !== from) wide.release(name);
    return NOTHING;
  });
  if (from !== source && from.entry === null) from.release(name);
  return x;
}
