// init: makes a device and the default one; what it is and what its memory holds. The WebGPU device is loaded when it is first asked for.

import {
  type Device,
  type DeviceInfo,
  defaultDevice,
  expectDevice,
  type MemoryUse,
  setDefaultDevice,
} from "./core/device.ts";
import { expectOptions, fail, given, noMore } from "./core/error.ts";
import { count, handToNet } from "./core/lifetime.ts";
import { isWorkerd } from "./host/node.ts";
import { part } from "./host/part.ts";
import { clock, collector, turn } from "./host/probe.ts";
import { collectNow, setHost } from "./memory/upkeep.ts";
import { setText } from "./methods.ts";
import { setFinder, setMover } from "./ops/follow.ts";
import { WasmDevice } from "./wasm/device.ts";
import { BUILDS } from "./wasm/load.ts";
import type { WasmOptions } from "./wasm/options.ts";
import { words, wrong } from "./wasm/source.ts";

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
  /** True: another device, although one that was made with the same options lives. False by default. */
  fresh?: boolean;
}

const COMMON = ["device", "fresh?", "debug?", "deterministic?", "maximumMemory"];
const OWN: Record<string, readonly string[]> = {
  wasm: ["simd", "threads", "wasm", "integrity", "worker"],
  webgpu: ["powerPreference", "gpu"],
};

/** A device that was made, or is being made. It is not kept alive by standing here. */
interface Made {
  readonly name: string;
  /** What was asked for. */
  readonly options: object;
  /** Settles when it is made, or cannot be. */
  making: Promise<void> | null;
  device: WeakRef<Device> | null;
}
/** The latest last. */
let made: Made[] = [];
/** So many devices that live are worth a look whether somebody holds them. */
const MANY = 4;
/** What else there is to say about a device. */
const notes = new WeakMap<Device, string>();
/** Options of `init` for the WebGPU device that is made when it is first asked for. */
let lazily: Omit<InitOptions, "device"> = {};

/**
 * Makes a device and lets new tensors go to it. Where one lives that was made with the same options, that one is given again,
 * unless `fresh` asks for another. Devices live for as long as somebody holds them or a tensor on them, and until `dispose()`.
 */
export async function init(options: InitOptions = {}, ...none: []): Promise<Device> {
  noMore("init", none);
  const { device: wanted = "wasm", fresh = false, ...rest } = options ?? {};
  const auto = wanted === "auto";
  if (typeof (wanted as Device | null)?.launch === "function") {
    expectOptions("init", options, "device");
    setDefaultDevice(wanted as Device);
    return wanted as Device;
  }
  if (!auto && (typeof wanted !== "string" || !Object.hasOwn(OWN, wanted)))
    return wrong("noDevice", `device ${given(wanted)}`);
  const own = auto ? Object.values(OWN).flat() : OWN[wanted as string]!;
  expectOptions(`init (${wanted})`, options, [...COMMON, ...own].join(" "));
  const name = auto ? "wasm" : (wanted as string);
  const key = { ...rest, device: wanted };
  const same = (one: Made): boolean => !fresh && equal(one.options, key);
  const device = await shared(same, name, auto ? without(rest, OWN.webgpu!) : rest, key);
  if (auto) {
    lazily = without(rest, OWN.wasm!);
    note(device, await words("auto", []));
  }
  setDefaultDevice(device);
  return device;
}

/** The options but those of another kind of device. */
const without = (options: Omit<InitOptions, "device">, others: readonly string[]): Omit<InitOptions, "device"> =>
  Object.fromEntries(Object.entries(options).filter(([name]) => !others.includes(name)));

const plain = (x: unknown): x is Record<string, unknown> => x?.constructor === Object;
/** Equal by value where they are plain objects or addresses; what is undefined counts as missing. */
const equal = (a: unknown, b: unknown): boolean =>
  plain(a) && plain(b)
    ? Object.keys({ ...a, ...b }).every((name) => equal(a[name], b[name]))
    : a === b || (a instanceof URL && b instanceof URL && a.href === b.href);

const lives = ({ device }: Made): boolean => device === null || device.deref()?.failed === null;

/** The latest device that fits and lives, also one that is being made; else another one. What is asked for twice at once is made once. */
async function shared(fits: (one: Made) => boolean, ...asked: Parameters<typeof make>): Promise<Device> {
  for (;;) {
    const one = made.findLast((other) => fits(other) && lives(other));
    if (one === undefined) return make(...asked);
    await one.making;
    const device = one.device?.deref();
    if (device?.failed === null) return device;
  }
}

/** Makes a device, for which `key` was asked. */
function make(name: string, options: InitOptions, key: object): Promise<Device> {
  const device = create(name, options).then(async (d) => {
    if (d.canBlock) setText(await part("init", () => import("./text.ts")));
    return d;
  });
  const one: Made = { name, options: key, making: null, device: null };
  one.making = device.then(
    (d) => {
      one.device = new WeakRef(d);
    },
    () => {
      made = made.filter((other) => other !== one);
    },
  );
  made.push(one);
  return device;
}

async function create(name: string, options: InitOptions): Promise<Device> {
  // On the edge the only nudge to collect takes more memory than the tensors of a request.
  const tensors = isWorkerd() ? () => 0 : () => count.tensors;
  setHost({ collect: await collector(), now: clock(), handOver: handToNet, tensors, turn });
  if (made.length > MANY) await collectNow();
  made = made.filter(lives);
  if (name === "webgpu") {
    const { WebGpuDevice } = await part("init", () => import("./webgpu/device.ts"));
    return WebGpuDevice.create(options as Parameters<typeof WebGpuDevice.create>[0]);
  }
  if (options.simd !== undefined && !BUILDS.includes(options.simd))
    return wrong("noBuild", `simd ${given(options.simd)}`);
  return WasmDevice.create(options);
}

setMover(() => part("to", () => import("./ops/move.ts")));

setFinder(async (name) => {
  if (!Object.hasOwn(OWN, name)) fail("to", `device ${given(name)}: "wasm" or "webgpu" is expected`);
  const options = name === "webgpu" ? lazily : {};
  return shared((one) => one.name === name, name, options, { ...options, device: name });
});

/** What the default device is: build, threads, and why. */
export function info(device: Device = defaultDevice(), ...none: []): DeviceInfo {
  noMore("info", none);
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
export function memory(device: Device = defaultDevice(), ...none: []): MemoryUse & Record<"tensors", number> {
  noMore("memory", none);
  expectDevice("memory", device);
  return { ...device.memory(), tensors: count.tensors };
}

/** Waits until everything launched so far has run; throws the fault of a kernel. */
export async function flush(device: Device = defaultDevice(), ...none: []): Promise<void> {
  noMore("flush", none);
  expectDevice("flush", device);
  await device.flush();
}
