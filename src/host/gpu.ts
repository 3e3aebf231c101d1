// Where a GPU device comes from: the host's own `navigator.gpu` (browsers, Deno), or the package `webgpu` (Node, Bun).
import { WasmgradError } from "../core/error.ts";
import { importHidden } from "./node.ts";

/** Features that kernels use where they are there. */
const WANTED: readonly GPUFeatureName[] = ["subgroups", "shader-f16", "timestamp-query"];
const LIMITS = [
  "maxStorageBuffersPerShaderStage",
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupsPerDimension",
] as const;

export interface FoundGpu {
  readonly gpu: GPUDevice;
  readonly why: string;
  /** Renders on the CPU: right results, and speeds that say nothing about a GPU. */
  readonly software: boolean;
  /** Has subgroups, numbered (`subgroup_id`), and all sizes that they may have divide 256. */
  readonly subgroups: boolean;
}

interface Package {
  create(flags: string[]): GPU;
  globals: object;
}

/**
 * Held for as long as the process lives: in Node, `navigator` must not hold it, or the process would not end. One that is collected
 * takes what its devices use with it.
 */
let packaged: { module: Package; gpu: GPU; first: GPU } | null = null;
/** SwiftShader unrolls the clearing of workgroup memory that this extension asks for: seconds a pipeline. A loop clears it too. */
const SOFTWARE_FLAGS = ["disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension"];

const ownGpu = (): GPU | undefined => (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;

async function entry(): Promise<{ gpu: GPU; from: string }> {
  const own = ownGpu();
  if (own !== undefined) return { gpu: own, from: "navigator.gpu" };
  if (packaged === null) {
    let module: Package;
    try {
      module = (await importHidden("webgpu")) as Package; // optional: no bundler should look for it
    } catch (error) {
      throw new WasmgradError(
        `init: this host has no WebGPU (no navigator.gpu), and the package "webgpu" cannot be loaded: ${(error as Error).message.split("\n")[0]}; ` +
          "in Node and Bun run `npm install webgpu`, in Chromium see chrome://gpu",
      );
    }
    Object.assign(globalThis, module.globals);
    const gpu = module.create([]);
    packaged = { module, gpu, first: gpu };
  }
  return { gpu: packaged.gpu, from: 'the package "webgpu"' };
}

export const isSoftware = (info: GPUAdapterInfo): boolean =>
  /swiftshader|llvmpipe|lavapipe|software|basic render/i.test(
    [info.vendor, info.architecture, info.device, info.description].join(" "),
  ) || (info as { isFallbackAdapter?: boolean }).isFallbackAdapter === true;

/** A device with the limits and the features that its adapter has; or the one given. */
export async function findGpu(given: GPUDevice | undefined, powerPreference: GPUPowerPreference): Promise<FoundGpu> {
  if (given !== undefined) {
    const software = given.adapterInfo !== undefined && isSoftware(given.adapterInfo);
    const why = `${describe(given.adapterInfo, software)}: the device was given`;
    return { gpu: given, why, software, subgroups: hasSubgroups(given, given.adapterInfo) };
  }
  const { gpu, from } = await entry();
  let adapter = await gpu.requestAdapter({ powerPreference });
  if (adapter !== null && packaged !== null && packaged.gpu === packaged.first && isSoftware(adapter.info)) {
    packaged.gpu = packaged.module.create(SOFTWARE_FLAGS);
    adapter = await packaged.gpu.requestAdapter({ powerPreference });
  }
  if (adapter === null) {
    throw new WasmgradError(
      `init: ${from} has no adapter: there is no GPU, no driver, or the host does not allow it ` +
        '(on Linux a Vulkan driver must be there; in Chromium see chrome://gpu). `init({ device: "wasm" })` works everywhere',
    );
  }
  const requiredFeatures = WANTED.filter((f) => adapter.features.has(f));
  const requiredLimits: Record<string, number> = {};
  for (const name of LIMITS) requiredLimits[name] = adapter.limits[name];
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  const software = isSoftware(adapter.info);
  const why = `${describe(adapter.info, software)}, by ${from}`;
  return { gpu: device, why, software, subgroups: hasSubgroups(device, adapter.info) };
}

function hasSubgroups(device: GPUDevice, info: GPUAdapterInfo | undefined): boolean {
  const language = (ownGpu() ?? packaged?.gpu)?.wgslLanguageFeatures;
  const { subgroupMaxSize: most = 0 } = info ?? {};
  return device.features.has("subgroups") && language?.has("subgroup_id") === true && most > 0 && 256 % most === 0;
}

function describe(info: GPUAdapterInfo | undefined, software: boolean): string {
  const { vendor = "", architecture = "", device = "", description = "" } = info ?? {};
  const name = [description, vendor, architecture, device].filter((s) => s !== "").join(", ") || "an unnamed adapter";
  return software ? `${name} (a software adapter: its speed says nothing about a GPU)` : name;
}
