// Fetches and compiles a build, and instantiates it for thread 0.
import { fail } from "../core/error.ts";
import {
  enableRelaxedSimd,
  enableRevectorizer,
  hasSimd,
  isNode,
  lacksRevectorizer,
  REVECTORIZE,
} from "../host/probe.ts";

/** "256" is the relaxed build with tiles that V8's revectorizer turns into 256-bit code. */
export type Build = "simd" | "relaxed" | "256";

export const BUILDS: readonly Build[] = ["simd", "relaxed", "256"];

const FILES: Record<Build, string> = { simd: "simd", relaxed: "relaxed", "256": "wide" };

/** What the host calls; everything else that is exported is a kernel. */
export interface Exports {
  walk(row: number, end: number, ith: number, nth: number, again: number): number;
  start(begin: number, end: number, nth: number): void;
  trapped(): number;
  serve(ith: number): void;
}

const OWN = new Set(["walk", "start", "trapped", "serve", "memory", "table"]);

/** Table slots in front of the kernels: the module's own function pointers. */
export const FIRST_KERNEL = 16;

/** Picks the build: fused multiply-add where the host has it. 256 bits only when asked for: V8 calls them experimental. */
export async function chooseBuild(wanted: Build | undefined): Promise<{ build: Build; why: string }> {
  if (!hasSimd()) fail("init", "this host has no WebAssembly SIMD");
  if (wanted === "simd") return { build: "simd", why: "asked for" };
  if (wanted === "256") {
    const lack = await lacksRevectorizer();
    if (lack !== null) {
      const where = `Node 22 or later, or Deno or Chromium started with ${REVECTORIZE}, on x86-64 with AVX2`;
      fail("init", `simd "256": ${lack}: it needs ${where}, use "relaxed"`);
    }
    const on = await enableRevectorizer();
    return {
      build: "256",
      why: on ? `asked for, ${REVECTORIZE} was set` : `asked for, if started with ${REVECTORIZE}`,
    };
  }
  if (await enableRelaxedSimd()) return { build: "relaxed", why: wanted ? "asked for" : "the host has relaxed SIMD" };
  if (wanted === "relaxed") fail("init", 'simd "relaxed" was asked for: this host has no relaxed SIMD, use "simd"');
  return { build: "simd", why: "the host has no relaxed SIMD" };
}

/** The wasm file stands beside the bundle; from the sources it is in dist/. */
async function bytes(build: Build, url?: string | URL): Promise<Uint8Array<ArrayBuffer>> {
  const base = import.meta.url.endsWith(".ts") ? "../../dist/" : "./";
  const file = new URL(url ?? `${base}${FILES[build]}.wasm`, import.meta.url);
  if (file.protocol === "file:" && isNode()) {
    const { readFile } = await import("node:fs/promises");
    try {
      return new Uint8Array(await readFile(file));
    } catch (error) {
      return fail(
        "init",
        `${FILES[build]}.wasm cannot be read (${(error as Error).message}): \`npm run build\` makes it`,
      );
    }
  }
  const response = await fetch(file);
  if (!response.ok) fail("init", `${file}: HTTP status ${response.status}: the wasm file must stand beside the script`);
  return new Uint8Array(await response.arrayBuffer());
}

const modules = new Map<string, Promise<WebAssembly.Module>>();

/** The compiled module; compiled once a process. */
export function compile(build: Build, url?: string | URL): Promise<WebAssembly.Module> {
  const key = `${build} ${url ?? ""}`;
  let module = modules.get(key);
  if (module === undefined) {
    module = bytes(build, url).then((b) => WebAssembly.compile(b));
    module.catch(() => modules.delete(key));
    modules.set(key, module);
  }
  return module;
}

/** Names of the kernels, in the order of the table. */
export function kernelNames(module: WebAssembly.Module): string[] {
  return WebAssembly.Module.exports(module)
    .filter((e) => e.kind === "function" && !OWN.has(e.name) && !e.name.startsWith("_"))
    .map((e) => e.name);
}

/** Thread 0's instance, its kernels in the table. */
export function instantiateOn(module: WebAssembly.Module, memory: WebAssembly.Memory, names: string[]): Exports {
  const table = new WebAssembly.Table({ initial: names.length + FIRST_KERNEL, element: "anyfunc" });
  const env = { memory, table, now: () => performance.now(), exit: () => {} };
  // Not by AssemblyScript's loader: what it adds, strings and arrays in wasm, is 2 kB of every download that no kernel uses.
  const { exports: found } = new WebAssembly.Instance(module, { env });
  const exports = found as unknown as Exports;
  const functions = found as unknown as Record<string, () => void>;
  for (const [i, name] of names.entries()) table.set(i + FIRST_KERNEL, functions[name]!);
  return exports;
}

/** Where static data ends: the host's blocks begin behind it. */
export const HEAP_BASE = 65536;
