// Losses that are composed of elementwise kernels and sums: regression, yes and no, margins, distances, probabilities of classes.
import type { Tensor } from "../../src/core/tensor.ts";
import * as ops from "../../src/ops/index.ts";
import { type Fill, f, family, fixed, type Input, ints, type Tolerance } from "./case.ts";

export const { cases, add } = family("losses");

const ulp = (n: number, of?: number): Tolerance => (of === undefined ? { ulp: n } : { ulp: n, of });
const REDUCTIONS = ["mean", "sum", "none"] as const;
type Reduction = (typeof REDUCTIONS)[number];
/** Around the vector of 4, a prime, and past the threshold from which threads share a row. */
const SIZES: readonly number[] = [1, 3, 4, 5, 17, 20011];
/** 1 and -1 in turns that are no multiple of a vector. */
const SIGNS = [1, -1, -1, 1, 1, -1, 1];

type Of = (reduction: Reduction) => (...inputs: Tensor[]) => Tensor;
/** The second input is the target; whether it has a gradient; result and gradient of each term. */
type Entry = [name: string, of: Of, x: Fill, y: Fill, both: boolean, result: Tolerance, gradient: Tolerance];
// Of terms that cancel, such as a difference of two values up to 2, ulps of these count.
const PAIRS: Entry[] = [
  ["l1Loss", (reduction) => (x, y) => ops.l1Loss(x, y, { reduction }), "normal", "away", true, ulp(1, 4), ulp(1)],
  [
    "smoothL1Loss",
    (reduction) => (x, y) => ops.smoothL1Loss(x, y, { reduction }),
    ...(["normal", "away", true, ulp(4, 4), ulp(4, 4)] as const),
  ],
  [
    "smoothL1Loss by 0.3",
    (reduction) => (x, y) => ops.smoothL1Loss(x, y, { reduction, beta: 0.3 }),
    ...(["normal", "away", true, ulp(4, 4), ulp(8, 4)] as const),
  ],
  [
    "smoothL1Loss by 0",
    (reduction) => (x, y) => ops.smoothL1Loss(x, y, { reduction, beta: 0 }),
    ...(["normal", "away", true, ulp(1, 4), ulp(1)] as const),
  ],
  [
    "huberLoss",
    (reduction) => (x, y) => ops.huberLoss(x, y, { reduction }),
    ...(["normal", "away", true, ulp(4, 4), ulp(4, 4)] as const),
  ],
  [
    "huberLoss by 2",
    (reduction) => (x, y) => ops.huberLoss(x, y, { reduction, delta: 2 }),
    ...(["normal", "away", true, ulp(4, 8), ulp(4, 4)] as const),
  ],
  [
    "binaryCrossEntropyWithLogits",
    (reduction) => (x, y) => ops.binaryCrossEntropyWithLogits(x, y, { reduction }),
    ...(["normal", "probability", true, ulp(5, 2), ulp(6, 2)] as const),
  ],
  [
    "binaryCrossEntropyWithLogits, far from 0,",
    (reduction) => (x, y) => ops.binaryCrossEntropyWithLogits(x, y, { reduction }),
    ...(["wide", "bool", true, ulp(5, 2), ulp(6, 2)] as const),
  ],
  [
    "softMarginLoss",
    (reduction) => (x, y) => ops.softMarginLoss(x, y, { reduction }),
    ...(["normal", SIGNS, false, ulp(6, 1), ulp(6, 1)] as const),
  ],
  [
    "hingeEmbeddingLoss",
    (reduction) => (x, y) => ops.hingeEmbeddingLoss(x, y, { reduction }),
    ...(["normal", SIGNS, false, ulp(2, 4), ulp(1)] as const),
  ],
  [
    "hingeEmbeddingLoss by 0.25",
    (reduction) => (x, y) => ops.hingeEmbeddingLoss(x, y, { reduction, margin: 0.25 }),
    ...(["normal", SIGNS, false, ulp(2, 4), ulp(1)] as const),
  ],
  [
    "poissonNllLoss",
    (reduction) => (x, y) => ops.poissonNllLoss(x, y, { reduction }),
    ...(["normal", "positive", true, ulp(5, 16), ulp(5, 16)] as const),
  ],
  [
    "poissonNllLoss of counts, full,",
    (reduction) => (x, y) => ops.poissonNllLoss(x, y, { reduction, logInput: false, full: true }),
    ...(["positive", "positive", true, ulp(5, 16), ulp(5, 16)] as const),
  ],
  [
    "klDiv",
    (reduction) => (x, y) => ops.klDiv(x, y, { reduction }),
    ...(["normal", "probability", true, ulp(5, 2), ulp(5, 4)] as const),
  ],
  [
    "klDiv of logarithms",
    (reduction) => (x, y) => ops.klDiv(x, y, { reduction, logTarget: true }),
    ...(["normal", "normal", true, ulp(8, 16), ulp(8, 16)] as const),
  ],
];
for (const [name, of, x, y, both, result, gradient] of PAIRS) {
  const target = (shape: readonly number[]): Input => (both ? f(shape, y) : fixed(shape, y));
  for (const reduction of REDUCTIONS) {
    const rest = reduction === "none" ? { tolerance: result, gradTolerance: gradient } : { gradTolerance: gradient };
    const run = of(reduction);
    for (const n of SIZES) add(`${name} ${reduction}`, [f([n], x), target([n])], run, rest);
    add(`${name} ${reduction}`, [f([], x), target([])], run, rest);
    add(`${name} ${reduction} of views`, [f([9, 7], x), target([7, 18])], (a, b) => run(ops.t(a), slices(b)), rest);
    const none = { ...rest, order: 0, marks: ["nonfinite"] } as const;
    add(`${name} ${reduction} of none`, [f([0, 5], x), target([0, 5])], run, none);
  }
}
/** Every other column. */
const slices = (x: Tensor): Tensor => ops.slice(x, 1, 0, null, 2);

