// Blends of three tensors, and functions of one or two made of the simplest ops.

import { isFloat } from "../core/dtype.ts";
import { checkNumber, expectOptions, fail, noMore } from "../core/error.ts";
import { apply, type Op, save } from "../core/op.ts";
import { show } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { add, div, mul, neg, rdivScalar, rsubScalar, sub } from "./binary.ts";
import { ANY } from "./bounds.ts";
import { compareScalar } from "./compare.ts";
import { compose } from "./compose.ts";
import { toDtype, toFloat } from "./copy.ts";
import { silently } from "./elementwise.ts";
import { expectDtype, expectNumber } from "./expect.ts";
import { zerosAs } from "./gradient.ts";
import { logicalOr } from "./modulo.ts";
import { type Operand, operands, together } from "./promote.ts";
import { sumTo } from "./reduce.ts";
import { abs, sign } from "./unary.ts";
import { where } from "./where.ts";

/** From the nearer end: exact at both. */
const Lerp: Op = {
  name: "lerp",
  fit: sumTo,
  strided: true,
  forward([start, end, weight], _, wants) {
    if (wants !== 0) save(wants & 4 ? start! : null, wants & 4 ? end! : null, weight!);
    return silently(() => {
      const way = sub(end!, start!);
      const near = add(start!, mul(weight!, way));
      const far = sub(end!, mul(way, rsubScalar(weight!, 1)));
      return where(compareScalar("lt", weight!, 0.5), near, far);
    });
  },
  vjp: (g, { saved: [start, end, weight] }) => [
    () => mul(g, rsubScalar(weight!, 1)),
    () => mul(g, weight!),
    () => mul(g, sub(end!, start!)),
  ],
};
/**
 * start + weight (end - start), element by element, for floats; `weight` is a tensor or a number. Shapes broadcast.
 * https://pytorch.org/docs/stable/generated/torch.lerp.html
 */
export function lerp(start: Tensor, end: Tensor, weight: Tensor | number, ...none: []): Tensor {
  alive("lerp", start, none);
  alive("lerp", end);
  expectDtype("lerp", start, "float32");
  expectDtype("lerp", end, "float32", "end");
  if (weight instanceof Tensor) {
    expectDtype("lerp", weight, "float32", "weight");
    return apply(Lerp, [start, end, weight], null);
  }
  expectNumber("lerp", weight, start);
  return compose(() => {
    const way = sub(end, start);
    return weight < 0.5 ? add(start, mul(way, weight)) : sub(end, mul(way, 1 - weight));
  });
}

/** Options of `addcmul` and `addcdiv`. */
export interface ValueOptions {
  /** What the product or quotient is multiplied with; 1 by default. */
  value?: number;
}
function factorOf(op: string, options: ValueOptions): number {
  expectOptions(op, options, "value");
  const { value = 1 } = options;
  checkNumber(op, "value", value, ANY);
  return value;
}
const times = (x: Tensor, value: number): Tensor => (value === 1 ? x : mul(x, value));

/** x + value a b, element by element; shapes broadcast, dtypes meet as in `add`. https://pytorch.org/docs/stable/generated/torch.addcmul.html */
export function addcmul(x: Tensor, a: Tensor, b: Tensor, options: ValueOptions = {}, ...none: []): Tensor {
  alive("addcmul", x, none);
  const value = factorOf("addcmul", options);
  return compose(() => {
    const [p, q] = operands("addcmul", a, b);
    const [y, s] = together(x, p);
    return apply(AddCmul, [y, s, toDtype(q, s.dtype)], value);
  });
}
const AddCmul: Op<number> = {
  name: "addcmul",
  fit: sumTo,
  strided: true,
  forward([x, a, b], value, wants) {
    if (wants !== 0) save(wants & 2 ? b! : null, wants & 4 ? a! : null);
    return silently(() => add(x!, mul(times(a!, value), b!)));
  },
  vjp: (g, { params: value, saved: [b, a] }) => [g, () => times(mul(g, b!), value), () => times(mul(g, a!), value)],
};
/** Saves what PyTorch saves: b where anything wants a gradient. */
const AddCdiv: Op<number> = {
  name: "addcdiv",
  fit: sumTo,
  strided: true,
  forward([x, a, b], value, wants) {
    if (wants !== 0) save(b!, wants & 4 ? a! : null);
    return silently(() => add(x!, div(times(a!, value), b!)));
  },
  vjp: (g, { params: value, saved: [b, a] }) => [
    g,
    () => times(div(g, b!), value),
    () => times(neg(mul(g, div(div(a!, b!), b!))), value),
  ],
};
/** x + value a / b, element by element, of which one is float; otherwise as `addcmul`. https://pytorch.org/docs/stable/generated/torch.addcdiv.html */
export function addcdiv(x: Tensor, a: Tensor, b: Tensor, options: ValueOptions = {}, ...none: []): Tensor {
  alive("addcdiv", x, none);
  const value = factorOf("addcdiv", options);
  if (![a, b].some((t) => t instanceof Tensor && isFloat(t.dtype)) && a instanceof Tensor)
    fail("addcdiv", `${show(a.shape)} of ${a.dtype}: a or b must be float, use float()`);
  return compose(() => {
    const [p, q] = operands("addcdiv", a, b);
    return apply(AddCdiv, [isFloat(x.dtype) ? x : toFloat(x), p, q], value);
  });
}

/** Negative, or -0. */
const negative = (b: Tensor): Tensor => logicalOr(compareScalar("lt", b, 0), compareScalar("lt", rdivScalar(b, 1), 0));
const CopySign: Op = {
  name: "copysign",
  fit: sumTo,
  strided: true,
  forward([a, b], _, wants) {
    const y = silently(() => {
      const size = abs(a!);
      return where(negative(b!), neg(size), size);
    });
    if (wants & 1) save(a!, y);
    return y;
  },
  vjp: (g, { saved: [a, y] }) => [() => where(compareScalar("eq", a!, 0), 0, mul(g, div(y!, a!))), () => zerosAs(g)],
};
/** |a| with the sign of b, element by element, -0 too; shapes broadcast, and b may be a number. https://pytorch.org/docs/stable/generated/torch.copysign.html */
export function copysign(a: Tensor, b: Operand, ...none: []): Tensor {
  alive("copysign", a, none);
  return compose(() => {
    const [x, y] = operands("copysign", a, b);
    return apply(CopySign, isFloat(x.dtype) ? [x, y] : [toFloat(x), toFloat(y)], null);
  });
}

/** Degrees as radians, element by element, for floats; int32 as float32. https://pytorch.org/docs/stable/generated/torch.deg2rad.html */
export function deg2rad(x: Tensor, ...none: []): Tensor {
  noMore("deg2rad", none);
  return mul(x, Math.PI / 180);
}
/** Radians as degrees, element by element, for floats; int32 as float32. https://pytorch.org/docs/stable/generated/torch.rad2deg.html */
export function rad2deg(x: Tensor, ...none: []): Tensor {
  noMore("rad2deg", none);
  return mul(x, 180 / Math.PI);
}
/** x itself; bool is refused. https://pytorch.org/docs/stable/generated/torch.positive.html */
export function positive(x: Tensor, ...none: []): Tensor {
  alive("positive", x, none);
  if (x.dtype === "bool") fail("positive", `${show(x.shape)} of bool: int32 or a float is expected`);
  return x;
}
/** As `sign`: there are no complex numbers. https://pytorch.org/docs/stable/generated/torch.sgn.html */
export function sgn(x: Tensor, ...none: []): Tensor {
  noMore("sgn", none);
  return sign(x);
}
