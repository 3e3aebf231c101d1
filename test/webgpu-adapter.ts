// The WebGPU device of tests, or why there is none: then tests are skipped by name.
import { test } from "uvu";
import { WebGpuDevice } from "../src/webgpu/device.ts";

/** What is missing for any test, and for those with float16; or null. */
async function look(): Promise<[lack: string | null, lackHalf: string | null]> {
  try {
    const device = await WebGpuDevice.create();
    await device.dispose();
    const [name] = device.info.why.split(",");
    return [null, device.float16 ? null : `${name} has no shader-f16`];
  } catch (error) {
    const { message } = error as Error;
    return [message, message];
  }
}

export const [lack, lackHalf] = await look();

/** A test that needs a device; WEBGPU_TIMES=1 prints how long it took. */
export function gpuTest(name: string, f: () => Promise<void>, missing = lack): void {
  if (missing === null) {
    test(name, async () => {
      const begin = performance.now();
      await f();
      if (process.env.WEBGPU_TIMES) console.log(`${((performance.now() - begin) / 1000).toFixed(1)} s: ${name}`);
    });
  } else {
    test.skip(name);
    console.log(`skipped: ${name}: ${missing}`);
  }
}

/** A test that needs a device with float16. */
export const halfTest = (name: string, f: () => Promise<void>): void => gpuTest(name, f, lackHalf);

let entry: GPU | undefined;
/** As src/host/gpu.ts: SwiftShader would unroll the clearing of workgroup memory. */
const FLAGS = ["disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension"];

/** The host's adapter. */
export async function adapter(): Promise<GPUAdapter> {
  const own = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  const name = "webgpu";
  entry ??= own ?? ((await import(name)) as { create(flags: string[]): GPU }).create(FLAGS);
  return (await entry.requestAdapter())!;
}

/** A device with no more than what every WebGPU has: eight storage buffers, no subgroups. */
export async function leastDevice(): Promise<WebGpuDevice> {
  return WebGpuDevice.create({ gpu: await (await adapter()).requestDevice() });
}
