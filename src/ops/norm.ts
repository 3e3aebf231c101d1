// Layer normalisation: each row, over the last dims, to mean 0 and variance 1, then times a weight, plus a bias.

import { checkNumber, expectOptions, fail, given } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { empty } from "../core/make.ts";
import { apply, launch, type Op, save } from "../core/op.ts";
import { numel, type Shape, sameShape, show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { words64 } from "../row/words.ts";
import { add, addScalar, div, mul, sub } from "./binary.ts";
import { compose, done, like } from "./compose.ts";
import { expectDtype, expectList } from "./expect.ts";
import { besides } from "./gradient.ts";
import { mean } from "./mean.ts";
import { launchSum, sum } from "./reduce.ts";
import { reshape } from "./shape.ts";
import { sqrt } from "./unary.ts";

/** Options of `layerNorm`. */
export interface LayerNormOptions {
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
}

interface NormParams {
  readonly rows: number;
  readonly n: number;
  readonly eps: number;
}

/** Rows to a partial sum of the gradients of weight and bias. */
const CHUNK = 64;

/** Saves x, the mean and 1 / sqrt(variance + eps) of each row, and the weight where there is one. */
function normalized(inputs: readonly Tensor[], { rows, n, eps }: NormParams): Tensor {
  const [x, weight = null] = inputs as [Tensor, Tensor?];
  const y = like(x, "layerNorm");
  const center = empty([rows], "float32", "layerNorm", x.device);
  const scale = empty([rows], "float32", "layerNorm", x.device);
  const kernel = weight === null ? "layer_norm_f32" : "layer_norm_affine_f32";
  launch(kernel, [y, center, scale], inputs, [rows, n], words64(eps), "layerNorm");
  save(x, center, scale, weight);
  return y;
}

const LayerNorm: Op<NormParams> = {
  name: "layerNorm",
  forward: normalized,
  vjp(g, { params, saved: [x, center, scale] }) {
    if (mode.grad) return [differentiable(g, x!, params).gx];
    return [apply(VjpX, [g, x!, center!, scale!], params)];
  },
};

const AffineLayerNorm: Op<NormParams> = {
  name: "layerNorm",
  forward: normalized,
  vjp(g, { inputs: [, , bias], params, wants, saved: [x, center, scale, weight] }) {
    const { shape } = weight!;
    if (mode.grad) {
      const rows = (v: Tensor): Tensor => reshape(v, [params.rows, params.n]);
      const { gx, z } = differentiable(mul(g, weight!), x!, params);
      return [
        gx,
        () => besides(reshape(sum(mul(rows(g), z), { dim: 0 }), shape), weight!, "none"),
        () => besides(reshape(sum(rows(g), { dim: 0 }), shape), bias!, "none"),
      ];
    }
    const of = [g, x!, center!, scale!];
    const gx = (): Tensor => apply(VjpX, [...of, weight!], params);
    if ((wants & AFFINE) === 0) return [gx, null, null];
    const [gw, gb] = apply(VjpAffine, of, { ...params, shape });
    return [gx, gw!, gb!];
  },
};

/** gx | g x mean rstd, and the weight where there is one. */
const VjpX: Op<NormParams> = {
  name: "layerNormVjpX",
  forward(inputs, { rows, n }) {
    const gx = like(inputs[1]!, "layerNorm gradient");
    const kernel = inputs.length === 4 ? "layer_norm_vjp_f32" : "layer_norm_affine_vjp_f32";
    launch(kernel, [gx], inputs, [rows, n], undefined, "layerNorm");
    return gx;
  },
};

/** Bits of `wants` for weight and bias. */
const AFFINE = 6;

/** Gradients of weight and bias: partial sums over chunks of rows, then their sum. */
const VjpAffine: Op<NormParams & { shape: Shape }, readonly Tensor[]> = {
  name: "layerNormVjpAffine",
  forward(inputs, { rows, n, shape }) {
    const { device } = inputs[0]!;
    const chunks = Math.ceil(rows / CHUNK);
    const results = [0, 1].map(() => empty(shape, "float32", "layerNorm gradient", device));
    const partial = chunks === 1 ? results : results.map(() => empty([chunks, n], "float32", "layerNorm", device));
    launch("layer_norm_vjp_weight_f32", partial, inputs, [rows, n], [CHUNK], "layerNorm");
    if (chunks === 1) return results;
    results.forEach((gw, i) => {
      launchSum(partial[i]!, gw, 1, chunks, n, "layerNorm");
    });
    done(...partial);
    return results;
  },
};

/**
 * The gradient of x by ops, for second derivatives, where h is that of the normalized rows z = (x - mean) * rstd:
 * gx = rstd * (h - mean h - z * mean (h z)).
 */
function differentiable(h: Tensor, x: Tensor, { rows, n, eps }: NormParams): { gx: Tensor; z: Tensor } {
  const over = { dim: 1, keepdim: true };
  const x2 = reshape(x, [rows, n]);
  const h2 = reshape(h, [rows, n]);
  const d = sub(x2, mean(x2, over));
  const root = sqrt(addScalar(mean(mul(d, d), over), eps));
  const z = div(d, root);
  const gx = div(sub(sub(h2, mean(h2, over)), mul(z, mean(mul(h2, z), over))), root);
  return { gx: reshape(gx, x.shape), z };
}

/**
 * (x - mean) / sqrt(variance + eps) * weight + bias, with mean and (biased) variance over the last dims of `x`, whose sizes are
 * `normalizedShape`; weight and bias have that shape, or are null (the default). The result has the shape of `x`.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html
 */
export function layerNorm(
  x: Tensor,
  normalizedShape: number | readonly number[],
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options?: LayerNormOptions,
  ...none: []
): Tensor {
  expectDtype("layerNorm", x, "float32");
  expectOptions("layerNorm", options, "eps", none);
  const { eps = 1e-5 } = options ?? {};
  const shape = typeof normalizedShape === "number" ? [normalizedShape] : normalizedShape;
  expectList("layerNorm", "normalizedShape", shape);
  const lead = x.ndim - shape.length;
  if (shape.length === 0 || lead < 0 || !sameShape(x.shape.slice(lead), shape)) {
    fail(
      "layerNorm",
      `input ${show(x.shape)} and normalizedShape ${given(shape)}: one or more of the input's last dims are expected`,
    );
  }
  for (const [what, v] of [["weight", weight] as const, ["bias", bias] as const]) {
    if (v === null) continue;
    expectDtype("layerNorm", v, "float32", what);
    if (!sameShape(v.shape, shape)) {
      fail(
        "layerNorm",
        `${what} ${show(v.shape)} and normalizedShape ${show(shape)}: the ${what} must be ${show(shape)}`,
      );
    }
  }
  checkNumber("layerNorm", "eps", eps);
  const params = { rows: numel(x.shape.slice(0, lead)), n: numel(shape), eps };
  if (weight !== null && bias !== null) return apply(AffineLayerNorm, [x, weight, bias], params);
  if (weight === null && bias === null) return apply(LayerNorm, [x], params);
  return compose(() => {
    const z = apply(LayerNorm, [x], params);
    return weight !== null ? mul(z, weight) : add(z, bias!);
  });
}