for (const reduction of REDUCTIONS) {
  const rest = { tolerance: reduction === "none" ? ulp(8, 8) : "sum", gradTolerance: "sum" } as const;
  const several = { ...rest, gradTolerance: ulp(8, 8) } as const;
  add(
    `binaryCrossEntropyWithLogits ${reduction}, weighted,`,
    [f([7, 6]), f([7, 6], "probability"), fixed([7, 6], "positive"), fixed([6], "positive")],
    (x, y, weight, posWeight) => ops.binaryCrossEntropyWithLogits(x, y, { reduction, weight, posWeight }),
    several,
  );
  add(
    `multilabelSoftMarginLoss ${reduction}`,
    [f([7, 6]), f([7, 6], "bool"), fixed([6], "positive")],
    (x, y, weight) => ops.multilabelSoftMarginLoss(x, y, { reduction, weight }),
    several,
  );
  for (const n of [1, 5, 17, 20011])
    add(
      `gaussianNllLoss ${reduction}`,
      [f([n]), f([n]), f([n], "positive")],
      (x, y, v) => ops.gaussianNllLoss(x, y, v, { reduction }),
      { ...rest, tolerance: reduction === "none" ? ulp(8, 32) : "sum", gradTolerance: ulp(8, 64) },
    );
  for (const v of [[7], [7, 1]])
    add(
      `gaussianNllLoss ${reduction}, full, a variance a row,`,
      [f([7, 6]), f([7, 6]), f(v, "positive")],
      (x, y, variance) => ops.gaussianNllLoss(x, y, variance, { reduction, full: true }),
      { ...rest, tolerance: reduction === "none" ? ulp(8, 32) : "sum", gradTolerance: ulp(16, 64) },
    );
  for (const margin of [0, 0.75])
    for (const n of [1, 4, 17, 20011])
      add(
        `marginRankingLoss ${reduction} by ${margin}`,
        [f([n]), f([n]), f([n], SIGNS)],
        (a, b, t) => ops.marginRankingLoss(a, b, t, { reduction, margin }),
        { ...rest, gradTolerance: ulp(2, 8) },
      );
  add(
    `marginRankingLoss ${reduction} of rows and columns`,
    [f([7, 1]), f([1, 5]), fixed([1, 1], [-1])],
    (a, b, t) => ops.marginRankingLoss(a, b, t, { reduction, margin: 0.1 }),
    rest,
  );
  for (const [rows, classes] of [
    [1, 1],
    [7, 6],
    [5, 4],
    [9, 17],
    [2003, 10],
  ] as const) {
    const labels = ints([rows], { labels: classes });
    add(`multiMarginLoss ${reduction}`, [f([rows, classes]), labels], (x, y) =>
      ops.multiMarginLoss(x, y, { reduction }),
    );
    add(
      `multiMarginLoss ${reduction}, squared, weighted,`,
      [f([rows, classes]), labels, fixed([classes], "positive")],
      (x, y, weight) => ops.multiMarginLoss(x, y, { reduction, p: 2, margin: 0.5, weight }),
      { tolerance: "sum", gradTolerance: ulp(8, 4) }, // of a difference
    );
    // A list of labels a row, which -1 ends; what stands behind it does not count.
    const lists = ints([rows, classes], classes === 1 ? [0, -1] : [1, -1, 0, 0, -1, 1, 1]);
    if (rows * classes < 1000)
      add(`multilabelMarginLoss ${reduction}`, [f([rows, classes]), lists], (x, y) =>
        ops.multilabelMarginLoss(x, y, { reduction }),
      );
    add(`crossEntropy ${reduction} of probabilities`, [f([rows, classes]), f([rows, classes], "probability")], (x, y) =>
      ops.crossEntropy(x, y, { reduction }),
    );
  }
  add(`multiMarginLoss ${reduction} of one`, [f([6]), ints([], [4])], (x, y) =>
    ops.multiMarginLoss(x, y, { reduction }),
  );
  add(`multilabelMarginLoss ${reduction} of one`, [f([6]), ints([6], [3, 0, -1, 1])], (x, y) =>
    ops.multilabelMarginLoss(x, y, { reduction }),
  );
  add(
    `crossEntropy ${reduction} of probabilities of images, smoothed, weighted,`,
    [f([2, 6, 3, 5]), f([2, 6, 3, 5], "probability"), fixed([6], "positive")],
    (x, y, weight) => ops.crossEntropy(x, y, { reduction, weight, labelSmoothing: 0.1 }),
  );
  add(`crossEntropy ${reduction} of one's probabilities`, [f([6]), f([6], "probability")], (x, y) =>
    ops.crossEntropy(x, y, { reduction }),
  );
  for (const [n, d] of [
    [1, 1],
    [7, 6],
    [9, 17],
    [4001, 5],
  ] as const) {
    const three = [f([n, d]), f([n, d]), f([n, d])];
    // Norms and cosines: the roundings of the sums come out where parts cancel.
    const near = { tolerance: ulp(32, 4), gradTolerance: ulp(64, 4) } as const;
    add(
      `cosineEmbeddingLoss ${reduction}`,
      [f([n, d]), f([n, d]), fixed([n], SIGNS)],
      (a, b, t) => ops.cosineEmbeddingLoss(a, b, t, { reduction, margin: -0.2 }),
      reduction === "none" ? near : { gradTolerance: near.gradTolerance },
    );
    for (const [p, swap] of [
      [2, false],
      [1, true],
      [3, true],
    ] as const)
      add(
        `tripletMarginLoss ${reduction} by ${p}${swap ? ", swapping," : ""}`,
        three,
        (a, b, c) => ops.tripletMarginLoss(a, b, c, { reduction, p, swap, margin: 2 }),
        reduction === "none" ? near : { gradTolerance: near.gradTolerance },
      );
    add(
      `tripletMarginWithDistanceLoss ${reduction} by cosines`,
      three,
      (a, b, c) =>
        ops.tripletMarginWithDistanceLoss(a, b, c, {
          ...{ reduction, swap: true },
          distanceFunction: (x, y) => ops.sub(1, ops.cosineSimilarity(x, y)),
        }),
      reduction === "none" ? near : { gradTolerance: near.gradTolerance },
    );
  }
}

