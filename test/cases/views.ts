// Parts of tensors: read as they lie, written through, and differentiated. All is exact: elements only move, or are added once.

import type { Tensor } from "../../src/core/tensor.ts";
import { rdiv, rsub } from "../../src/ops/binary.ts";
import * as ops from "../../src/ops/index.ts";
import { noGrad } from "../../src/ops/modes.ts";
import { bools, f, family, fixed, ints } from "./case.ts";

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
  add(`${name}, twice`, [f(shape)], (x) => ops.add(view(x), view(x)));
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

// Elementwise ops that read views as they lie, block by block: sizes around those of a line that is a block (64), a block (1024),
// bands of transposes (16), their tiles (4096 elements, 1008 columns), and up to six dims that cannot be merged.
const every = (x: Tensor): Tensor => x.shape.reduce((v, _, d) => ops.slice(v, d, 0, null, 2), x);
const wide = (shape: number[]): number[] => shape.map((n) => 2 * n - 1);
const LAID: [string, number[], View][] = [
  ...[1, 63, 64, 65, 67].map((n): [string, number[], View] => ["lines", [5, n + 3], (x) => ops.narrow(x, 1, 2, n)]),
  ...[1, 2, 3, 5].map((n): [string, number[], View] => ["short lines", [351, n + 1], (x) => ops.narrow(x, 1, 1, n)]),
  ...[1, 2, 16, 1023, 1024, 1025, 2053].map((n): [string, number[], View] => ["every other", [n, 2], last]),
  ...[3, 1024, 1025].map((n): [string, number[], View] => [`one element ${n} times`, [1], (x) => ops.expand(x, [n])]),
  ["none", [7, 9], (x) => ops.narrow(x, 1, 3, 0)],
  ["lines of one element", [17, 1], (x) => ops.expand(x, [17, 67])],
  ["repeated lines", [67], (x) => ops.expand(x, [17, 67])],
  ...[
    [4, 4],
    [3, 5],
    [5, 3],
    [17, 16],
    [15, 33],
    [5, 1701],
    [1013, 17],
    [2017, 4],
  ].map((shape): [string, number[], View] => ["transpose", shape, (x) => ops.t(x)]),
  ["transposes", [3, 19, 35], (x) => ops.transpose(x, 1, 2)],
  ["transposes apart", [3, 19, 35], (x) => ops.transpose(ops.narrow(x, 1, 1, 17), 1, 2)],
  ...[[5], [4, 3], [3, 4, 2], [2, 3, 4, 5], [3, 2, 2, 3, 2], [2, 2, 3, 2, 2, 3]].map(
    (shape): [string, number[], View] => ["every other of all dims", wide(shape), every],
  ),
];
for (const [name, shape, lay] of LAID) {
  const added = /element|repeated/.test(name) ? ({ gradTolerance: "sum" } as const) : {};
  add(`mul number, ${name},`, [f(shape)], (x) => ops.mul(lay(x), 0.5), added);
  // Back comes a gradient that is such a view, beside a dense y.
  add(`sigmoid, ${name},`, [f(shape)], (x) => ops.sigmoid(lay(x)), {
    ...{ tolerance: { ulp: 4 }, gradTolerance: { ulp: 5, of: 2 }, ...added },
  });
  add(
    `where, ${name},`,
    [ints(shape, { from: -2, to: 2 }), f(shape), f(shape)],
    (c, x, y) => ops.where(ops.gt(lay(c), 0), lay(x), lay(y)),
    added,
  );
}
// Inputs that lie in different ways: by lines, dense, turned, one element, one a line.
for (const [m, n] of [
  [5, 67],
  [19, 16],
  [17, 1013],
  [131, 157],
]) {
  const [c, x] = [ints([m!, n!], { from: -2, to: 2 }), f([m!, n!])];
  add("where, turned beside dense,", [c, f([n!, m!]), x], (p, a, b) => ops.where(ops.gt(p, 0), ops.t(a), b));
  add("where, turned beside lines,", [c, f([n!, m!]), f([m!, n! + 1])], (p, a, b) =>
    ops.where(ops.gt(p, 0), ops.t(a), ops.narrow(b, 1, 1, n!)),
  );
  add("where, turned beside one,", [c, f([n!, m!])], (p, a) => ops.where(ops.gt(p, 0), ops.t(a), -1.5));
  add(
    "where, turned beside repeated lines,",
    [c, f([n!, m!]), f([n!])],
    (p, a, b) => ops.where(ops.gt(p, 0), ops.t(a), b),
    { gradTolerance: "sum" },
  );
  add("where, lines beside one,", [c, f([m!, n! + 1])], (p, a) =>
    ops.where(ops.gt(p, 0), ops.narrow(a, 1, 1, n!), -1.5),
  );
  add("where, lines beside every other,", [c, f([m!, n! + 1]), f([m!, 2 * n!])], (p, a, b) =>
    ops.where(ops.gt(p, 0), ops.narrow(a, 1, 1, n!), ops.slice(b, 1, 1, null, 2)),
  );
  add("sigmoid, then turned,", [x], (a) => ops.t(ops.sigmoid(a)), {
    ...{ tolerance: { ulp: 4 }, gradTolerance: { ulp: 5, of: 2 } },
  });
  add("sigmoid, then summed,", [x], (a) => ops.sum(ops.sigmoid(a)), {
    ...{ tolerance: "sum", gradTolerance: { ulp: 5, of: 2 } },
  });
  add("sigmoid, then summed by lines,", [x], (a) => ops.sum(ops.sigmoid(a), { dim: 1 }), {
    ...{ tolerance: "sum", gradTolerance: { ulp: 5, of: 2 } },
  });
}
// Each kernel over views, forward and back.
const MORE = ["erf", "expm1", "log1p", "log2", "log10", "rsqrt", "reciprocal", "square"] as const;
const NAMES = ["neg", "exp", "log", "sqrt", "tanh", "sigmoid", "relu", "abs", "sin", "cos", "sign", ...MORE] as const;
for (const [name, shape, lay] of [
  ["lines", [19, 69], (x) => ops.narrow(x, 1, 2, 65)],
  ["every other", [131, 262], (x) => ops.slice(x, 1, 1, null, 2)],
  ["turned", [131, 157], (x) => ops.t(x)],
] as [string, number[], View][]) {
  for (const op of NAMES) {
    const fill = /^log|sqrt$/.test(op) ? "positive" : "away";
    const sums = { tolerance: { ulp: 4 }, gradTolerance: { ulp: 5, of: 2 } } as const;
    add(`${op}, ${name},`, [f(shape, fill)], (x) => ops.t(lay(x)[op]()), sums);
  }
  for (const [op, run] of [
    ["atan2", ops.atan2],
    ["hypot", ops.hypot],
    ["remainder", (a, b) => ops.remainder(a, b).detach()],
  ] as [string, (a: Tensor, b: Tensor) => Tensor][]) {
    const sums = { tolerance: { ulp: 4 }, gradTolerance: { ulp: 8, of: 2 } } as const;
    const order = op === "remainder" ? ({ order: 0 } as const) : {};
    const both = [f(shape, "away"), f(shape, "away")];
    add(`${op} of two, ${name},`, both, (x, y) => ops.t(run(lay(x), lay(y))), { ...sums, ...order });
  }
  const C = Math.fround(1.7);
  add(`add number, ${name},`, [f(shape)], (x) => ops.add(lay(x), C));
  add(`div number, ${name},`, [f(shape)], (x) => ops.div(lay(x), C));
  add(`number sub, ${name},`, [f(shape)], (x) => rsub(lay(x), C));
  add(`number div, ${name},`, [f(shape, "away")], (x) => rdiv(lay(x), C), { gradTolerance: { ulp: 3 } });
  for (const op of ["eq", "ne", "lt", "le", "gt", "ge"] as const) {
    add(`${op} number, ${name},`, [f(shape, "ties")], (x) => lay(x)[op](1), { order: 0 });
    add(`${op} number, int32, ${name},`, [ints(shape, { from: -2, to: 3 })], (x) => lay(x)[op](1), { order: 0 });
  }
  add(`float of int32, ${name},`, [ints(shape)], (x) => lay(x).float(), { order: 0 });
  add(`int of float32, ${name},`, [f(shape, "wide")], (x) => lay(x).int(), { order: 0 });
  add(`int of bool, ${name},`, [bools(shape)], (x) => lay(x).int(), { order: 0 });
  add(`bool of float32, ${name},`, [f(shape, "ties")], (x) => lay(x).bool(), { order: 0 });
  add(`bool of int32, ${name},`, [ints(shape, { from: -1, to: 2 })], (x) => lay(x).bool(), { order: 0 });
}
