// In the page: calibrate on wasm and on this browser's WebGPU, twice, and the bench's comparison of devices on wasm.
import { agree, measureDevices } from "../../bench/devices.ts";
import { memory } from "../../src/calibrate/answers.ts";
import * as w from "../../src/index.ts";

const build = (): w.nn.Sequential => new w.nn.Sequential(new w.nn.Linear(8, 4), new w.nn.ReLU(), new w.nn.Linear(4, 2));

/** What two calls found: the second with nothing but what localStorage keeps. */
async function runCalibrate() {
  await w.init({ device: "auto" });
  const options = { batches: [1, 4], budget: 300 };
  const x = w.rand([4, 8]);
  const first = await w.calibrate(build(), x, options);
  memory.clear();
  const second = await w.calibrate(build(), x, options);
  const kept = Object.keys(localStorage);
  const plain = ({ choice, why, times, cached }: w.Calibration) => ({ choice, why, times, cached });
  return { first: plain(first), second: plain(second), kept, info: w.info().why };
}

async function runDevices() {
  const device = await w.init({ threads: 1 });
  const data = await measureDevices(
    w as Parameters<typeof measureDevices>[0],
    { list: [{ name: "wasm, 1 thread", device, software: false }], missing: null },
    { batches: [1, 4], rounds: 1, budget: 1 },
  );
  return { points: data.points.length, ended: data.ended, agree: agree(data) };
}

Object.assign(globalThis, { runCalibrate, runDevices });
export type RunCalibrate = typeof runCalibrate;
export type RunDevices = typeof runDevices;
