// Matrix products in their forms: nn, nt, tn, batches, broadcast batches, vectors, linear with its bias.
// Tile: 2 rows x 24 columns, k in blocks of 256, packed 480 columns at a time; few rows and few columns go other ways.

import { empty } from "../../src/core/make.ts";
import { launch } from "../../src/core/op.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import * as ops from "../../src/ops/index.ts";
import { f, family } from "./case.ts";
import { fewerRows } from "./measured.ts";

export const { cases, add } = family("matmul");

/** [m, n, k] */
const SIZES: [number, number, number][] = [
  [1, 1, 1],
  [1, 1, 300],
  [1, 100, 1],
  [100, 1, 1],
  [1, 24, 255],
  [2, 24, 256],
  [3, 25, 257],
  [2, 23, 256],
  [2, 22, 33],
  [3, 21, 5],
  [4, 48, 512],
  [5, 49, 513],
  [5, 7, 3],
  [4, 4, 4],
  [5, 5, 5],
  [15, 20, 17],
  [16, 24, 16],
  [17, 31, 13],
  [31, 53, 37],
  [33, 47, 29],
  [64, 10, 97],
  [10, 1, 50],
  [13, 1, 70],
  [13, 2, 71],
  [13, 3, 72],
  [7, 480, 9],
  [7, 481, 5],
  [3, 509, 3],
  [67, 5, 6],
  [16, 16, 0],
  [0, 5, 3],
  [5, 0, 3],
  // shared by threads: by rows, by columns, over blocks of k
  [66, 70, 67],
  [129, 25, 257],
  [2, 701, 300],
  [1, 1999, 200],
  [301, 5, 200],
  [2503, 1, 131],
  // few columns of a large factor, whose rows one thread takes by pieces and three threads whole
  [701, 13, 395],
  [65, 131, 601],
];
const product = {
  nn: (m: number, n: number, k: number) => add("matmul nn", [f([m, k]), f([k, n])], (a, b) => ops.matmul(a, b)),
  nt: (m: number, n: number, k: number) => add("matmul nt", [f([m, k]), f([n, k])], (a, b) => ops.matmul(a, ops.t(b))),
  tn: (m: number, n: number, k: number) => add("matmul tn", [f([k, m]), f([k, n])], (a, b) => ops.matmul(ops.t(a), b)),
};
for (const { form, m, n, k } of fewerRows()) product[form](m, n, k);
for (const [m, n, k] of SIZES) {
  for (const form of ["nn", "nt", "tn"] as const) product[form](m, n, k);
  add("linear", [f([m, k]), f([n, k]), f([n])], (x, w, b) => ops.linear(x, w, b));
}
add("matmul tt", [f([9, 6]), f([5, 9])], (a, b) => ops.matmul(ops.t(a), ops.t(b)));
add("matmul tt", [f([257, 17]), f([25, 257])], (a, b) => ops.matmul(ops.t(a), ops.t(b)));
add("mm", [f([3, 5]), f([5, 7])], (a, b) => ops.mm(a, b));
add("matmul with its own transpose", [f([9, 17])], (a) => ops.matmul(a, ops.t(a)));

const LEADING: [number[], number[]][] = [
  [
    [3, 6, 5],
    [3, 5, 8],
  ],
  [
    [2, 1, 6, 5],
    [3, 5, 4],
  ],
  [
    [2, 3, 6, 5],
    [5, 4],
  ],
  [
    [6, 5],
    [2, 3, 5, 4],
  ],
  [
    [1, 6, 5],
    [4, 5, 3],
  ],
  [
    [4, 17, 25],
    [4, 25, 24],
  ],
  [
    [0, 3, 4],
    [0, 4, 5],
  ],
  [
    [3, 2, 0],
    [3, 0, 4],
  ],
  [
    [2, 0, 4],
    [4, 5],
  ],
  // shared by threads
  [
    [8, 41, 43],
    [8, 43, 37],
  ],
  [
    [3, 2, 61, 29],
    [2, 29, 33],
  ],
];
for (const [a, b] of LEADING) {
  add("matmul, batches,", [f(a), f(b)], (x, y) => ops.matmul(x, y));
  const bt = [...b.slice(0, -2), b[b.length - 1]!, b[b.length - 2]!];
  add("matmul nt, batches,", [f(a), f(bt)], (x, y) => ops.matmul(x, ops.transpose(y, -1, -2)));
  const at = [...a.slice(0, -2), a[a.length - 1]!, a[a.length - 2]!];
  add("matmul tn, batches,", [f(at), f(b)], (x, y) => ops.matmul(ops.transpose(x, -1, -2), y));
}
add("matrix and vector", [f([5, 9]), f([9])], (a, b) => ops.matmul(a, b));
add("vector and matrix", [f([9]), f([9, 4])], (a, b) => ops.matmul(a, b));
add("dot product", [f([301]), f([301])], (a, b) => ops.matmul(a, b));
add("batch and vector", [f([2, 5, 9]), f([9])], (a, b) => ops.matmul(a, b));
add("vector and batch", [f([9]), f([3, 9, 4])], (a, b) => ops.matmul(a, b));
add("linear without bias", [f([5, 8]), f([3, 8])], (x, w) => ops.linear(x, w));
add("linear of a batch", [f([2, 5, 8]), f([3, 8]), f([3])], (x, w, b) => ops.linear(x, w, b));
add("linear of a vector", [f([8]), f([3, 8]), f([3])], (x, w, b) => ops.linear(x, w, b));
add("linear of a transposed input", [f([8, 5]), f([3, 8]), f([3])], (x, w, b) => ops.linear(ops.t(x), w, b));

