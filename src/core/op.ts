// An op: one object with a forward and a vjp. `apply` runs the forward and records the entry.
import type { Buffer } from "./device.ts";
import { type DType, isFloat } from "./dtype.ts";
import { fail } from "./error.ts";
import { show } from "./shape.ts";
import { type Entry, nextSerial, releaseSpent, sameHistory } from "./tape.ts";
import { alive, empty, mode, Tensor } from "./tensor.ts";

/** Marks the output in `Op.reads`. @internal */
export const OUT = -1;

/** @internal */
export interface Op<P = unknown> {
  readonly name: string;
  /**
   * Checks shapes (throwing with op, shapes and rule), launches, returns the output. What it pushes to `saved` is for
   * the vjp alone, and is released with the entry.
   */
  forward(inputs: readonly Tensor[], params: P, saved: Tensor[]): Tensor;
  /** Gradients of the inputs from that of the output; null where there is none. Without it the op has no gradient. */
  vjp?(g: Tensor, entry: Entry<P>, out: Tensor): (Tensor | null)[];
  /** Inputs (by position; OUT for the output) whose values the vjp reads: writing to them in between is an error. */
  readonly reads?: readonly number[];
  /** Takes views with the last two dims transposed as they are; others get a dense copy. */
  readonly strided?: boolean;
}

/** @internal */
export function apply<P>(op: Op<P>, given: readonly Tensor[], params: P): Tensor {
  const inputs = mode.autocast?.(op.name, given) ?? given;
  const device = inputs.length > 0 ? inputs[0]!.device : null;
  let dense: Tensor[] | null = null;
  let grad = false;
  for (let i = 0; i < inputs.length; i++) {
    const x = inputs[i]!;
    if (!(x instanceof Tensor)) fail(op.name, `argument ${i + 1} is ${typeof x}: a tensor is expected`);
    if (x.gone !== null) alive(op.name, x);
    if (x.device !== device) mixed(op.name, inputs[0]!, x);
    if (mode.recording !== null) mode.recording.reads(x);
    grad ||= x.requiresGrad;
    if (x.transposed && !op.strided) {
      dense ??= inputs.slice();
      dense[i] = contiguous(x);
    }
  }
  const xs = dense ?? inputs;
  const saved: Tensor[] = [];
  const out = op.forward(xs, params, saved);
  if (grad && mode.grad && op.vjp !== undefined && isFloat(out.dtype)) {
    record(op, xs, params, saved, out);
  } else for (const s of saved) s.release(`${op.name}, which was not recorded`);
  // Dense copies and casts that nobody else has seen.
  for (let i = 0; i < xs.length; i++) if (xs[i] !== given[i] && !xs[i]!.kept) xs[i]!.releaseUnread(op.name);
  return out;
}

/** Puts an entry for `out` on the tape. @internal */
export function record<P>(op: Op<P>, inputs: readonly Tensor[], params: P, saved: Tensor[], out: Tensor): void {
  for (const x of inputs) {
    if (x.spent !== null) releaseSpent(x, op.name);
    if (x.entry !== null) sameHistory(op.name, x);
    x.readers++;
  }
  const { reads = NONE } = op;
  const versions = reads.length === 0 ? NONE : reads.map((i) => (i === OUT ? out : inputs[i]!).storage.version);
  out.requiresGrad = true;
  const edges = inputs.map((x) => x.entry);
  const { rebases } = out.storage;
  const [serial, consumed, grad, pass] = [nextSerial(), false, null, 0];
  out.entry = { op: op as Op, serial, out, inputs, edges, params, saved, versions, rebases, consumed, grad, pass };
}

/** @internal */
export function mixed(op: string, a: Tensor, b: Tensor): never {
  const [x, y] = [a, b].map((t) => `${show(t.shape)} on ${t.device.type}`);
  return fail(op, `${x} and ${y}: the devices must be the same, move one with to(device)`);
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
    const [m, n] = [x!.shape[rank - 1]!, x!.shape[rank - 2]!]; // as stored
    const batch = m * n === 0 ? 0 : x!.numel / (m * n);
    launch("transpose_f32", [y], [x!], [batch, m, n]);
    return y;
  },
  vjp: (g) => [g],
};

/** `x` itself when dense, else a dense copy. @internal */
export function contiguous(x: Tensor): Tensor {
  return x.transposed ? apply(Contiguous, [x], null) : x;
}

const Cast: Op<DType> = {
  name: "to",
  strided: true,
  forward([x], dtype) {
    const y = empty(x!.shape, dtype, "to", x!.device, x!.transposed);
    launch("copy_f32", [y], [x!], [x!.numel], undefined, "to");
    return y;
  },
  vjp: (g) => [g],
};

/**
 * `x` itself, or its values in the other width of float. Backward brings gradients to the dtype of what they belong to.
 * @internal
 */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : apply(Cast, [x], dtype));

/** Checks a dtype and names the rule. Where float32 is expected, float16 will do. @internal */
export function expectDtype(op: string, x: Tensor, dtype: DType, what = "input"): void {
  if (x.dtype !== dtype && !(dtype === "float32" && isFloat(x.dtype)))
    fail(op, `${what} ${show(x.shape)} is ${x.dtype}: ${dtype} is expected`);
}
