// Writes in place. Every write bumps the storage's version, so backward notices a saved value that changed.
import { elementsOf } from "../core/device.ts";
import { isFloat, suffix, word } from "../core/dtype.ts";
import { fail } from "../core/error.ts";
import { launch, mixed, type Op, record } from "../core/op.ts";
import { sameShape, show } from "../core/shape.ts";
import { alias, alive, empty, mode, type Tensor } from "../core/tensor.ts";
import { div, launchBinary, mul, sameDtypes } from "./binary.ts";
import { wordOf } from "./create.ts";
import { sumTo } from "./reduce.ts";
import { expand } from "./shape.ts";
import { broadcast } from "./strides.ts";
import { clone, divScalar, mulScalar, neg, toDtype } from "./unary.ts";

/** The kernels see the storage: a transposed view is written through its dense form only for whole fills. */
function dense(op: string, x: Tensor): void {
  if (x.transposed) fail(op, `${show(x.shape)} is a transposed view: write to its base`);
}

/** Throws where an operand shares some of the bytes that are written, but not all of them in the same order, as PyTorch does. */
function apart(op: string, x: Tensor, other: Tensor): void {
  if (other.storage !== x.storage || (other.offset === x.offset && other.numel === x.numel)) return;
  const [from, to] = [Math.max(x.offset, other.offset), Math.min(x.offset + x.numel, other.offset + other.numel)];
  if (from >= to) return;
  fail(
    op,
    `${show(x.shape)} and ${show(other.shape)}: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation.`,
  );
}

/**
 * A write to `x` in place. `write` launches it, told who wants a gradient (nobody: 0), and returns what the gradients need; history
 * is rebased as PyTorch does.
 */
function inPlace<P>(
  op: Op<P>,
  x: Tensor,
  others: readonly Tensor[],
  params: P,
  write: (wants: number) => readonly (Tensor | null)[],
): Tensor {
  alive(op.name, x);
  for (const o of others) {
    alive(op.name, o);
    if (o.device !== x.device) mixed(op.name, x, o);
    mode.recording?.reads(o);
  }
  if (x.copyOf !== null) {
    fail(
      op.name,
      `${show(x.shape)} is a copy made by ${x.copyOf}, where PyTorch has a view: writing would not reach the original`,
    );
  }
  for (const o of others) apart(op.name, x, o);
  let wants = x.requiresGrad ? 1 : 0;
  for (let i = 0; i < others.length; i++) if (others[i]!.requiresGrad) wants |= 2 << i;
  if (!mode.grad || wants === 0) {
    write(NO_SAVE);
    return x;
  }
  if (x.requiresGrad && x.isLeaf) {
    fail(
      op.name,
      `${show(x.shape)}: a leaf variable that requires grad is being used in an in-place operation; use noGrad`,
    );
  }
  if (x.numel !== elementsOf(x.storage)) {
    fail(
      op.name,
      `${show(x.shape)} is a part of a tensor: such a write in place is not recorded, use noGrad or clone()`,
    );
  }
  const before = alias(x);
  before.history = x.history;
  const { entry, slot } = x;
  if (entry !== null) {
    before.entry = entry;
    before.slot = slot;
    if (slot === 0) entry.out = before;
  }
  if (x.requiresGrad) before.requiresGrad = true;
  const saved = write(wants);
  x.entry = null;
  x.slot = 0;
  // What is written with itself is read as it was before.
  const inputs = [before, ...others.map((o) => (o === x ? before : o))];
  record(op as Op, inputs, params, saved, x, NONE, wants);
  x.history ??= { rebases: 0 };
  x.entry!.rebases = ++x.history.rebases;
  return x;
}
const NONE: readonly Tensor[] = [];
const NO_SAVE = 0;

type Name = "add" | "sub" | "mul" | "div";

