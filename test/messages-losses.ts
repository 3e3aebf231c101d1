// Messages of losses and activations, as functions and as modules: see messages.ts.
import * as w from "../src/index.ts";
import { nn } from "../src/index.ts";
import type { Cases } from "./messages.ts";

type Any = never;
const { ones, tensor, zeros } = w;
const x = (): w.Tensor => ones([2, 3]);
const ints = (...list: number[]): w.Tensor => tensor(list, { dtype: "int32" });

/** Of functions: what was given is shapes and values. */
export const lossOps: Cases = {
  "l1Loss: shapes": () => w.l1Loss(x(), ones([3])),
  "l1Loss: a target of int32": () => w.l1Loss(ones([2]), ints(1, 2)),
  "smoothL1Loss: beta": () => w.smoothL1Loss(x(), x(), { beta: -1 }),
  "huberLoss: delta": () => w.huberLoss(x(), x(), { delta: 0 }),
  "poissonNllLoss: eps": () => w.poissonNllLoss(x(), x(), { eps: -1 }),
  "gaussianNllLoss: var": () => w.gaussianNllLoss(x(), x(), ones([3])),
  "gaussianNllLoss: eps": () => w.gaussianNllLoss(x(), x(), x(), { eps: 0 }),
  "klDiv: reduction": () => w.klDiv(x(), x(), { reduction: "max" as Any }),
  "klDiv: batchmean of one": () => w.klDiv(ones([]), ones([]), { reduction: "batchmean" }),
  "binaryCrossEntropy: weight": () => w.binaryCrossEntropy(x(), x(), { weight: ones([2]) }),
  "binaryCrossEntropy: a probability beyond 1": () => w.binaryCrossEntropy(w.full([2], 1.5), ones([2])).item(),
  "binaryCrossEntropyWithLogits: posWeight": () =>
    w.binaryCrossEntropyWithLogits(x(), x(), { posWeight: ones([4, 2, 3]) }),
  "multilabelSoftMarginLoss: one": () => w.multilabelSoftMarginLoss(ones([]), ones([])),
  "softMarginLoss: a target of bool": () => w.softMarginLoss(ones([2]), ones([2], { dtype: "bool" })),
  "hingeEmbeddingLoss: shapes": () => w.hingeEmbeddingLoss(x(), ones([2, 1])),
  "hingeEmbeddingLoss: margin": () => w.hingeEmbeddingLoss(x(), x(), { margin: "1" as Any }),
  "marginRankingLoss: dims": () => w.marginRankingLoss(x(), x(), ones([3])),
  "marginRankingLoss: shapes": () => w.marginRankingLoss(x(), ones([2, 4]), x()),
  "multiMarginLoss: p": () => w.multiMarginLoss(x(), ints(0, 1), { p: 3 as Any }),
  "multiMarginLoss: target": () => w.multiMarginLoss(x(), ints(0, 1, 2)),
  "multiMarginLoss: images": () => w.multiMarginLoss(ones([2, 3, 4]), ints(0, 1)),
  "multiMarginLoss: weight": () => w.multiMarginLoss(x(), ints(0, 1), { weight: ones([2]) }),
  "multiMarginLoss: a label out of range": () => w.multiMarginLoss(x(), ints(0, 3)).item(),
  "multilabelMarginLoss: a float target": () => w.multilabelMarginLoss(x(), x() as Any),
  "multilabelMarginLoss: a label out of range": () => w.multilabelMarginLoss(ones([2]), ints(-1, -2)).item(),
  "cosineEmbeddingLoss: target": () => w.cosineEmbeddingLoss(x(), x(), ones([3])),
  "cosineEmbeddingLoss: inputs": () => w.cosineEmbeddingLoss(x(), ones([3]), ones([2])),
  "cosineSimilarity: dim": () => w.cosineSimilarity(x(), x(), { dim: 2 }),
  "pairwiseDistance: p": () => w.pairwiseDistance(x(), x(), { p: 0 }),
  "tripletMarginLoss: dims": () => w.tripletMarginLoss(x(), x(), ones([3])),
  "tripletMarginWithDistanceLoss: no function": () =>
    w.tripletMarginWithDistanceLoss(x(), x(), x(), { distanceFunction: 2 as Any }),
  "tripletMarginWithDistanceLoss: no distance": () =>
    w.tripletMarginWithDistanceLoss(x(), x(), x(), { distanceFunction: () => 5 as Any }),
  "ctcLoss: input": () => w.ctcLoss(ones([3]), ints(1), 3, 1),
  "ctcLoss: targets": () => w.ctcLoss(ones([4, 2, 3]), ones([1, 2], { dtype: "int32" }), [4, 4], [2, 2]),
  "ctcLoss: targets one behind the other": () => w.ctcLoss(ones([4, 2, 3]), ints(1, 2, 1), [4, 4], [1, 1]),
  "ctcLoss: targets of one": () => w.ctcLoss(ones([4, 3]), ones([1, 2], { dtype: "int32" }), 4, 2),
  "ctcLoss: a length beyond the input": () => w.ctcLoss(ones([4, 3]), ints(1), 5, 1),
  "ctcLoss: lengths of another size": () => w.ctcLoss(ones([4, 3]), ints(1), ints(4, 4), 1),
  "ctcLoss: lengths that are no numbers": () => w.ctcLoss(ones([4, 3]), ints(1), "4" as Any, 1),
  "ctcLoss: blank": () => w.ctcLoss(ones([4, 3]), ints(1), 4, 1, { blank: 3 }),
  "crossEntropy: probabilities of another shape": () => w.crossEntropy(ones([2, 3, 4]), ones([2, 3])),
  "crossEntropy: ignored probabilities": () => w.crossEntropy(x(), x(), { ignoreIndex: 1 }),
  "crossEntropy: weight beside probabilities": () => w.crossEntropy(x(), x(), { weight: ones([2]) }),
  "leakyRelu: int32": () => w.leakyRelu(ints(1)),
  "relu6: int32": () => w.relu6(ints(1)),
  "prelu: weight": () => w.prelu(x(), ones([2])),
  "prelu: weight of one dim": () => w.prelu(ones([3]), ones([3])),
  "hardtanh: the ends": () => w.hardtanh(x(), 2, 1),
  "softshrink: lambd": () => w.softshrink(x(), -0.5),
  "rrelu: the ends": () => w.rrelu(x(), 1, 0.5),
  "rrelu: training": () => w.rrelu(x(), 0.1, 0.2, 1 as Any),
  "glu: an odd size": () => w.glu(x()),
  "selu: bool": () => w.selu(ones([2], { dtype: "bool" })),
  "celu: alpha": () => w.celu(x(), 0),
  "softplus: beta": () => w.softplus(x(), 0),
  "softmin: dim": () => w.softmin(x(), 2),
};

