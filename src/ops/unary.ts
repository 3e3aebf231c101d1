// Elementwise functions of one tensor, and of a tensor and a number.
import { type DType, isFloat, suffix } from "../core/dtype.ts";
import { fail } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { apply, cast, type Gradient, gather, launch, type Op, record, save } from "../core/op.ts";
import { show } from "../core/shape.ts";
import { alias, alive, empty, type Tensor } from "../core/tensor.ts";
import { word } from "../row/words.ts";
import { div, maximum, mul, sub } from "./binary.ts";
import { compose, like } from "./compose.ts";
import { launchEach } from "./each.ts";
import { expectDtype } from "./expect.ts";

/** An elementwise op over kernel `<name>_f32`; its gradient, of what is saved: the input x, the output y, or nothing. */
function unary(name: string, saves: "x" | "y" | "", vjp: (g: Tensor, of: Tensor) => Gradient): (x: Tensor) => Tensor {
  const kernel = `${name}_f32`;
  const op: Op = {
    name,
    strided: true,
    forward([x], _, wants) {
      expectDtype(name, x!, "float32");
      const y = like(x!, name);
      if (x!.strides === null) launch(kernel, [y], [x!], [x!.numel], undefined, name);
      else launchEach(kernel, y, [x!], undefined, name);
      if (wants !== 0 && saves !== "") save(saves === "x" ? x! : y);
      return y;
    },
    vjp: (g, { saved: [of] }) => [vjp(g, of!)],
  };
  return (x) => apply(op, [x], null);
}

/** The kernel `<name>_vjp_f32(g, y)`; `of` gives its gradients, which double backward needs. */
function unaryVjp(
  name: string,
  of: (gg: Tensor, g: Tensor, y: Tensor) => [Gradient, Gradient],
): (g: Tensor, y: Tensor) => Tensor {
  const kernel = `${name}_vjp_f32`;
  const label = `${name} gradient`;
  const op: Op = {
    name: `${name}Vjp`,
    strided: true,
    forward([g, y], _, wants) {
      const gx = like(y!, label);
      launchEach(kernel, gx, [g!, y!], undefined, name);
      if (wants !== 0) save(g!, y!);
      return gx;
    },
    vjp: (gg, { saved: [g, y] }) => of(gg, g!, y!),
  };
  return (g, y) => apply(op, [g, y], null);
}

const negFloat = unary("neg", "", (g) => neg(g));
/** -x, element by element, for floats and int32: the shape and dtype of `x`. */
export const neg = (x: Tensor): Tensor => (x.dtype === "int32" ? negWhole(x) : negFloat(x));
/** 0 - x */
const negWhole = (x: Tensor): Tensor => compose(() => sub(noughtOf(x), x));
/** A 0 beside int32. */
function noughtOf(x: Tensor): Tensor {
  const zero = empty([], "int32", "zero", x.device);
  launch("fill_i32", [zero], [], [1], [0], "zero");
  return zero;
}
/** e^x, element by element, for floats: the shape and dtype of `x`. */
export const exp = unary("exp", "y", (g, y) => mul(g, y));
/** Natural logarithm, element by element, for floats: NaN below zero, -infinity at zero. */
export const log = unary("log", "x", (g, x) => div(g, x));
/** Square root, element by element, for floats: NaN below zero; the gradient at 0 is infinite. */
export const sqrt = unary("sqrt", "y", (g, y) => sqrtVjp(g, y));
/** Hyperbolic tangent, element by element, for floats: results in [-1, 1]. */
export const tanh = unary("tanh", "y", (g, y) => tanhVjp(g, y));
/** 1 / (1 + e^-x), element by element, for floats: results in [0, 1]. */
export const sigmoid = unary("sigmoid", "y", (g, y) => sigmoidVjp(g, y));
/** max(x, 0), element by element, for floats and int32; the gradient at 0 is 0, NaN stays NaN. */
export const relu = (x: Tensor): Tensor =>
  x.dtype === "int32" ? compose(() => maximum(x, noughtOf(x))) : reluFloat(x);
const reluFloat = unary("relu", "y", (g, y) => reluVjp(g, y));
/** |x|, element by element, for floats and int32; the gradient at 0 is 0. */
export const abs = (x: Tensor): Tensor => (x.dtype === "int32" ? compose(() => maximum(x, neg(x))) : absFloat(x));
const absFloat = unary("abs", "x", (g, x) => mul(g, sign(x)));
/** Sine of angles in radians, element by element, for floats. */
export const sin = unary("sin", "x", (g, x) => mul(g, cos(x)));
/** Cosine of angles in radians, element by element, for floats. */
export const cos = unary("cos", "x", (g, x) => neg(mul(g, sin(x))));

