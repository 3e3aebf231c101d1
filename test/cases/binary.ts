// Elementwise functions of two tensors: equal shapes, and every way in which one is broadcast.
import * as ops from "../../src/ops/index.ts";
import { FEW, type Fill, f, family, ints } from "./case.ts";
import { FEW_ROWS, ROW } from "./measured.ts";

export const { cases, add } = family("binary", { tolerance: "exact" });

const SHAPES: [number[], number[]][] = [
  ...FEW.map((n): [number[], number[]] => [[n], [n]]),
  [
    [FEW_ROWS, ROW],
    [FEW_ROWS, ROW],
  ],
  [[3, 6, 5], [5]],
  [
    [3, 1, 5],
    [6, 1],
  ],
  [[6], [3, 6]],
  [[3, 6], [1]],
  [[], [3, 6]],
  [
    [3, 6, 1],
    [3, 1, 5],
  ],
  [[7, 17], [17]],
  [
    [7, 17],
    [7, 1],
  ],
  [
    [1, 65],
    [9, 1],
  ],
  [
    [2, 1, 3, 1, 2],
    [1, 4, 1, 3, 1],
  ],
  [
    [2, 1, 3, 1, 2, 1],
    [1, 2, 1, 3, 1, 2],
  ],
  [
    [0, 5],
    [1, 5],
  ],
  [
    [3, 0],
    [3, 1],
  ],
  // short lines, of which several are a run: repeated, of one element each, both
  [[311, 10], [10]],
  [
    [311, 10],
    [311, 1],
  ],
  [
    [131, 1],
    [1, 13],
  ],
  [
    [3, 150, 7],
    [3, 1, 7],
  ],
  // shared by threads: (1, 1), (1, 0), (0, 1) inside, and a middle dim
  [[150, 131], [131]],
  [
    [150, 131],
    [150, 1],
  ],
  [
    [1, 257],
    [67, 1],
  ],
  [
    [29, 1, 19],
    [1, 37, 19],
  ],
];

const arithmetic: ["add" | "sub" | "mul" | "div", Fill, Fill][] = [
  ["add", "normal", "normal"],
  ["sub", "normal", "normal"],
  ["mul", "normal", "normal"],
  ["div", "normal", "away"],
];
for (const [a, b] of SHAPES) {
  for (const [name, x, y] of arithmetic) add(name, [f(a, x), f(b, y)], (p, q) => p[name](q));
  for (const name of ["maximum", "minimum"] as const) {
    add(name, [f(a, "distinct"), f(b, "wide")], (p, q) => p[name](q));
  }
  for (const name of ["eq", "ne", "lt", "le", "gt", "ge"] as const) {
    add(name, [f(a, "ties"), f(b, "ties")], (p, q) => p[name](q), { order: 0 });
    const small = { from: -2, to: 3 };
    add(`${name}, int32,`, [ints(a, small), ints(b, small)], (p, q) => p[name](q), { order: 0 });
  }
  for (const name of ["add", "sub", "mul", "maximum", "minimum"] as const) {
    add(`${name}, int32,`, [ints(a), ints(b, { from: -(2 ** 31), to: 2 ** 31 })], (p, q) => p[name](q), {
      order: 0,
    });
  }
}
add("div, int32,", [ints([17]), ints([17], { from: 1, to: 9 })], (p, q) => ops.div(p, q), { order: 0 });

// Transposed views are made dense first.
add("add, a transposed,", [f([9, 7]), f([7, 9])], (p, q) => ops.add(ops.t(p), q));
add("mul, both transposed,", [f([9, 7]), f([9, 7])], (p, q) => ops.mul(ops.t(p), ops.t(q)));
add("mul by itself", [f([17])], (p) => ops.mul(p, p));

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const A = [nan, 1, inf, -inf, 0, -0, inf, nan, 1, -1, 3e38];
const B = [1, nan, -inf, -inf, -0, 0, inf, nan, 1, 1, 3e38, 0, 5];
for (const name of ["add", "sub", "mul", "div", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge"] as const) {
  add(`${name}, odd values,`, [f([143], A), f([143], B)], (p, q) => p[name](q), {
    ...{ order: 0, marks: ["nonfinite"] },
  });
  add(`${name}, odd values,`, [f([11, 1], A), f([13], B)], (p, q) => p[name](q), {
    ...{ order: 0, marks: ["nonfinite"] },
  });
}
// Equal ones share the gradient.
for (const name of ["maximum", "minimum"] as const) {
  add(`${name} of ties`, [f([33], "ties"), f([33], "ties")], (p, q) => p[name](q), { order: 1, marks: ["kink"] });
}
