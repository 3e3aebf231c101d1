// Muon: momentum whose matrices are made orthogonal, or nearly so, before they are taken as a step.
import { fail, given } from "../core/error.ts";
import { show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { COUNT } from "../ops/bounds.ts";
import { add, add_, clamp, div, matmul, mul, mul_, neg, sqrt, sub, sub_, sum, t } from "../ops/index.ts";
import { type GroupSpec, Optimizer, type ParamState, type Params } from "./optimizer.ts";
import { composed, type Rule } from "./rule.ts";

/** Hyperparameters of `Muon` besides the learning rate. */
export interface MuonHyperparameters {
  /** Decay of the weights themselves; 0.1 by default. */
  weightDecay: number;
  /** Share of the mean gradient that goes on; 0.95 by default. */
  momentum: number;
  /** Nesterov's momentum; true by default. */
  nesterov: boolean;
  /** Coefficients of the iteration; [3.4445, -4.775, 2.0315] by default. */
  nsCoefficients: readonly [number, number, number];
  /** Smallest norm that is divided by; 1e-7 by default. */
  eps: number;
  /** Iterations, below 100; 5 by default. */
  nsSteps: number;
  /**
   * How the rate depends on the matrix [rows, columns]: "original" (null, the default, means that) takes it times
   * sqrt(max(1, rows / columns)), "matchRmsAdamw" times 0.2 sqrt(max(rows, columns)), for rates tuned for AdamW.
   */
  adjustLrFn: "original" | "matchRmsAdamw" | null;
  /** Climbs instead of descending, which PyTorch's has not; false by default. */
  maximize: boolean;
}

/** Options of `Muon`. */
export interface MuonOptions extends Partial<MuonHyperparameters> {
  /** Learning rate; 0.001 by default. */
  lr?: number;
}

const ADJUST: readonly unknown[] = [null, "original", "matchRmsAdamw", "match_rms_adamw"];

/** The matrix U Vᵀ of m = U S Vᵀ, nearly: Newton and Schulz's iteration by a polynomial of degree 5 that is steep at 0. */
function orthogonal(m: Tensor, h: Readonly<MuonHyperparameters>): Tensor {
  const [a, b, c] = h.nsCoefficients;
  const tall = m.shape[0]! > m.shape[1]!;
  let x = tall ? t(m) : m;
  x = div(x, clamp(sqrt(sum(mul(x, x))), { min: h.eps }));
  for (let i = 0; i < h.nsSteps; i++) {
    const gram = matmul(x, t(x));
    x = add(mul(x, a), matmul(add(mul(gram, b), mul(matmul(gram, gram), c)), x));
  }
  return tall ? t(x) : x;
}

const RULE: Rule<MuonHyperparameters> = {
  name: "Muon",
  defaults: {
    ...{ lr: 1e-3, weightDecay: 0.1, momentum: 0.95, nesterov: true },
    ...{ nsCoefficients: [3.4445, -4.775, 2.0315], eps: 1e-7, nsSteps: 5, adjustLrFn: null, maximize: false },
  },
  bounds: { nsSteps: [(v) => COUNT[0](v) && v < 100, "an integer of at least 0 and below 100"] },
  check({ nsCoefficients, adjustLrFn }) {
    if (nsCoefficients?.length !== 3 || !Array.from(nsCoefficients).every((v) => Number.isFinite(v)))
      fail("Muon", `nsCoefficients ${given(nsCoefficients)}: three numbers are expected`);
    if (!ADJUST.includes(adjustLrFn))
      fail("Muon", `adjustLrFn ${given(adjustLrFn)}: original, matchRmsAdamw or null is expected`);
  },
  step: (h) =>
    composed(["momentumBuffer"], (p, grad, { momentumBuffer }, lr) => {
      const [rows, columns] = p.shape as [number, number];
      if (p.numel === 0) return;
      const g = h.maximize ? neg(grad) : grad;
      add_(mul_(momentumBuffer, h.momentum), g, { alpha: 1 - h.momentum });
      const mean = h.nesterov ? add(mul(g, 1 - h.momentum), mul(momentumBuffer, h.momentum)) : momentumBuffer;
      const plain = h.adjustLrFn === null || h.adjustLrFn === "original";
      const ratio = plain ? Math.sqrt(Math.max(1, rows / columns)) : 0.2 * Math.sqrt(Math.max(rows, columns));
      const update = orthogonal(mean, h);
      if (h.weightDecay !== 0) mul_(p, sub(1, mul(lr, h.weightDecay)));
      sub_(p, mul(update, mul(lr, ratio)));
    }),
};

/**
 * b = momentum b + (1 - momentum) g, and p = (1 - lr weightDecay) p - lr r O, where O is U Vᵀ of b's singular value decomposition (with
 * nesterov of (1 - momentum) g + momentum b), nearly, by nsSteps of Newton and Schulz's iteration, and r is `adjustLrFn`'s. For matrices, such as
 * weights of hidden layers, alone; biases, embeddings and the last layer go to another optimizer, such as AdamW. It computes in float32,
 * PyTorch's iteration in bfloat16. https://docs.pytorch.org/docs/stable/generated/torch.optim.Muon.html
 */
export class Muon extends Optimizer<MuonHyperparameters, ParamState> {
  /** `params` are tensors of 2 dims, or groups `{ params, lr, ... }` of such with options of their own. */
  constructor(params: Params<MuonHyperparameters>, options: MuonOptions = {}, ...none: []) {
    super(RULE, params, options, none);
  }

  /** Adds parameters of 2 dims; what the group leaves out is as in the constructor. */
  override addParamGroup(spec: GroupSpec<MuonHyperparameters>, ...none: []): void {
    super.addParamGroup(spec, ...none);
    const { params } = this.paramGroups[this.paramGroups.length - 1]!;
    const i = params.findIndex((p) => p.ndim !== 2);
    if (i < 0) return;
    this.paramGroups.pop();
    fail("Muon", `parameter ${i} is ${show(params[i]!.shape)}: a tensor of 2 dims is expected, others take AdamW`);
  }
}