/** Of modules, whose options are checked when one is made, and again when it is called; and of what is no number. */
export const lossModules: Cases = {
  "leakyRelu: slope": () => w.leakyRelu(x(), Number.NaN),
  "hardtanh: NaN": () => w.hardtanh(x(), Number.NaN),
  "hardshrink: lambd": () => w.hardshrink(x(), "1" as Any),
  "threshold: nothing": () => (w.threshold as (x: w.Tensor) => w.Tensor)(x()),
  "elu: alpha": () => w.elu(x(), Number.POSITIVE_INFINITY),
  "gelu: approximate": () => w.gelu(x(), { approximate: "erf" as Any }),
  "KLDivLoss: reduction": () => new nn.KLDivLoss({ reduction: "average" as Any }),
  "L1Loss: size_average": () => new nn.L1Loss({ size_average: true } as Any),
  "SmoothL1Loss: beta": () => new nn.SmoothL1Loss({ beta: -1 }),
  "ctcLoss: twice": () => {
    const logits = ones([4, 1, 3], { requiresGrad: true });
    const loss = w.ctcLoss(w.logSoftmax(logits, 2), ones([1, 2], { dtype: "int32" }), [4], [2]);
    const [g] = w.grad(loss, [logits], { createGraph: true });
    g!.sum().backward();
  },
  "CTCLoss: blank": () => new nn.CTCLoss({ blank: 0.5 }),
  "HuberLoss: delta": () => new nn.HuberLoss({ delta: 0 }),
  "PoissonNLLLoss: full": () => new nn.PoissonNLLLoss({ full: 1 as Any }),
  "BCEWithLogitsLoss: posWeight": () => new nn.BCEWithLogitsLoss({ posWeight: 2 as Any }),
  "MultiMarginLoss: p": () => new nn.MultiMarginLoss({ p: 1.5 as Any }),
  "MultiMarginLoss: p that was set": () => {
    const loss = new nn.MultiMarginLoss();
    Object.assign(loss, { p: 4 });
    return loss.forward(x(), zeros([2], { dtype: "int32" }));
  },
  "TripletMarginWithDistanceLoss: no function": () =>
    new nn.TripletMarginWithDistanceLoss({ distanceFunction: "cosine" as Any }),
  "LeakyReLU: PyTorch's keyword": () => new nn.LeakyReLU({ negativeSlope: 0.2 } as Any),
  "CELU: alpha": () => new nn.CELU(0),
  "Hardtanh: the ends": () => new nn.Hardtanh(1, 1),
  "Hardtanh: NaN": () => new nn.Hardtanh(Number.NaN),
  "RReLU: the ends": () => new nn.RReLU(1, 0.5),
  "Softshrink: lambd": () => new nn.Softshrink(-1),
  "Threshold: value": () => new nn.Threshold(1, undefined as Any),
  "PReLU: size": () => new nn.PReLU(0),
  "GELU: approximate": () => new nn.GELU({ approximate: "erf" as Any }),
  "Softmax2d: a matrix": () => new nn.Softmax2d().forward(x()),
};
