// Arithmetic in place, and what else writes over its input: how a write is recorded stands in write.ts.

import { isFloat } from "../core/dtype.ts";
import { fail, given, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { denseCopy, launch, type Op, readStrided } from "../core/op.ts";
import { sameShape, show } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { word } from "../row/words.ts";
import { type AlphaOptions, div, divScalar, mul, mulScalar, neg, noDifference, scaled } from "./binary.ts";
import { compose } from "./compose.ts";
import { toDtype } from "./copy.ts";
import { constant, cut } from "./create.ts";
import { launchEach } from "./each.ts";
import { launchBinary } from "./elementwise.ts";
import { expectFit, expectNumber, sameDtypes } from "./expect.ts";
import { noGrad } from "./modes.ts";
import { beside, meeting } from "./promote.ts";
import { sumTo } from "./reduce.ts";
import { broadcast } from "./strides.ts";
import { expectMask, where } from "./where.ts";
import { copied, inPlace, NOTHING, sameLayout, settle, target } from "./write.ts";

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
  const write = (x: Tensor, by: Tensor | number, options?: AlphaOptions, ...none: []): Tensor => {
    noMore(op.name, kernel === "add_scalar_f32" ? none : [options]);
    alive(op.name, x);
    const other = options === undefined ? by : scaled(op.name, x, by, options)[1];
    if (x.dtype === "bool")
      fail(op.name, `${show(x.shape)} of bool: arithmetic on bool is not supported, use int() or float()`);
    if (name === "div" && !isFloat(x.dtype)) {
      fail(op.name, `${show(x.shape)} of ${x.dtype}: the result is float and does not fit into the first`);
    }
    if (typeof other === "number") {
      if (!isFloat(x.dtype)) {
        expectFit(op.name, other, x);
        return compose(() => write(x, constant(other, x)));
      }
      return inPlace(scalar, x, [], other, () => {
        const y = target(x);
        const label = y === x ? op.name : name; // what is new is no write in place
        if (y !== x) readStrided(label, y, x);
        launch(kernel, [y], [y], [x.numel], [word(name === "sub" ? -other : other)], label);
        settle(op.name, x, y);
        return NOTHING;
      });
    }
    if (!(other instanceof Tensor)) expectNumber(op.name, other, x);
    if (name === "sub" && other.dtype === "bool") noDifference(other, op.name);
    // What is wider does not fit in.
    if (!meeting(x, other) && beside(x, other) === x.dtype) return compose(() => write(x, toDtype(other, x.dtype)));
    sameDtypes(op.name, [x, other]);
    if (!sameShape(broadcast(op.name, x.shape, other.shape), x.shape)) {
      fail(op.name, `${show(x.shape)} and ${show(other.shape)}: the result does not fit into the first`);
    }
    return inPlace(op, x, [other], null, (wants) => {
      const saved = wants === 0 ? NOTHING : saves(x, other, wants);
      const y = target(x);
      // What lies elsewhere among the bytes that are written is read before.
      const apart = y !== x || other.storage !== x.storage || sameLayout(x, other);
      const read = apart ? other : copied(other);
      launchBinary(name, y === x ? op.name : name, x, read, y);
      if (read !== other) read.release(op.name);
      settle(op.name, x, y);
      return saved;
    });
  };
  return write;
}

/** The other operand, or a copy where the write changes it, with the history of now: a gradient may be differentiated. */
const unwritten = (other: Tensor, x: Tensor): Tensor => (other.storage === x.storage ? denseCopy(other) : other);

/**
 * x += other in place, or x += alpha other; returns `x`. `other` broadcasts to the shape of `x` and becomes of its dtype, but no float goes into int32. A leaf that
 * requires grad is refused outside `noGrad`.
 */
export const add_ = binaryInPlace(
  "add",
  (g) => [g, g],
  () => [],
);
mode.addTo = (view, by) => noGrad(() => add_(view, by));
/** x -= other in place; otherwise as `add_`. */
export const sub_ = binaryInPlace(
  "sub",
  (g) => [g, () => neg(g)],
  () => [],
);
/** x *= other in place; otherwise as `add_`. */
export const mul_: (x: Tensor, other: Tensor | number) => Tensor = binaryInPlace(
  "mul",
  (g, { saved: [b, a] }) => [() => mul(g, b!), () => mul(g, a!)],
  (x, other, wants) => [wants & 1 ? unwritten(other, x) : null, wants & 2 ? denseCopy(x) : null],
);
/** x /= other in place; otherwise as `add_`, for floats. */
export const div_: (x: Tensor, other: Tensor | number) => Tensor = binaryInPlace(
  "div",
  (g, { saved: [b, a] }) => [() => div(g, b!), () => neg(mul(g, div(div(a!, b!), b!)))],
  (x, other, wants) => [unwritten(other, x), wants & 2 ? denseCopy(x) : null],
);

const MaskedFill: Op = {
  name: "maskedFill_",
  forward: ([x]) => x!,
  vjp: (g, { saved: [m] }) => [() => where(m!, 0, g)],
};

/**
 * The elements of `x` become `value` where the bool `mask` is true, which broadcasts to the shape of `x`, in place; returns `x`.
 * https://pytorch.org/docs/stable/generated/torch.Tensor.masked_fill_.html
 */
export function maskedFill_(x: Tensor, mask: Tensor, value: number, ...none: []): Tensor {
  noMore("maskedFill_", none);
  const name = "maskedFill_";
  expectMask(name, x, mask);
  if (typeof value !== "number") fail(name, `${show(x.shape)} and ${given(value)}: a number is expected`);
  const whole = cut(name, value, x);
  if (!sameShape(broadcast(name, x.shape, mask.shape), x.shape))
    fail(name, `${show(x.shape)} and mask ${show(mask.shape)}: the mask does not fit into the first`);
  return inPlace(MaskedFill, x, [mask], null, (wants) => {
    const y = target(x);
    const label = y === x ? name : "maskedFill";
    if (y !== x) readStrided(label, y, x);
    const v = constant(whole, x);
    launchEach("where_f32", y, [mask, v, y], undefined, label);
    v.release(name);
    settle(name, x, y);
    return wants === 0 ? NOTHING : [mask];
  });
}
