// Max and average pooling: overlapping windows, padding, dilation, windows cut at the edge.
import * as ops from "../../src/ops/index.ts";
import { f, family } from "./case.ts";

export const { cases, add } = family("pool");

type MaxOptions = NonNullable<Parameters<typeof ops.maxPool2d>[2]>;
const SIZES: [shape: number[], kernel: ops.Pair, options: MaxOptions][] = [
  [[1, 1, 1, 1], 1, {}],
  [[2, 3, 9, 10], 2, {}],
  [[2, 3, 8, 8], 2, {}],
  [[1, 2, 4, 34], 2, {}],
  [[1, 2, 4, 35], 2, {}],
  [[2, 3, 9, 10], 3, { stride: 2, padding: 1 }],
  [[2, 3, 9, 10], 3, { stride: 1 }],
  [[2, 3, 9, 10], [2, 3], { stride: [2, 1], padding: [0, 1] }],
  [[2, 3, 9, 10], 3, { stride: 2, ceilMode: true }],
  [[2, 3, 10, 9], 3, { stride: 2, padding: 1, ceilMode: true }],
  [[1, 2, 7, 7], 2, { stride: 3 }],
  [[1, 2, 7, 7], 7, {}],
  [[3, 9, 10], 2, {}],
  [[0, 3, 8, 8], 2, {}],
  // shared by threads
  [[16, 10, 24, 24], 2, {}],
  [[8, 20, 17, 19], 3, { stride: 2, padding: 1 }],
  [[5, 7, 31, 33], 3, { stride: 1, padding: 1 }],
];
for (const [shape, kernel, options] of SIZES) {
  const text = `${JSON.stringify(kernel)}${Object.keys(options).length === 0 ? "" : ` ${JSON.stringify(options)}`}`;
  const max = { tolerance: "exact" } as const;
  add(`maxPool2d ${text}`, [f(shape, "distinct")], (x) => ops.maxPool2d(x, kernel, options), max);
  add(`maxPool2d of ties ${text}`, [f(shape, "ties")], (x) => ops.maxPool2d(x, kernel, options), {
    ...{ ...max, marks: ["kink"] },
  });
  add(`avgPool2d ${text}`, [f(shape)], (x) => ops.avgPool2d(x, kernel, options));
  if (options.padding !== undefined || options.ceilMode) {
    add(`avgPool2d without padding ${text}`, [f(shape)], (x) =>
      ops.avgPool2d(x, kernel, { ...options, countIncludePad: false }),
    );
  }
  add(`avgPool2d with a divisor ${text}`, [f(shape)], (x) =>
    ops.avgPool2d(x, kernel, { ...options, divisorOverride: 3 }),
  );
}
for (const dilation of [2, [2, 1]] as const) {
  add(`maxPool2d dilated by ${dilation}`, [f([2, 3, 9, 10], "distinct")], (x) => ops.maxPool2d(x, 2, { dilation }), {
    ...{ tolerance: "exact" },
  });
}

// NaN wins, of several the last, the first of a tie takes the gradient; padding is -inf, never a value.
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
for (const [what, v] of [
  ["NaN", [1, 2, nan, 3, 4, inf, 5]],
  ["several NaN", [nan, 1, nan, 2, nan]],
  ["-inf", [-inf]],
  ["infinities", [1, -inf, inf, 2, -inf]],
] as const) {
  for (const [shape, kernel, options] of SIZES.slice(1, 8)) {
    const text = `${JSON.stringify(kernel)} ${JSON.stringify(options)}`;
    add(`maxPool2d with ${what} ${text}`, [f(shape, v)], (x) => ops.maxPool2d(x, kernel, options), {
      ...{ tolerance: "exact", order: 1, marks: ["nonfinite", "kink"] },
    });
  }
}
