// The environment of a test file's process: a driver for WebGPU, and a still host for the test of flat memory.
import { type Above, withDriver } from "./drivers.ts";

// What a host takes once, at some time, with all of ours flat: V8 doubles its young generation by what survives a scavenge
// at that moment (16 to 77 MB in one run), and the C library keeps a heap for each thread, those of V8's compilers too,
// of which each keeps what its largest function needed (10 MB when some were compiled late). Both must be set before the
// start.
const YOUNG = "--max-semi-space-size=4";
const still = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...env,
  MALLOC_ARENA_MAX: "1",
  NODE_OPTIONS: `${env.NODE_OPTIONS ?? ""} ${YOUNG}`.trim(),
  DENO_V8_FLAGS: YOUNG,
});

export const environment = (env: NodeJS.ProcessEnv, file: string, above: Above = "Dawn"): NodeJS.ProcessEnv =>
  file.startsWith("memory") ? still(env) : withDriver(env, file, above);
