// Elementwise functions of two tensors with broadcasting. https://pytorch.org/docs/stable/notes/broadcasting.html
import { type DType, isFloat, suffix } from "../core/dtype.ts";
import { fail } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { apply, launch, type Op, save } from "../core/op.ts";
import { sameShape, show } from "../core/shape.ts";
import { alias, empty, Tensor } from "../core/tensor.ts";
import { shifted, walk } from "../row/nest.ts";
import { compose, like } from "./compose.ts";
import { launchEach } from "./each.ts";
import { expectOptions } from "./expect.ts";
import { sumTo } from "./reduce.ts";
import { broadcast, broadcastStrides, oneLoop } from "./strides.ts";
import {
  addScalar,
  type Comparison,
  compareScalar,
  divScalar,
  expectNumber,
  mulScalar,
  neg,
  rdivScalar,
  rsubScalar,
  toFloat,
} from "./unary.ts";

/** Names of kernels, made once: a name put together at each launch would be hashed at each launch. */
const KERNELS = ["add", "sub", "mul", "div", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge"];
const names = (form: string): Record<string, string> => Object.fromEntries(KERNELS.map((k) => [k, k + form]));
const NAMES = {
  f32: { plain: names("_f32"), broadcast: names("_broadcast_f32") },
  i32: { plain: names("_i32"), broadcast: names("_broadcast_i32") },
};

/** Launches `<kernel>_<dtype>` into the dense `out`, or the form that reads by strides, which views have. @internal */
export function launchBinary(kernel: string, name: string, a: Tensor, b: Tensor, out: Tensor): void {
  const kernels = NAMES[suffix(a.dtype)];
  if (a.strides === null && b.strides === null && sameShape(a.shape, b.shape)) {
    launch(kernels.plain[kernel]!, [out], [a, b], [out.numel], undefined, name);
    return;
  }
  const both = [a, b];
  const steps = oneLoop(both, out);
  if (steps !== null) {
    launch(kernels.broadcast[kernel]!, [out], both, [1, 1, 1, 1, 1, out.numel], steps, name);
    return;
  }
  const strides = [broadcastStrides(a, out.shape), broadcastStrides(b, out.shape)];
  for (let n = walk(name, out.shape, strides); n !== null; n = n.next) {
    const operands = [shifted(a, n.from[0]!), shifted(b, n.from[1]!)];
    const words = [...n.strides[0]!, ...n.strides[1]!];
    launch(kernels.broadcast[kernel]!, [shifted(out, n.start)], operands, n.extents, words, name);
  }
}

/** Throws where a dtype is not that of the first. @internal */
export function sameDtypes(op: string, inputs: readonly Tensor[]): void {
  for (let i = 1; i < inputs.length; i++) {
    const [a, b] = [inputs[0]!, inputs[i]!];
    if (b?.dtype === a.dtype) continue;
    if (!(b instanceof Tensor)) fail(op, `${show(a.shape)} and ${String(b)}: a tensor is expected`);
    fail(
      op,
      `${show(a.shape)} of ${a.dtype} and ${show(b.shape)} of ${b.dtype}: the dtypes must be the same, use float(), half() or int()`,
    );
  }
}

/** Whose values the gradients need: none, both, or of each operand the other's. */
type Saves = "none" | "both" | "other";

function binary(name: string, result: (dtype: DType) => DType, vjp?: Op["vjp"], saves: Saves = "none"): Op {
  const op: Op = {
    name,
    fit: sumTo,
    strided: true,
    forward([a, b], _, wants) {
      // float16 and float32 give float32
      if (!isFloat(a!.dtype) || !isFloat(b!.dtype)) sameDtypes(name, [a!, b!]);
      if (a!.dtype === "bool" && result("bool") === "bool" && !WORDS.has(name)) {
        fail(name, `${show(a!.shape)} of bool: arithmetic on bool is not supported, use int() or float()`);
      }
      const wide = a!.dtype === b!.dtype ? a!.dtype : "float32";
      const y = empty(broadcast(name, a!.shape, b!.shape), result(wide), name, a!.device);
      launchBinary(name, name, a!, b!, y);
      if (saves === "other") save(wants & A ? b! : null, wants & B ? a! : null);
      else if (saves === "both") save(b!, a!);
      return y;
    },
  };
  return vjp === undefined ? op : { ...op, vjp };
}
/** Bits of `wants`. */
const [A, B] = [1, 2];

/** What takes bool as the words that they are. */
const WORDS = new Set<string>(["eq", "ne", "lt", "le", "gt", "ge", "maximum", "minimum"]);
const COMPARISONS = new Set<string>(["eq", "ne", "lt", "le", "gt", "ge"]);
const keep = (dtype: DType): DType => dtype;
const bool = (): DType => "bool";

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

const comparisons = Object.fromEntries([...COMPARISONS].map((name) => [name, binary(name, bool)])) as Record<
  Comparison,
  Op
>;

const isTensor = (x: unknown): x is Tensor => x instanceof Tensor;

/** int32 with an integer: the number becomes a tensor, since scalar kernels are float32's. */
function withInteger(op: Op, a: Tensor, s: number): Tensor {
  if (!Number.isInteger(s))
    fail(op.name, `${show(a.shape)} of int32 and ${s}: an integer is expected, or float() first`);
  return compose(() => {
    const b = empty([], "int32", op.name, a.device);
    launch("fill_i32", [b], [], [1], [s], op.name);
    return apply(op, [a, b], null);
  });
}

/** Options of sums and differences. */
export interface AlphaOptions {
  /** What the second operand is multiplied with first; 1 by default. */
  alpha?: number;
}

/** The second operand of a sum, times alpha. @internal */
export function scaled(op: string, b: Tensor | number, options: AlphaOptions): Tensor | number {
  expectOptions(op, options, "{ alpha: 2 }");
  const { alpha = 1, ...rest } = options;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) fail(op, `unknown option ${unknown}: known is alpha`);
  if (typeof alpha !== "number") fail(op, `alpha ${String(alpha)}: a number is expected`);
  return alpha === 1 ? b : typeof b === "number" ? b * alpha : mul(b, alpha);
}

