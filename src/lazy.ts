// What is loaded when it is first asked for, so that nobody else downloads it.
import type { calibrate as Calibrate } from "./calibrate.ts";
import { refuseInCapture } from "./core/recording.ts";
import { part } from "./host/part.ts";

/**
 * Measures steps of the model on wasm and on WebGPU at a few batch sizes, moves it to the faster device and says why:
 * see `CalibrateOptions` and `Calibration`.
 */
export const calibrate = (async (...args: Parameters<typeof Calibrate>) => {
  refuseInCapture("calibrate", "measures: call it outside the captured function");
  return (await part("calibrate", () => import("./calibrate.ts"))).calibrate(...args);
}) as typeof Calibrate;
