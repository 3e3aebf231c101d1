// Parts of tensors: read as they lie, written through, and differentiated. All is exact: elements only move, or are added once.

import type { Tensor } from "../../src/core/tensor.ts";
import * as ops from "../../src/ops/index.ts";
import { noGrad } from "../../src/ops/modes.ts";
import { f, family, fixed, ints } from "./case.ts";

export const { cases, add } = family("views", { tolerance: "exact", gradTolerance: "exact" });

type View = (x: Tensor) => Tensor;
const last = (x: Tensor): Tensor => ops.select(x, -1, 1);

/** A shape, a view of it, and the view's shape; by step of the inner dim, length of lines, and dims that cannot be merged. */
const VIEWS: [string, number[], View, number[]][] = [
  ["narrow", [7, 9], (x) => ops.narrow(x, 1, 3, 5), [7, 5]],
  ["narrow to one", [7, 9], (x) => ops.narrow(x, 1, 3, 1), [7, 1]],
  ["narrow to none", [7, 9], (x) => ops.narrow(x, 1, 3, 0), [7, 0]],
  ["slice by 2", [17, 33], (x) => ops.slice(x, 1, 1, null, 2), [17, 16]],
  ["slice by 3 of rows", [17, 5], (x) => ops.slice(x, 0, null, -1, 3), [6, 5]],
  ["slice by 5 of both", [31, 33], (x) => ops.slice(ops.slice(x, 0, 1, null, 5), 1, 2, null, 5), [6, 7]],
  ["slice by more than there is", [5, 4], (x) => ops.slice(x, 0, 3, null, 9), [1, 4]],
  ["slice to none", [5, 4], (x) => ops.slice(x, 0, 3, 2), [0, 4]],
  ["select", [4, 5, 3], (x) => ops.select(x, 1, 2), [4, 3]],
  ["select the last", [16, 17], last, [16]],
  ["diagonal", [5, 7], (x) => ops.diagonal(x), [5]],
  ["diagonal above", [5, 7], (x) => ops.diagonal(x, 3), [4]],
  ["diagonal below", [7, 5], (x) => ops.diagonal(x, -4), [3]],
  ["diagonal outside", [5, 7], (x) => ops.diagonal(x, 9), [0]],
  ["diagonal of the others", [3, 4, 5], (x) => ops.diagonal(x, 1, 2, 0), [4, 2]],
  ["movedim", [3, 4, 5], (x) => ops.movedim(x, 0, -1), [4, 5, 3]],
  ["movedim of two", [3, 4, 5], (x) => ops.movedim(x, [0, 2], [2, 0]), [5, 4, 3]],
  ["transpose", [33, 31], (x) => ops.t(x), [31, 33]],
  [
    "permute, every other",
    [2, 3, 2, 3, 4, 6],
    (x) => ops.slice(ops.permute(x, [5, 3, 1, 0, 4, 2]), 0, 0, null, 2),
    [3, 3, 3, 2, 4, 2],
  ],
  ["view of a narrow", [6, 4, 5], (x) => ops.view(ops.narrow(x, 0, 2, 3), [2, 6, 5]), [2, 6, 5]],
  ["unbind", [3, 17], (x) => ops.unbind(x, 1)[16]!, [3]],
  ["split", [3, 17], (x) => ops.split(x, 5, 1)[3]!, [3, 2]],
  ["chunk", [3, 17], (x) => ops.chunk(x, 4, 1)[1]!, [3, 5]],
  // shared by threads
  ["narrow, large,", [173, 131], (x) => ops.narrow(x, 1, 3, 127), [173, 127]],
  ["slice by 2, large,", [173, 257], (x) => ops.slice(x, 1, 1, null, 2), [173, 128]],
  ["transpose, large,", [131, 157], (x) => ops.t(x), [157, 131]],
  ["one line, large,", [20011, 2], (x) => ops.select(x, 1, 1), [20011]],
  ["permute, large,", [29, 31, 37], (x) => ops.permute(x, [2, 0, 1]), [37, 29, 31]],
];
for (const [name, shape, view, part] of VIEWS) {
  add(name, [f(shape)], (x) => ops.clone(view(x)));
  add(`${name} of a product`, [f(shape, "away")], (x) => ops.mul(view(ops.mul(x, 2)), 0.5));
  // PyTorch refuses to write one of several while gradients are on.
  const several = /unbind|split|chunk/.test(name);
  const write = (x: Tensor, put: (v: Tensor) => Tensor): Tensor => {
    const y = ops.clone(x);
    if (several) noGrad(() => put(view(y)));
    else put(view(y));
    return y;
  };
  const rest = several ? ({ order: 0 } as const) : {};
  const other = several ? fixed(part) : f(part);
  add(
    `${name}: copy_ into it`,
    [several ? fixed(shape) : f(shape), other],
    (x, y) => write(x, (v) => ops.copy_(v, y)),
    rest,
  );
  add(
    `${name}: add_ to it`,
    [several ? fixed(shape) : f(shape), other],
    (x, y) => write(x, (v) => ops.add_(v, y)),
    rest,
  );
  add(`${name}: fill_ it`, [several ? fixed(shape) : f(shape)], (x) => write(x, (v) => ops.fill_(v, 0.5)), rest);
}

for (const n of [1, 4, 17, 157]) {
  add("slice by 2, int32,", [ints([3, n])], (x) => ops.clone(ops.slice(x, 1, null, null, 2)), { order: 0 });
  add(
    "fill_ every other, int32,",
    [ints([3, n])],
    (x) => {
      ops.fill_(ops.slice(x, 1, null, null, 2), 7);
      return x;
    },
    { order: 0 },
  );
}

// What overlaps and does not lie dense is written as if it were copied first.
add(
  "columns added to those before",
  [fixed([7, 8])],
  (x) => {
    noGrad(() => ops.add_(ops.narrow(x, 1, 0, 4), ops.narrow(x, 1, 4, 4)));
    return x;
  },
  { order: 0 },
);
