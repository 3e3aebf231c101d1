// layerNorm over one and several of the last dims, with and without weight and bias.
import * as ops from "../../src/ops/index.ts";
import { f, family } from "./case.ts";
import { FEW_ROWS, ROW } from "./measured.ts";

export const { cases, add } = family("norm");

/** Shape, and how many of its last dims are normalized. */
const SHAPES: [number[], number][] = [
  [[1, 2], 1],
  [[5, 3], 1],
  [[3, 4], 1],
  [[4, 5], 1],
  [[3, 7], 1],
  [[9, 8], 1],
  [[2, 15], 1],
  [[7, 16], 1],
  [[2, 17], 1],
  [[3, 31], 1],
  [[2, 65], 1],
  [[1, 129], 1],
  [[2, 257], 1],
  [[FEW_ROWS, ROW], 1],
  [[2, 1031], 1],
  [[6], 1],
  [[2, 3, 5], 1],
  [[2, 3, 5], 2],
  [[2, 3, 5], 3],
  [[0, 5], 1],
  [[4, 0], 1],
  [[0, 16], 1],
  // in several chunks, and shared by threads
  [[64, 5], 1],
  [[65, 4], 1],
  [[131, 33], 1],
  [[2003, 10], 1],
  [[61, 301], 1],
  [[3, 2503], 1],
  [[300, 8, 9], 2],
];
for (const [shape, k] of SHAPES) {
  const last = shape.slice(shape.length - k);
  add(`layerNorm over ${k}`, [f(shape)], (x) => ops.layerNorm(x, last));
  add(`layerNorm over ${k}, affine,`, [f(shape), f(last, "away"), f(last)], (x, w, b) => ops.layerNorm(x, last, w, b));
}
for (const shape of [
  [5, 7],
  [3, 35],
]) {
  const n = shape[1]!;
  add("layerNorm, weight alone,", [f(shape), f([n], "away")], (x, w) => ops.layerNorm(x, n, w));
  add("layerNorm, bias alone,", [f(shape), f([n])], (x, b) => ops.layerNorm(x, n, null, b));
  add("layerNorm, large eps,", [f(shape), f([n]), f([n])], (x, w, b) => ops.layerNorm(x, n, w, b, { eps: 0.5 }));
  add("layerNorm, wide,", [f(shape, "wide")], (x) => ops.layerNorm(x, n), { order: 1 });
}
// A mean far larger than the deviation; rows of one value; one column, where the result is the bias.
add("layerNorm of values far from zero", [f([3, 133], [1000, 1001, 1002.5, 999])], (x) => ops.layerNorm(x, 133), {
  order: 1,
  marks: ["kink"],
});
add("layerNorm of an equal row", [f([2, 36], [3])], (x) => ops.layerNorm(x, 36), { order: 1, marks: ["kink"] });
add("layerNorm of one column", [f([3, 1]), f([1]), f([1])], (x, w, b) => ops.layerNorm(x, 1, w, b), {
  order: 1,
  marks: ["kink"],
});
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
for (const [what, v] of [
  ["NaN", [1, 2, 3, 4, 5, nan, 7, 8, 9, 10, 11, 12, 13, 14]],
  ["+inf", [1, 2, 3, 4, 5, inf, 7, 8, 9, 10, 11, 12, 13, 14]],
] as const) {
  const odd = { order: 0, marks: ["nonfinite"] } as const;
  add(`layerNorm of ${what}`, [f([4, 7], v)], (x) => ops.layerNorm(x, 7), odd);
  add(`layerNorm of ${what}`, [f([2, 35], v)], (x) => ops.layerNorm(x, 35), odd);
}
