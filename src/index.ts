// The public names, nothing else. Entries of their own: datasets and loaders, `wasmgrad/data`; mixed precision,
// `wasmgrad/amp`; the bytes of safetensors files, `wasmgrad/io`.
import "./methods.ts";

export type { BatchTime, CalibrateOptions, CalibrateProgress, Calibration, Choice } from "./calibrate.ts";
export { type Captured, capture } from "./capture.ts";
export {
  type Device,
  type DeviceInfo,
  defaultDevice,
  type MemoryUse,
  setDefaultDevice,
} from "./core/device.ts";
export type { DType, HostArray as TypedData } from "./core/dtype.ts";
export { WasmgradError } from "./core/error.ts";
export type { Shape } from "./core/shape.ts";
export { type BackwardOptions, backward, type GradOptions, grad } from "./core/tape.ts";
export { Tensor } from "./core/tensor.ts";
export { flush, type InitOptions, info, init, memory } from "./init.ts";
export { load, save, saveSafetensors } from "./io/index.ts";
export { calibrate } from "./lazy.ts";
export * as nn from "./nn/index.ts";
export * from "./ops/index.ts";
export { enableGrad, noGrad, scope } from "./ops/modes.ts";
export * as optim from "./optim/index.ts";
export { version } from "./version.ts";
export type { Build, CompiledWasm, WasmOptions, WasmSource } from "./wasm/options.ts";