const reluVjp = unaryVjp("relu", (gg, _, y) => [() => reluVjp(gg, y), () => zerosAs(y)]);
/** @internal */
export const tanhVjp = unaryVjp("tanh", (gg, g, y) => [() => tanhVjp(gg, y), () => mulScalar(mul(mul(gg, g), y), -2)]);
const sigmoidVjp = unaryVjp("sigmoid", (gg, g, y) => [
  () => sigmoidVjp(gg, y),
  () => mul(mul(gg, g), rsubScalar(mulScalar(y, 2), 1)),
]);
const sqrtVjp = unaryVjp("sqrt", (gg, g, y) => [() => sqrtVjp(gg, y), () => neg(div(sqrtVjp(mul(gg, g), y), y))]);

const Sign: Op = {
  name: "sign",
  forward: ([x]) =>
    compose(() => cast(scalarSub(toFloat(compareScalar("gt", x!, 0)), toFloat(compareScalar("lt", x!, 0))), x!.dtype)),
  vjp: (g) => [() => zerosAs(g)],
};
/** No gradient, whatever comes in: an infinity times 0 would be NaN. @internal */
export function zerosAs(g: Tensor): Tensor {
  const z = empty(g.shape, g.dtype, "gradient", g.device);
  launch("fill_f32", [z], [], [z.numel], [0], "zeros");
  return z;
}
/**
 * A gradient that does not depend on the input `x`, where PyTorch's graph leads to `x` all the same: a second derivative there is
 * zeros, or none, and not refused.
 * @internal
 */
export function besides(g: Tensor, x: Tensor, second: "zeros" | "none"): Tensor {
  if (!mode.grad) return g;
  const y = alias(g);
  record(BESIDES[second], [g, x], null, [], y, [], g.requiresGrad ? 3 : 2);
  return y;
}
const BESIDES: Record<"zeros" | "none", Op> = {
  zeros: { name: "linearVjp", forward: ([g]) => g!, vjp: (gg, { inputs: [, x] }) => [gg, () => zerosAs(x!)] },
  none: { name: "linearVjp", forward: ([g]) => g!, vjp: (gg) => [gg, null] },
};
/** -1, 0 or 1 by each element's sign, 0 for NaN, in the dtype of `x`: float, int32, or bool, which stays as it is. Its gradient is 0. */
export function sign(x: Tensor): Tensor {
  if (x.dtype === "bool") return clone(x);
  if (x.dtype !== "int32") return apply(Sign, [x], null);
  return compose(() => sub(toInt(compareScalar("gt", x, 0)), toInt(compareScalar("lt", x, 0))));
}
const scalarSub = (a: Tensor, b: Tensor): Tensor => addTensors(a, neg(b));
const addTensors = (a: Tensor, b: Tensor): Tensor => {
  const y = empty(a.shape, "float32", "sign", a.device);
  launch("add_f32", [y], [a, b], [a.numel], undefined, "sign");
  return y;
};

/** x op s for a number s, which is baked into a captured program. */
function scalarOp(name: string, kernel: string, vjp: (g: Tensor, s: number, x: Tensor) => Tensor, saves = false) {
  const scalar = `${kernel}_scalar_f32`;
  const op: Op<number> = {
    name,
    strided: true,
    forward([x], s) {
      expectDtype(name, x!, "float32");
      const y = like(x!, name);
      if (x!.strides === null) launch(scalar, [y], [x!], [x!.numel], [word(s)], name);
      else launchEach(scalar, y, [x!], [word(s)], name);
      if (saves) save(x!);
      return y;
    },
    vjp: (g, { params, saved: [x] }) => [vjp(g, params, x!)],
  };
  return (x: Tensor, s: number): Tensor => apply(op, [x], s);
}

/** @internal */
export const addScalar = scalarOp("add", "add", (g) => g);
/** @internal */
export const mulScalar = scalarOp("mul", "mul", (g, s) => mulScalar(g, s));
/** @internal */
export const divScalar = scalarOp("div", "div", (g, s) => divScalar(g, s));
/** s - x @internal */
export const rsubScalar = scalarOp("sub", "rsub", (g) => neg(g));
/** s / x @internal */
export const rdivScalar = scalarOp("rdiv", "rdiv", (g, s, x) => mulScalar(div(g, mul(x, x)), -s), true);

