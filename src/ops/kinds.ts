// What kind of number an element is, and what takes the place of those that are none: bool results have no gradient.

import { type DType, isFloat } from "../core/dtype.ts";
import { checkNumber, expectOptions } from "../core/error.ts";
import { apply, type Op, save } from "../core/op.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./binary.ts";
import { ANY } from "./bounds.ts";
import { compareScalar, eq, le, ne } from "./compare.ts";
import { compose } from "./compose.ts";
import { clone, toFloat } from "./copy.ts";
import { silently } from "./elementwise.ts";
import { logicalAnd, logicalOr } from "./modulo.ts";
import { operands } from "./promote.ts";
import { abs } from "./unary.ts";
import { where } from "./where.ts";

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;

/** Whether it is NaN, element by element, as bool. https://pytorch.org/docs/stable/generated/torch.isnan.html */
export function isnan(x: Tensor, ...none: []): Tensor {
  alive("isnan", x, none);
  return isFloat(x.dtype) ? ne(x, x) : compareScalar("eq", x, NAN);
}
/** Whether it is infinite, of either sign, as bool. https://pytorch.org/docs/stable/generated/torch.isinf.html */
export function isinf(x: Tensor, ...none: []): Tensor {
  alive("isinf", x, none);
  return isFloat(x.dtype) ? silently(() => compareScalar("eq", abs(x), INF)) : compareScalar("eq", x, NAN);
}
/** Whether it is neither NaN nor infinite, as bool. https://pytorch.org/docs/stable/generated/torch.isfinite.html */
export function isfinite(x: Tensor, ...none: []): Tensor {
  alive("isfinite", x, none);
  return isFloat(x.dtype) ? silently(() => compareScalar("lt", abs(x), INF)) : compareScalar("ne", x, NAN);
}

/** Options of `isclose`. */
export interface CloseOptions {
  /** How much two may differ, as a part of |b|; 1e-5 by default. */
  rtol?: number;
  /** And that much besides; 1e-8 by default. */
  atol?: number;
  /** Whether two NaN are close; false by default. */
  equalNan?: boolean;
}

/**
 * Whether |a - b| is at most atol + rtol |b|, element by element, as bool; equal infinities are close. Shapes broadcast.
 * https://pytorch.org/docs/stable/generated/torch.isclose.html
 */
export function isclose(a: Tensor, b: Tensor, options: CloseOptions = {}, ...none: []): Tensor {
  alive("isclose", a);
  alive("isclose", b);
  expectOptions("isclose", options, "rtol atol equalNan?", none);
  const { rtol = 1e-5, atol = 1e-8, equalNan = false } = options;
  checkNumber("isclose", "rtol", rtol);
  checkNumber("isclose", "atol", atol);
  return silently(() => {
    const [x, y] = operands("isclose", a, b);
    const same = equalNan ? logicalOr(eq(x, y), logicalAnd(isnan(x), isnan(y))) : eq(x, y);
    if (!isFloat(x.dtype) && rtol === 0 && atol === 0) return same;
    const [p, q] = isFloat(x.dtype) ? [x, y] : [toFloat(x), toFloat(y)];
    return logicalOr(
      same,
      logicalAnd(isfinite(p), logicalAnd(isfinite(q), le(abs(sub(p, q)), add(mul(abs(q), rtol), atol)))),
    );
  });
}

/** What takes the place of what is no number. */
export interface NanToNumOptions {
  /** Of NaN; 0 by default. */
  nan?: number;
  /** Of infinity; null, the default, is the largest float. */
  posinf?: number | null;
  /** Of -infinity; null, the default, is the lowest float. */
  neginf?: number | null;
}
const LARGEST: Partial<Record<DType, number>> = { float32: 3.4028234663852886e38, float16: 65504 };

const NanToNum: Op<{ nan: number; posinf: number; neginf: number }> = {
  name: "nanToNum",
  strided: true,
  forward([x], { nan, posinf, neginf }, wants) {
    if (wants !== 0) save(x!);
    return silently(() => {
      const y = where(isnan(x!), nan, x!);
      return where(compareScalar("eq", x!, INF), posinf, where(compareScalar("eq", x!, -INF), neginf, y));
    });
  },
  vjp: (g, { saved: [x] }) => [() => compose(() => where(isfinite(x!), g, 0))],
};

/**
 * NaN and infinities become numbers; those have no gradient. int32 and bool are copied.
 * https://pytorch.org/docs/stable/generated/torch.nan_to_num.html
 */
export function nanToNum(x: Tensor, options: NanToNumOptions = {}, ...none: []): Tensor {
  alive("nanToNum", x);
  expectOptions("nanToNum", options, "nan posinf neginf", none);
  const largest = LARGEST[x.dtype] ?? 0;
  const { nan = 0, posinf, neginf } = options;
  const params = { nan, posinf: posinf ?? largest, neginf: neginf ?? -largest };
  for (const [name, value] of Object.entries(params)) checkNumber("nanToNum", name, value, ANY);
  return isFloat(x.dtype) ? apply(NanToNum, [x], params) : clone(x);
}
