// The kernels of the WebGPU device, by the names that launches use.
import type { Registry } from "../kernel.ts";
import { binary } from "./binary.ts";
import { copy } from "./copy.ts";
import { unary } from "./unary.ts";

export { lib } from "./lib.ts";

export const registry: Registry = { ...binary, ...copy, ...unary };
