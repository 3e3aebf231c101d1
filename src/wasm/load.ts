// Chooses a build, and instantiates it for thread 0.
import { given, kindOf } from "../core/error.ts";
import { part } from "../host/part.ts";
import { enableRelaxedSimd, hasSimd } from "../host/probe.ts";
import { carriedBuilds } from "./carried.ts";
import type { Build, WasmOptions, WasmSource } from "./options.ts";
import { isSource, type Loaded, moduleOf, wrong } from "./source.ts";

export const BUILDS: readonly Build[] = ["simd", "relaxed", "256"];

/** What the host calls; everything else that is exported is a kernel. */
export interface Exports {
  walk(row: number, end: number, ith: number, nth: number, again: number): number;
  start(begin: number, end: number, nth: number): void;
  trapped(): number;
  serve(ith: number, ready: number): void;
}

const OWN = new Set(["walk", "start", "trapped", "serve", "memory", "table"]);

/** Table slots in front of the kernels: the module's own function pointers. */
export const FIRST_KERNEL = 16;

/**
 * Picks among the builds that are to be had: fused multiply-add where the host has it. 256 bits only when asked for: V8
 * calls them experimental.
 */
async function choose(wanted: Build | undefined, offered: readonly Build[]): Promise<{ build: Build; why: string }> {
  const gives = offered.join(", ");
  if (wanted !== undefined && !offered.includes(wanted)) return wrong("notGiven", asked(wanted), gives);
  if (wanted === "simd") return { build: "simd", why: "asked for" };
  if (wanted === "256") {
    const { revectorize } = await part("init", () => import("../host/revectorize.ts"));
    return { build: "256", why: await revectorize() };
  }
  const relaxed = offered.includes("relaxed");
  if (relaxed && (await enableRelaxedSimd())) {
    return { build: "relaxed", why: wanted ? "asked for" : "the host has relaxed SIMD" };
  }
  if (wanted === "relaxed") return wrong("noRelaxed", asked(wanted));
  if (!offered.includes("simd")) return wrong("noSimd", `wasm gives ${gives}`);
  return { build: "simd", why: relaxed ? "the host has no relaxed SIMD" : "no other was given" };
}

const asked = (build: Build): string => `simd ${given(build)} was asked for`;

const modules = new Map<string, Promise<Loaded>>();

/** Compiled once a process, where an address tells files apart. */
function once(build: Build, source: WasmSource | undefined, integrity: string | undefined): Promise<Loaded> {
  if (source !== undefined && typeof source !== "string" && !(source instanceof URL)) {
    return moduleOf(build, source, integrity);
  }
  const key = JSON.stringify([build, source, typeof integrity === "string" ? integrity : null]);
  let loaded = modules.get(key);
  if (loaded === undefined) {
    loaded = moduleOf(build, source, integrity);
    loaded.catch(() => modules.delete(key));
    modules.set(key, loaded);
  }
  return loaded;
}

/** The compiled module of the build that was asked for, or of the best one that is to be had here. */
export async function load({ simd, wasm, integrity }: WasmOptions): Promise<Loaded & { why: string }> {
  if (!hasSimd()) return wrong("none", "simd");
  if (wasm !== undefined && isSource(wasm)) {
    if (simd === "256") await choose(simd, BUILDS);
    else await enableRelaxedSimd();
    const loaded = await once(simd ?? "simd", wasm, integrity);
    if (simd !== undefined && simd !== loaded.build) return wrong("another", asked(simd), loaded.build);
    return { ...loaded, why: "the wasm file given is this one" };
  }
  const files = wasm as Partial<Record<Build, WasmSource>> | undefined;
  const names = Object.entries(wasm ?? {}).flatMap(([name, file]) => (file === undefined ? [] : name));
  let offered: readonly Build[] = BUILDS.filter((b) => isSource(files?.[b]));
  if (wasm === undefined) {
    const carried = carriedBuilds();
    offered = carried.length === 0 ? BUILDS : simd === undefined ? carried : [...carried, simd];
  } else if (offered.length === 0 || offered.length < names.length)
    return wrong("noSource", `wasm ${given(kindOf(wasm) === "Object" ? names : wasm)}`);
  const { build, why } = await choose(simd, offered);
  const loaded = await once(build, files?.[build], integrity);
  if (loaded.build !== build) return wrong("exchanged", "wasm", build, loaded.build);
  return { ...loaded, why };
}

/** Names of the kernels, in the order of the table. */
export function kernelNames(module: WebAssembly.Module): string[] {
  return WebAssembly.Module.exports(module)
    .filter((e) => e.kind === "function" && !OWN.has(e.name) && !e.name.startsWith("_"))
    .map((e) => e.name);
}

/** Thread 0's instance, its kernels in the table. */
export function instantiateOn(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  names: string[],
): { exports: Exports; table: WebAssembly.Table } {
  const table = new WebAssembly.Table({ initial: names.length + FIRST_KERNEL, element: "anyfunc" });
  const env = { memory, table, now: () => performance.now(), exit() {}, take() {} };
  // Not by AssemblyScript's loader: what it adds, strings and arrays in wasm, is 2 kB of every download that no kernel uses.
  const { exports: found } = new WebAssembly.Instance(module, { env });
  const exports = found as unknown as Exports;
  const functions = found as unknown as Record<string, () => void>;
  for (const [i, name] of names.entries()) table.set(i + FIRST_KERNEL, functions[name]!);
  return { exports, table };
}
