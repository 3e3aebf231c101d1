// Arithmetic of two tensors with broadcasting, and of a tensor and a number. https://pytorch.org/docs/stable/notes/broadcasting.html

import { type DType, isFloat } from "../core/dtype.ts";
import { checkNumber, expectOptions, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { alias } from "../core/make.ts";
import { apply, type Op, save } from "../core/op.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { compose, like } from "./compose.ts";
import { toFloat } from "./copy.ts";
import { constant } from "./create.ts";
import { launchEach } from "./each.ts";
import { B, binary, scalarOp, unary } from "./elementwise.ts";
import { expectFit, expectNumber, isTensor } from "./expect.ts";

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

/** int32 with an integer: the number becomes a tensor, since scalar kernels are float32's. */
function withInteger(op: Op, a: Tensor, s: number): Tensor {
  expectFit(op.name, s, a);
  return compose(() => apply(op, [a, constant(s, a)], null));
}

/** Options of sums and differences. */
export interface AlphaOptions {
  /** What the second operand is multiplied with first; 1 by default. */
  alpha?: number;
}

/** The second operand of a sum, times alpha. @internal */
export function scaled(op: string, b: Tensor | number, options: AlphaOptions): Tensor | number {
  expectOptions(op, options, "alpha");
  const { alpha = 1 } = options;
  checkNumber(op, "alpha", alpha, () => true, "a number");
  return alpha === 1 ? b : typeof b === "number" ? b * alpha : mul(b, alpha);
}

/**
 * a + b, element by element; a + alpha b with that option. Shapes broadcast: `[2, 3]` and `[3]` give `[2, 3]`. Two tensors must have one dtype (float16 and
 * float32 give float32, where PyTorch promotes the others too); int32 takes integers only; bool is refused. One of the two may be a number.
 */
export function add(a: Tensor | number, b: Tensor, options?: AlphaOptions): Tensor;
/** The same, of a tensor and what may be a number. */
export function add(a: Tensor, b: Tensor | number, options?: AlphaOptions): Tensor;
export function add(a: Tensor | number, b: Tensor | number, options?: AlphaOptions, ...none: []): Tensor {
  noMore("add", none);
  if (options !== undefined) return compose(() => add(a as Tensor, scaled("add", b, options)));
  if (isTensor(b)) return typeof a === "number" ? add(b, a) : apply(Add, [a, b], null);
  expectNumber("add", b, a);
  const x = a as Tensor;
  return x.dtype === "int32" ? withInteger(Add, x, b) : addScalar(x, b);
}

/** a - b, element by element, or a - alpha b; shapes and dtypes as in `add`. */
export function sub(a: Tensor | number, b: Tensor, options?: AlphaOptions): Tensor;
/** The same, of a tensor and what may be a number. */
export function sub(a: Tensor, b: Tensor | number, options?: AlphaOptions): Tensor;
export function sub(a: Tensor | number, b: Tensor | number, options?: AlphaOptions, ...none: []): Tensor {
  noMore("sub", none);
  if (options !== undefined) return compose(() => sub(a as Tensor, scaled("sub", b, options)));
  if (isTensor(b)) return typeof a === "number" ? compose(() => add(neg(b), a)) : apply(Sub, [a, b], null);
  expectNumber("sub", b, a);
  const x = a as Tensor;
  return x.dtype === "int32" ? withInteger(Sub, x, b) : addScalar(x, -b);
}

/** b - a @internal */
export function rsub(a: Tensor, b: Tensor | number): Tensor {
  return isTensor(b) ? sub(b, a) : rsubScalar(a, b);
}

/** a b, element by element; shapes and dtypes as in `add`. For products of matrices see `matmul`. */
export function mul(a: Tensor | number, b: Tensor): Tensor;
/** The same, of a tensor and what may be a number. */
export function mul(a: Tensor, b: Tensor | number): Tensor;
export function mul(a: Tensor | number, b: Tensor | number, ...none: []): Tensor {
  noMore("mul", none);
  if (isTensor(b)) return typeof a === "number" ? mul(b, a) : apply(Mul, [a, b], null);
  expectNumber("mul", b, a);
  const x = a as Tensor;
  return x.dtype === "int32" ? withInteger(Mul, x, b) : mulScalar(x, b);
}

/** a / b, element by element; shapes as in `add`. The result is float: an int32 or bool `a` is divided as float32. */
export function div(a: Tensor | number, b: Tensor): Tensor;
/** The same, of a tensor and what may be a number. */
export function div(a: Tensor, b: Tensor | number): Tensor;
export function div(a: Tensor | number, b: Tensor | number, ...none: []): Tensor {
  noMore("div", none);
  if (isTensor(b)) {
    if (typeof a === "number") return isFloat(b.dtype) ? rdivScalar(b, a) : compose(() => rdivScalar(toFloat(b), a));
    alive("div", a);
    if (!isFloat(a.dtype)) return compose(() => div(toFloat(a), toFloat(b)));
    return apply(Div, [a, b], null);
  }
  expectNumber("div", b, a);
  const x = a as Tensor;
  return isFloat(x.dtype) ? divScalar(x, b) : compose(() => divScalar(toFloat(x), b));
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
  return apply(Maximum, [a, b], null);
}
/** The smaller of each two elements; otherwise as `maximum`. */
export function minimum(a: Tensor, b: Tensor, ...none: []): Tensor {
  noMore("minimum", none);
  return apply(Minimum, [a, b], null);
}
