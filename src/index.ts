// The public names, nothing else. Datasets and loaders are an entry of their own: `wasmgrad/data`.
import "./methods.ts";

export type { BatchTime, CalibrateOptions, CalibrateProgress, Calibration, Choice } from "./calibrate.ts";
export { type Captured, capture } from "./core/capture.ts";
export {
  type Device,
  type DeviceInfo,
  defaultDevice,
  type MemoryUse,
  setDefaultDevice,
  type TypedData,
} from "./core/device.ts";
export type { DType } from "./core/dtype.ts";
export { WasmgradError } from "./core/error.ts";
export { memory } from "./core/memory.ts";
export type { Shape } from "./core/shape.ts";
export { type BackwardOptions, backward, enableGrad, grad, noGrad, scope } from "./core/tape.ts";
export { Tensor } from "./core/tensor.ts";
export { flush, type InitOptions, info, init } from "./init.ts";
export { load, parseSafetensors, save, saveSafetensors } from "./io/index.ts";
export { calibrate } from "./lazy.ts";
export * as nn from "./nn/index.ts";
export * from "./ops/index.ts";
export * as optim from "./optim/index.ts";
export { version } from "./version.ts";
