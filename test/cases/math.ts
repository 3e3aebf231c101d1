// Functions of one tensor beyond the few of unary.ts, and of two that broadcast: over the ranges where each has its own formula, and
// at odd values.
import type { Tensor } from "../../src/core/tensor.ts";
import * as ops from "../../src/ops/index.ts";
import { FEW, type Fill, f, family, ints, type Tolerance } from "./case.ts";

export const { cases, add } = family("math", { tolerance: "exact" });

const exact = "exact" as const;
const ulp = (n: number, of?: number): Tolerance => (of === undefined ? { ulp: n } : { ulp: n, of });

/** `n` numbers from lo to hi, evenly, or by a constant factor. */
const even = (lo: number, hi: number, n = 509): number[] =>
  Array.from({ length: n }, (_, i) => lo + ((hi - lo) * i) / (n - 1));
const spread = (lo: number, hi: number, n = 509): number[] =>
  Array.from({ length: n }, (_, i) => lo * (hi / lo) ** (i / (n - 1)));
const both = (values: number[]): number[] => values.flatMap((x) => [x, -x]);
const above = spread(1e-6, 1e38).map((x) => 1 + x);
const inside = both([...spread(1e-30, 0.5), ...spread(1e-7, 0.5).map((x) => 1 - x)]);
const steps = both([...spread(0.1, 1e10), ...even(0, 20, 41)]);
const small = both(spread(1e-38, 30));
const large = both(spread(1e-38, 1e38));
const logs = [...spread(1e-38, 3e38), ...even(0.5, 1.5)];
// Angles in [-0.9, 0.9] and in [1.3, 2.7], where gradients are moderate.
const sines = even(-0.9, 0.9, 20011);
const above1 = even(1.3, 2.7, 20011);

/** A function; what its gradient is taken at; tolerances of both; values whose results alone are looked at. */
type Line = readonly [
  name: string,
  f: (x: Tensor) => Tensor,
  fill: Fill,
  tolerance: Tolerance,
  gradient: Tolerance,
  wide: readonly number[],
];
// What cancels in a gradient is measured against the size of that: y + 1 in that of expm1, 1 - x^2. e^(-x^2) has an ulp of x^2 less.
const functions: readonly Line[] = [
  ["floor", ops.floor, "distinct", exact, exact, steps],
  ["ceil", ops.ceil, "distinct", exact, exact, steps],
  ["trunc", ops.trunc, "distinct", exact, exact, steps],
  ["round", ops.round, "distinct", exact, exact, steps],
  ["expm1", ops.expm1, "normal", ulp(4), ulp(5, 2), both([...spread(1e-38, 88), ...even(0, 110)])],
  ["log1p", ops.log1p, "positive", ulp(4), ulp(2), [...inside, ...spread(0.1, 3e38)]],
  ["erf", ops.erf, "normal", ulp(4), ulp(20), both([...spread(1e-38, 4), ...even(0, 6)])],
  ["erfc", ops.erfc, "normal", ulp(6), ulp(20), both([...spread(1e-38, 4), ...even(0, 9)])],
  ["rsqrt", ops.rsqrt, "positive", ulp(2), ulp(6), spread(1e-37, 1e38)],
  ["reciprocal", ops.reciprocal, "away", exact, ulp(3), large],
  ["square", ops.square, "normal", exact, ulp(2), large],
  ["exp2", ops.exp2, "normal", ulp(2), ulp(4), even(-126, 128)],
  ["x^3", (x) => ops.pow(x, 3), "normal", ulp(2), ulp(6), large],
  ["x^1.7", (x) => ops.pow(x, 1.7), "positive", ulp(2), ulp(5), spread(1e-22, 1e22)],
  ["x^-2.5", (x) => ops.pow(x, -2.5), "positive", ulp(2), ulp(5), spread(1e-15, 1e15)],
  ["0.3^x", (x) => ops.pow(0.3, x), "normal", ulp(2), ulp(4), even(-73, 72)],
  ["log2", ops.log2, "positive", ulp(4), ulp(3), logs],
  ["log10", ops.log10, "positive", ulp(4), ulp(3), logs],
  ["tan", ops.tan, sines, ulp(5), ulp(9), small],
  ["sinh", ops.sinh, "normal", ulp(6), ulp(8), both([...spread(1e-38, 89), ...even(0, 1.5)])],
  ["cosh", ops.cosh, "normal", ulp(6), ulp(8), both([...spread(1e-38, 89), ...even(0, 1.5)])],
  ["asin", ops.asin, sines, ulp(4), ulp(4, 2), inside],
  ["acos", ops.acos, sines, ulp(4), ulp(4, 2), inside],
  ["atan", ops.atan, "normal", ulp(4), ulp(4), large],
  ["asinh", ops.asinh, "normal", ulp(5), ulp(5), large],
  ["acosh", ops.acosh, above1, ulp(5), ulp(5, 2), above],
  ["atanh", ops.atanh, sines, ulp(5), ulp(5, 2), inside],
];
const STEPS = ["floor", "ceil", "round", "trunc"];
for (const [name, run, fill, tolerance, gradTolerance, wide] of functions) {
  // Differences across a step say nothing.
  const rest: { order?: 1; marks?: ["kink"] } = STEPS.includes(name) ? { order: 1, marks: ["kink"] } : {};
  for (const n of FEW) add(name, [f([n], fill)], run, { tolerance, gradTolerance, ...rest });
  add(`${name}, far and near,`, [f([wide.length], wide)], run, { tolerance, order: 0, marks: ["nonfinite"] });
  const between = wide.filter((x) => Math.abs(x) > 1e-12 && Math.abs(x) < 1e12); // none of which gives a subnormal
  add(`${name}, far and near but no subnormals,`, [f([between.length], between)], run, { tolerance, order: 0 });
}

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
// biome-ignore format: a line
const ODD = [
  nan, inf, -inf, 0, -0, 1, -1, 2 ** -149, -(2 ** -149), 2 ** -126, 3.4028234663852886e38, -3.4e38, 89, -104, 0.5, -0.5, 2.5,
  -1.5, 8388609, -1073741824.5,
];
for (const [name, run, , tolerance] of functions) {
  add(`${name} of odd values`, [f([43], ODD)], run, { tolerance, order: 0, marks: ["nonfinite"] });
  const whole = STEPS.includes(name) ? exact : tolerance;
  add(`${name}, int32,`, [ints([43], { from: -3, to: 4 })], run, { tolerance: whole, order: 0, marks: ["nonfinite"] });
}

