// Blends, sums of logarithms, tests and other elementwise functions that are composed of simpler ones, and forms in place.
import type { Tensor } from "../../src/core/tensor.ts";
import * as ops from "../../src/ops/index.ts";
import { bools, FEW, type Fill, f, family, ints, type Tolerance } from "./case.ts";
import { add as inPlace } from "./inplace.ts";

export const { cases, add } = family("special", { tolerance: "exact" });

const exact = "exact" as const;
const ulp = (n: number, of?: number): Tolerance => (of === undefined ? { ulp: n } : { ulp: n, of });

type Line = readonly [
  name: string,
  f: (...x: Tensor[]) => Tensor,
  fills: readonly Fill[],
  tolerance: Tolerance,
  gradient: Tolerance,
];
const below0 = Array.from({ length: 20011 }, (_, i) => -2.9 + (0.8 * i) / 20010);
// Tolerances measure against what cancels: of 2 where terms of that size do.
const lines: readonly Line[] = [
  ["lgamma", ops.lgamma, ["positive"], ulp(4, 2), ulp(8, 2)],
  ["lgamma, negative,", ops.lgamma, [below0], ulp(8, 4), ulp(8, 16)],
  ["erfinv", ops.erfinv, ["probability"], ulp(4), ulp(16)],
  ["frac", ops.frac, ["wide"], exact, exact],
  ["lerp", ops.lerp, ["normal", "normal", "probability"], ulp(2, 4), ulp(2, 4)],
  ["lerp by a number", (a, b) => ops.lerp(a!, b!, 0.75), ["normal", "normal"], ulp(2, 4), exact],
  ["addcmul", (x, a, b) => ops.addcmul(x!, a!, b!, { value: 1.5 }), ["normal", "normal", "normal"], ulp(2, 8), ulp(3)],
  ["addcdiv", (x, a, b) => ops.addcdiv(x!, a!, b!, { value: -0.5 }), ["normal", "normal", "away"], ulp(2, 8), ulp(6)],
  ["logaddexp", ops.logaddexp, ["normal", "normal"], ulp(3, 2), ulp(6)],
  ["xlogy", ops.xlogy, ["normal", "positive"], ulp(4), ulp(5)],
  ["logit", (x) => ops.logit(x!), ["probability"], ulp(4, 4), ulp(4)],
  ["logit, held,", (x) => ops.logit(x!, { eps: 0.01 }), ["probability"], ulp(4, 4), ulp(4)],
  ["sinc", ops.sinc, ["away"], ulp(4, 1), ulp(12, 4)],
  ["copysign", ops.copysign, ["away", "away"], exact, exact],
  ["nanToNum", (x) => ops.nanToNum(x!), ["normal"], exact, exact],
  ["deg2rad", ops.deg2rad, ["normal"], ulp(1), ulp(1)],
  ["rad2deg", ops.rad2deg, ["normal"], ulp(1), ulp(1)],
  ["floatPower", ops.floatPower, ["positive", "normal"], ulp(2), ulp(8, 4)],
  ["number - x", (x) => ops.sub(1, x!), ["normal"], exact, exact],
  ["number / x", (x) => ops.div(2, x!), ["away"], exact, ulp(3)],
];
const KINKS = ["frac", "copysign"];
for (const [name, run, fills, tolerance, gradTolerance] of lines) {
  // frac of 30 times a normal number is seldom near a jump, but it may be.
  const rest: { order?: 1; marks?: ["kink"] } = KINKS.includes(name) ? { order: 1, marks: ["kink"] } : {};
  for (const n of FEW) {
    const inputs = fills.map((fill) => f([n], fill));
    add(name, inputs, run, { tolerance, gradTolerance, ...rest });
  }
  if (fills.length < 2) continue;
  const shapes = [[3, 1, 5], [6, 1], [5]];
  const inputs = fills.map((fill, i) => f(shapes[i]!, fill));
  add(name, inputs, run, { tolerance, gradTolerance: "sum", ...rest });
}

for (const n of FEW) {
  add("digamma", [f([n], "positive")], ops.digamma, { tolerance: ulp(6, 2), gradTolerance: ulp(6) });
}
const spread = (lo: number, hi: number, n = 509): number[] =>
  Array.from({ length: n }, (_, i) => lo * (hi / lo) ** (i / (n - 1)));
const positive = [...spread(1e-30, 1e30), ...spread(0.3, 20)];
const between = spread(0.001, 20).flatMap((x) => (Math.abs(x - Math.round(x)) > 0.05 ? [-x] : []));
const near1 = [...spread(1e-30, 0.9), ...spread(6e-8, 0.1).map((x) => 1 - x)].flatMap((x) => [x, -x]);
for (const [name, run, values, tolerance] of [
  ["lgamma", ops.lgamma, positive, ulp(4, 2)],
  ["lgamma", ops.lgamma, between, ulp(8, 16)],
  ["digamma", ops.digamma, positive, ulp(6, 2)],
  ["digamma", ops.digamma, between, ulp(16, 16)],
  ["erfinv", ops.erfinv, near1, ulp(6)],
] as const)
  add(`${name}, far and near,`, [f([values.length], values)], run, { tolerance, order: 0 });

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const ODD = [nan, inf, -inf, 0, -0, 1, -1, 0.5, 2 ** -149, 3e38, -3e38];
const odd = (): ReturnType<typeof f> =>
  f(
    [121],
    ODD.flatMap((x) => ODD.map(() => x)),
  );
const others = (): ReturnType<typeof f> =>
  f(
    [121],
    ODD.flatMap(() => ODD),
  );