// Of logits: PyTorch's gradient is theirs. Once alone; sums of many exponentials of differences.
for (const [time, n, classes, labels] of [
  [1, 1, 2, 1],
  [1, 3, 3, 0],
  [5, 2, 4, 2],
  [7, 3, 5, 3],
  [31, 5, 17, 8],
] as const)
  for (const reduction of REDUCTIONS) {
    const list = ints([n, labels], { from: 1, to: classes });
    const inputs = Array.from({ length: n }, (_, i) => Math.max(1, time - i));
    const targets = Array.from({ length: n }, (_, i) => Math.max(0, labels - i));
    add(
      `ctcLoss ${reduction} of logits`,
      [f([time, n, classes]), list],
      (x, y) => ops.ctcLoss(ops.logSoftmax(x, 2), y, inputs, targets, { reduction, zeroInfinity: true }),
      { order: 1, tolerance: ulp(64, 32), gradTolerance: ulp(64, 16) },
    );
  }
add(
  "ctcLoss of one's logits",
  [f([6, 4]), ints([2], [2, 2])],
  (x, y) => ops.ctcLoss(ops.logSoftmax(x, 1), y, 6, 2, { blank: 1 }),
  { order: 1, tolerance: ulp(64, 32), gradTolerance: ulp(64, 16) },
);
add(
  "ctcLoss of log-probabilities, one behind the other,",
  [fixed([6, 3, 5]), ints([6], [1, 2, 3, 3, 1, 4])],
  (x, y) => ops.ctcLoss(x, y, [6, 3, 6], [3, 1, 2]),
  { order: 0, tolerance: ulp(64, 32) },
);