// Views that are read as they lie: lines with gaps between them, turned or not, also both.
const STRIDED: [number, number, number][] = [
  [1, 1, 1],
  [1, 1, 300],
  [1, 24, 255],
  [2, 23, 256],
  [3, 25, 257],
  [4, 8, 16],
  [5, 7, 3],
  [5, 6, 300],
  [7, 1, 17],
  [13, 3, 72],
  [16, 24, 16],
  [31, 53, 37],
  [64, 10, 97],
  [5, 3, 0],
  [0, 5, 3],
  [5, 0, 3],
  [66, 70, 67],
  [2, 701, 300],
  [301, 5, 200],
  [701, 13, 395],
];
const gap = (x: Tensor, width: number): Tensor => ops.narrow(x, 1, 2, width);
for (const [m, n, k] of STRIDED) {
  add("matmul nn of columns", [f([m, k + 3]), f([k, n + 5])], (a, b) => ops.matmul(gap(a, k), gap(b, n)));
  add("matmul nt of columns", [f([m, k + 3]), f([n, k + 4])], (a, b) => ops.matmul(gap(a, k), ops.t(gap(b, k))));
  add("matmul tn of columns", [f([k, m + 2]), f([k, n + 4])], (a, b) => ops.matmul(ops.t(gap(a, m)), gap(b, n)));
  add("matmul tt of columns", [f([k, m + 2]), f([n, k + 5])], (a, b) => ops.matmul(ops.t(gap(a, m)), ops.t(gap(b, k))));
  add("linear of columns", [f([m, k + 3]), f([n, k + 4]), f([n])], (x, w, b) => ops.linear(gap(x, k), gap(w, k), b));
  // x is one step of each sequence; the bias is a column
  add("linear of a step", [f([m, 3, k]), f([n, k]), f([n, 2])], (x, w, b) =>
    ops.linear(ops.select(x, 1, 1), w, ops.select(b, 1, 1)),
  );
}
// what lies turned, with a bias: no dense form
for (const [m, n, k] of STRIDED.slice(1, 12)) {
  add("linear, both turned,", [f([k, m]), f([k, n]), f([n])], (x, w, b) => ops.linear(ops.t(x), ops.t(w), b));
  add("linear, weight turned,", [f([m, k]), f([k, n]), f([n])], (x, w, b) => ops.linear(x, ops.t(w), b));
}

