// init: makes a device and the default one; what it is and what its memory holds. The WebGPU device is loaded when it is first asked for.

import {
  type Device,
  type DeviceInfo,
  defaultDevice,
  expectDevice,
  type MemoryUse,
  setDefaultDevice,
} from "./core/device.ts";
import { expectOptions, fail, given } from "./core/error.ts";
import { count } from "./core/lifetime.ts";
import { part } from "./host/part.ts";
import { clock, collector } from "./host/probe.ts";
import { setHost } from "./memory/upkeep.ts";
import { setText } from "./methods.ts";
import { setFinder, setMover } from "./ops/follow.ts";
import { WasmDevice } from "./wasm/device.ts";
import { BUILDS } from "./wasm/load.ts";
import type { WasmOptions } from "./wasm/options.ts";

/** What `init` takes: which device, and how it is made. Options of the other device are an error. */
export interface InitOptions extends WasmOptions {
  /**
   * "wasm", "webgpu", or a device that is there already. "auto" begins on wasm and leaves the choice to
   * `calibrate(model, sample)`, which makes the WebGPU device with the options given here.
   */
  device?: "wasm" | "webgpu" | "auto" | Device;
  /** WebGPU: the adapter to prefer; "high-performance" by default. */
  powerPreference?: "high-performance" | "low-power";
  /** WebGPU: a GPUDevice that is there already. */
  gpu?: unknown;
}

const COMMON = ["device", "debug", "deterministic", "maximumMemory"];
const OWN: Record<string, readonly string[]> = {
  wasm: ["simd", "threads", "wasm", "integrity", "worker"],
  webgpu: ["powerPreference", "gpu"],
};
const AUTO = "auto: wasm until calibrate(model, sample) has measured both and chosen";

/** The latest device of each name, and the options that it was made with. */
const latest = new Map<string, Device>();
const making = new Map<string, Promise<Device>>();
/** What else there is to say about a device. */
const notes = new WeakMap<Device, string>();
/** Options of `init` for the WebGPU device that is made when it is first asked for. */
let lazily: Omit<InitOptions, "device"> = {};

/**
 * Makes a device and lets new tensors go to it. A second call makes another one; earlier devices live on with their
 * tensors.
 */
export async function init(options: InitOptions = {}): Promise<Device> {
  const { device: wanted = "wasm", ...rest } = options ?? {};
  const auto = wanted === "auto";
  if (typeof (wanted as Device | null)?.launch === "function") {
    expectOptions("init", options, "device");
    setDefaultDevice(wanted as Device);
    return wanted as Device;
  }
  if (!auto && (typeof wanted !== "string" || !Object.hasOwn(OWN, wanted)))
    fail("init", `device ${given(wanted)}: "wasm", "webgpu", "auto" or a device is expected`);
  const own = auto ? Object.values(OWN).flat() : OWN[wanted]!;
  expectOptions(`init (${wanted})`, options, [...COMMON, ...own].join(" "));
  const device = await make(auto ? "wasm" : wanted, auto ? only(rest, OWN.wasm!) : rest);
  if (auto) {
    lazily = only(rest, OWN.webgpu!);
    note(device, AUTO);
  }
  setDefaultDevice(device);
  return device;
}

/** The options that a device takes. */
const only = (options: Omit<InitOptions, "device">, own: readonly string[]): Omit<InitOptions, "device"> =>
  Object.fromEntries(Object.entries(options).filter(([name]) => COMMON.includes(name) || own.includes(name)));

async function make(name: string, options: Omit<InitOptions, "device">): Promise<Device> {
  let made: Device;
  if (name === "webgpu") {
    const { WebGpuDevice } = await part("init", () => import("./webgpu/device.ts"));
    made = await WebGpuDevice.create(options as Parameters<typeof WebGpuDevice.create>[0]);
  } else {
    if (options.simd !== undefined && !BUILDS.includes(options.simd)) {
      fail("init", `simd ${given(options.simd)}: "simd", "relaxed" or "256" is expected`);
    }
    made = await WasmDevice.create(options);
  }
  if (made.canBlock) setText(await part("init", () => import("./text.ts")));
  setHost({ collect: await collector(), now: clock() });
  latest.set(name, made);
  return made;
}

setMover(() => part("to", () => import("./ops/move.ts")));

setFinder(async (name) => {
  if (!Object.hasOwn(OWN, name)) fail("to", `device ${given(name)}: "wasm" or "webgpu" is expected`);
  const there = latest.get(name);
  if (there !== undefined && there.failed === null) return there;
  let found = making.get(name);
  if (found === undefined) {
    found = make(name, name === "webgpu" ? lazily : {}).finally(() => making.delete(name));
    making.set(name, found);
  }
  return found;
});

/** What the default device is: build, threads, and why. */
export function info(device: Device = defaultDevice()): DeviceInfo {
  expectDevice("info", device);
  const said = notes.get(device);
  return said === undefined ? device.info : { ...device.info, why: `${device.info.why}; ${said}` };
}

/** What `info` says about a device besides its own words: the latest note. */
export function note(device: Device, text: string): void {
  notes.set(device, text);
}

/**
 * Live bytes and storages of a device (the default one), and which ops asked for them: a leak has a name. `tensors` counts
 * the live tensors of all devices.
 */
export function memory(device: Device = defaultDevice()): MemoryUse & Record<"tensors", number> {
  expectDevice("memory", device);
  return { ...device.memory(), tensors: count.tensors };
}

/** Waits until everything launched so far has run; throws the fault of a kernel. */
export async function flush(device: Device = defaultDevice()): Promise<void> {
  expectDevice("flush", device);
  await device.flush();
}
