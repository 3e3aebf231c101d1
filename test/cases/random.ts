// Random numbers: threefry counters, so every device draws the same bits; the harness seeds before each run.
import * as ops from "../../src/ops/index.ts";
import { FEW, f, family } from "./case.ts";

export const { cases, add } = family("random", { tolerance: "exact", order: 0 });

// sqrt(log) and the sine of a draw: 8 ulp, and of what is added where the mean is not zero.
const normal = { tolerance: { ulp: 8 } } as const;
for (const n of [...FEW, 2, 3, 7, 8, 9, 20012]) {
  add(`rand(${n})`, [], () => ops.rand([n]));
  add(`randn(${n})`, [], () => ops.randn([n]), normal);
  add(`randint(${n})`, [], () => ops.randint(-3, 1000, [n]));
  add(`uniform_(${n})`, [], () => ops.uniform_(ops.empty([n]), -0.3, 0.7));
  add(`normal_(${n})`, [], () => ops.normal_(ops.empty([n]), 2, 0.5), { tolerance: { ulp: 8, of: 2 } });
  add("dropout", [f([n])], (x) => ops.dropout(x, 0.3), { order: 2, gradTolerance: "exact" });
}
add("the second draw", [], () => {
  ops.rand([7]);
  return ops.rand([9]);
});
add("randint over all integers", [], () => ops.randint(-(2 ** 30), 2 ** 30, [131]));
add("randint from the least integer", [], () => ops.randint(-(2 ** 31), 0, [131]));
add("randint of one value", [], () => ops.randint(5, 6, [17]));
add("uniform_ over nothing", [], () => ops.uniform_(ops.empty([17]), 2, 2));
add("uniform_ up to zero", [], () => ops.uniform_(ops.empty([1031]), -1, 0));
add("dropout, p 0,", [f([17])], (x) => ops.dropout(x, 0), { order: 2 });
add("dropout, p 1,", [f([17])], (x) => ops.dropout(x, 1), { order: 2 });
add("dropout, not training,", [f([17])], (x) => ops.dropout(x, 0.5, false), { order: 2 });
add("randLike", [f([3, 7])], (x) => ops.randLike(x));
add("randnLike", [f([3, 7])], (x) => ops.randnLike(x), normal);
add("randintLike", [f([3, 7])], (x) => ops.randintLike(x, 0, 10));
