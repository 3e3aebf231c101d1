// Comparisons of two tensors with broadcasting, and of a tensor and a number: bool, without a gradient.

import { type DType, isFloat, suffix } from "../core/dtype.ts";
import { noMore } from "../core/error.ts";
import { empty } from "../core/make.ts";
import { apply, launch, type Op } from "../core/op.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { word } from "../row/words.ts";
import { compose } from "./compose.ts";
import { launchEach } from "./each.ts";
import { binary } from "./elementwise.ts";
import { isTensor } from "./expect.ts";
import { expectOperand, meeting, type Operand, together } from "./promote.ts";

/** @internal */
export type Comparison = "eq" | "ne" | "lt" | "le" | "gt" | "ge";
const bool = (): DType => "bool";
const comparisons = Object.fromEntries(
  ["eq", "ne", "lt", "le", "gt", "ge"].map((name) => [name, binary(name, bool)]),
) as Record<Comparison, Op>;

/** The comparison of this name. @internal */
export function compare(name: Comparison, a: Tensor, b: Operand, none?: readonly []): Tensor {
  noMore(name, none);
  if (isTensor(b)) {
    if (meeting(a, b)) return apply(comparisons[name], [a, b], null);
    return compose(() => apply(comparisons[name], together(a, b), null));
  }
  expectOperand(name, b, a);
  return compareScalar(name, a, Number(b));
}

/** x <op> s as bool. @internal */
export function compareScalar(name: Comparison, x: Tensor, s: number): Tensor {
  if (!isFloat(x.dtype) && s !== (s | 0)) return compareWhole(name, x, s);
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
  if (s > -(2 ** 31) && s < 2 ** 31 - 1 && name !== "eq" && name !== "ne") {
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

/** a = b, element by element, as bool. Shapes broadcast, dtypes meet as in `add`. No gradient. */
export const eq = (a: Tensor, b: Operand, ...none: []): Tensor => compare("eq", a, b, none);
/** a ≠ b, element by element, as bool; otherwise as `eq`. NaN differs from itself. */
export const ne = (a: Tensor, b: Operand, ...none: []): Tensor => compare("ne", a, b, none);
/** a < b, element by element, as bool; otherwise as `eq`. */
export const lt = (a: Tensor, b: Operand, ...none: []): Tensor => compare("lt", a, b, none);
/** a ≤ b, element by element, as bool; otherwise as `eq`. */
export const le = (a: Tensor, b: Operand, ...none: []): Tensor => compare("le", a, b, none);
/** a > b, element by element, as bool; otherwise as `eq`. */
export const gt = (a: Tensor, b: Operand, ...none: []): Tensor => compare("gt", a, b, none);
/** a ≥ b, element by element, as bool; otherwise as `eq`. */
export const ge = (a: Tensor, b: Operand, ...none: []): Tensor => compare("ge", a, b, none);
