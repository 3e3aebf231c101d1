// Every wait gives the collector its turn: a loop that awaits one thing, whatever it is, runs in flat memory.
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { flat, most, waits } from "./waits.ts";

/** Exports that are asynchronous by their nature and wait for a device: each stands above, or here. */
const ELSEWHERE = ["init", "calibrate"];

test("every wait on wasm", async () => {
  const device = await w.init({ threads: 1 });
  const other = await w.init({ threads: 1, fresh: true });
  await flat(device, other);
  for (const d of [device, other]) await d.dispose();
});

test("a calibration", async () => {
  const device = await w.init({ threads: 1 });
  const other = await w.init({ threads: 1, fresh: true });
  const model = new w.nn.Linear(4, 4);
  const x = w.ones([2, 4]);
  const options = { devices: [device, other] as const, budget: 20, batches: [2], cache: false };
  const calibrate = async (): Promise<void> => {
    await w.calibrate(model, x, options);
    await model.to(device);
  };
  assert.ok((await most(device, calibrate, 12, 10)) < 140);
  for (const d of [device, other]) await d.dispose();
});

test("what is exported and asynchronous is looked at above", async () => {
  const names = Object.entries(w)
    .filter(([, f]) => typeof f === "function" && f.constructor.name === "AsyncFunction")
    .map(([name]) => name);
  const listed = Object.keys(
    await waits(await w.init(), await w.init({ fresh: true }), await mkdtemp(join(tmpdir(), "w-"))),
  );
  for (const name of names)
    assert.ok(ELSEWHERE.includes(name) || listed.some((l) => l.startsWith(`${name}(`)), `${name} is not`);
});

test("tensors that cost the device nothing are collected by their number", async () => {
  const device = await w.init({ threads: 1 });
  const x = w.ones([4, 4]);
  let most = 0;
  for (let i = 0; i < 3000; i++) {
    for (let k = 0; k < 30; k++) x.t();
    await w.flush();
    most = Math.max(most, w.memory().tensors);
  }
  assert.ok(most < 30_000, `${most} tensors lived`);
  await device.dispose();
});

test.run();
