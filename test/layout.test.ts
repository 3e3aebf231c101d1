// How tensors lie: strides as plain numbers, for every form of shape.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { asStrides, denseStrides, isTurned } from "../src/core/layout.ts";

test("dense strides count what lies behind a dim; a dim of none counts as one", () => {
  assert.equal(denseStrides([]), []);
  assert.equal(denseStrides([5]), [1]);
  assert.equal(denseStrides([2, 3, 4]), [12, 4, 1]);
  assert.equal(denseStrides([2, 0, 4]), [4, 4, 1]);
});

test("strides that are dense are null: dims of one do not count, and nothing is dense", () => {
  assert.is(asStrides([2, 3, 4], [12, 4, 1]), null);
  assert.is(asStrides([2, 1, 4], [4, 99, 1]), null);
  assert.is(asStrides([1, 4], [0, 1]), null);
  assert.is(asStrides([2, 0], [7, 7]), null);
  for (const [shape, strides] of [
    [
      [2, 3, 4],
      [12, 1, 3],
    ],
    [
      [2, 3],
      [3, 2],
    ],
    [
      [2, 3],
      [4, 1],
    ],
    [
      [2, 3],
      [0, 1],
    ],
    [[3], [2]],
  ])
    assert.equal(asStrides(shape!, strides!), strides);
});

test("turned is what has its last two dims swapped, and is dense else", () => {
  for (const [shape, strides] of [
    [
      [3, 4],
      [1, 3],
    ],
    [
      [2, 3, 4],
      [12, 1, 3],
    ],
    [
      [5, 2, 3, 4],
      [24, 12, 1, 3],
    ],
    [
      [1, 3, 4],
      [99, 1, 3],
    ],
    [
      [1, 4],
      [99, 1],
    ],
  ])
    assert.ok(isTurned(shape!, strides!), `${shape}: ${strides}`);
  for (const [shape, strides] of [
    [
      [3, 4],
      [4, 1],
    ],
    [
      [3, 4],
      [1, 4],
    ],
    [
      [3, 4],
      [2, 3],
    ],
    [
      [2, 3, 4],
      [13, 1, 3],
    ],
    [
      [2, 3, 4],
      [12, 4, 1],
    ],
    [
      [5, 2, 3, 4],
      [12, 60, 1, 3],
    ],
    [[4], [2]],
  ])
    assert.not(isTurned(shape!, strides!), `${shape}: ${strides}`);
  assert.not(isTurned([3, 4], null));
});

test.run();
