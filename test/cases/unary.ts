// Elementwise functions of one tensor, and of a tensor and a number.
import { rdiv, rsub } from "../../src/ops/binary.ts";
import * as ops from "../../src/ops/index.ts";
import { bools, FEW, type Fill, f, family, ints, LENGTHS, type Tolerance } from "./case.ts";
import { FEW_ROWS, maps, ROW } from "./measured.ts";

export const { cases, add } = family("unary", { tolerance: "exact" });

const exact = "exact" as const;
const ulp = (n: number, of?: number): Tolerance => (of === undefined ? { ulp: n } : { ulp: n, of });
type Name = "neg" | "exp" | "log" | "sqrt" | "tanh" | "sigmoid" | "relu" | "abs" | "sin" | "cos" | "sign";

// Gradients are held to the ulps of the value they are made from. What cancels: 1 - y² and y (1 - y) at |g| <= 2 lose the
// digits of y (4 ulp of a value below 1), so they are measured against 2.
const functions: [Name, Fill, Tolerance, Tolerance][] = [
  ["neg", "normal", exact, exact],
  ["exp", "normal", ulp(4), ulp(5)],
  ["log", "positive", ulp(4), exact],
  ["sqrt", "positive", exact, ulp(2)],
  ["tanh", "normal", ulp(4), ulp(5, 2)],
  ["sigmoid", "normal", ulp(4), ulp(5, 2)],
  ["relu", "away", exact, exact],
  ["abs", "away", exact, exact],
  ["sin", "normal", ulp(4), ulp(5)],
  ["cos", "normal", ulp(4), ulp(5)],
  ["sign", "away", exact, exact],
];
for (const [name, fill, tolerance, gradTolerance] of functions) {
  for (const n of LENGTHS) add(name, [f([n], fill)], (x) => x[name](), { tolerance, gradTolerance });
  add(name, [f([], fill)], (x) => x[name](), { tolerance, gradTolerance });
  if ((maps as readonly string[]).includes(name))
    add(name, [f([FEW_ROWS, ROW], fill)], (x) => x[name](), { tolerance, gradTolerance });
}

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const ODD = [
  nan,
  inf,
  -inf,
  0,
  -0,
  1,
  -1,
  2 ** -149,
  -(2 ** -149),
  2 ** -126,
  3.4028234663852886e38,
  -3.4e38,
  89,
  -104,
];
for (const name of ["relu", "sign"] as const) add(`${name}, int32,`, [ints([143])], (x) => x[name](), { order: 0 });
for (const name of ["neg", "exp", "log", "sqrt", "tanh", "sigmoid", "relu", "abs", "sin", "cos"] as const) {
  const tolerance = ["neg", "relu", "abs", "sqrt"].includes(name) ? exact : ulp(4);
  for (const n of [14, 43]) {
    add(`${name} of odd values`, [f([n], ODD)], (x) => x[name](), { tolerance, order: 0, marks: ["nonfinite"] });
  }
}
// PyTorch: relu'(0) = 0, the gradient passes at NaN; |x|' = 0 at 0.
for (const name of ["relu", "abs"] as const) {
  const values = name === "relu" ? [nan, inf, -inf, 0, -0, 1, -1] : [inf, -inf, 0, -0, 1, -1];
  add(`${name} and its gradient at odd values`, [f([19], values)], (x) => x[name](), {
    ...{ gradTolerance: exact, order: 1, marks: ["nonfinite", "kink"] },
  });
}

const C = Math.fround(1.7);
for (const n of FEW) {
  add("add number", [f([n])], (x) => ops.add(x, C), { gradTolerance: exact });
  add("sub number", [f([n])], (x) => ops.sub(x, C), { gradTolerance: exact });
  add("mul number", [f([n])], (x) => ops.mul(x, C), { gradTolerance: exact });
  add("div number", [f([n])], (x) => ops.div(x, C), { gradTolerance: exact });
  add("number sub", [f([n])], (x) => rsub(x, C), { gradTolerance: exact });
  add("number div", [f([n], "away")], (x) => rdiv(x, C), { gradTolerance: ulp(2) });
  for (const name of ["eq", "ne", "lt", "le", "gt", "ge"] as const) {
    add(`${name} number`, [f([n], "ties")], (x) => x[name](1), { order: 0 });
    add(`${name} number, int32,`, [ints([n], { from: -2, to: 3 })], (x) => x[name](1), { order: 0 });
  }
  add("float of int32", [ints([n], { from: -(2 ** 31), to: 2 ** 31 })], (x) => x.float(), { order: 0 });
  add("float of bool", [bools([n])], (x) => x.float(), { order: 0 });
  add("int of float32", [f([n], "wide")], (x) => x.int(), { order: 0 });
  add("int of bool", [bools([n])], (x) => x.int(), { order: 0 });
  add("bool of float32", [f([n], "ties")], (x) => x.bool(), { order: 0 });
  add("bool of int32", [ints([n], { from: -1, to: 2 })], (x) => x.bool(), { order: 0 });
  add("clone", [f([n])], (x) => ops.clone(x), { gradTolerance: exact });
  add("clone, int32,", [ints([n])], (x) => ops.clone(x), { order: 0 });
}
for (const name of ["eq", "ne", "lt", "le", "gt", "ge"] as const) {
  add(`${name} number, odd values,`, [f([14], ODD)], (x) => x[name](0), { order: 0, marks: ["nonfinite"] });
  add(`${name} NaN`, [f([14], ODD)], (x) => x[name](nan), { order: 0, marks: ["nonfinite"] });
}
add("int of odd values", [f([14], [...ODD, 2 ** 31, -(2 ** 31), 2.9, -2.9])], (x) => x.int(), {
  ...{ order: 0, marks: ["nonfinite"] },
});
add("bool of odd values", [f([14], ODD)], (x) => x.bool(), { order: 0, marks: ["nonfinite"] });
add("sin, far from zero,", [f([40], [1e3, -4e4, 1e6, 1048577, -3e7, 1e10, 1e20, 3e38])], (x) => ops.sin(x), {
  ...{ tolerance: ulp(4), order: 0 },
});
add("cos, far from zero,", [f([40], [1e3, -4e4, 1e6, 1048577, -3e7, 1e10, 1e20, 3e38])], (x) => ops.cos(x), {
  ...{ tolerance: ulp(4), order: 0 },
});
