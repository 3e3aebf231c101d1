// In the page: the cases on WebGPU against the f64 reference.
import { WebGpuDevice } from "../../src/webgpu/device.ts";
import { small, special } from "../cases/case.ts";
import { cases } from "../cases/index.ts";
import { checkCase } from "../webgpu-harness.ts";

export interface CaseResult {
  readonly name: string;
  /** Null when it passed. */
  readonly message: string | null;
  /** Of infinities, NaN or subnormals, which a driver may treat in its own way. */
  readonly special: boolean;
}

export interface Results {
  readonly adapter: string;
  readonly results: CaseResult[];
}

let device: WebGpuDevice | null = null;

/** Runs every `step`th case from `first` on, so that the caller can show where it stands. */
async function runCases(full: boolean, first: number, step: number): Promise<Results> {
  const list = (full ? cases : small(cases)).slice(first, first + step);
  const results: CaseResult[] = [];
  for (const c of list) {
    if (device === null || device.failed !== null) device = await WebGpuDevice.create();
    const name = `${c.family}: ${c.name}`;
    let message: string | null = null;
    try {
      await checkCase(c, device);
    } catch (error) {
      message = (error as Error).message;
    }
    results.push({ name, message, special: special(c) });
  }
  return { adapter: device?.info.why ?? "", results };
}

Object.assign(globalThis, { runCases, countCases: (full: boolean) => (full ? cases : small(cases)).length });
