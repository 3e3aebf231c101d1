// Modules of Node where the host has them (Node, Deno, Bun), asked for by name while running: no bundler sees an import
// that it would have to resolve, and nothing is loaded before it is needed.

interface NodeProcess {
  readonly arch?: string;
  readonly argv?: readonly string[];
  readonly pid?: number;
  readonly platform?: string;
  readonly env?: Record<string, string | undefined>;
  readonly versions?: { readonly node?: string };
  kill?(pid: number, signal: number): unknown;
  uptime?(): number;
  getBuiltinModule?(name: string): unknown;
}

interface Builtins {
  "node:fs/promises": typeof import("node:fs/promises");
  "node:os": typeof import("node:os");
  "node:path": typeof import("node:path");
  "node:url": typeof import("node:url");
  "node:v8": typeof import("node:v8");
  "node:vm": typeof import("node:vm");
  "node:worker_threads": typeof import("node:worker_threads");
  "node:zlib": typeof import("node:zlib");
}

export const nodeProcess = (): NodeProcess | undefined => (globalThis as { process?: NodeProcess }).process;

/** workerd plays Node, clock and workers excepted: the first stands still while a request runs, the others are not there. */
export const isWorkerd = (): boolean => globalThis.navigator?.userAgent === "Cloudflare-Workers";

/** Node, Deno or Bun: files, worker_threads. A page that says it is Node, as some bundlers make it say, cannot give its modules. */
export const hasBuiltins = (): boolean =>
  nodeProcess()?.versions?.node !== undefined &&
  (typeof nodeProcess()!.getBuiltinModule === "function" || !("document" in globalThis)) &&
  !isWorkerd();

/** Node itself. */
export const isNode = (): boolean => hasBuiltins() && !("Deno" in globalThis) && !("Bun" in globalThis);

/** Imports what no bundler should look for. */
export const importHidden = (name: string): Promise<unknown> =>
  import(/* @vite-ignore */ /* webpackIgnore: true */ /* turbopackIgnore: true */ name);

/**
 * A module of the host. Not by `import()` where it can be helped: test runners that run scripts in a context of their own
 * (jest) refuse it there.
 */
export async function builtin<N extends keyof Builtins>(name: N): Promise<Builtins[N]> {
  return (nodeProcess()?.getBuiltinModule?.(name) ?? (await importHidden(name))) as Builtins[N];
}
