// V8's 256-bit operations, for the build "256": loaded when that is asked for.
import { fail } from "../core/error.ts";
import { builtin, isNode, nodeProcess } from "./node.ts";
import { hasRelaxedSimd } from "./probe.ts";

/** V8 makes one 256-bit operation of two neighbouring 128-bit ones where the processor has AVX2. */
const FLAG = "--experimental-wasm-revectorize";

/** Why this host cannot turn the revectorizer on, or null. Outside Node the flag must have been given at the start, which shows nowhere. */
export async function lacksRevectorizer(): Promise<string | null> {
  if (!isNode()) {
    const chromium = /Chrom(e|ium)\//.test(globalThis.navigator?.userAgent ?? "");
    return ("Deno" in globalThis || chromium) && hasRelaxedSimd() ? null : "this host has no such V8";
  }
  const { arch, platform, versions } = nodeProcess()!;
  const major = Number.parseInt(versions!.node!, 10);
  if (!(major >= 22) || arch !== "x64") return `this is Node, version ${major}, on ${arch}`;
  if (platform !== "linux") return null;
  const { readFile } = await builtin("node:fs/promises");
  const text = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  return text.includes("flags") && !/\bavx2\b/.test(text) ? "this processor has no AVX2" : null;
}

/** Sets the flag where a running host can: it holds for what V8 compiles from now on. Returns why there are 256 bits, or throws. */
export async function revectorize(): Promise<string> {
  const lack = await lacksRevectorizer();
  if (lack !== null) {
    const where = `Node 22 or later, or Deno or Chromium started with ${FLAG}, on x86-64 with AVX2`;
    fail("init", `simd "256": ${lack}: it needs ${where}, use "relaxed"`);
  }
  if (!isNode()) return `asked for, if started with ${FLAG}`;
  const v8 = await builtin("node:v8");
  v8.setFlagsFromString(FLAG);
  return `asked for, ${FLAG} was set`;
}