function binaryInPlace(
  name: Name,
  vjp: NonNullable<Op["vjp"]>,
  saves: (x: Tensor, other: Tensor, wants: number) => (Tensor | null)[],
) {
  const op: Op = { name: `${name}_`, fit: sumTo, vjp, forward: ([x]) => x! };
  const scalar: Op<number> = {
    name: `${name}_`,
    forward: ([x]) => x!,
    vjp: (g, { params }) => [name === "mul" ? mulScalar(g, params) : name === "div" ? divScalar(g, params) : g],
  };
  const kernel = name === "mul" || name === "div" ? `${name}_scalar_f32` : "add_scalar_f32";
  return (x: Tensor, other: Tensor | number): Tensor => {
    dense(op.name, x);
    if (name === "div" && !isFloat(x.dtype)) {
      fail(op.name, `${show(x.shape)} of ${x.dtype}: the result is float and does not fit into the first`);
    }
    if (typeof other === "number") {
      if (!isFloat(x.dtype)) fail(op.name, `${show(x.shape)} of ${x.dtype} and a number: float32 is expected`);
      return inPlace(scalar, x, [], other, () => {
        launch(kernel, [x], [x], [x.numel], [word(name === "sub" ? -other : other)], op.name);
        return NONE;
      });
    }
    sameDtypes(op.name, [x, other]);
    if (!sameShape(broadcast(op.name, x.shape, other.shape), x.shape)) {
      fail(op.name, `${show(x.shape)} and ${show(other.shape)}: the result does not fit into the first`);
    }
    if (other.transposed) fail(op.name, `second operand ${show(other.shape)} is a transposed view: clone() it`);
    return inPlace(op, x, [other], null, (wants) => {
      const saved = wants === 0 ? NONE : saves(x, other, wants);
      launchBinary(name, op.name, x, other, x);
      return saved;
    });
  };
}

/** What an operand was before the write: a copy. */
const copied = (x: Tensor): Tensor => {
  const y = empty(x.shape, x.dtype, "the value before", x.device);
  launch("copy_f32", [y], [x], [x.numel], undefined, "clone");
  return y;
};
/** The other operand, or a copy where the write changes it. */
const unwritten = (other: Tensor, x: Tensor): Tensor => (other.storage === x.storage ? copied(other) : other);

/**
 * x += other in place; returns `x`. `other` broadcasts to the shape of `x` and has its dtype; a number takes a float `x`. A leaf that
 * requires grad is refused outside `noGrad`.
 */
export const add_ = binaryInPlace(
  "add",
  (g) => [g, g],
  () => [],
);
/** x -= other in place; otherwise as `add_`. */
export const sub_ = binaryInPlace(
  "sub",
  (g) => [g, () => neg(g)],
  () => [],
);
/** x *= other in place; otherwise as `add_`. */
export const mul_ = binaryInPlace(
  "mul",
  (g, { saved: [b, a] }) => [() => mul(g, b!), () => mul(g, a!)],
  (x, other, wants) => [wants & 1 ? unwritten(other, x) : null, wants & 2 ? copied(x) : null],
);
/** x /= other in place; otherwise as `add_`, for floats. */
export const div_ = binaryInPlace(
  "div",
  (g, { saved: [b, a] }) => [() => div(g, b!), () => neg(div(mul(g, a!), mul(b!, b!)))],
  (x, other, wants) => [unwritten(other, x), wants & 2 ? copied(x) : null],
);

const Fill: Op = { name: "fill_", forward: ([x]) => x!, vjp: (g) => [zerosOf(g)] };
/** A constant has no gradient, whatever comes in: an infinity times 0 would be NaN. */
const zerosOf = (g: Tensor): Tensor => {
  const z = empty(g.shape, g.dtype, "gradient", g.device);
  launch("fill_f32", [z], [], [z.numel], [0], "fill_");
  return z;
};

/** Every element of `x` becomes `value`, in place; returns `x`. */
export function fill_(x: Tensor, value: number): Tensor {
  const kernel = `fill_${suffix(x.dtype)}`;
  return inPlace(Fill, x, [], null, () => {
    launch(kernel, [x], [], [x.numel], [wordOf(value, x.dtype)], "fill_");
    return NONE;
  });
}

/** Every element of `x` becomes 0, in place; returns `x`. */
export const zero_ = (x: Tensor): Tensor => fill_(x, 0);

const Copy: Op = {
  name: "copy_",
  forward: ([x]) => x!,
  vjp: (g) => [() => zerosOf(g), g],
};

/**
 * The elements of `source` become those of `x`, in place: converted to its dtype and broadcast to its shape. Returns `x`.
 * https://pytorch.org/docs/stable/generated/torch.Tensor.copy_.html
 */
export function copy_(x: Tensor, source: Tensor): Tensor {
  dense("copy_", x);
  alive("copy_", source);
  if (!sameShape(x.shape, source.shape) && !sameShape(broadcast("copy_", x.shape, source.shape), x.shape)) {
    fail("copy_", `${show(x.shape)} from ${show(source.shape)}: the source does not fit into the target`);
  }
  const converted = toDtype(source.transposed ? clone(source) : source, x.dtype);
  const from = sameShape(x.shape, source.shape) ? converted : expand(converted, x.shape);
  return inPlace(Copy, x, [from], null, () => {
    launch("copy_f32", [x], [from], [x.numel], undefined, "copy_");
    return NONE;
  });
}