/** @internal */
export type Comparison = "eq" | "ne" | "lt" | "le" | "gt" | "ge";

/** x <op> s as bool. @internal */
export function compareScalar(name: Comparison, x: Tensor, s: number): Tensor {
  if (!isFloat(x.dtype) && !(Number.isInteger(s) && Math.abs(s) < 2 ** 31)) return compareWhole(name, x, s);
  const op: Op = {
    name,
    strided: true,
    forward([t]) {
      const y = empty(t!.shape, "bool", name, t!.device);
      const kind = suffix(t!.dtype);
      launchEach(`${name}_scalar_${kind}`, y, [t!], [kind === "f32" ? word(s) : s], name);
      return y;
    },
  };
  return apply(op, [x], null);
}

/** Whole numbers beside a fraction, NaN or what no int32 reaches: as numbers compare. */
function compareWhole(name: Comparison, x: Tensor, s: number): Tensor {
  alive(name, x);
  if (Math.abs(s) < 2 ** 31 - 1 && name !== "eq" && name !== "ne") {
    // x < 1.5 is x <= 1, x > 1.5 is x >= 2.
    return name === "lt" || name === "le"
      ? compareScalar("le", x, Math.floor(s))
      : compareScalar("ge", x, Math.ceil(s));
  }
  const below = s > 0; // NaN is on neither side, a fraction equal to nothing
  const always = name === "ne" || (name[0] === "l" ? below : name[0] === "g" && s < 0);
  const y = empty(x.shape, "bool", name, x.device);
  launch("fill_i32", [y], [], [y.numel], [Number(always)], name);
  return y;
}

/** As float32; like the others, a tensor that is so already is returned as it is. @internal */
export const toFloat = (x: Tensor): Tensor => toDtype(x, "float32");

/**
 * As float16, on devices that have it: 11 bits of precision, infinity from 65520 on. Kernels compute with float32.
 * @internal
 */
export const toHalf = (x: Tensor): Tensor => toDtype(x, "float16");

/** int32: floats are cut towards zero. @internal */
export const toInt = (x: Tensor): Tensor => toDtype(x, "int32");

/** True where not zero. @internal */
export const toBool = (x: Tensor): Tensor => toDtype(x, "bool");

/** @internal */
export function toDtype(x: Tensor, dtype: DType): Tensor {
  alive("to", x);
  if (x.dtype === dtype) return x;
  if (isFloat(dtype)) return cast(isFloat(x.dtype) ? x : convert(x, "float32"), dtype);
  return dtype === "int32" && x.dtype === "bool" ? apply(Relabel, [x], null) : convert(x, dtype);
}

const Relabel: Op = {
  name: "int",
  strided: true,
  forward([x]) {
    const y = empty(x!.shape, "int32", "int", x!.device);
    gather("int", y, x!);
    return y;
  },
};

function convert(x: Tensor, dtype: DType): Tensor {
  const name = dtype === "float32" ? "float" : dtype === "int32" ? "int" : "bool";
  const kernel =
    dtype === "float32" ? "cast_f32_i32" : dtype === "int32" ? "cast_i32_f32" : `cast_bool_${suffix(x.dtype)}`;
  const op: Op = {
    name,
    strided: true,
    forward([t]) {
      const y = empty(t!.shape, dtype, name, t!.device);
      launchEach(kernel, y, [t!], undefined, name);
      return y;
    },
  };
  return apply(op, [x], null);
}

/** Throws unless `x` is a tensor or a finite-or-not number. @internal */
export function expectNumber(op: string, s: unknown, x: Tensor): asserts s is number {
  if (typeof s !== "number") fail(op, `${show(x.shape)} and ${String(s)}: a tensor or a number is expected`);
}

/**
 * Another tensor over the same storage, of the same shape and dtype, off the tape: no gradients flow through it. What is
 * written into one is seen in the other.
 */
export const detach = (x: Tensor): Tensor => {
  alive("detach", x);
  return alias(x);
};

const Clone: Op = {
  name: "clone",
  strided: true,
  forward([x]) {
    const y = like(x!, "clone");
    gather("clone", y, x!);
    return y;
  },
  vjp: (g) => [g],
};

/** A copy with storage of its own, of the same shape and dtype; gradients flow through. */
export const clone = (x: Tensor): Tensor => apply(Clone, [x], null);
