// Selecting: where, clamp and what is made of them, and the gradients that select.
import * as ops from "../../src/ops/index.ts";
import { bools, f, family, fixed, ints, LENGTHS } from "./case.ts";

export const { cases, add } = family("where", { tolerance: "exact", gradTolerance: "exact" });

for (const n of LENGTHS) {
  add("where", [bools([n]), f([n]), f([n])], (c, x, y) => ops.where(c, x, y));
  add("maximum, distinct,", [f([n], "distinct"), f([n], "away")], (x, y) => ops.maximum(x, y));
  add("minimum, distinct,", [f([n], "distinct"), f([n], "away")], (x, y) => ops.minimum(x, y));
}
for (const [c, a, b] of [
  [[3, 6, 5], [5], []],
  [[6, 1], [3, 1, 5], [1]],
  [[], [7, 3], [7, 1]],
  [
    [0, 4],
    [1, 4],
    [1, 1],
  ],
  [[150, 131], [131], [150, 1]],
]) {
  add("where", [bools(c!), f(a!), f(b!)], (p, x, y) => ops.where(p, x, y), { gradTolerance: "sum" });
}
for (const n of [1, 17, 20011]) {
  add("where a number", [bools([n]), f([n])], (c, x) => ops.where(c, x, -2.5));
  add("where not a number", [bools([n]), f([n])], (c, x) => ops.where(c, 3, x));
  add("where, int32,", [bools([n]), ints([n]), ints([n])], (c, x, y) => ops.where(c, x, y), { order: 0 });
  add("clamp, int32,", [ints([n])], (x) => ops.clamp(x, { min: -2, max: Number.POSITIVE_INFINITY }), { order: 0 });
  add("maskedFill", [f([n]), bools([n])], (x, c) => ops.maskedFill(x, c, 0.5));
  add("clamp", [f([n], "distinct")], (x) => ops.clamp(x, { min: -0.26, max: 0.3 }));
  add("clamp by tensors", [f([n], "distinct"), fixed([n], "positive")], (x, high) =>
    ops.clamp(x, { min: -1, max: high }),
  );
  add("heaviside", [fixed([n], "ties"), fixed([1])], (x, v) => ops.heaviside(x, v), { order: 0 });
}
add(
  "where of views",
  [bools([9, 7]), f([9, 7]), f([7])],
  (c, x, y) => ops.where(ops.t(c), ops.t(x), ops.view(y, [7, 1])),
  {
    gradTolerance: "sum",
  },
);
add("maskedFill by a row", [f([17, 9]), bools([9])], (x, c) => ops.maskedFill(x, c, -1));

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
add(
  "where, odd values,",
  [bools([143]), f([143], [nan, 1, inf]), f([143], [2, -inf])],
  (c, x, y) => ops.where(c, x, y),
  {
    order: 0,
    marks: ["nonfinite"],
  },
);
// At the bounds the gradient is whole, ties of maximum share it.
add("clamp at its bounds", [f([33], "ties")], (x) => ops.clamp(x, { min: -1, max: 1 }), { order: 1, marks: ["kink"] });
for (const name of ["maximum", "minimum"] as const) {
  add(`${name} of ties, broadcast,`, [f([11, 3], "ties"), f([3], "ties")], (x, y) => x[name](y), {
    ...{ order: 1, marks: ["kink"], gradTolerance: "sum" },
  });
}
