// An op: one object with a forward and a vjp. `apply` runs the forward and records the entry.
import { COPY, FLOATS, PERMUTE, TRANSPOSE } from "../row/movers.ts";
import { shifted, walk } from "../row/nest.ts";
import type { Buffer } from "./device.ts";
import { type DType, isFloat } from "./dtype.ts";
import { type Entry, nextSerial, releaseSpent, seen, versionsOf } from "./entry.ts";
import { fail, given as shown } from "./error.ts";
import { mode } from "./lifetime.ts";
import { alias, empty } from "./make.ts";
import type { Shape } from "./shape.ts";
import { alive, mixed, Tensor, turned } from "./tensor.ts";

/** What a forward gives: a tensor, or several. @internal */
export type Out = Tensor | readonly Tensor[];

/** Makes a gradient. That of a part of the input can also be added to what has come for the whole, which is dense. @internal */
export type Making = (() => Tensor) & { into?: (whole: Tensor) => void };

/** A gradient; what makes it, asked only where the input wants one; or null where there is none. @internal */
export type Gradient = Tensor | Making | null;

/** @internal */
export interface Op<P = unknown, O extends Out = Tensor> {
  readonly name: string;
  /**
   * Checks shapes (throwing with op, shapes and rule), launches, returns the output or several. What the vjp will read it
   * gives to `save`; bit i of `wants` is set where input i wants a gradient.
   */
  forward(inputs: readonly Tensor[], params: P, wants: number): O;
  /**
   * Gradients of the inputs from that of the output; of several outputs from those that came, null for the others. Without it
   * the op has no gradient.
   */
  vjp?(g: O extends Tensor ? Tensor : readonly (Tensor | null)[], entry: Entry<P>): Gradient[];
  /** Its inputs broadcast: this brings a gradient to an input's shape. */
  readonly fit?: (g: Tensor, shape: Shape) => Tensor;
  /** Takes views as they lie; others get a dense copy. */
  readonly strided?: boolean;
}

/** What the forward that runs has saved. */
let saved: readonly (Tensor | null)[] = [];
const NOTHING: readonly Tensor[] = [];

/**
 * Keeps for the vjp, which finds them in `entry.saved` in this order: inputs and outputs, which may not be written in between,
 * and temporaries, which are released with the entry. Null stands for what no wanted gradient needs. @internal
 */
export function save(...values: readonly (Tensor | null)[]): void {
  saved = values;
}

/** @internal */
export function apply<P, O extends Out>(op: Op<P, O>, given: readonly Tensor[], params: P): O {
  const inputs = mode.autocast?.(op.name, given) ?? given;
  const device = inputs[0]?.device;
  let dense: Tensor[] | null = null;
  let wants = 0;
  for (let i = 0; i < inputs.length; i++) {
    const x = inputs[i]!;
    if (!(x instanceof Tensor)) fail(op.name, `argument ${i + 1} is ${shown(x)}: a tensor is expected`);
    if (x.gone !== null) alive(op.name, x);
    if (x.device !== device) mixed(op.name, inputs[0]!, x);
    if (mode.recording !== null) mode.recording.reads(x);
    if (x.requiresGrad) wants |= 1 << i;
    if (mode.grad && op.vjp !== undefined) current(op.name, x);
    if (x.strides !== null && !op.strided) {
      dense ??= inputs.slice();
      dense[i] = op.vjp === undefined ? valuesOf(x) : contiguous(x);
    }
  }
  if (!mode.grad || op.vjp === undefined) wants = 0;
  const xs = dense ?? inputs;
  const outer = saved;
  saved = NOTHING;
  const out = op.forward(xs, params, wants);
  const kept = saved;
  saved = outer;
  let first = out as Tensor;
  let others = NOTHING;
  if (Array.isArray(out)) [first, ...others] = out as [Tensor, ...Tensor[]];
  if (wants !== 0 && isFloat(first.dtype)) record(op as unknown as Op, xs, params, kept, first, others, wants);
  else
    for (const s of kept)
      if (s !== null && !seen(s, xs, first, others)) s.release(`${op.name}, which was not recorded`);
  // Dense copies and casts that nobody else has seen.
  if (xs !== given)
    for (let i = 0; i < xs.length; i++) if (xs[i] !== given[i] && !xs[i]!.kept) xs[i]!.releaseUnread(op.name);
  return out;
}

