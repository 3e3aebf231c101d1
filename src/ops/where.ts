// Selecting: one value or the other, whole. A gradient that selects, instead of multiplying by 0 and 1, keeps infinities and NaN
// of what was not taken out of the result.
import { fail, given, noMore } from "../core/error.ts";
import { apply, type Op, save } from "../core/op.ts";
import { show } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { eq, gt } from "./compare.ts";
import { compose, like } from "./compose.ts";
import { toDtype, toFloat } from "./copy.ts";
import { constant, cut } from "./create.ts";
import { launchEach } from "./each.ts";
import { expectNumber, sameDtypes } from "./expect.ts";
import { meeting, operands } from "./promote.ts";
import { sumTo } from "./reduce.ts";
import { broadcast } from "./strides.ts";

/** y = a where c, else b, which broadcast. */
const Where: Op = {
  name: "where",
  fit: sumTo,
  strided: true,
  forward(inputs) {
    const [c, a, b] = inputs as [Tensor, Tensor, Tensor];
    sameDtypes("where", [a, b]);
    const shape = broadcast("where", broadcast("where", c.shape, a.shape), b.shape);
    const y = like(a, "where", shape);
    launchEach("where_f32", y, inputs, undefined, "where");
    save(c);
    return y;
  },
  vjp: (g, { saved: [c] }) => [null, () => where(c!, g, 0), () => where(c!, 0, g)],
};

/**
 * The elements of `a` where `condition` is true, else those of `b`; the three broadcast. Dtypes meet as in `add`. What is not taken has no gradient, not even of an infinity.
 * https://pytorch.org/docs/stable/generated/torch.where.html
 */
export function where(condition: Tensor, a: Tensor | number, b: Tensor | number, ...none: []): Tensor {
  noMore("where", none);
  if (!(condition instanceof Tensor)) fail("where", `condition ${given(condition)}: a tensor is expected`);
  if (condition.dtype !== "bool")
    fail("where", `condition ${show(condition.shape)} is ${condition.dtype}: bool is expected`);
  for (const v of [a, b]) {
    if (!(v instanceof Tensor) && typeof v !== "number")
      fail("where", `${show(condition.shape)} and ${given(v)}: a tensor or a number is expected`);
  }
  if (a instanceof Tensor && b instanceof Tensor && meeting(a, b)) return apply(Where, [condition, a, b], null);
  return compose(() => {
    if (a instanceof Tensor || b instanceof Tensor) return apply(Where, [condition, ...operands("where", a, b)], null);
    const model = toFloat(condition);
    return apply(Where, [condition, constant(a, model), constant(b, model)], null);
  });
}

/** `x` with `value` where the bool `mask` is true, which broadcasts. https://pytorch.org/docs/stable/generated/torch.Tensor.masked_fill.html */
export function maskedFill(x: Tensor, mask: Tensor, value: number, ...none: []): Tensor {
  noMore("maskedFill", none);
  expectMask("maskedFill", x, mask);
  broadcast("maskedFill", x.shape, mask.shape);
  if (!((value as unknown) instanceof Tensor)) {
    expectNumber("maskedFill", value, x);
  }
  if (typeof value !== "number") return where(mask, value, x);
  const kept = cut("maskedFill", value, x);
  return compose(() => apply(Where, [mask, constant(kept, x), x], null));
}

/** @internal */
export function expectMask(op: string, x: Tensor, mask: Tensor): void {
  alive(op, x);
  if (!(mask instanceof Tensor)) fail(op, `mask ${given(mask)} for ${show(x.shape)}: a tensor is expected`);
  if (mask.dtype !== "bool") fail(op, `mask ${show(mask.shape)} is ${mask.dtype}: bool is expected`);
}

/**
 * 0 where x is negative or NaN, 1 where it is positive, `values` of the same dtype where it is 0, which broadcasts. No gradient.
 * https://pytorch.org/docs/stable/generated/torch.heaviside.html
 */
export function heaviside(x: Tensor, values: Tensor, ...none: []): Tensor {
  alive("heaviside", x, none);
  sameDtypes("heaviside", [x, values]);
  return compose(() => toDtype(where(gt(x, 0), 1, where(eq(x, 0), values, 0)), x.dtype)).detach();
}
