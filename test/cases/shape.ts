// Views and rearrangements: the same elements elsewhere, so everything is exact but the sums in the gradient of expand.
import * as ops from "../../src/ops/index.ts";
import { f, family, ints } from "./case.ts";

export const { cases, add } = family("shape", { tolerance: "exact" });

add("view", [f([4, 5, 3])], (x) => ops.view(x, [4, -1]));
add("view, none,", [f([0, 5, 3])], (x) => ops.view(x, [5, 0]));
add("reshape", [f([4, 5, 3])], (x) => ops.reshape(x, [3, 20]));
add("reshape of transpose", [f([17, 9])], (x) => ops.reshape(ops.t(x), [3, 51]));
add("flatten", [f([4, 5, 3])], (x) => ops.flatten(x, 1));
add("flatten all", [f([4, 5, 3])], (x) => ops.flatten(x));
add("flatten of a number", [f([])], (x) => ops.flatten(x));
add("squeeze", [f([4, 1, 3, 1])], (x) => ops.squeeze(x));
add("squeeze dim", [f([4, 1, 3, 1])], (x) => ops.squeeze(x, 1));
add("squeeze a dim that is not 1", [f([4, 1, 3, 1])], (x) => ops.squeeze(x, 0));
for (const dim of [0, 1, -1]) add(`unsqueeze ${dim}`, [f([4, 3])], (x) => ops.unsqueeze(x, dim));

for (const s of [
  [1, 1],
  [3, 4],
  [4, 4],
  [5, 3],
  [16, 17],
  [31, 33],
  [65, 63],
  [0, 5],
  [131, 157], // shared by threads
]) {
  add("t, made dense,", [f(s)], (x) => ops.clone(ops.t(x)));
}
add("t of a vector", [f([7])], (x) => ops.t(x));
add("t of t", [f([5, 7])], (x) => ops.t(ops.t(x)));
add("t, int32,", [ints([5, 7])], (x) => ops.clone(ops.t(x)), { order: 0 });
add("transpose of the last two", [f([3, 5, 7])], (x) => ops.transpose(x, 1, 2));
add("transpose of the last two, large,", [f([5, 61, 67])], (x) => ops.clone(ops.transpose(x, -1, -2)));
add("transpose of others", [f([3, 5, 7])], (x) => ops.transpose(x, 0, 2));
add("transpose of a transpose", [f([3, 5, 7])], (x) => ops.transpose(ops.transpose(x, 1, 2), 0, 1));
add("transpose of a dim and itself", [f([3, 5])], (x) => ops.transpose(x, 1, 1));

const PERMUTED: [number[], number[]][] = [
  [
    [4, 5, 3],
    [2, 0, 1],
  ],
  [
    [4, 5, 3],
    [0, 1, 2],
  ],
  [
    [2, 3, 4, 5],
    [0, 2, 3, 1],
  ],
  [
    [2, 3, 4, 5],
    [3, 2, 1, 0],
  ],
  [
    [2, 1, 3, 2, 2, 3],
    [5, 3, 1, 0, 4, 2],
  ],
  [
    [2, 1, 3, 2, 2, 3, 2, 2],
    [7, 5, 3, 1, 0, 4, 2, 6],
  ],
  [
    [0, 3, 4],
    [2, 1, 0],
  ],
  [
    [7, 16, 17],
    [1, 0, 2],
  ],
  [
    [17, 7, 16],
    [1, 2, 0],
  ],
  // short lines, and lines a multiple of half a page apart, turned
  [
    [5, 37, 6, 9],
    [0, 2, 1, 3],
  ],
  [
    [512, 37],
    [1, 0],
  ],
  [
    [519, 3, 512],
    [1, 2, 0],
  ],
  [
    [9, 5, 6, 17],
    [3, 2, 1, 0],
  ],
  [
    [29, 31, 37], // shared by threads
    [2, 1, 0],
  ],
];
for (const [shape, dims] of PERMUTED) add(`permute to ${dims}`, [f(shape)], (x) => ops.permute(x, dims));

const EXPANDED: [number[], number[]][] = [
  [
    [4, 1, 3],
    [4, 5, 3],
  ],
  [[3], [7, 3]],
  [[], [3, 2]],
  [
    [4, 1],
    [4, 17],
  ],
  [
    [1, 1],
    [1, 1],
  ],
  [
    [1, 3],
    [0, 3],
  ],
  [
    [1, 131],
    [153, 131],
  ],
];
for (const [shape, to] of EXPANDED) {
  add(`expand to ${to}`, [f(shape)], (x) => ops.expand(x, to), { gradTolerance: "sum" });
}
add("expand keeps sizes", [f([4, 1, 3])], (x) => ops.expand(x, [2, -1, 5, -1]));

add("narrow rows", [f([7, 5])], (x) => ops.narrow(x, 0, 2, 3));
add("narrow to none", [f([7, 5])], (x) => ops.narrow(x, 0, 7, 0));
add("narrow columns", [f([7, 9])], (x) => ops.narrow(x, 1, 3, 5));
add("narrow a middle dim", [f([4, 5, 3])], (x) => ops.narrow(x, 1, 1, 2));
add("narrow, large,", [f([500, 41])], (x) => ops.narrow(x, 0, 3, 490));
add("narrow, int32,", [ints([9])], (x) => ops.narrow(x, 0, 3, 5), { order: 0 });
add("narrow, then relu,", [f([37], "away")], (x) => ops.relu(ops.narrow(x, 0, 3, 17)));
for (const index of [0, 2, -1]) {
  add(`select ${index}`, [f([4, 5, 3])], (x) => ops.select(x, 0, index));
  add(`select ${index} of a middle dim`, [f([4, 5, 3])], (x) => ops.select(x, 1, index));
}
