// Writes in place. Every write bumps the storage's version, so backward notices a saved value that changed.
import { elementsOf } from "../core/device.ts";
import { isFloat, suffix, word } from "../core/dtype.ts";
import { fail } from "../core/error.ts";
import { launch, mixed, type Op, record } from "../core/op.ts";
import { sameShape, show } from "../core/shape.ts";
import { alias, alive, mode, type Tensor } from "../core/tensor.ts";
import { launchBinary, mul, sameDtypes } from "./binary.ts";
import { wordOf } from "./create.ts";
import { sumTo } from "./reduce.ts";
import { expand } from "./shape.ts";
import { broadcast } from "./strides.ts";
import { clone, mulScalar, neg, toDtype } from "./unary.ts";

/** The kernels see the storage: a transposed view is written through its dense form only for whole fills. */
function dense(op: string, x: Tensor): void {
  if (x.transposed) fail(op, `${show(x.shape)} is a transposed view: write to its base`);
}

/** The tensor behind `x` in place: `launchIt` writes to its storage; history is rebased as PyTorch does. */
function inPlace<P>(op: Op<P>, x: Tensor, others: readonly Tensor[], params: P, write: () => void): Tensor {
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
  const grad = mode.grad && (x.requiresGrad || others.some((o) => o.requiresGrad));
  if (grad && x.requiresGrad && x.isLeaf) {
    fail(
      op.name,
      `${show(x.shape)}: a leaf variable that requires grad is being used in an in-place operation; use noGrad`,
    );
  }
  if (grad && x.numel !== elementsOf(x.storage)) {
    fail(
      op.name,
      `${show(x.shape)} is a part of a tensor: such a write in place is not recorded, use noGrad or clone()`,
    );
  }
  if (!grad) {
    write();
    return x;
  }
  const before = alias(x);
  before.entry = x.entry;
  if (x.entry !== null) x.entry.out = before;
  if (x.requiresGrad) before.requiresGrad = true;
  write();
  x.entry = null;
  record(op, [before, ...others], params, [], x);
  x.storage.rebases = (x.storage.rebases ?? 0) + 1;
  x.entry!.rebases = x.storage.rebases;
  return x;
}

const grads = (f: Op["vjp"]): Op["vjp"] => f;

function binaryInPlace(name: "add" | "sub" | "mul", vjp: Op["vjp"], reads: readonly number[]) {
  const op: Op = { name: `${name}_`, reads, vjp, forward: ([x]) => x! };
  const scalar: Op<number> = {
    name: `${name}_`,
    forward: ([x]) => x!,
    vjp: (g, { params }) => [name === "mul" ? mulScalar(g, params) : g],
  };
  return (x: Tensor, other: Tensor | number): Tensor => {
    dense(op.name, x);
    if (typeof other === "number") {
      if (!isFloat(x.dtype)) fail(op.name, `${show(x.shape)} of ${x.dtype} and a number: float32 is expected`);
      const kernel = name === "mul" ? "mul_scalar_f32" : "add_scalar_f32";
      return inPlace(scalar, x, [], other, () => {
        launch(kernel, [x], [x], [x.numel], [word(name === "sub" ? -other : other)], op.name);
      });
    }
    sameDtypes(op.name, [x, other]);
    if (!sameShape(broadcast(op.name, x.shape, other.shape), x.shape)) {
      fail(op.name, `${show(x.shape)} and ${show(other.shape)}: the result does not fit into the first`);
    }
    if (other.transposed) fail(op.name, `second operand ${show(other.shape)} is a transposed view: clone() it`);
    return inPlace(op, x, [other], null, () => launchBinary(name, op.name, x, other, x));
  };
}

/**
 * x += other in place; returns `x`. `other` broadcasts to the shape of `x` and has its dtype; a number takes a float `x`. A leaf that
 * requires grad is refused outside `noGrad`.
 */
export const add_ = binaryInPlace(
  "add",
  grads((g, { inputs: [, b] }) => [g, b?.requiresGrad ? sumTo(g, b.shape) : null]),
  [],
);
/** x -= other in place; otherwise as `add_`. */
export const sub_ = binaryInPlace(
  "sub",
  grads((g, { inputs: [, b] }) => [g, b?.requiresGrad ? sumTo(neg(g), b.shape) : null]),
  [],
);
/** x *= other in place; otherwise as `add_`. The old value is gone, so `other` may not require a gradient. */
export const mul_ = binaryInPlace(
  "mul",
  grads((g, { inputs: [a, b] }) => {
    if (b?.requiresGrad)
      fail(
        "mul_",
        `${show(a!.shape)} and ${show(b.shape)}: the old value is needed for the second operand's gradient, use mul()`,
      );
    return [mul(g, b!), null];
  }),
  [1],
);

const Fill: Op = { name: "fill_", forward: ([x]) => x!, vjp: (g) => [mulScalar(g, 0)] };

/** Every element of `x` becomes `value`, in place; returns `x`. */
export function fill_(x: Tensor, value: number): Tensor {
  const kernel = `fill_${suffix(x.dtype)}`;
  return inPlace(Fill, x, [], null, () => launch(kernel, [x], [], [x.numel], [wordOf(value, x.dtype)], "fill_"));
}

/** Every element of `x` becomes 0, in place; returns `x`. */
export const zero_ = (x: Tensor): Tensor => fill_(x, 0);

const Copy: Op = {
  name: "copy_",
  forward: ([x]) => x!,
  vjp: (g, { inputs: [, b] }) => [mulScalar(g, 0), b!.requiresGrad ? g : null],
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
  return inPlace(Copy, x, [from], null, () => launch("copy_f32", [x], [from], [x.numel], undefined, "copy_"));
}
