// Sums of logarithms, entropies, odds, and other functions with edges of their own. Gradients are PyTorch's.
import { isFloat } from "../core/dtype.ts";
import { checkNumber, expectOptions, noMore } from "../core/error.ts";
import { apply, type Op, save } from "../core/op.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { add, addScalar, div, mul, mulScalar, neg, rdivScalar, rsubScalar, sub } from "./binary.ts";
import { clamp } from "./clamp.ts";
import { compareScalar, eq } from "./compare.ts";
import { compose } from "./compose.ts";
import { toFloat } from "./copy.ts";
import { silently, unary } from "./elementwise.ts";
import { expectDtype } from "./expect.ts";
import { log1p } from "./math.ts";
import { logicalAnd } from "./modulo.ts";
import { type Operand, operands } from "./promote.ts";
import { sumTo } from "./reduce.ts";
import { abs, cos, exp, log, sigmoid, sin } from "./unary.ts";
import { where } from "./where.ts";

/** Two operands as floats of one dtype. */
function floats(op: string, a: Operand, b: Operand): [Tensor, Tensor] {
  const [x, y] = operands(op, a, b);
  return isFloat(x.dtype) ? [x, y] : [toFloat(x), toFloat(y)];
}

const LogAddExp: Op = {
  name: "logaddexp",
  fit: sumTo,
  strided: true,
  forward([a, b], _, wants) {
    if (wants !== 0) save(a!, b!);
    return silently(() => {
      const larger = where(compareScalar("gt", sub(a!, b!), 0), a!, b!);
      const apart = where(eq(a!, b!), 0, neg(abs(sub(a!, b!)))); // of two infinities too
      return add(larger, log1p(exp(apart)));
    });
  },
  vjp: (g, { saved: [a, b] }) => [() => mul(g, sigmoid(sub(a!, b!))), () => mul(g, sigmoid(sub(b!, a!)))],
};
/**
 * log(e^a + e^b), element by element, without overflow between. Shapes broadcast; int32 and bool become float32; one may be a number.
 * https://pytorch.org/docs/stable/generated/torch.logaddexp.html
 */
export function logaddexp(a: Operand, b: Operand, ...none: []): Tensor {
  noMore("logaddexp", none);
  return compose(() => apply(LogAddExp, floats("logaddexp", a, b), null));
}

const XLogY: Op = {
  name: "xlogy",
  fit: sumTo,
  strided: true,
  forward([x, y], _, wants) {
    if (wants !== 0) save(x!, y!);
    return silently(() => {
      const product = mul(x!, log(y!));
      return where(logicalAnd(compareScalar("eq", x!, 0), eq(y!, y!)), 0, product);
    });
  },
  vjp: (g, { saved: [x, y] }) => [
    () => {
      const none = logicalAnd(compareScalar("eq", x!, 0), compareScalar("le", y!, 0));
      return where(none, 0, xlogy(g, y!));
    },
    () => div(mul(g, x!), y!),
  ],
};
/**
 * x log y, element by element, and 0 where x is 0 (but NaN where y is). Otherwise as `logaddexp`.
 * https://pytorch.org/docs/stable/special.html#torch.special.xlogy
 */
export function xlogy(x: Operand, y: Operand, ...none: []): Tensor {
  noMore("xlogy", none);
  return compose(() => apply(XLogY, floats("xlogy", x, y), null));
}

/**
 * The second derivative of digamma, of what seldom wants one: -2 sum of 1 / (x + k)^3 for k up to 7, and the series behind; below 0
 * by psi''(x) = psi''(1 - x) - 2 pi^3 cos(pi x) / sin(pi x)^3. Made of ops, so that it goes on.
 */
