// softmax and its logarithm along a dim.
import { noMore } from "../core/error.ts";
import { apply, launch, type Op, save } from "../core/op.ts";
import { numel } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul, neg, sub } from "./binary.ts";
import { like } from "./compose.ts";
import { expectDtype } from "./expect.ts";
import { sum } from "./reduce.ts";
import { dimension } from "./strides.ts";
import { exp } from "./unary.ts";

function nest(x: Tensor, dim: number): [number, number, number] {
  return [numel(x.shape.slice(0, dim)), x.shape[dim] ?? 1, numel(x.shape.slice(dim + 1))];
}

type Vjp = (g: Tensor, y: Tensor, dim: number) => Tensor;

function along(name: string, kernel: string, vjp: Vjp): Op<number> {
  return {
    name,
    forward([x], dim) {
      expectDtype(name, x!, "float32");
      const y = like(x!, name);
      launch(`${kernel}_f32`, [y], [x!], nest(x!, dim), undefined, name);
      save(y);
      return y;
    },
    vjp: (g, { params: dim, saved: [y] }) => [vjp(g, y!, dim)],
  };
}

/** `composed` gives the same gradient by ops, for double backward. */
function vjpOp(
  name: string,
  kernel: string,
  composed: (g: Tensor, y: Tensor, dim: number) => [gg: (h: Tensor) => Tensor, gy: (h: Tensor) => Tensor],
): Vjp {
  const op: Op<number> = {
    name,
    forward([g, y], dim) {
      const gx = like(y!, `${name} gradient`);
      launch(`${kernel}_vjp_f32`, [gx], [g!, y!], nest(y!, dim), undefined, name);
      save(g!, y!);
      return gx;
    },
    vjp(h, { saved: [g, y], params: dim }) {
      const [ofG, ofY] = composed(g!, y!, dim);
      return [() => ofG(h), () => ofY(h)];
    },
  };
  return (g, y, dim) => apply(op, [g, y], dim);
}

// softmax: gx = y (g - Σ g y), bilinear in g; d/dg: y (h - Σ h y), d/dy: h (g - Σ g y) - g Σ h y
/** @internal */
export const softmaxVjp: Vjp = vjpOp("softmaxVjp", "softmax", (g, y, dim) => {
  const dot = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b), { dim, keepdim: true });
  return [(h) => softmaxVjp(h, y, dim), (h) => sub(mul(h, sub(g, dot(g, y))), mul(g, dot(h, y)))];
});

// logSoftmax: gx = g - e^y Σ g; d/dg: h - Σ h e^y, d/dy: -h e^y Σ g
const logSoftmaxVjp: Vjp = vjpOp("logSoftmaxVjp", "log_softmax", (g, y, dim) => [
  (h) => sub(h, sum(mul(h, exp(y)), { dim, keepdim: true })),
  (h) => neg(mul(mul(h, exp(y)), sum(g, { dim, keepdim: true }))),
]);

const Softmax = along("softmax", "softmax", softmaxVjp);
const LogSoftmax = along("logSoftmax", "log_softmax", logSoftmaxVjp);

/** e^x / Σ e^x along `dim`, for floats: the shape of `x`. https://pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html */
export function softmax(x: Tensor, dim: number, ...none: []): Tensor {
  noMore("softmax", none);
  return apply(Softmax, [x], dimension("softmax", dim, x));
}

/**
 * x - log Σ e^x along `dim`, for floats: the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html
 */
export function logSoftmax(x: Tensor, dim: number, ...none: []): Tensor {
  noMore("logSoftmax", none);
  return apply(LogSoftmax, [x], dimension("logSoftmax", dim, x));
}