// Two tensors: dense, broadcast, views.
type Pair = readonly [
  name: string,
  f: (a: Tensor, b: Tensor) => Tensor,
  a: Fill,
  b: Fill,
  tolerance: Tolerance,
  gradient: Tolerance,
];
const pairs: readonly Pair[] = [
  ["atan2", ops.atan2, "away", "away", ulp(4), ulp(6)],
  ["pow", ops.pow, "positive", "normal", ulp(2), ulp(8, 4)],
  ["fmod", ops.fmod, "wide", "away", exact, exact],
  ["remainder", ops.remainder, "wide", "away", ulp(1), exact],
  ["hypot", ops.hypot, "away", "away", ulp(1), ulp(4)],
  ["floorDivide", (a, b) => ops.floorDivide(a, b), "wide", "away", exact, exact],
];
const JUMPS = ["fmod", "remainder", "floorDivide"];
const SHAPES: [number[], number[]][] = [
  ...FEW.map((n): [number[], number[]] => [[n], [n]]),
  [
    [3, 1, 5],
    [6, 1],
  ],
  [[], [3, 6]],
  [[150, 131], [131]],
];
for (const [name, run, a, b, tolerance, gradTolerance] of pairs) {
  // Differences across a jump say nothing.
  const rest: { order?: 0 | 1; marks?: ["kink"] } = JUMPS.includes(name)
    ? { order: name === "floorDivide" ? 0 : 1, marks: ["kink"] }
    : {};
  for (const [p, q] of SHAPES) {
    const sums = p.join() !== q.join() ? { gradTolerance: "sum" as const } : { gradTolerance };
    add(name, [f(p, a), f(q, b)], run, { tolerance, ...sums, ...rest });
  }
  const odd = ODD.flatMap((x) => ODD.map(() => x));
  const others = ODD.flatMap(() => ODD);
  add(`${name} of odd values`, [f([odd.length], odd), f([odd.length], others)], run, {
    ...{ tolerance, order: 0, marks: ["nonfinite"] },
  });
  const far = both(spread(1e-38, 1e38, 63));
  add(`${name}, far and near,`, [f([126, 1], far), f([126], far)], run, {
    // Past 2^24 a quotient is rounded twice.
    ...{ tolerance: name === "floorDivide" ? ulp(1) : tolerance, order: 0, marks: ["nonfinite"] },
  });
}
const nonzero = Array.from({ length: 1009 }, (_, i) => (i - 504 || 7) * (i % 3 === 0 ? 4099 : 1));
for (const n of FEW) {
  const [a, b] = [ints([n], { from: -5000, to: 5000 }), ints([n], nonzero)];
  for (const mode of ["trunc", "floor"] as const)
    add(`div ${mode}, int32,`, [a, b], (x, y) => ops.div(x, y, { roundingMode: mode }), { order: 0 });
  add("fmod, int32,", [a, b], ops.fmod, { order: 0 });
  add("remainder, int32,", [a, b], ops.remainder, { order: 0 });
  add("pow, int32,", [ints([n], { from: -9, to: 10 }), ints([n], { from: -3, to: 12 })], ops.pow, { order: 0 });
  for (const [name, run] of Object.entries({
    bitwiseAnd: ops.bitwiseAnd,
    bitwiseOr: ops.bitwiseOr,
    bitwiseXor: ops.bitwiseXor,
  }))
    add(`${name}, int32,`, [a, b], run, { order: 0 });
}
const ends = ints([9], [-(2 ** 31), 2 ** 31 - 1, -1, 1, 0]);
for (const mode of ["trunc", "floor"] as const)
  add(
    `div ${mode}, int32 at its ends,`,
    [ends, ints([9], [-1, 1, 3, -(2 ** 31)])],
    (x, y) => ops.div(x, y, { roundingMode: mode }),
    { order: 0 },
  );
