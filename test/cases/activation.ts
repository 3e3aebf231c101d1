// Activations, which are made of a few elementwise kernels: their formulas, gradients and second gradients.
import type { Tensor } from "../../src/core/tensor.ts";
import * as ops from "../../src/ops/index.ts";
import { type Fill, f, family, type Tolerance } from "./case.ts";

export const { cases, add } = family("activation", { tolerance: "exact", gradTolerance: "exact" });

/** Around the vector of 4, a prime, none, and past the threshold from which threads share a row. */
const SIZES: readonly number[] = [0, 1, 3, 4, 5, 17, 67, 20011];
const exact = "exact" as const;
const ulp = (n: number, of?: number): Tolerance => (of === undefined ? { ulp: n } : { ulp: n, of });

type Entry = [name: string, f: (x: Tensor) => Tensor, fill: Fill, result: Tolerance, gradient: Tolerance];
// "wide" reaches beyond every kink, "away" stays on both sides of those near 0. A result is held to the ulps of its largest part where parts
// cancel: 1 in what is made of tanh and sigmoid, 2 in their gradients.
const FUNCTIONS: Entry[] = [
  ["leakyRelu", (x) => ops.leakyRelu(x), "away", exact, exact],
  ["leakyRelu by 2", (x) => ops.leakyRelu(x, 2), "away", exact, exact],
  ["hardtanh", (x) => ops.hardtanh(x), "away", exact, exact],
  ["hardtanh from -40 to 3", (x) => ops.hardtanh(x, -40, 3), "wide", exact, exact],
  ["relu6", (x) => ops.relu6(x), "wide", exact, exact],
  ["hardsigmoid", (x) => ops.hardsigmoid(x), "wide", ulp(2, 1), exact],
  ["hardswish", (x) => ops.hardswish(x), "wide", ulp(3), ulp(4, 2)],
  ["hardswish, near 0,", (x) => ops.hardswish(x), "normal", ulp(3), ulp(4, 2)],
  ["hardshrink", (x) => ops.hardshrink(x), "away", exact, exact],
  ["hardshrink by 1.25", (x) => ops.hardshrink(x, 1.25), "away", exact, exact],
  ["softshrink", (x) => ops.softshrink(x), "away", ulp(1, 2), exact],
  ["softshrink by 0", (x) => ops.softshrink(x, 0), "away", exact, exact],
  ["threshold", (x) => ops.threshold(x, 0.3, -7), "away", exact, exact],
  ["rrelu", (x) => ops.rrelu(x), "away", ulp(1), ulp(1)],
  ["elu", (x) => ops.elu(x), "away", ulp(4), ulp(6)],
  ["elu by 1.5", (x) => ops.elu(x, 1.5), "away", ulp(4), ulp(6)],
  ["selu", (x) => ops.selu(x), "away", ulp(4), ulp(6)],
  ["celu by 0.5", (x) => ops.celu(x, 0.5), "away", ulp(4), ulp(6)],
  ["celu by -2", (x) => ops.celu(x, -2), "away", ulp(4), ulp(6)],
  ["gelu", (x) => ops.gelu(x), "normal", ulp(4, 1), ulp(6, 2)],
  ["gelu by tanh", (x) => ops.gelu(x, { approximate: "tanh" }), "normal", ulp(4, 1), ulp(8, 2)],
  ["silu", (x) => ops.silu(x), "normal", ulp(5), ulp(6, 2)],
  ["mish", (x) => ops.mish(x), "normal", ulp(8), ulp(8, 2)],
  ["softplus", (x) => ops.softplus(x), "normal", ulp(6), ulp(5)],
  ["softplus by 0.5 up to 3", (x) => ops.softplus(x, 0.5, 3), "wide", ulp(6), ulp(5)],
  ["softplus by -1", (x) => ops.softplus(x, -1), "normal", ulp(6), ulp(5)],
  ["softsign", (x) => ops.softsign(x), "away", ulp(2), ulp(4)],
  ["logsigmoid", (x) => ops.logsigmoid(x), "normal", ulp(6), ulp(5)],
  ["tanhshrink", (x) => ops.tanhshrink(x), "away", ulp(4, 1), ulp(6, 2)],
];
for (const [name, f1, fill, tolerance, gradTolerance] of FUNCTIONS) {
  const rest = { tolerance, gradTolerance };
  for (const n of SIZES) add(name, [f([n], fill)], f1, rest);
  add(name, [f([], fill)], f1, rest);
  add(name, [f([0, 5], fill)], f1, rest);
  add(`${name} of views`, [f([9, 7], fill)], (x) => f1(ops.t(x)), rest);
  add(`${name} of views, every other`, [f([34], fill)], (x) => f1(ops.slice(x, 0, 1, null, 2)), rest);
}

for (const n of [1, 4, 17, 20011]) {
  add("prelu", [f([n], "away"), f([1])], (x, w) => ops.prelu(x, w), { tolerance: ulp(1), gradTolerance: "sum" });
}
for (const shape of [
  [0, 3],
  [1, 3],
  [7, 3],
  [5, 3, 4],
  [2, 3, 5, 7],
  [67, 3, 131],
]) {
  add("prelu by channel", [f(shape, "away"), f([3])], (x, w) => ops.prelu(x, w), {
    ...{ tolerance: ulp(1), gradTolerance: "sum" },
  });
}
add("prelu of one number", [f([], "away"), f([], "away")], (x, w) => ops.prelu(x, w), {
  ...{ tolerance: ulp(1), gradTolerance: ulp(1) },
});

for (const [shape, dim] of [
  [[2], 0],
  [[0, 4], -1],
  [[3, 0], 1],
  [[5, 6], -1],
  [[6, 5], 0],
  [[3, 4, 7], 1],
  [[67, 302], 1],
] as const) {
  add(`glu over ${dim}`, [f(shape)], (x) => ops.glu(x, dim), { tolerance: ulp(5), gradTolerance: ulp(6, 2) });
  add(`softmin over ${dim}`, [f(shape)], (x) => ops.softmin(x, dim), { tolerance: "sum", gradTolerance: "sum" });
}

// Slopes are drawn: the same ones here and there.
for (const n of [1, 5, 67, 20011]) {
  add("rrelu in training", [f([n], "away")], (x) => ops.rrelu(x, 1 / 8, 1 / 3, true), {
    ...{ tolerance: ulp(3), gradTolerance: ulp(3) },
  });
}

// Where gelu is tiny it has as many digits as elsewhere, up to where it leaves the normal floats.
const TAIL = Array.from({ length: 300 }, (_, i) => -2 - (10.5 * i) / 299);
add("gelu of the tail", [f([300], TAIL)], (x) => ops.gelu(x), { tolerance: ulp(8), gradTolerance: ulp(8), order: 0 });

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const ODD = [nan, inf, -inf, 0, -0, 1, -1, 0.5, -0.5, 3, -3, 6, 20, -20, 87, -87, 1e30, -1e30];
/** The gradient takes squares, which leave the range of floats. */
const SQUARES = /gelu/;
for (const [name, f1, , tolerance, gradTolerance] of FUNCTIONS) {
  add(`${name} of odd values`, [f([37], ODD)], f1, {
    ...{ tolerance, gradTolerance, order: SQUARES.test(name) ? 0 : 1, marks: ["nonfinite", "kink"] },
  });
}