const marks = { order: 0, marks: ["nonfinite"] } as const;
for (const [name, run] of Object.entries({ isnan: ops.isnan, isinf: ops.isinf, isfinite: ops.isfinite })) {
  add(`${name} of odd values`, [f([43], ODD)], run, marks);
  add(`${name}, int32,`, [ints([43])], run, { order: 0 });
}
for (const [name, run] of Object.entries({ lgamma: ops.lgamma, digamma: ops.digamma, erfinv: ops.erfinv }))
  add(`${name} of odd values`, [f([43], [...ODD, -2, 2, -3e7])], run, { ...marks, tolerance: ulp(6, 2) });
add("nanToNum of odd values", [f([43], ODD)], (x) => ops.nanToNum(x), marks);
add(
  "nanToNum of odd values by others",
  [f([43], ODD)],
  (x) => ops.nanToNum(x, { nan: 3, posinf: 4, neginf: -5 }),
  marks,
);
add("sinc of odd values", [f([10], [0, -0, 1, -2, 0.5, 1e6])], (x) => ops.sinc(x), { ...marks, tolerance: ulp(4, 1) });
add("logit of odd values", [f([6], [0, 1, -0.5, 1.5, nan])], (x) => ops.logit(x), { ...marks, tolerance: ulp(2) });
add("logaddexp of odd values", [odd(), others()], ops.logaddexp, { ...marks, tolerance: ulp(3) });
add("xlogy of odd values", [odd(), others()], ops.xlogy, { ...marks, tolerance: ulp(4) });
add("copysign of odd values", [odd(), others()], ops.copysign, marks);
add("isclose of odd values", [odd(), others()], (a, b) => ops.isclose(a, b), marks);
add("isclose with NaN", [odd(), others()], (a, b) => ops.isclose(a, b, { equalNan: true, rtol: 0.5, atol: 1 }), marks);

for (const n of [1, 67]) {
  const [a, b] = [ints([n], { from: -3, to: 4 }), bools([n])];
  for (const [name, run] of Object.entries({ and: ops.logicalAnd, or: ops.logicalOr, xor: ops.logicalXor })) {
    add(`logical ${name}`, [a, b], run, { order: 0 });
    add(`logical ${name} of floats`, [f([n], "ties"), b], run, { order: 0 });
  }
  add("logicalNot", [f([n], "ties")], ops.logicalNot, { order: 0 });
  add("bitwiseNot", [a], ops.bitwiseNot, { order: 0 });
  add("bitwiseNot, bool,", [b], ops.bitwiseNot, { order: 0 });
  add("bitwiseAnd, bool,", [b, bools([n])], ops.bitwiseAnd, { order: 0 });
  // Where two dtypes meet.
  add("int32 + float", [a, f([n])], (x, y) => ops.add(x, y), { gradTolerance: exact });
  add("float * bool", [f([n]), b], ops.mul, { gradTolerance: exact });
  add("int32 + bool", [a, b], (x, y) => ops.add(x, y), { order: 0 });
  add("bool + bool", [b, bools([n])], (x, y) => ops.add(x, y), { order: 0 });
  add("bool * bool", [b, bools([n])], ops.mul, { order: 0 });
  add("int32 - fraction", [a], (x) => ops.sub(x, 0.5), { order: 0 });
  add("number - int32", [a], (x) => ops.sub(2, x), { order: 0 });
  add("bool * number", [b], (x) => ops.mul(x, 3), { order: 0 });
  add("where of int32 and float", [b, a, f([n])], (c, x, y) => ops.where(c!, x!, y!), { gradTolerance: exact });
  add("where of int32 and a fraction", [b, a], (c, x) => ops.where(c!, 0.5, x!), { order: 0 });
  add("clamp of int32 by fractions", [a], (x) => ops.clamp(x!, { min: -0.5, max: 1.5 }), { order: 0 });
  add("maskedFill of bool", [b, bools([n])], (m, x) => ops.maskedFill(x!, m!, 1), { order: 0 });
  add("int32 < float", [a, f([n], "ties")], ops.lt, { order: 0 });
  add("bool / int32", [b, ints([n], [1, -2, 3])], (x, y) => ops.div(x, y), { order: 0 });
}

// In place: over a product, dense and by way of a view.
const written: readonly [string, (x: Tensor, y: Tensor) => Tensor, Fill, Tolerance][] = [
  ["exp_", (x) => ops.exp_(x), "normal", ulp(5)],
  ["sqrt_", (x) => ops.sqrt_(x), "positive", ulp(4)],
  ["clamp_", (x) => ops.clamp_(x, { min: -0.5, max: 1 }), "distinct", exact],
  ["pow_", (x) => ops.pow_(x, 3), "normal", ulp(6)],
  ["pow_ by a tensor", (x, y) => ops.pow_(x, y), "positive", ulp(12, 16)],
  ["round_", (x) => ops.round_(x), "distinct", exact],
  ["neg_", (x) => ops.neg_(x), "normal", exact],
  ["lerp_", (x, y) => ops.lerp_(x, y, 0.25), "normal", ulp(2, 4)],
  ["addcmul_", (x, y) => ops.addcmul_(x, y, y, { value: 2 }), "normal", ulp(6, 16)],
];
for (const [name, run, fill, tolerance] of written) {
  const rest: { order?: 1; marks?: ["kink"] } = /round|clamp/.test(name) ? { order: 1, marks: ["kink"] } : {};
  add(name, [f([67], fill), f([67])], (x, y) => run(ops.mul(x, 1), y), {
    tolerance,
    gradTolerance: tolerance,
    ...rest,
  });
  inPlace(
    `${name} of a part`,
    [f([5, 7], fill), f([5])],
    (x, y) => {
      const z = ops.mul(x, 1);
      run(ops.select(z, 1, 2), y);
      return z;
    },
    { tolerance, gradTolerance: tolerance, ...rest },
  );
}
