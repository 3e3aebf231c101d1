// The WebGPU device of tests, or why there is none: then tests are skipped by name.
import { test } from "uvu";
import { WebGpuDevice } from "../src/webgpu/device.ts";

async function look(): Promise<string | null> {
  try {
    await (await WebGpuDevice.create()).dispose();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What is missing, or null. */
export const lack = await look();

/** A test that needs a device; WEBGPU_TIMES=1 prints how long it took. */
export function gpuTest(name: string, f: () => Promise<void>): void {
  if (lack === null) {
    test(name, async () => {
      const begin = performance.now();
      await f();
      if (process.env.WEBGPU_TIMES) console.log(`${((performance.now() - begin) / 1000).toFixed(1)} s: ${name}`);
    });
  } else {
    test.skip(name);
    console.log(`skipped: ${name}: ${lack}`);
  }
}

let entry: GPU | undefined;

/** A device with no more than what every WebGPU has: eight storage buffers, no subgroups. */
export async function leastDevice(): Promise<WebGpuDevice> {
  const own = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  const name = "webgpu";
  entry ??= own ?? ((await import(name)) as { create(flags: string[]): GPU }).create([]);
  const gpu = await (await entry.requestAdapter())!.requestDevice();
  return WebGpuDevice.create({ gpu });
}
