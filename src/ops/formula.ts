// Ops by formula: a forward of few ops, off the tape, and a gradient that is written down instead of found op by op. Both are composed, so
// that they run on every device, take views as they lie, and can be differentiated again.
import { mode } from "../core/lifetime.ts";
import { cast, type Op, save } from "../core/op.ts";
import type { Tensor } from "../core/tensor.ts";
import { ge, le } from "./compare.ts";
import { compose } from "./compose.ts";
import { expectDtype } from "./expect.ts";
import { besides } from "./gradient.ts";
import { sumTo } from "./reduce.ts";
import { where } from "./where.ts";

/** What an op by formula gives for its inputs: of f(x, y), `f(p, x, y)` with the op's parameters first. */
type Forward<P> = (p: P, ...inputs: Tensor[]) => Tensor;
/** The gradient by each input, asked only where it wants one: of g, the parameters, the inputs. */
type Vjp<P> = (g: Tensor, p: P, ...inputs: Tensor[]) => ((() => Tensor) | null)[];

/** float16 is computed with as float32, as kernels do. */
const wide = (x: Tensor): Tensor => (x.dtype === "float16" ? cast(x, "float32") : x);

/**
 * An op on floats that broadcast, by formula. It saves its inputs, as PyTorch does for what is written so; `output` is what it saves besides:
 * the gradient gets it as its last input. The result has the inputs' dtype, float32 where they differ.
 * @internal
 */
export function formula<P = null>(name: string, forward: Forward<P>, vjp: Vjp<P>, output = false): Op<P> {
  return {
    name,
    fit: sumTo,
    strided: true,
    forward(inputs, p, wants) {
      for (const x of inputs) expectDtype(name, x, "float32");
      const dtype = inputs.every((x) => x.dtype === "float16") ? "float16" : "float32";
      const { grad } = mode;
      mode.grad = false;
      let y: Tensor;
      try {
        y = compose(() => cast(forward(p, ...inputs.map(wide)), dtype));
      } finally {
        mode.grad = grad;
      }
      if (wants !== 0) save(...inputs, ...(output ? [y] : []));
      return y;
    },
    vjp: (g, { params, saved }) => {
      const of = (g: Tensor, xs: readonly Tensor[]) => vjp(g, params, ...xs);
      const xs = saved as readonly Tensor[];
      // In float32 only where a gradient is made: these are helpers of the composition.
      return of(g, xs).map((made, i) => made && (() => compose(() => of(wide(g), xs.map(wide))[i]!())));
    },
  };
}

/**
 * An op by formula of one tensor whose slope changes only where it bends: `bent` makes the gradient of g. Its second derivative is 0, as PyTorch's.
 * @internal
 */
export const piecewise = <P = null>(
  name: string,
  forward: (p: P, x: Tensor) => Tensor,
  bent: (g: Tensor, p: P, x: Tensor) => Tensor,
): Op<P> => formula<P>(name, forward, (g, p, x) => [() => besides(bent(g, p, x), x, "zeros")]);

/** d between -end and end, where it has no slope. @internal */
export const bounded = (d: Tensor, end: number): Tensor => where(ge(d, end), end, where(le(d, -end), -end, d));
