// Means over all, one or several dims.
import { apply, cast, launch, type Op } from "../core/op.ts";
import type { Tensor } from "../core/tensor.ts";
import { word } from "../row/words.ts";
import { divScalar } from "./binary.ts";
import { compose } from "./compose.ts";
import { expectDtype } from "./expect.ts";
import { type Over, type Reducing, reducing, Sum } from "./reduce.ts";

/** The sum in float32, divided in place. */
const Mean: Op<Reducing> = {
  name: "mean",
  forward([x], r, wants) {
    const y = Sum.forward([x!], r, wants);
    launch("div_scalar_f32", [y], [y], [y.numel], [word(countOf(x!, r))], "mean");
    return y;
  },
  vjp: (g, entry) => Sum.vjp!(divScalar(g, countOf(entry.inputs[0]!, entry.params)), entry),
};

/** How many elements each mean is of. */
function countOf(x: Tensor, { dims }: Reducing): number {
  let n = 1;
  for (const d of dims) n *= x.shape[d] ?? 1; // a scalar has a dim 0 too
  return n;
}

/** Mean of floats over `dim`, or over all; shapes as in `sum`, the dtype of `x`. NaN over nothing. https://pytorch.org/docs/stable/generated/torch.mean.html */
export function mean(x: Tensor, dim?: Over, keepdim?: boolean, ...none: []): Tensor {
  expectDtype("mean", x, "float32");
  const r = reducing("mean", x, dim, keepdim, none, true);
  return x.dtype === "float32" ? apply(Mean, [x], r) : compose(() => cast(apply(Mean, [x], r), x.dtype));
}