function tetragamma(x: Tensor): Tensor {
  const negative = compareScalar("lt", x, 0);
  const a = where(negative, rsubScalar(x, 1), x);
  const cube = (t: Tensor): Tensor => mul(mul(t, t), t);
  let sum = cube(rdivScalar(a, 1));
  for (let k = 1; k < 8; k++) sum = add(sum, cube(rdivScalar(addScalar(a, k), 1)));
  const r = rdivScalar(addScalar(a, 8), 1);
  const r2 = mul(r, r);
  // 1/z^2 + 1/z^3 + 1/2z^4 - 1/6z^6 + 1/6z^8 - 3/10z^10
  let series = addScalar(mulScalar(r2, -0.3), 1 / 6);
  for (const c of [-1 / 6, 0.5, 1]) series = addScalar(mul(series, r2), c);
  series = mul(r2, add(series, r));
  const y = neg(add(mulScalar(sum, 2), series));
  const angle = mulScalar(x, Math.PI);
  const mirrored = sub(y, mulScalar(mul(cos(angle), cube(mulScalar(rdivScalar(sin(angle), 1), Math.PI))), 2));
  return where(negative, mirrored, y);
}
const trigamma = /* @__PURE__ */ unary("trigamma", "x", (g, x) => () => compose(() => mul(g, tetragamma(x))));
/**
 * The derivative of `lgamma`, element by element: at 0 infinite with the other sign, NaN at -1, -2, ... int32 and bool become float32.
 * https://pytorch.org/docs/stable/special.html#torch.special.digamma
 */
export const digamma = /* @__PURE__ */ unary("digamma", "x", (g, x) => mul(g, trigamma(x)));
/** log |Gamma(x)|, element by element, infinite at 0, -1, -2, ... int32 and bool become float32. https://pytorch.org/docs/stable/generated/torch.lgamma.html */
export const lgamma = /* @__PURE__ */ unary("lgamma", "x", (g, x) => mul(g, digamma(x)));
/** The inverse of `erf`, of x in [-1, 1], element by element; NaN beyond. int32 and bool become float32. https://pytorch.org/docs/stable/special.html#torch.special.erfinv */
export const erfinv = /* @__PURE__ */ unary("erfinv", "x", (g, x) => {
  const y = erfinv(x); // made again, as in PyTorch: the result may be written
  return mul(mulScalar(exp(mul(y, y)), Math.sqrt(Math.PI) / 2), g);
});

/** Options of `logit`. */
export interface LogitOptions {
  /** x is held between eps and 1 - eps first, beyond which it has no gradient; null, the default, does not. */
  eps?: number | null;
}
const Logit: Op<number | null> = {
  name: "logit",
  strided: true,
  forward([x], eps, wants) {
    expectDtype("logit", x!, "float32");
    if (wants !== 0) save(x!);
    return silently(() => {
      const p = eps === null ? x! : clamp(x!, { min: eps, max: 1 - eps });
      return log(div(p, rsubScalar(p, 1)));
    });
  },
  vjp: (g, { saved: [x], params: eps }) => [
    () => {
      const inside = logicalAnd(compareScalar("ge", x!, eps ?? 0), compareScalar("le", x!, 1 - (eps ?? 0)));
      return where(inside, div(g, mul(x!, rsubScalar(x!, 1))), eps === null ? Number.NaN : 0);
    },
  ],
};
/**
 * log(x / (1 - x)), element by element: the inverse of `sigmoid`; NaN beyond [0, 1] where there is no `eps`. int32 and bool become float32.
 * https://pytorch.org/docs/stable/special.html#torch.special.logit
 */
export function logit(x: Tensor, options: LogitOptions = {}, ...none: []): Tensor {
  alive("logit", x);
  expectOptions("logit", options, "eps", none);
  const { eps = null } = options;
  if (eps !== null) checkNumber("logit", "eps", eps, [(v) => v >= 0 && v <= 0.5, "a number from 0 to 0.5"]);
  return compose(() => apply(Logit, [toFloat(x)], eps));
}

const Sinc: Op = {
  name: "sinc",
  strided: true,
  forward([x], _, wants) {
    if (wants !== 0) save(x!);
    return silently(() => {
      const angle = mulScalar(x!, Math.PI);
      return where(compareScalar("eq", x!, 0), 1, div(sin(angle), angle));
    });
  },
  // (pi x cos(pi x) - sin(pi x)) / (pi x^2)
  vjp: (g, { saved: [x] }) => [
    () => {
      const angle = mulScalar(x!, Math.PI);
      const square = mul(angle, x!);
      const slope = div(sub(mul(angle, cos(angle)), sin(angle)), square);
      return where(compareScalar("eq", square, 0), 0, mul(g, slope)); // it may be too small for a float
    },
  ],
};
/** sin(pi x) / (pi x), element by element, 1 at 0. int32 and bool become float32. https://pytorch.org/docs/stable/special.html#torch.special.sinc */
export function sinc(x: Tensor, ...none: []): Tensor {
  alive("sinc", x, none);
  return compose(() => apply(Sinc, [isFloat(x.dtype) ? x : toFloat(x)], null));
}
