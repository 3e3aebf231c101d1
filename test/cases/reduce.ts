// Reductions of [outer, n, inner] over n: sums, means, extremes and where they stand.
import * as ops from "../../src/ops/index.ts";
import { bools, f, family, ints } from "./case.ts";
import { FEW_ROWS, ROW } from "./measured.ts";

export const { cases, add } = family("reduce");

/** [outer, n, inner] */
const NESTS: [number, number, number][] = [
  [1, 1, 1],
  [3, 1, 5],
  [1, 4, 1],
  [2, 5, 1],
  [3, 15, 1],
  [3, 16, 1],
  [3, 17, 1],
  [2, 63, 1],
  [2, 64, 1],
  [5, 131, 1],
  [1, 1031, 1],
  [2, 7, 3],
  [2, 7, 4],
  [2, 7, 5],
  [3, 9, 15],
  [3, 9, 16],
  [3, 9, 17],
  [2, 17, 33],
  [1, 64, 67],
  [7, 3, 19],
  // few columns, of which many rows go as one; 16 rows and more; more columns than go together
  [1, 150, 2],
  [2, 301, 3],
  [3, 131, 10],
  [1, 23, 1031],
  [0, 5, 3],
  [4, 5, 0],
  // shared by threads: by outer, by inner, by both
  [311, 67, 1],
  [1, 61, 401],
  [17, 37, 41],
];
add("sum over all, in rows,", [f([FEW_ROWS, ROW])], (x) => ops.sum(x));
for (const shape of NESTS) {
  add("sum", [f(shape)], (x) => ops.sum(x, { dim: 1 }));
  add("mean", [f(shape)], (x) => ops.mean(x, { dim: 1 }));
  add("sum, int32,", [ints(shape)], (x) => ops.sum(x, { dim: 1 }), { order: 0 });
  for (const name of ["max", "min"] as const) {
    const exact = { tolerance: "exact", gradTolerance: "exact" } as const;
    add(name, [f(shape, "distinct")], (x) => x[name](1).values, exact);
    add(`${name} of ties`, [f(shape, "ties")], (x) => x[name](1).values, { ...exact, order: 1, marks: ["kink"] });
    const numbers = ints(shape, { from: -3, to: 4 });
    add(`${name}, int32,`, [ints(shape, { from: -(2 ** 31), to: 2 ** 31 })], (x) => x[name](1).values, { order: 0 });
    add(`${name} indices, int32,`, [numbers], (x) => x[name](1).indices, { order: 0 });
    add(`arg${name}, int32,`, [numbers], (x) => x[`arg${name}`](1), { order: 0 });
    add(`${name} indices of ties`, [f(shape, "ties")], (x) => x[name](1).indices, { order: 0 });
  }
  add("argmax", [f(shape, "ties")], (x) => ops.argmax(x, 1), { order: 0 });
  add("argmin", [f(shape, "ties")], (x) => ops.argmin(x, 1, true), { order: 0 });
  add("amax of ties", [f(shape, "ties")], (x) => ops.amax(x, { dim: 1 }), {
    tolerance: "exact",
    order: 1,
    marks: ["kink"],
  });
}
add("sum over none", [f([3, 0, 5])], (x) => ops.sum(x, { dim: 1 }));
add("sum of none", [f([0])], (x) => ops.sum(x));
add("mean over none", [f([3, 0])], (x) => ops.mean(x, { dim: 1 }), { order: 0, marks: ["nonfinite"] });
add("sum of a number", [f([])], (x) => ops.sum(x));

// Few outputs over many terms: chunks of 4096, added in a second row.
for (const shape of [[8192], [8193], [20011], [100003], [2, 9001]]) {
  add("sum of many", [f(shape)], (x) => ops.sum(x, { dim: -1 }));
}
add("sum of many, by columns,", [f([9001, 3])], (x) => ops.sum(x, { dim: 0 }));
add("sum of many, by columns,", [f([12289, 19])], (x) => ops.sum(x, { dim: 0 }));
add("mean of many", [f([131, 157])], (x) => ops.mean(x));

for (const keepdim of [false, true]) {
  for (const dim of [0, 1, -1, [0, 2], [0, 1], [1, 2], [0, 1, 2], []]) {
    const text = `${JSON.stringify(dim)}${keepdim ? ", kept," : ""}`;
    add(`sum over ${text}`, [f([4, 4, 8])], (x) => ops.sum(x, { dim, keepdim }));
    add(`mean over ${text}`, [f([4, 4, 8])], (x) => ops.mean(x, { dim, keepdim }));
    add(`amax over ${text}`, [f([4, 4, 8], "distinct")], (x) => ops.amax(x, { dim, keepdim }), { tolerance: "exact" });
    add(`amin over ${text}`, [f([4, 4, 8], "distinct")], (x) => ops.amin(x, { dim, keepdim }), { tolerance: "exact" });
  }
}
add("sum over 0 and 2 of four", [f([3, 5, 7, 2])], (x) => ops.sum(x, { dim: [0, 2] }));
add("sum of a transposed", [f([9, 17])], (x) => ops.sum(ops.t(x), { dim: 1 }));
add("sum, bool,", [bools([3, 67])], (x) => ops.sum(x, { dim: 1 }), { order: 0 });
add("sum, all, int32,", [ints([20011], { from: -(2 ** 31), to: 2 ** 31 })], (x) => ops.sum(x), { order: 0 });
for (const name of ["max", "min"] as const) {
  add(`${name} of all`, [f([5, 13], "distinct")], (x) => x[name](), { tolerance: "exact" });
  add(`${name} of all, large,`, [f([137, 151], "distinct")], (x) => x[name](), { tolerance: "exact" });
  add(`arg${name} of all`, [f([137, 151], "distinct")], (x) => x[`arg${name}`](), { order: 0 });
  add(`${name}, kept,`, [f([5, 13], "distinct")], (x) => x[name](0, true).values, { tolerance: "exact" });
}

// NaN wins, the first one; infinities are values.
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const rows: [string, number[]][] = [
  ["NaN", [1, inf, nan, 5, nan, -inf, 7]],
  ["infinities", [-inf, -inf, inf, 2, inf]],
  ["all the least", [-inf]],
  ["all the most", [inf]],
  ["all NaN", [nan]],
];
for (const [what, v] of rows) {
  for (const shape of [
    [3, 35, 1],
    [2, 35, 5],
    [2, 9, 37],
  ]) {
    for (const name of ["max", "min"] as const) {
      const odd = { tolerance: "exact", gradTolerance: "exact", order: 1, marks: ["nonfinite", "kink"] } as const;
      add(`${name} with ${what}`, [f(shape, v)], (x) => x[name](1).values, odd);
      add(`${name} indices with ${what}`, [f(shape, v)], (x) => x[name](1).indices, { ...odd, order: 0 });
      add(`arg${name} with ${what}`, [f(shape, v)], (x) => x[`arg${name}`](1), { ...odd, order: 0 });
    }
    add(`sum with ${what}`, [f(shape, v)], (x) => ops.sum(x, { dim: 1 }), { order: 0, marks: ["nonfinite"] });
  }
}
