// init: makes a device and the default one.
import { type Device, type DeviceInfo, defaultDevice, setDefaultDevice } from "./core/device.ts";
import { WasmgradError } from "./core/error.ts";
import { setCollector } from "./core/memory.ts";
import { WasmDevice, type WasmOptions } from "./wasm/device.ts";
import { BUILDS } from "./wasm/load.ts";

export interface InitOptions extends WasmOptions {
  /** "wasm", or a device that is there already. */
  device?: "wasm" | Device;
}

const KNOWN = new Set(["device", "simd", "threads", "debug", "deterministic", "maximumMemory", "wasm"]);

/**
 * Makes a device and lets new tensors go to it. A second call makes another one; earlier devices live on with their
 * tensors.
 */
export async function init(options: InitOptions = {}): Promise<Device> {
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw new WasmgradError(`init: unknown option ${name}: known are ${[...KNOWN].join(", ")}`);
  }
  const { device: wanted = "wasm", ...rest } = options;
  if (typeof wanted !== "string") {
    setDefaultDevice(wanted);
    return wanted;
  }
  if (wanted !== "wasm") throw new WasmgradError(`init: device ${String(wanted)}: "wasm" is expected`);
  if (rest.simd !== undefined && !BUILDS.includes(rest.simd)) {
    throw new WasmgradError(`init: simd ${String(rest.simd)}: "simd", "relaxed" or "256" is expected`);
  }
  const { device, collect } = await WasmDevice.create(rest);
  setCollector(collect);
  setDefaultDevice(device);
  return device;
}

/** What the default device is: build, threads, and why. */
export const info = (device: Device = defaultDevice()): DeviceInfo => device.info;

/** Waits until everything launched so far has run; throws the fault of a kernel. */
export const flush = (device: Device = defaultDevice()): Promise<void> => device.flush();
