// Matrix products in their forms: nn, nt, tn, batches, broadcast batches, vectors, linear with its bias.
// Tile: 2 rows x 24 columns, k in blocks of 256, packed 480 columns at a time; few rows and few columns go other ways.
import { launch } from "../../src/core/op.ts";
import { empty } from "../../src/core/tensor.ts";
import * as ops from "../../src/ops/index.ts";
import { f, family } from "./case.ts";

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
for (const [m, n, k] of SIZES) {
  add("matmul nn", [f([m, k]), f([k, n])], (a, b) => ops.matmul(a, b));
  add("matmul nt", [f([m, k]), f([n, k])], (a, b) => ops.matmul(a, ops.t(b)));
  add("matmul tn", [f([k, m]), f([k, n])], (a, b) => ops.matmul(ops.t(a), b));
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
