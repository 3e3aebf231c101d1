// Functions of two floats that broadcast: angles, hypotenuses, sums of logarithms.
import { isFloat } from "../core/dtype.ts";
import { noMore } from "../core/error.ts";
import { apply, type Op, save } from "../core/op.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul, neg } from "./binary.ts";
import { compose } from "./compose.ts";
import { toFloat } from "./copy.ts";
import { pairwise } from "./elementwise.ts";
import { type Operand, operands } from "./promote.ts";

const Atan2: Op = /* @__PURE__ */ pairwise(
  "atan2",
  "atan2",
  (g, { saved: [y, x] }) => {
    const part = (): Tensor => div(g, add(mul(y!, y!), mul(x!, x!)));
    return [() => mul(part(), x!), () => neg(mul(part(), y!))];
  },
  (y, x) => save(y, x),
);
const Hypot: Op = /* @__PURE__ */ pairwise(
  "hypot",
  "hypot",
  (g, { saved: [a, b, y] }) => [() => mul(g, div(a!, y!)), () => mul(g, div(b!, y!))],
  (a, b, y, wants) => save(wants & 1 ? a : null, wants & 2 ? b : null, y),
);

function floats(op: Op, a: Operand, b: Operand, none: readonly unknown[]): Tensor {
  noMore(op.name, none);
  return compose(() => {
    const [x, y] = operands(op.name, a, b);
    return apply(op, isFloat(x.dtype) ? [x, y] : [toFloat(x), toFloat(y)], null);
  });
}
/**
 * The angle of the point (x, y), in [-pi, pi], element by element. Shapes broadcast; int32 and bool become float32; one may be a number.
 * https://pytorch.org/docs/stable/generated/torch.atan2.html
 */
export const atan2 = (y: Operand, x: Operand, ...none: []): Tensor => floats(Atan2, y, x, none);
/** sqrt(a^2 + b^2), element by element, without overflow between; otherwise as `atan2`. https://pytorch.org/docs/stable/generated/torch.hypot.html */
export const hypot = (a: Operand, b: Operand, ...none: []): Tensor => floats(Hypot, a, b, none);
