// The comparison of devices in bench/: what it says about given times, that pages can load it, and a small run of it.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crossoverText, devicesChart, devicesGrid, devicesText } from "../bench/crossover.ts";
import { agree, crossover, type DevicePoint, type DevicesData, measureDevices } from "../bench/devices.ts";
import { bundle } from "../bundle.mjs";
import * as w from "../src/index.ts";

const span = (t: number) => ({ median: t, min: 0.9 * t, max: 1.1 * t });
const sizes = [1, 4, 16, 64, 256, 1024, 4096];

/** WebGPU takes 4 ms and next to nothing for a row, wasm 0.02 ms a row and 0.03 on one thread. */
function given(name: string): DevicesData {
  const points = sizes.map(
    (batch): DevicePoint => ({
      ...{ model: "cnn", kind: "step", batch, difference: 1e-5 },
      ms: {
        "wasm, 1 thread": span(0.03 * batch),
        "wasm, 2 threads": span(0.02 * batch),
        [name]: span(4 + 1e-4 * batch),
      },
    }),
  );
  const entrants = ["wasm, 1 thread", "wasm, 2 threads", name].map((n) => ({
    ...{ name: n, why: `why ${n}`, software: n.includes("software") },
  }));
  return { entrants, points, ended: [], missing: null };
}

test("the crossover is against the faster wasm", () => {
  const data = given("WebGPU");
  const from = crossover(data, "cnn", "step")!;
  assert.ok(from > 180 && from < 220, `${from}`);
  assert.is(
    crossoverText(data, "cnn", "step"),
    `WebGPU is the faster one from batch ${from} on (measured at batches 1 to 4096).`,
  );
  assert.is(crossover({ ...data, points: data.points.slice(0, 3) }, "cnn", "step"), null);
  assert.is(crossover({ ...data, points: data.points.slice(5) }, "cnn", "step"), 1);
  const chart = devicesChart(data, "a machine");
  assert.match(chart, new RegExp(`from batch ${from}<`));
  assert.match(chart, /a machine; WebGPU: why WebGPU</);
  assert.not.match(chart + devicesText(data, "x.svg"), /software/);
});

test("a software adapter stands in the title of every table and chart", () => {
  const data = given("WebGPU, software adapter");
  assert.match(devicesChart(data, "a machine"), /over the batch size \(WebGPU on a software adapter\)</);
  const text = devicesText(data, "x.svg");
  for (const line of text.split("\n").filter((l) => /^(#|!)/.test(l))) assert.match(line, /software adapter/);
  for (const line of text.split("\n").filter((l) => l.startsWith("| batch"))) assert.match(line, /software adapter/);
  assert.match(devicesGrid(data)[0][0]!, /software adapter/);
});

test("losses that differ are noticed", () => {
  const data = given("WebGPU");
  assert.ok(agree(data));
  assert.not.ok(agree({ ...data, points: [{ ...data.points[0]!, difference: 2e-3 }] }));
  assert.not.ok(agree({ ...data, points: [{ ...data.points[0]!, difference: Number.NaN }] }));
});

test("pages can load it: there is no module of a host in it", async () => {
  for (const entry of ["bench/devices.ts", "bench/crossover.ts"]) {
    const [script] = await bundle({ page: entry });
    assert.not.match(script!.code, /["']node:/);
  }
});

test("a small run: every point, the same losses, sizes that end where a device does", async () => {
  const [one, two] = [await w.init({ threads: 1 }), await w.init({ threads: 1, fresh: true })];
  const list = [
    { name: "wasm, 1 thread", device: one, software: false },
    { name: "WebGPU, software adapter", device: two, software: true },
  ];
  const library = w as Parameters<typeof measureDevices>[0];
  const seen: string[] = [];
  const data = await measureDevices(
    library,
    { list, missing: null },
    {
      batches: [1, 16],
      rounds: 1,
      budget: 1,
      onPoint: ({ model }, done, total) => seen.push(`${model} ${done}/${total}`),
    },
  );
  assert.ok(agree(data));
  const kinds = ["softmax", "mlp", "cnn"].flatMap((m) => [`${m} forward`, `${m} step`]);
  assert.equal(
    data.points.map((p) => `${p.model} ${p.kind} ${p.batch} ${Object.keys(p.ms).length}`),
    kinds.flatMap((k) => [`${k} 1 2`, `${k} 16 1`]),
  );
  assert.equal([seen[0], seen.at(-1), seen.length], ["softmax 1/12", "cnn 12/12", 12]);
  assert.is(data.ended.length, 6);
  assert.is(data.ended[0], "WebGPU, software adapter, softmax, forward: a software adapter takes batches to 8");
  await two.dispose();
  const failed = await measureDevices(library, { list, missing: null }, { batches: [1], rounds: 1, budget: 1 });
  assert.match(
    failed.ended[0]!,
    /^WebGPU, software adapter, softmax, forward: batch 1 failed: wasm device: it was disposed/,
  );
  await one.dispose();
});

test.run();