// Heads side by side: [b, t, h, d] as [b, h, t, d].
const heads = (x: Tensor): Tensor => ops.transpose(x, 1, 2);
for (const [b, t, h, d] of [
  [2, 3, 2, 4],
  [1, 5, 3, 1],
  [2, 1, 3, 5],
  [1, 1, 2, 3],
  [3, 4, 1, 2],
  [2, 0, 3, 4],
  [2, 17, 3, 16],
  [2, 41, 3, 29],
] as const) {
  const shape = [b, t, h, d];
  add("q kT of heads", [f(shape), f(shape)], (q, k) => ops.matmul(heads(q), ops.transpose(heads(k), -1, -2)));
  add("p v of heads", [f([b, h, t, t]), f(shape)], (p, v) => ops.matmul(p, heads(v)));
  add("p v of heads side by side", [f([b, h, t, t]), f(shape)], (p, v) => heads(ops.matmul(p, heads(v))));
  add("linear of heads", [f(shape), f([3, d]), f([3])], (x, w, c) => ops.linear(heads(x), w, c));
  add("linear, steps first,", [f([t, b, h * d]), f([5, h * d]), f([5])], (x, w, c) =>
    ops.linear(ops.transpose(x, 0, 1), w, c),
  );
}
add("three loops over products", [f([2, 3, 4, 2, 5]), f([2, 2, 3, 4, 5])], (a, b) =>
  ops.matmul(ops.permute(a, [2, 0, 1, 3, 4]), ops.permute(b, [3, 0, 2, 4, 1])),
);
add("three loops over products, broadcast", [f([2, 1, 4, 1, 3, 5]), f([3, 1, 2, 5, 2])], (a, b) => ops.matmul(a, b));
add("neither rows nor columns are runs", [f([4, 3, 2]), f([3, 5, 2])], (a, b) =>
  ops.matmul(ops.select(a, 2, 1), ops.select(b, 2, 0)),
);
add("expanded factors", [f([1, 5]), f([3, 1, 1, 5, 2])], (a, b) =>
  ops.matmul(ops.expand(a, [4, 5]), ops.expand(b, [3, 4, 2, 5, 2])),
);
add("expanded rows of every product", [f([2, 1, 5]), f([1, 5, 7])], (a, b) =>
  ops.matmul(ops.expand(a, [2, 9, 5]), ops.expand(b, [2, 5, 7])),
);
add("every second of a batch", [f([6, 5, 4]), f([3, 4, 7])], (a, b) => ops.matmul(ops.slice(a, 0, 0, null, 2), b));
add("vectors with gaps", [f([7, 2]), f([7, 3])], (a, b) => ops.matmul(ops.select(a, 1, 1), ops.select(b, 1, 2)));
add("vector with gaps and matrix", [f([7, 2]), f([7, 3])], (a, b) => ops.matmul(ops.select(a, 1, 1), b));
add("matrix and vector with gaps", [f([3, 7]), f([7, 3])], (a, b) => ops.matmul(a, ops.select(b, 1, 2)));
add("linear of a vector with gaps", [f([7, 2]), f([3, 7]), f([3])], (x, w, b) => ops.linear(ops.select(x, 1, 1), w, b));
add("matmul with a part of itself", [f([9, 17])], (a) => ops.matmul(gap(a, 9), ops.narrow(a, 1, 8, 9)));
// the gradient lies as one element
add("sum of a product of columns", [f([5, 9]), f([6, 8])], (a, b) => ops.sum(ops.matmul(gap(a, 6), gap(b, 4))));
add("sum of linear of columns", [f([5, 9]), f([4, 6]), f([4])], (x, w, b) => ops.sum(ops.linear(gap(x, 6), w, b)));

// Infinities and NaN go where they belong and nowhere else.
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
for (const value of [nan, inf]) {
  const row = [1, 2, value, ...new Array(14).fill(3)];
  add(`matmul with ${value}`, [f([5, 17], row), f([17, 25])], (a, b) => ops.matmul(a, b), {
    ...{ order: 0, marks: ["nonfinite"] },
  });
}

// Kernels that no op reaches alone: bias and relu fused.
for (const [m, n, k] of SIZES) {
  for (const form of ["nn", "nt"] as const) {
    for (const relu of [0, 1]) {
      if (form === "nt" && relu === 0) continue;
      const w = form === "nn" ? [k, n] : [n, k];
      add(
        `matmul_${form}_bias${relu ? ", relu," : ""}`,
        [f([m, k]), f(w), f([n])],
        (a, b, bias) => {
          const y = empty([m, n], "float32", "matmul", a.device);
          launch(`matmul_${form}_bias_f32`, [y], [a, b, bias], [1, m, n, k], [0, 0, relu]);
          return y;
        },
        { order: 0 },
      );
    }
  }
}
for (const [m, n, k] of STRIDED) {
  add(
    "matmul_strided_bias, relu,",
    [f([m, k + 1]), f([n, k + 2]), f([n])],
    (a, b, bias) => {
      const y = empty([m, n], "float32", "matmul", a.device);
      const scalars = [0, 1, k + 1, k + 2, n, 0, 0, 0, 0, 0, 0, 1];
      launch("matmul_strided_bias_f32", [y], [a, b, bias], [1, 1, m, n, k], scalars);
      return y;
    },
    { order: 0 },
  );
}
