// Arithmetic of two tensors with broadcasting, and of a tensor and a number. https://pytorch.org/docs/stable/notes/broadcasting.html

import { type DType, isFloat } from "../core/dtype.ts";
import { checkNumber, expectOptions, fail, given, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { alias } from "../core/make.ts";
import { apply, type Op, save } from "../core/op.ts";
import { show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { ANY } from "./bounds.ts";
import { compose, like } from "./compose.ts";
import { toDtype, toFloat, toInt } from "./copy.ts";
import { constant } from "./create.ts";
import { launchEach } from "./each.ts";
import { B, binary, scalarOp, silently, unary } from "./elementwise.ts";
import { isTensor } from "./expect.ts";
import { zerosAs } from "./gradient.ts";
import { beside, expectOperand, meeting, type Operand, operands, together, withNumber } from "./promote.ts";
import { floorOf, trunc, truncOf } from "./rounding.ts";

const keep = (dtype: DType): DType => dtype;

const Add = binary("add", keep, (g) => [g, g]);
const Sub = binary("sub", keep, (g) => [g, () => neg(g)]);
/** Of a square, 2 g a: what the two halves make together, bit for bit, with a product less. */
const Mul = binary(
  "mul",
  keep,
  (g, { inputs, saved: [b, a] }) =>
    inputs[0] === inputs[1] ? [() => mulScalar(mul(g, b!), 2), null] : [() => mul(g, b!), () => mul(g, a!)],
  "other",
);
/** d/db of a / b is -a / b / b: b² would leave the range of floats long before. */
const Div: Op = {
  ...binary("div", keep),
  forward(inputs, params, wants) {
    const y = DIVIDE.forward(inputs, params, wants);
    save(inputs[1]!, wants & B ? inputs[0]! : null);
    return y;
  },
  vjp: (g, { saved: [b, a] }) => [() => div(g, b!), () => neg(mul(g, div(div(a!, b!), b!)))],
};
const DIVIDE = binary("div", keep);
/** a / b without its fraction, of floats. */
const DivTrunc: Op = {
  ...DIVIDE,
  forward: (inputs) => silently(() => trunc(apply(DIVIDE, inputs, null))),
  vjp: (g) => [() => zerosAs(g), () => zerosAs(g)],
};

const negFloat = unary("neg", "", (g) => neg(g), "strict");
/** -x, element by element, for floats and int32: the shape and dtype of `x`. */
export function neg(x: Tensor, ...none: []): Tensor {
  noMore("neg", none);
  return x?.dtype === "int32" ? negWhole(x) : negFloat(x);
}
/** 0 - x */
const negWhole = (x: Tensor): Tensor => compose(() => sub(constant(0, x), x));

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

/** The gradient of maximum (minimum) for x beside o: whole where x wins, or either is NaN, half where both are equal. */
const pick = (name: "maximum" | "minimum"): ((g: Tensor, x: Tensor, o: Tensor) => Tensor) => {
  const kernel = `${name}_vjp_f32`;
  const op: Op = {
    name: `${name}Vjp`,
    strided: true,
    forward(inputs) {
      const [g, x, o] = inputs as [Tensor, Tensor, Tensor];
      const gx = like(g, `${name} gradient`);
      launchEach(kernel, gx, inputs, undefined, name);
      save(x, o);
      return gx;
    },
    vjp: (gg, { saved: [x, o] }) => [() => apply(op, [gg, x!, o!], null), null, null],
  };
  // Only g is differentiated further: where x wins does not change with x.
  return (g, x, o) => apply(op, mode.grad ? [g, alias(x), alias(o)] : [g, x, o], null);
};
const maximumVjp = pick("maximum");
const minimumVjp = pick("minimum");

const Maximum = binary(
  "maximum",
  keep,
  (g, { saved: [b, a] }) => [() => maximumVjp(g, a!, b!), () => maximumVjp(g, b!, a!)],
  "both",
);
const Minimum = binary(
  "minimum",
  keep,
  (g, { saved: [b, a] }) => [() => minimumVjp(g, a!, b!), () => minimumVjp(g, b!, a!)],
  "both",
);

const BoolAdd = binary("add", keep, undefined, "none", "maximum");
const BoolMul = binary("mul", keep, undefined, "none", "minimum");

/** An op of two tensors, brought to one dtype first. */
function pair(op: Op, a: Tensor, b: Tensor): Tensor {
  if (!meeting(a, b)) return compose(() => apply(op, together(a, b), null));
  if (a?.dtype === "bool") op = op === Add ? BoolAdd : op === Mul ? BoolMul : op;
  return apply(op, [a, b], null);
}

/** A tensor that is not float with a number: a whole one becomes a tensor, since scalar kernels are float32's. */
function besideNumber(op: Op, x: Tensor, s: number | boolean, floats: (x: Tensor, s: number) => Tensor): Tensor {
  if (beside(x, s) === "float32") return compose(() => floats(toFloat(x), s as number));
  return compose(() => pair(op, ...withNumber(op.name, x, s)));
}

/** Options of sums and differences. */
export interface AlphaOptions {
  /** What the second operand is multiplied with first; 1 by default. */
  alpha?: number;
}

/** The operands of a sum, the second times alpha: in the dtype of both, of bool what alpha leaves true. @internal */
export function scaled(op: string, a: Operand, b: Operand, options: AlphaOptions): [a: Operand, b: Operand] {
  expectOptions(op, options, "alpha");
  const { alpha = 1 } = options;
  checkNumber(op, "alpha", alpha, ANY);
  if (alpha === 1 || (!isTensor(a) && !isTensor(b))) return [a, b];
  const dtype = isTensor(a) ? beside(a, b) : beside(b as Tensor, a);
  if (!isFloat(dtype) && !Number.isInteger(alpha))
    fail(op, `alpha ${alpha} beside ${dtype}: a whole number is expected, or float()`);
  const first = isTensor(a) ? toDtype(a, dtype) : a;
  if (isNumber(b)) return [first, Number(b) * alpha];
  return [first, dtype !== "bool" ? mul(toDtype(b, dtype), alpha) : alpha === 0 ? mul(b, false) : b];
}

/**
 * a + b, element by element; a + alpha b with that option. Shapes broadcast: `[2, 3]` and `[3]` give `[2, 3]`. Two dtypes meet in the
 * wider one of bool, int32, float16 and float32; one of the two may be a number, of which a whole one leaves int32 as it is, another makes it float32.
 */
export function add(a: Operand, b: Tensor, options?: AlphaOptions): Tensor;
/** The same, of a tensor and what may be a number. */
export function add(a: Tensor, b: Operand, options?: AlphaOptions): Tensor;
export function add(a: Operand, b: Operand, options?: AlphaOptions, ...none: []): Tensor {
  noMore("add", none);
  if (options !== undefined) return compose(() => add(...(scaled("add", a, b, options) as [Tensor, Operand])));
  if (isTensor(b)) return isNumber(a) ? add(b, a) : pair(Add, a, b);
  expectOperand("add", b, a);
  const x = a as Tensor;
  return isFloat(x.dtype) ? addScalar(x, Number(b)) : besideNumber(Add, x, b, addScalar);
}

/** @internal */
export function noDifference({ shape }: Tensor, op = "sub"): never {
  fail(op, `${show(shape)} of bool: differences of bool are not supported, use logicalXor(), logicalNot() or int()`);
}

/** a - b, element by element, or a - alpha b; shapes and dtypes as in `add`. */
export function sub(a: Operand, b: Tensor, options?: AlphaOptions): Tensor;
/** The same, of a tensor and what may be a number. */
export function sub(a: Tensor, b: Operand, options?: AlphaOptions): Tensor;
export function sub(a: Operand, b: Operand, options?: AlphaOptions, ...none: []): Tensor {
  noMore("sub", none);
  for (const x of [a, b]) if (isTensor(x) && x.dtype === "bool") noDifference(x);
  if (options !== undefined) return compose(() => sub(...(scaled("sub", a, b, options) as [Tensor, Operand])));
  if (isTensor(b)) return isNumber(a) ? numberMinus(a, b) : pair(Sub, a, b);
  expectOperand("sub", b, a);
  const x = a as Tensor;
  return isFloat(x.dtype) ? addScalar(x, -Number(b)) : besideNumber(Sub, x, b, subScalar);
}

const isNumber = (s: unknown): s is number | boolean => typeof s === "number" || typeof s === "boolean";
const subScalar = (x: Tensor, s: number): Tensor => addScalar(x, -s);
/** s - x */
const numberMinus = (s: number | boolean, x: Tensor): Tensor =>
  isFloat(x.dtype) ? rsubScalar(x, Number(s)) : compose(() => pair(Sub, ...operands("sub", s, x)));

/** b - a @internal */
export function rsub(a: Tensor, b: Tensor | number): Tensor {
  return isTensor(b) ? sub(b, a) : rsubScalar(a, b);
}

/** a b, element by element; shapes and dtypes as in `add`. For products of matrices see `matmul`. */
export function mul(a: Operand, b: Tensor): Tensor;
/** The same, of a tensor and what may be a number. */
export function mul(a: Tensor, b: Operand): Tensor;
export function mul(a: Operand, b: Operand, ...none: []): Tensor {
  noMore("mul", none);
  if (isTensor(b)) return isNumber(a) ? mul(b, a) : pair(Mul, a, b);
  expectOperand("mul", b, a);
  const x = a as Tensor;
  return isFloat(x.dtype) ? mulScalar(x, Number(b)) : besideNumber(Mul, x, b, mulScalar);
}

/** Options of quotients. */
export interface DivOptions {
  /** "trunc" or "floor" give whole numbers, of the same dtype where both are int32, with a gradient of 0; null, the default, does not. */
  roundingMode?: "trunc" | "floor" | null;
}

/**
 * a / b, element by element; shapes and dtypes as in `add`, but that the result is float: int32 and bool are divided as float32.
 * https://pytorch.org/docs/stable/generated/torch.div.html
 */
export function div(a: Operand, b: Tensor, options?: DivOptions): Tensor;
/** The same, of a tensor and what may be a number. */
export function div(a: Tensor, b: Operand, options?: DivOptions): Tensor;
export function div(a: Operand, b: Operand, options?: DivOptions, ...none: []): Tensor {
  expectOptions("div", options, "roundingMode", none);
  if (options !== undefined) {
    const { roundingMode = null } = options;
    if (roundingMode !== null) return compose(() => whole(roundingMode, ...operands("div", a, b)));
  }
  if (isTensor(b)) {
    if (isNumber(a))
      return isFloat(b.dtype) ? rdivScalar(b, Number(a)) : compose(() => rdivScalar(toFloat(b), Number(a)));
    if (meeting(a, b) && isFloat(b.dtype)) return apply(Div, [a, b], null);
    alive("div", a);
    return compose(() => {
      const [x, y] = together(a, b);
      return apply(Div, isFloat(x.dtype) ? [x, y] : [toFloat(x), toFloat(y)], null);
    });
  }
  expectOperand("div", b, a);
  const x = a as Tensor;
  return isFloat(x.dtype) ? divScalar(x, Number(b)) : compose(() => divScalar(toFloat(x), Number(b)));
}

/** A quotient without its fraction, or the next whole number below, of two of one dtype; bool are taken as int32. */
function whole(mode: unknown, a: Tensor, b: Tensor): Tensor {
  if (mode !== "trunc" && mode !== "floor")
    fail("div", `${show(a.shape)}, roundingMode ${given(mode)}: null, "trunc" or "floor" is expected`);
  if (a.dtype === "bool") return whole(mode, toInt(a), toInt(b));
  if (mode === "floor") return floorOf(a, b);
  return isFloat(a.dtype) ? apply(DivTrunc, [a, b], null) : truncOf(a, b);
}

/** b / a @internal */
export function rdiv(a: Tensor, b: Tensor | number): Tensor {
  return isTensor(b) ? div(b, a) : rdivScalar(a, b);
}

/**
 * The larger of each two elements, for floats; shapes broadcast as in `add`. A NaN in either gives NaN; where both are equal each
 * takes half of the gradient.
 */
export function maximum(a: Tensor, b: Tensor, ...none: []): Tensor {
  noMore("maximum", none);
  return pair(Maximum, a, b);
}
/** The smaller of each two elements; otherwise as `maximum`. */
export function minimum(a: Tensor, b: Tensor, ...none: []): Tensor {
  noMore("minimum", none);
  return pair(Minimum, a, b);
}
