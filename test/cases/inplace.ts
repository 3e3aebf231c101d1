// Writes in place, through the tape, and into the middle of a storage: what lies around stays as it is.

import type { Tensor } from "../../src/core/tensor.ts";
import * as ops from "../../src/ops/index.ts";
import { noGrad } from "../../src/ops/modes.ts";
import { bools, FEW, f, family, fixed, ints } from "./case.ts";

export const { cases, add } = family("inplace", { tolerance: "exact" });

for (const n of FEW) {
  for (const name of ["add_", "sub_"] as const) {
    add(name, [f([n]), f([n])], (x, y) => ops.clone(x)[name](y), { gradTolerance: "exact" });
    add(`${name} number`, [f([n])], (x) => ops.clone(x)[name](0.3), { gradTolerance: "exact" });
  }
  add("mul_", [f([n]), fixed([n])], (x, y) => ops.mul_(ops.clone(x), y), { gradTolerance: "exact" });
  add("mul_ number", [f([n])], (x) => ops.mul_(ops.clone(x), 0.3), { gradTolerance: "exact" });
  add("zero_", [f([n])], (x) => ops.zero_(ops.clone(x)), { gradTolerance: "exact" });
  add("fill_", [f([n])], (x) => ops.fill_(ops.clone(x), -2.5), { gradTolerance: "exact" });
  add("maskedFill_", [f([n]), bools([n])], (x, m) => ops.maskedFill_(ops.clone(x), m, 0.5), { gradTolerance: "exact" });
  add("tanh_", [f([n])], (x) => ops.tanh_(ops.clone(x)), { tolerance: { ulp: 4 }, gradTolerance: { ulp: 5, of: 2 } });
  add("copy_", [f([n]), f([n])], (x, y) => ops.copy_(ops.clone(x), y), { gradTolerance: "exact" });
  add("add_, int32,", [ints([n]), ints([n])], (x, y) => ops.add_(ops.clone(x), y), { order: 0 });
  for (const name of ["add_", "sub_", "mul_"] as const)
    add(`${name}, int32 and a number,`, [ints([n])], (x) => ops.clone(x)[name](-3), { order: 0 });
  add("fill_, int32,", [ints([n])], (x) => ops.fill_(ops.clone(x), 7), { order: 0 });
}
for (const [a, b] of [
  [[3, 6, 5], [5]],
  [
    [3, 6, 5],
    [6, 1],
  ],
  [
    [7, 17],
    [7, 1],
  ],
  [[3, 6], []],
  [[150, 131], [131]],
]) {
  for (const name of ["add_", "sub_"] as const) add(name, [f(a!), f(b!)], (x, y) => ops.clone(x)[name](y));
  add("mul_", [f(a!), fixed(b!)], (x, y) => ops.mul_(ops.clone(x), y));
}
// The product is rounded before the sum.
const twoSteps = { tolerance: { ulp: 1, of: 4 }, gradTolerance: { ulp: 2, of: 8 } } as const;
add("mul_, then add_,", [f([17]), fixed([17]), f([17])], (x, y, z) => ops.add_(ops.mul_(ops.clone(x), y), z), twoSteps);
add("two branches", [f([17])], (x) => ops.add(ops.add_(ops.mul(x, 2), 1), ops.add_(ops.mul(x, x), 1)), twoSteps);

// The source of a copy is converted, broadcast, and may be a transposed view.
for (const [a, b] of [
  [[3, 6, 5], [5]],
  [[7, 17], []],
  [
    [0, 4],
    [1, 4],
  ],
]) {
  add("copy_ broadcast", [f(a!), f(b!)], (x, y) => ops.copy_(ops.clone(x), y));
}
add("maskedFill_ of a part, by a row", [f([17, 9]), bools([4])], (x, m) => {
  const y = ops.clone(x);
  ops.maskedFill_(ops.slice(y, 1, 0, null, 3).narrow(1, 0, 2), ops.narrow(m, 0, 1, 2), -1);
  return y;
});
add(
  "tanh_ of a transposed part",
  [f([17, 9])],
  (x) => {
    const y = ops.clone(x);
    ops.tanh_(ops.t(y).narrow(0, 2, 5));
    return y;
  },
  { tolerance: { ulp: 4 }, gradTolerance: { ulp: 5, of: 2 } },
);
add("copy_ transposed", [f([5, 3]), f([3, 5])], (x, y) => ops.copy_(ops.clone(x), ops.t(y)), {
  gradTolerance: "exact",
});
add("copy_ a transposed row", [f([5, 3]), f([3, 1])], (x, y) => ops.copy_(ops.clone(x), ops.t(y)));
add("copy_ of int32", [f([17]), ints([17])], (x, y) => ops.copy_(ops.clone(x), y), { order: 0 });
add("copy_ into int32", [ints([17]), f([17])], (x, y) => ops.copy_(ops.clone(x), y), { order: 0 });

// Into rows 3 to n - 2 of a storage: the others must not change.
for (const n of [9, 21, 69, 20017]) {
  const inside = (x: Tensor, write: (y: Tensor) => void): Tensor =>
    noGrad(() => {
      write(ops.narrow(x, 0, 3, n - 5));
      return x;
    });
  add("add_ inside", [fixed([n]), fixed([n - 5])], (x, y) => inside(x, (v) => ops.add_(v, y)), { order: 0 });
  add("mul_ number inside", [fixed([n])], (x) => inside(x, (v) => ops.mul_(v, 0.5)), { order: 0 });
  add("fill_ inside", [fixed([n])], (x) => inside(x, (v) => ops.fill_(v, 4)), { order: 0 });
  add("maskedFill_ inside", [fixed([n]), bools([n - 5])], (x, m) => inside(x, (v) => ops.maskedFill_(v, m, 3)), {
    order: 0,
  });
  add("copy_ inside", [fixed([n]), fixed([n - 5])], (x, y) => inside(x, (v) => ops.copy_(v, y)), { order: 0 });
  add("uniform_ inside", [fixed([n])], (x) => inside(x, (v) => ops.uniform_(v)), { order: 0 });
}
