// What is done with all parameters at once, as in torch.nn.utils: `nn.utils`.

import { checkNumber, expectOptions, fail, given, noMore } from "../core/error.ts";
import { refuseInCapture } from "../core/recording.ts";
import { show } from "../core/shape.ts";
import { alive, mixed, Tensor } from "../core/tensor.ts";
import { NONNEGATIVE, POSITIVE } from "../ops/bounds.ts";
import { compose } from "../ops/compose.ts";
import { joined, places } from "../ops/flat.ts";
import {
  abs,
  add,
  clamp,
  copy_,
  div,
  exp,
  full,
  log,
  matmul,
  max,
  maximum,
  mul,
  mul_,
  reshape,
  sqrt,
  sum,
  zeros,
} from "../ops/index.ts";
import { noGrad } from "../ops/modes.ts";

/** Options of `clipGradNorm_`. */
export interface ClipGradNormOptions {
  /** Which norm, a number above 0 or Infinity; 2 by default. */
  normType?: number;
  /** A norm that is infinite or NaN is an error, before a gradient is changed: then the result is a promise. False by default. */
  errorIfNonfinite?: boolean;
}

/** Those without a wait. */
type Plain = Omit<ClipGradNormOptions, "errorIfNonfinite"> & Readonly<Partial<Record<"errorIfNonfinite", false>>>;

/** Parameters as they are given: one, or several such as `model.parameters()`. */
type Given = Tensor | Iterable<Tensor>;

function listOf(op: string, params: unknown, least = 1): Tensor[] {
  const list: unknown[] | null =
    params instanceof Tensor
      ? [params]
      : typeof (params as Iterable<unknown> | null)?.[Symbol.iterator] === "function" && typeof params !== "string"
        ? [...(params as Iterable<unknown>)]
        : null;
  if (list === null || list.length < least)
    fail(op, `parameters ${given(params)}: a tensor or several are expected, such as model.parameters()`);
  for (const [i, p] of list.entries()) {
    if (!(p instanceof Tensor)) fail(op, `parameter ${i} is ${given(p)}: a tensor is expected`);
    alive(op, p);
    if (p.dtype !== "float32") fail(op, `parameter ${i} (${p.describe()}) is ${p.dtype}: float32 is expected`);
    const first = list[0] as Tensor;
    if (p.device !== first.device) mixed(op, first, p);
  }
  return list as Tensor[];
}

/** The gradients that are there. */
function gradsOf(op: string, list: readonly Tensor[]): Tensor[] {
  for (const p of list) p.own?.sparse?.refuse(op);
  return list.flatMap((p) => p.grad ?? []);
}

/** The sum of |x|^p, or the largest |x|: of one gradient. */
function part(g: Tensor, p: number): Tensor {
  if (p === 2) {
    const x = reshape(g, [-1]);
    return matmul(x, x);
  }
  const size = abs(g);
  if (p === Number.POSITIVE_INFINITY) return g.numel === 0 ? zeros([], { device: g.device }) : max(size);
  return sum(p === 1 ? size : exp(mul(log(size), p)));
}

function normOf(grads: readonly Tensor[], p: number, first: Tensor | undefined): Tensor {
  if (grads.length === 0) return zeros([], first && { device: first.device });
  return compose(() => {
    const together = p === Number.POSITIVE_INFINITY ? maximum : add;
    const total = grads.map((g) => part(g, p)).reduce((a, b) => together(a, b));
    if (p === 2) return sqrt(total);
    return p === 1 || p === Number.POSITIVE_INFINITY ? total : exp(div(log(total), p));
  });
}

/**
 * Scales the gradients of all parameters in place so that their norm, as one vector, is at most `maxNorm`: they are multiplied by
 * min(1, maxNorm / (norm + 1e-6)). Returns the norm before, float32 []. Nothing waits, in captured functions neither; with
 * `errorIfNonfinite` a promise of the norm comes back. A norm of Infinity or NaN makes gradients 0 and NaN, as in PyTorch.
 * https://pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html
 */
export function clipGradNorm_(params: Given, maxNorm: number, options?: Plain, ...none: []): Tensor;
/** The same with `errorIfNonfinite: true`, which reads the norm first: a promise of it. */
export function clipGradNorm_(
  params: Given,
  maxNorm: number,
  options: ClipGradNormOptions,
  ...none: []
): Tensor | Promise<Tensor>;
export function clipGradNorm_(
  params: Given,
  maxNorm: number,
  options?: ClipGradNormOptions,
  ...none: []
): Tensor | Promise<Tensor> {
  const op = "clipGradNorm_";
  expectOptions(op, options, "normType errorIfNonfinite?", none);
  const { normType = 2, errorIfNonfinite = false } = options ?? {};
  checkNumber(op, "maxNorm", maxNorm, NONNEGATIVE);
  checkNumber(op, "normType", normType, POSITIVE);
  const list = listOf(op, params, 0);
  if (errorIfNonfinite) refuseInCapture(op, "reads the norm: leave errorIfNonfinite out in a captured function");
  const norm = noGrad(() => normOf(gradsOf(op, list), normType, list[0]));
  const scale = (): Tensor => {
    noGrad(() =>
      compose(() => {
        const by = clamp(div(full([], maxNorm, { device: norm.device }), add(norm, 1e-6)), { max: 1 });
        for (const g of gradsOf(op, list)) mul_(g, by);
        return by;
      }).release(op),
    );
    return norm;
  };
  if (!errorIfNonfinite) return scale();
  return norm.item().then((value) => {
    if (!Number.isFinite(value))
      fail(op, `the gradients' norm is ${value}: a finite one is expected, since errorIfNonfinite is true`);
    return scale();
  });
}

/**
 * Clamps every element of the gradients of all parameters to [-clipValue, clipValue], in place.
 * https://pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html
 */
export function clipGradValue_(params: Given, clipValue: number, ...none: []): void {
  const op = "clipGradValue_";
  noMore(op, none);
  checkNumber(op, "clipValue", clipValue, NONNEGATIVE);
  for (const g of gradsOf(op, listOf(op, params, 0)))
    noGrad(() => {
      const clipped = clamp(g, { min: -clipValue, max: clipValue });
      copy_(g, clipped);
      clipped.release(op);
    });
}

/**
 * All parameters end to end in one vector, in their order, recorded for gradients.
 * https://pytorch.org/docs/stable/generated/torch.nn.utils.parameters_to_vector.html
 */
export function parametersToVector(params: Given, ...none: []): Tensor {
  noMore("parametersToVector", none);
  return joined(listOf("parametersToVector", params));
}

/**
 * Writes the parts of a vector into the parameters, in their order, unrecorded: the reverse of `parametersToVector`. The vector has
 * as many elements as they have together; in PyTorch it may have more.
 * https://pytorch.org/docs/stable/generated/torch.nn.utils.vector_to_parameters.html
 */
export function vectorToParameters(vector: Tensor, params: Given, ...none: []): void {
  const op = "vectorToParameters";
  alive(op, vector, none);
  const list = listOf(op, params);
  const n = list.reduce((total, p) => total + p.numel, 0);
  if (vector.ndim !== 1 || vector.numel !== n || vector.dtype !== "float32")
    fail(
      op,
      `vector ${show(vector.shape)} of ${vector.dtype}: [${n}] of float32 is expected, as many as the parameters have`,
    );
  if (vector.device !== list[0]!.device) mixed(op, vector, list[0]!);
  noGrad(() => {
    for (const [i, x] of places(vector, list).entries()) {
      copy_(list[i]!, x);
      x.release(op);
    }
  });
}