/** Throws where a view has stayed behind its base. @internal */
export function current(op: string, x: Tensor): void {
  if (x.fixed !== null) mode.current(op, x);
}

/** Its values lying dense, off the tape: also those of a view that has stayed behind. @internal */
export const valuesOf = (x: Tensor): Tensor => (x.strides === null ? alias(x) : Contiguous.forward([x], null, 0));

/** Puts an entry for the outputs on the tape. @internal */
export function record(
  op: Op,
  inputs: readonly Tensor[],
  params: unknown,
  saved: readonly (Tensor | null)[],
  out: Tensor,
  others: readonly Tensor[],
  wants: number,
): void {
  const edges = new Array<Entry | null>(inputs.length);
  let slots = NONE;
  for (let i = 0; i < inputs.length; i++) {
    const x = inputs[i]!;
    if (x.own !== null && x.own.spent !== null) releaseSpent(x.own, op.name);
    edges[i] = x.entry;
    if (x.slot > 0) slots = inputs.map((y) => y.slot);
  }
  const versions = versionsOf(saved, inputs, out, others);
  // biome-ignore format: one line is how it is allocated
  const entry: Entry = { op, serial: nextSerial(), out, others, inputs, wants, edges, slots, params, saved, versions, helpers: null, consumed: false, grads: NO_GRADS, pass: 0 };
  mark(out, entry, 0);
  for (let i = 0; i < others.length; i++) if (isFloat(others[i]!.dtype)) mark(others[i]!, entry, i + 1);
}
export const NO_GRADS: never[] = []; // no gradient has come yet

function mark(out: Tensor, entry: Entry, slot: number): void {
  out.requiresGrad = true;
  out.entry = entry;
  out.slot = slot;
}

/** Appends a row. Outputs come first in `buffers`; their versions are bumped. @internal */
export function launch(
  kernel: string,
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  extents: readonly number[],
  scalars: readonly number[] = NONE,
  op: string = kernel,
): void {
  const n = outputs.length;
  const buffers = new Array<Buffer>(n + inputs.length);
  for (let i = 0; i < n; i++) {
    const y = outputs[i]!;
    if (mode.recording !== null) mode.recording.reads(y);
    y.storage.version++;
    buffers[i] = y;
  }
  for (let i = 0; i < inputs.length; i++) buffers[n + i] = inputs[i]!;
  buffers[0]!.storage.device.launch(kernel, buffers, n, extents, scalars, op);
}
const NONE: readonly number[] = [];

const Contiguous: Op = {
  name: "contiguous",
  strided: true,
  forward([x]) {
    const y = empty(x!.shape, x!.dtype, "contiguous", x!.device);
    const rank = x!.ndim;
    if (turned(x!)) {
      const [m, n] = [x!.shape[rank - 1]!, x!.shape[rank - 2]!]; // as stored
      launch(TRANSPOSE[y.storage.width]!, [y], [x!], [x!.numel / (m * n), m, n]);
    } else readStrided("contiguous", y, x!);
    return y;
  },
  vjp: (g) => [g],
};

/** Copies `x`, which may lie strided, to the dense `y`, which has elements as wide. @internal */
export function readStrided(op: string, y: Tensor, x: Tensor): void {
  if (x.strides === null) launch(COPY[y.storage.width]!, [y], [x], [x.numel], undefined, op);
  else
    for (let n = walk(op, x.shape, [x.strides]); n !== null; n = n.next)
      launch(PERMUTE[y.storage.width]!, [shifted(y, n.start)], [shifted(x, n.from[0]!)], n.extents, n.strides[0]!, op);
}

/** A dense copy. @internal */
export const denseCopy = (x: Tensor): Tensor => apply(Contiguous, [x], null);

/** `x` itself when dense, else a dense copy. @internal */
export const contiguous = (x: Tensor): Tensor => (x.strides === null ? x : denseCopy(x));

const Cast: Op<DType> = {
  name: "to",
  strided: true,
  forward([x], dtype) {
    const dense = x!.strides === null || turned(x!) ? x! : contiguous(x!);
    const y = empty(x!.shape, dtype, "to", x!.device, dense.strides);
    launch(FLOATS[y.storage.width]!, [y], [dense], [dense.numel], undefined, "to");
    if (dense !== x) dense.release("to");
    return y;
  },
  vjp: (g) => [g],
};

/**
 * `x` itself, or its values in the other width of float. Backward brings gradients to the dtype of what they belong to. @internal
 */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : apply(Cast, [x], dtype));
