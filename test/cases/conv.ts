// conv2d and its gradients: strides, padding, dilation, groups; tiles of 2 channels x 24 pixels; batches that the gradient of
// the weight cuts into chunks of 8 images.

import { empty } from "../../src/core/make.ts";
import { launch } from "../../src/core/op.ts";
import * as ops from "../../src/ops/index.ts";
import { f, family } from "./case.ts";
import { fewerImages } from "./measured.ts";

export const { cases, add } = family("conv");

interface Shape {
  /** n, channels, h, w */
  x: [number, number, number, number];
  /** out, channels / groups, kh, kw */
  w: [number, number, number, number];
  options?: ops.ConvOptions;
}
const SHAPES: Shape[] = [
  ...fewerImages().map(
    ({ n, ci, co, size, kernel, padding }): Shape => ({
      x: [n, ci, size, size],
      w: [co, ci, kernel, kernel],
      ...(padding > 0 ? { options: { padding } } : {}),
    }),
  ),
  { x: [1, 1, 1, 1], w: [1, 1, 1, 1] },
  { x: [2, 1, 12, 12], w: [10, 1, 5, 5] },
  { x: [1, 3, 5, 5], w: [2, 3, 5, 5] },
  { x: [2, 3, 9, 8], w: [4, 3, 3, 3], options: { padding: 1 } },
  { x: [1, 4, 11, 7], w: [6, 2, 3, 2], options: { stride: [2, 1], padding: [1, 0], groups: 2 } },
  { x: [2, 6, 8, 8], w: [6, 1, 3, 3], options: { padding: 1, groups: 6 } },
  { x: [1, 3, 7, 7], w: [6, 1, 3, 3], options: { groups: 3, stride: 2 } },
  { x: [1, 2, 13, 13], w: [3, 2, 3, 3], options: { stride: [1, 2], padding: 2, dilation: 2 } },
  { x: [3, 5, 6, 6], w: [7, 5, 1, 1] },
  { x: [3, 5, 6, 7], w: [4, 5, 1, 1], options: { stride: 2 } },
  { x: [2, 8, 10, 10], w: [16, 8, 3, 3], options: { stride: 2, padding: 1 } },
  { x: [1, 5, 13, 9], w: [17, 5, 3, 3], options: { stride: [1, 2], padding: [2, 1] } },
  { x: [2, 2, 4, 25], w: [3, 2, 2, 2] }, // 24 pixels a row
  { x: [2, 2, 4, 24], w: [3, 2, 2, 2] },
  { x: [2, 2, 4, 26], w: [3, 2, 2, 2] },
  { x: [1, 2, 3, 50], w: [3, 2, 1, 3] },
  { x: [1, 2, 50, 3], w: [3, 2, 3, 1] },
  { x: [1, 1, 6, 6], w: [1, 1, 3, 3], options: { padding: 3 } }, // whole windows of padding
  { x: [1, 2, 5, 6], w: [2, 2, 3, 3], options: { dilation: [2, 1], padding: [0, 2] } },
  { x: [1, 2, 9, 9], w: [2, 2, 2, 2], options: { stride: 3 } }, // pixels that no window reads
  { x: [1, 2, 8, 8], w: [3, 2, 3, 3], options: { stride: 4, padding: 1, dilation: 2 } },
  { x: [7, 2, 5, 5], w: [3, 2, 3, 3] },
  { x: [8, 1, 5, 5], w: [2, 1, 3, 3] },
  { x: [9, 1, 5, 5], w: [2, 1, 3, 3] }, // two chunks
  { x: [17, 2, 6, 6], w: [3, 2, 3, 3], options: { padding: 1 } },
  { x: [131, 1, 4, 4], w: [2, 1, 3, 3] }, // the most chunks
  { x: [0, 2, 5, 5], w: [3, 2, 3, 3] },
  { x: [2, 2, 5, 5], w: [0, 2, 3, 3] },
  { x: [2, 30, 6, 6], w: [5, 30, 3, 3] }, // 270 terms
  // shared by threads
  { x: [9, 1, 28, 28], w: [10, 1, 5, 5] },
  { x: [8, 10, 12, 12], w: [20, 10, 5, 5] },
  { x: [3, 16, 17, 19], w: [24, 16, 3, 3], options: { padding: 1 } },
  { x: [2, 16, 19, 17], w: [32, 8, 3, 3], options: { padding: 1, groups: 2, stride: 2 } },
  { x: [4, 32, 15, 15], w: [32, 32, 1, 1] },
  { x: [2, 6, 33, 31], w: [7, 6, 3, 3], options: { dilation: 2, padding: 2 } },
  { x: [1, 3, 67, 71], w: [5, 3, 7, 7], options: { stride: 2, padding: 3 } },
  { x: [16, 24, 11, 13], w: [24, 1, 5, 5], options: { padding: 2, groups: 24 } },
  // Winograd: enough channels, 3x3 or 5x5, stride 1. Outputs of a tile of 4 x 4 (2 x 2 with 5x5), one less, one more.
  { x: [16, 16, 5, 5], w: [16, 16, 3, 3] },
  { x: [16, 16, 6, 6], w: [17, 16, 3, 3] },
  { x: [16, 17, 7, 7], w: [18, 17, 3, 3] },
  { x: [4, 19, 5, 9], w: [16, 19, 3, 3], options: { padding: 1 } },
  { x: [3, 16, 8, 13], w: [19, 16, 3, 3], options: { padding: 2 } },
  { x: [2, 18, 10, 11], w: [21, 18, 3, 3], options: { padding: [0, 2] } },
  { x: [1, 16, 13, 14], w: [16, 16, 3, 3], options: { padding: [2, 1] } },
  { x: [1, 16, 4, 113], w: [16, 16, 3, 3], options: { padding: 1 } }, // panels end within a row of tiles
  { x: [65, 16, 4, 4], w: [16, 16, 3, 3], options: { padding: 1 } }, // a tile an image
  { x: [0, 16, 12, 12], w: [16, 16, 3, 3] },
  { x: [5, 33, 14, 14], w: [35, 33, 3, 3], options: { padding: 1 } },
  { x: [1, 48, 16, 16], w: [48, 48, 3, 3], options: { padding: 1 } }, // weights that threads share
  { x: [1, 512, 14, 16], w: [16, 512, 3, 3], options: { padding: 1 } }, // panels of 16 tiles
  { x: [16, 16, 7, 7], w: [16, 16, 5, 5] },
  { x: [16, 17, 6, 6], w: [18, 17, 5, 5], options: { padding: 2 } },
  { x: [3, 16, 9, 8], w: [17, 16, 5, 5], options: { padding: 4 } },
  { x: [2, 18, 12, 11], w: [19, 18, 5, 5], options: { padding: [1, 3] } },
  // Winograd along lines: fewer channels, kernels five wide. Outputs of a tile, of four, of a vector more; blocks of images.
  { x: [9, 2, 5, 5], w: [3, 2, 5, 5] },
  { x: [4, 3, 7, 6], w: [1, 3, 5, 5] },
  { x: [7, 2, 9, 11], w: [2, 2, 5, 5] },
  { x: [2, 4, 8, 13], w: [5, 4, 5, 5] },
  { x: [31, 3, 6, 7], w: [4, 3, 5, 5] },
  { x: [0, 10, 12, 12], w: [20, 10, 5, 5] },
  { x: [1, 6, 31, 22], w: [7, 6, 5, 5] }, // threads share channels
  { x: [3, 7, 11, 13], w: [5, 7, 5, 5], options: { padding: 2 } },
  { x: [2, 5, 9, 4], w: [3, 5, 5, 5], options: { padding: [1, 4] } },
  { x: [2, 4, 4, 9], w: [3, 4, 3, 5], options: { padding: [3, 4] } },
  { x: [5, 11, 3, 12], w: [2, 11, 1, 5] },
  // Groups of one channel: rows and columns of y fewer than a block's, one more, many; weights to a channel of x.
  { x: [2, 3, 3, 3], w: [3, 1, 3, 3], options: { padding: 1, groups: 3 } },
  { x: [1, 2, 4, 5], w: [2, 1, 3, 3], options: { padding: 1, groups: 2 } },
  { x: [2, 5, 28, 28], w: [5, 1, 3, 3], options: { padding: 1, groups: 5 } },
  { x: [9, 2, 14, 19], w: [2, 1, 3, 3], options: { padding: [2, 0], groups: 2 } },
  { x: [1, 2, 3, 17], w: [6, 1, 3, 3], options: { padding: 1, groups: 2 } },
  { x: [2, 4, 14, 14], w: [4, 1, 3, 3], options: { padding: 1, groups: 4, stride: 2 } },
  { x: [2, 2, 13, 21], w: [4, 1, 3, 3], options: { padding: 1, groups: 2, stride: 2 } },
  { x: [1, 3, 17, 22], w: [9, 1, 5, 5], options: { padding: 2, groups: 3, stride: 2 } },
  { x: [1, 2, 19, 23], w: [2, 1, 3, 4], options: { padding: [0, 5], groups: 2, stride: [3, 4] } }, // pixels that no weight meets
  { x: [1, 2, 12, 15], w: [2, 1, 3, 3], options: { padding: 2, groups: 2, stride: [1, 2], dilation: [2, 3] } },
  { x: [1, 2, 9, 8], w: [4, 1, 2, 3], options: { padding: [6, 5], groups: 2, stride: [2, 1] } }, // padding beyond the weights
  { x: [1, 2, 7, 300], w: [2, 1, 7, 1], options: { groups: 2 } },
  { x: [1, 2, 2, 1100], w: [2, 1, 1, 2], options: { groups: 2 } }, // a row longer than a chain of sums
  { x: [1, 2, 20, 20], w: [4, 1, 17, 17], options: { groups: 2 } }, // more terms than a chain has
  { x: [0, 2, 5, 5], w: [2, 1, 3, 3], options: { groups: 2 } },
  { x: [3, 2, 6, 6], w: [16, 1, 3, 3], options: { groups: 2 } }, // so many weights go as other groups do
  // Columns apart: rows of y of a multiple of 8 pixels and others, two and three apart; rows of one plane side by side.
  { x: [2, 3, 17, 33], w: [5, 3, 3, 3], options: { padding: 1, stride: [1, 2] } },
  { x: [1, 4, 15, 47], w: [3, 4, 2, 3], options: { padding: [0, 1], stride: [2, 3] } },
  { x: [2, 3, 16, 32], w: [7, 3, 5, 5], options: { padding: 2, stride: 2, dilation: [1, 3] } },
  { x: [2, 8, 4, 6], w: [5, 8, 1, 1] },
  { x: [2, 40, 100, 101], w: [2, 40, 3, 3], options: { padding: 1, stride: 2 } }, // copied in bands
  { x: [1, 2, 3, 70000], w: [1, 2, 3, 3], options: { padding: 1 } }, // not even so
  { x: [2, 3, 9, 5], w: [4, 3, 3, 3], options: { stride: 2 } }, // rows of 2
  { x: [2, 70, 5, 3], w: [3, 70, 2, 2] },
];
for (const { x, w, options = {} } of SHAPES) {
  const text = Object.keys(options).length === 0 ? "" : ` ${JSON.stringify(options)}`;
  add(`conv2d${text}`, [f(x), f(w)], (a, b) => ops.conv2d(a, b, null, options));
  add(`conv2d with bias${text}`, [f(x), f(w), f([w[0]])], (a, b, c) => ops.conv2d(a, b, c, options));
}

