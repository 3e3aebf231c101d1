// Losses: fused cross-entropy of class labels, negative log-likelihood, squared error, binary cross-entropy.
import * as ops from "../../src/ops/index.ts";
import { f, family, fixed, ints } from "./case.ts";

export const { cases, add } = family("loss");

const REDUCTIONS = ["mean", "sum", "none"] as const;
/** [rows, classes] */
const SIZES = [
  [1, 2],
  [7, 6],
  [5, 3],
  [4, 4],
  [5, 5],
  [64, 10],
  [9, 16],
  [9, 17],
  [3, 257],
  [1, 1],
  // shared by threads
  [2003, 10],
  [67, 301],
  [3, 2503],
];
for (const reduction of REDUCTIONS) {
  for (const [rows, classes] of SIZES as [number, number][]) {
    const labels = ints([rows], { labels: classes });
    add(`crossEntropy ${reduction}`, [f([rows, classes]), labels], (x, y) => ops.crossEntropy(x, y, { reduction }));
    add(`nllLoss ${reduction}`, [f([rows, classes]), labels], (x, y) => ops.nllLoss(x, y, { reduction }));
    const some = ints([rows], { labels: classes, ignore: -100 });
    if (rows > 1) {
      add(`crossEntropy ${reduction}, some ignored,`, [f([rows, classes]), some], (x, y) =>
        ops.crossEntropy(x, y, { reduction }),
      );
      add(`nllLoss ${reduction}, some ignored,`, [f([rows, classes]), some], (x, y) =>
        ops.nllLoss(x, y, { reduction }),
      );
    }
  }
  add(`crossEntropy ${reduction}, wide,`, [f([33, 17], "wide"), ints([33], { labels: 17 })], (x, y) =>
    ops.crossEntropy(x, y, { reduction }),
  );
  add(`crossEntropy ${reduction} of images`, [f([2, 6, 3, 3]), ints([2, 3, 3], { labels: 6 })], (x, y) =>
    ops.crossEntropy(x, y, { reduction }),
  );
  add(`crossEntropy ${reduction} of one`, [f([6]), ints([], { labels: 6 })], (x, y) =>
    ops.crossEntropy(x, y, { reduction }),
  );
  const weight = fixed([6], "positive");
  add(`crossEntropy ${reduction}, weighted,`, [f([7, 6]), ints([7], { labels: 6 }), weight], (x, y, w) =>
    ops.crossEntropy(x, y, { reduction, weight: w }),
  );
  add(`nllLoss ${reduction}, weighted,`, [f([7, 6]), ints([7], { labels: 6 }), weight], (x, y, w) =>
    ops.nllLoss(x, y, { reduction, weight: w }),
  );
  add(`crossEntropy ${reduction}, smoothed,`, [f([7, 6]), ints([7], { labels: 6, ignore: 4 })], (x, y) =>
    ops.crossEntropy(x, y, { reduction, labelSmoothing: 0.1, ignoreIndex: 4 }),
  );

  for (const n of [1, 5, 17, 67, 20011]) {
    add(`mseLoss ${reduction}`, [f([n]), f([n])], (x, y) => ops.mseLoss(x, y, { reduction }));
    add(`binaryCrossEntropy ${reduction}`, [f([n], "probability"), fixed([n], "probability")], (x, y) =>
      ops.binaryCrossEntropy(x, y, { reduction }),
    );
  }
  add(`mseLoss ${reduction} of rows`, [f([9, 7]), f([9, 7])], (x, y) => ops.mseLoss(x, y, { reduction }));
  add(`binaryCrossEntropy ${reduction} of views`, [f([9, 7], "probability"), fixed([7, 12], "probability")], (x, y) =>
    ops.binaryCrossEntropy(ops.t(x), ops.narrow(y, 1, 2, 9), { reduction }),
  );
  add(
    `binaryCrossEntropy ${reduction}, weighted,`,
    [f([7, 6], "probability"), fixed([7, 6], "bool"), fixed([7, 6], "positive")],
    (x, y, w) => ops.binaryCrossEntropy(x, y, { reduction, weight: w }),
  );
}
const odd = { order: 0, marks: ["nonfinite"] } as const;
add("crossEntropy of none", [f([0, 5]), ints([0], { labels: 5 })], (x, y) => ops.crossEntropy(x, y), odd);
add(
  "crossEntropy sum of none",
  [f([0, 5]), ints([0], { labels: 5 })],
  (x, y) => ops.crossEntropy(x, y, { reduction: "sum" }),
  odd,
);
add("crossEntropy, all ignored,", [f([3, 5]), ints([3], [-100])], (x, y) => ops.crossEntropy(x, y), odd);
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
for (const [what, v] of [
  ["large values", [1000, 1001, 999, -1000, 1000]],
  ["-inf", [1, -inf, 2, -inf, 0.5, 3, 1]],
  ["NaN", [1, 2, 3, 4, 5, nan, 7, 8, 9, 10, 11, 12, 13, 14]],
  ["+inf", [1, 2, inf, 3, 4]],
] as const) {
  add(
    `crossEntropy of ${what}`,
    [f([5, 7], v), ints([5], [0, 3, 6])],
    (x, y) => ops.crossEntropy(x, y, { reduction: "none" }),
    odd,
  );
}
// Logarithms are held above -100; the gradient's denominator above 1e-12.
add(
  "binaryCrossEntropy at the ends",
  [f([12], [0, 1, 0, 1, 2 ** -149, 2 ** -30]), fixed([12], [0, 1, 1, 0, 0.5])],
  (x, y) => ops.binaryCrossEntropy(x, y, { reduction: "none" }),
  { order: 1, marks: ["nonfinite", "kink"] },
);