const whole = { from: -1, to: 2 };
add("softMarginLoss of int32", [f([3, 7]), ints([3, 7], SIGNS)], (x, t) => ops.softMarginLoss(x, t));
add("hingeEmbeddingLoss of int32, 0 too,", [f([3, 7]), ints([3, 7], whole)], (x, t) => ops.hingeEmbeddingLoss(x, t));
add("marginRankingLoss of int32", [f([3, 7]), f([3, 7]), ints([3, 7], SIGNS)], (x, y, t) =>
  ops.marginRankingLoss(x, y, t),
);
add(
  "cosineEmbeddingLoss of int32, 0 too,",
  [f([7, 3]), f([7, 3]), ints([7], whole)],
  (x, y, t) => ops.cosineEmbeddingLoss(x, y, t),
  { gradTolerance: ulp(64, 4) },
);

const near = { tolerance: ulp(32, 4), gradTolerance: ulp(64, 4) } as const;
for (const [a, b, dim] of [
  [[1, 1], [1, 1], 1],
  [[7, 6], [7, 6], 1],
  [[7, 6], [7, 6], 0],
  [[3, 4, 5], [4, 5], 2],
  [[5, 1, 3], [4, 3], -1],
  [[0, 3], [0, 3], 1],
] as const)
  add(`cosineSimilarity over ${dim}`, [f(a), f(b)], (x, y) => ops.cosineSimilarity(x, y, { dim }), near);
add("cosineSimilarity, short vectors,", [f([7, 6]), f([7, 6])], (x, y) => ops.cosineSimilarity(x, y, { eps: 3 }), {
  ...near,
  ...{ order: 1, marks: ["kink"] }, // PyTorch's gradient of what is held above eps is no derivative
});
for (const p of [0.5, 1, 1.5, 2, 3, Number.POSITIVE_INFINITY])
  for (const keepdim of [false, true])
    add(
      `pairwiseDistance by ${p}${keepdim ? ", kept," : ""}`,
      [f([7, 5], "distinct"), f([5])],
      (x, y) => ops.pairwiseDistance(x, y, { p, keepdim }),
      // By p = 0.5 the sum of roots is squared: some 25 times as large.
      { tolerance: ulp(32, p < 1 ? 64 : 8), gradTolerance: ulp(64, p < 1 ? 16 : 4) },
    );