// Kernels that no op reaches alone: relu fused.
for (const bias of [false, true]) {
  for (const [x, w] of [
    [
      [2, 3, 9, 8],
      [4, 3, 3, 3],
    ],
    [
      [9, 1, 28, 28],
      [10, 1, 5, 5],
    ],
  ] as const) {
    const out = [x[2] - w[2] + 1, x[3] - w[3] + 1];
    add(
      `conv2d${bias ? "_bias" : ""}, relu,`,
      bias ? [f(x), f(w), f([w[0]])] : [f(x), f(w)],
      (...inputs) => {
        const y = empty([x[0], w[0], ...out], "float32", "conv2d", inputs[0]!.device);
        const extents = [x[0], w[0], ...out, w[1], w[2], w[3]];
        launch(`conv2d${bias ? "_bias" : ""}_f32`, [y], inputs, extents, [x[2], x[3], 1, 1, 0, 0, 1, 1, 1, 1, 0]);
        return y;
      },
      { order: 0 },
    );
  }
}
add(
  "conv2d_bias, groups of one channel, relu,",
  [f([2, 3, 9, 8]), f([6, 1, 3, 3]), f([6])],
  (...inputs) => {
    const y = empty([2, 6, 9, 8], "float32", "conv2d", inputs[0]!.device);
    launch("conv2d_bias_f32", [y], inputs, [2, 6, 9, 8, 1, 3, 3], [9, 8, 1, 1, 1, 1, 1, 1, 3, 1, 0]);
    return y;
  },
  { order: 0 },
);
for (const bias of [false, true]) {
  add(
    `Winograd${bias ? " with bias" : ""}, relu,`,
    bias ? [f([3, 5, 9, 10]), f([7, 5, 3, 3]), f([7])] : [f([3, 5, 9, 10]), f([7, 5, 3, 3])],
    (x, w, ...rest) => {
      if (x!.device.type === "webgpu") return ops.relu(ops.conv2d(x!, w!, rest[0] ?? null, { padding: 1 }));
      const u = empty([36, 7 * 8 + 16], "float32", "conv2d", x!.device);
      const y = empty([3, 7, 9, 10], "float32", "conv2d", x!.device);
      launch("winograd_weight_f32", [u], [w!], [7, 5, 3], [0]);
      launch("conv2d_winograd_f32", [y], [x!, u, ...rest], [3, 7, 9, 10, 5, 3], [9, 10, 1, 1, 1]);
      return y;
    },
    { order: 0 },
  );
}
const spoilt = [...new Array(40).fill(1), Number.NaN, ...new Array(60).fill(2)];
add("conv2d with NaN", [f([1, 1, 10, 10], spoilt), f([2, 1, 3, 3])], (a, b) => ops.conv2d(a, b, null, { padding: 1 }), {
  ...{ order: 0, marks: ["nonfinite"] },
});
