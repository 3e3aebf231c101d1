// softmax and logSoftmax along the last dim and along others.
import { f, family } from "./case.ts";
import { FEW_ROWS, ROW } from "./measured.ts";

export const { cases, add } = family("softmax");

/** Shape and dim. */
const NESTS: [number[], number][] = [
  [[1, 1], 1],
  [[3, 2], 1],
  [[2, 3], 1],
  [[2, 4], 1],
  [[5, 5], 1],
  [[3, 10], 1],
  [[2, 15], 1],
  [[2, 16], 1],
  [[2, 17], 1],
  [[3, 31], 1],
  [[2, 65], 1],
  [[1, 257], 1],
  [[FEW_ROWS, ROW], 1],
  [[2, 1031], -1],
  [[7], 0],
  [[], 0],
  [[7, 5], 0],
  [[4, 3, 4], 1],
  [[4, 5, 17], 1],
  [[2, 9, 33], 1],
  [[11, 1031], 0],
  [[0, 5], 1],
  [[4, 0], 1],
  [[3, 5, 0], 1],
  // shared by threads
  [[2003, 10], 1],
  [[61, 301], 1],
  [[2, 2503], 1],
  [[37, 401], 0],
  [[19, 29, 37], 1],
];
for (const [shape, dim] of NESTS) {
  for (const name of ["softmax", "logSoftmax"] as const) {
    add(`${name} over ${dim}`, [f(shape)], (x) => x[name](dim));
    add(`${name} over ${dim}, wide,`, [f(shape, "wide")], (x) => x[name](dim), { order: 1 });
  }
}

// Large values do not overflow; -inf is a probability of zero; NaN and +inf spoil their row, and that alone.
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const rows: [string, number[]][] = [
  ["large values", [1000, 1001, 999, -1000, 1000]],
  ["values far apart", [88, 0, -88, -104, 20, 300, -300]],
  ["equal values", [3]],
  ["-inf", [1, -inf, 2, -inf, 0.5]],
  ["all -inf", [-inf]],
  ["+inf", [1, inf, 2]],
  ["NaN", [1, 2, 3, 4, 5, nan, 7, 8, 9, 10, 11, 12, 13, 14]],
];
for (const [what, v] of rows) {
  for (const name of ["softmax", "logSoftmax"] as const) {
    const odd = { order: 0, marks: ["nonfinite"] } as const;
    add(`${name} of ${what}`, [f([3, 7], v)], (x) => x[name](1), odd);
    add(`${name} of ${what}`, [f([2, 35], v)], (x) => x[name](1), odd);
    add(`${name} of ${what}, by columns,`, [f([7, 6], v)], (x) => x[name](0), odd);
  }
}
