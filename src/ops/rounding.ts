// Whole numbers of others: floor and its like, and quotients without a fraction. Their gradients are 0.
import { fail, noMore } from "../core/error.ts";
import { apply, type Op } from "../core/op.ts";
import { show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { compose } from "./compose.ts";
import { clone } from "./copy.ts";
import { pairwise, unary } from "./elementwise.ts";
import { zerosAs } from "./gradient.ts";
import { type Operand, operands } from "./promote.ts";

/** A step function, whose gradient is 0; int32 stays as it is. */
function rounded(name: string): (x: Tensor, ...none: []) => Tensor {
  const f = unary(name, "", (g) => () => zerosAs(g), "strict");
  return (x, ...none) => {
    noMore(name, none);
    return x?.dtype === "int32" ? clone(x) : f(x);
  };
}
/** The largest whole number that is not above x, element by element; int32 stays as it is. Its gradient is 0. https://pytorch.org/docs/stable/generated/torch.floor.html */
export const floor = /* @__PURE__ */ rounded("floor");
/** The smallest whole number that is not below x, element by element; int32 stays as it is. Its gradient is 0. https://pytorch.org/docs/stable/generated/torch.ceil.html */
export const ceil = /* @__PURE__ */ rounded("ceil");
/** x without its fraction, element by element; int32 stays as it is. Its gradient is 0. https://pytorch.org/docs/stable/generated/torch.trunc.html */
export const trunc = /* @__PURE__ */ rounded("trunc");
/** The nearest whole number, the even one of two, element by element; int32 stays as it is. Its gradient is 0. https://pytorch.org/docs/stable/generated/torch.round.html */
export const round = /* @__PURE__ */ rounded("round");

const Floor = /* @__PURE__ */ pairwise("floorDivide", "floor_divide", (g) => [none(g), none(g)]);
const none = (g: Tensor): never =>
  fail(
    "backward of floorDivide",
    `${show(g.shape)}: it has no gradient, div with roundingMode "floor" is expected, which has one of 0`,
  );
const zero =
  (g: Tensor): (() => Tensor) =>
  () =>
    zerosAs(g);
const FloorOf: Op = /* @__PURE__ */ pairwise("div", "floor_divide", (g) => [zero(g), zero(g)]);
const TruncOf: Op = /* @__PURE__ */ pairwise("div", "trunc_divide", (g) => [zero(g), zero(g)]);

/** floor(a / b), of two tensors of one dtype. @internal */
export const floorOf = (a: Tensor, b: Tensor): Tensor => apply(FloorOf, [a, b], null);
/** a / b without its fraction, of two of int32. @internal */
export const truncOf = (a: Tensor, b: Tensor): Tensor => apply(TruncOf, [a, b], null);

/**
 * floor(a / b), element by element, of the exact quotient: -infinity to infinity, or of int32 an int32 (a divisor of 0 is an error
 * then). Shapes and dtypes as in `add`, one may be a number. Its gradient is an error, as in PyTorch. https://pytorch.org/docs/stable/generated/torch.floor_divide.html
 */
export function floorDivide(a: Operand, b: Operand, ...none: []): Tensor {
  noMore("floorDivide", none);
  return compose(() => {
    const [x, y] = operands("floorDivide", a, b);
    return apply(Floor, [x, y], null);
  });
}