/**
 * a + b, element by element; a + alpha b with that option. Shapes broadcast: `[2, 3]` and `[3]` give `[2, 3]`. Two tensors must have one dtype (float16 and
 * float32 give float32, where PyTorch promotes the others too); int32 takes integers only; bool is refused.
 */
export function add(a: Tensor, b: Tensor | number, options?: AlphaOptions): Tensor {
  if (options !== undefined) return compose(() => add(a, scaled("add", b, options)));
  if (isTensor(b)) return apply(Add, [a, b], null);
  expectNumber("add", b, a);
  return a.dtype === "int32" ? withInteger(Add, a, b) : addScalar(a, b);
}

/** a - b, element by element, or a - alpha b; shapes and dtypes as in `add`. */
export function sub(a: Tensor, b: Tensor | number, options?: AlphaOptions): Tensor {
  if (options !== undefined) return compose(() => sub(a, scaled("sub", b, options)));
  if (isTensor(b)) return apply(Sub, [a, b], null);
  expectNumber("sub", b, a);
  return a.dtype === "int32" ? withInteger(Sub, a, b) : addScalar(a, -b);
}

/** b - a @internal */
export function rsub(a: Tensor, b: Tensor | number): Tensor {
  return isTensor(b) ? sub(b, a) : rsubScalar(a, b);
}

/** a b, element by element; shapes and dtypes as in `add`. For products of matrices see `matmul`. */
export function mul(a: Tensor, b: Tensor | number): Tensor {
  if (isTensor(b)) return apply(Mul, [a, b], null);
  expectNumber("mul", b, a);
  return a.dtype === "int32" ? withInteger(Mul, a, b) : mulScalar(a, b);
}

/** a / b, element by element; shapes as in `add`. The result is float: an int32 or bool `a` is divided as float32. */
export function div(a: Tensor, b: Tensor | number): Tensor {
  if (isTensor(b)) {
    if (!isFloat(a.dtype)) return compose(() => div(toFloat(a), toFloat(b)));
    return apply(Div, [a, b], null);
  }
  expectNumber("div", b, a);
  return isFloat(a.dtype) ? divScalar(a, b) : compose(() => divScalar(toFloat(a), b));
}

/** b / a @internal */
export function rdiv(a: Tensor, b: Tensor | number): Tensor {
  return isTensor(b) ? div(b, a) : rdivScalar(a, b);
}

/**
 * The larger of each two elements, for floats; shapes broadcast as in `add`. A NaN in either gives NaN; where both are equal each
 * takes half of the gradient.
 */
export const maximum = (a: Tensor, b: Tensor): Tensor => apply(Maximum, [a, b], null);
/** The smaller of each two elements; otherwise as `maximum`. */
export const minimum = (a: Tensor, b: Tensor): Tensor => apply(Minimum, [a, b], null);

/** @internal */
export function compare(name: Comparison, a: Tensor, b: Tensor | number): Tensor {
  if (isTensor(b)) return apply(comparisons[name], [a, b], null);
  expectNumber(name, b, a);
  return compareScalar(name, a, b);
}

/** a = b, element by element, as bool. Shapes broadcast; two tensors must have one dtype (or be float16 and float32). No gradient. */
export const eq = (a: Tensor, b: Tensor | number): Tensor => compare("eq", a, b);
/** a ≠ b, element by element, as bool; otherwise as `eq`. NaN differs from itself. */
export const ne = (a: Tensor, b: Tensor | number): Tensor => compare("ne", a, b);
/** a < b, element by element, as bool; otherwise as `eq`. */
export const lt = (a: Tensor, b: Tensor | number): Tensor => compare("lt", a, b);
/** a ≤ b, element by element, as bool; otherwise as `eq`. */
export const le = (a: Tensor, b: Tensor | number): Tensor => compare("le", a, b);
/** a > b, element by element, as bool; otherwise as `eq`. */
export const gt = (a: Tensor, b: Tensor | number): Tensor => compare("gt", a, b);
/** a ≥ b, element by element, as bool; otherwise as `eq`. */
export const ge = (a: Tensor, b: Tensor | number): Tensor => compare("ge", a, b);
