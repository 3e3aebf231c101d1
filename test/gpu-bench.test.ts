// The bench for a machine with a GPU: what it makes of given times, and the bytes that a step moves at least.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { models } from "../bench/cases.ts";
import { type GpuData, gpuText, productGrid, stepBytes, stepGrid } from "../bench/gpu.ts";
import { floor } from "../bench/gpurates.ts";

const span = (t: number) => ({ median: t, min: 0.9 * t, max: 1.1 * t });

const data: GpuData = {
  adapter: "a card",
  software: false,
  rates: { bytes: 1e12, flops: 1e13 },
  products: [
    { name: "matmul 1024 float32", flops: 2 ** 31, bytes: 3 * 2 ** 22, ms: { WebGPU: span(0.4), PyTorch: span(0.3) } },
    { name: "matmul 64 float16", flops: 2 ** 19, bytes: 3 * 2 ** 13, ms: { WebGPU: span(0.01) } },
  ],
  devices: {
    entrants: ["wasm, 1 thread", "WebGPU"].map((name) => ({ name, why: `why ${name}`, software: false })),
    points: [64, 4096].map((batch) => ({
      ...{ model: "mlp" as const, kind: "step" as const, batch, difference: 0 },
      ms: { "wasm, 1 thread": span(0.02 * batch), WebGPU: span(2) },
    })),
    ended: [],
    missing: null,
  },
  torch: { "mlp 4096": span(1) },
  torchIs: "2.9 on a card",
  skipped: [],
};

test("products and steps stand beside their floor and PyTorch", () => {
  const [head, rows] = productGrid(data);
  const cell = (row: number, name: string) => rows[row]![head.indexOf(name)];
  // 2^31 operations at 10^13 a second are 0.215 ms; bytes take less.
  assert.equal(
    ["floor", "of the floor", "TFLOP/s", "of PyTorch"].map((name) => cell(0, name)),
    ["215 µs", "54 %", "5.37", "75 %"],
  );
  assert.equal([cell(1, "PyTorch"), cell(1, "of PyTorch")], ["-", "-"]);
  const [names, steps] = stepGrid(data);
  assert.equal(
    steps.map((s) => [s[0], s[names.indexOf("of PyTorch")]]),
    [
      ["mlp step, batch 64", "-"],
      ["mlp step, batch 4096", "50 %"],
    ],
  );
  assert.match(gpuText(data, "x.svg"), /mlp, step: WebGPU is the faster one from batch /);
});

test("a floor is the longer of operations and bytes", () => {
  assert.is(floor({ bytes: 1e9, flops: 1e9 }, 2e6, 1e6), 2);
  assert.is(floor({ bytes: 1e9, flops: 1e9 }, 2e6, 3e6), 3);
});

test("bytes of a step", () => {
  // 784-10 without momentum: a row of 784 twice and 10 results five times; 7850 parameters six times.
  assert.is(stepBytes(models.softmax, 3), 4 * (3 * (2 * 784 + 5 * 10) + 6 * 7850));
  // conv 10 x 24 x 24, pool 10 x 12 x 12, conv 20 x 8 x 8, pool 20 x 4 x 4, 10 classes.
  const results = 5760 + 1440 + 1280 + 320 + 10;
  const parameters = 260 + 5020 + 3210;
  assert.is(stepBytes(models.cnn, 1), 4 * (2 * 784 + 5 * results + 8 * parameters));
});

test.run();
