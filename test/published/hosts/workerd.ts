// workerd, the runtime of Cloudflare's workers, with the package: as modules of its own, or bundled by esbuild in the way
// of wrangler, which leaves imports of .wasm files to the runtime. Also for the bench.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { Readable } from "node:stream";
import { ended, modules } from "./cell.ts";

export const workerd = join(modules, "workerd", "bin", "workerd");
export const esbuild = join(modules, "esbuild", "bin", "esbuild");

/** What wrangler asks a package for. */
const CONDITIONS = ["workerd", "worker", "browser", "import", "default"];

type Exports = string | { readonly [condition: string]: Exports };

/** The file behind an entry of the package's exports. */
function fileOf(exports: Exports | undefined): string | undefined {
  if (exports === undefined || typeof exports === "string") return exports;
  return Object.keys(exports)
    .filter((name) => CONDITIONS.includes(name))
    .map((name) => fileOf(exports[name]))
    .find((file) => file !== undefined);
}

export interface Serving {
  readonly url: string;
  readonly pid: number;
  close(): Promise<void>;
}

export interface ServeOptions {
  /** A module in `folder`; it imports the package by its name, and the wasm files as compiled modules. */
  readonly entry: string;
  readonly bundled?: boolean;
  readonly flags?: readonly string[];
}

/** Modules of the config, of which each embeds a file: paths are relative to `folder`. */
async function embedded(folder: string, { entry, bundled }: ServeOptions): Promise<string[]> {
  const home = ["node_modules/wasmgrad", "../node_modules/wasmgrad"].find((path) => existsSync(join(folder, path)))!;
  const { exports } = JSON.parse(readFileSync(join(folder, home, "package.json"), "utf8")) as {
    exports: Record<string, Exports>;
  };
  const embed = (name: string, kind: string, file: string): string =>
    `(name = ${JSON.stringify(name)}, ${kind} = embed ${JSON.stringify(file)})`;
  const wasm = ["simd", "relaxed"].map((name) => {
    const file = fileOf(exports[`./${name}.wasm`]) ?? `./dist/${name}.wasm`;
    return embed(`wasmgrad/${name}.wasm`, "wasm", join(home, file));
  });
  if (bundled) {
    const out = "bundled.mjs";
    const args = ["--bundle", "--format=esm", `--conditions=${CONDITIONS.slice(0, 3)}`, `--outfile=${out}`];
    const done = await ended(esbuild, [entry, ...args, "--external:*.wasm", "--external:node:*"], folder);
    if (done.code !== 0) throw new Error(`esbuild: ${done.err}`);
    return [embed("main.mjs", "esModule", out), ...wasm];
  }
  await writeFile(join(folder, "package.mjs"), `export * from "wasmgrad/${relative(".", fileOf(exports["."])!)}";\n`);
  const scripts = readdirSync(join(folder, home, "dist")).filter((name) => name.endsWith(".js"));
  return [
    embed("main.mjs", "esModule", entry),
    ...readdirSync(folder)
      .filter((name) => name.endsWith(".mjs") && ![entry, "package.mjs"].includes(name))
      .map((name) => embed(name, "esModule", name)),
    embed("wasmgrad", "esModule", "package.mjs"),
    ...scripts.map((name) => embed(`wasmgrad/dist/${name}`, "esModule", join(home, "dist", name))),
    ...wasm,
  ];
}

/** The port that it listens on, by the pipe on which it tells. */
function listening(child: ChildProcess, said: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    (child.stdio[3] as Readable).setEncoding("utf8").on("data", (part) => {
      text += part;
      const found = /"event":"listen"[^\n]*"port":(\d+)/.exec(text);
      if (found !== null) resolve(Number(found[1]));
    });
    child.on("error", reject);
    child.on("close", (code) => reject(new Error(`workerd ended with code ${code}: ${said()}`)));
  });
}

/** Starts workerd on a free port of the loopback. */
export async function serve(folder: string, options: ServeOptions): Promise<Serving> {
  const { flags = [] } = options;
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .main) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ]
);
const main :Workerd.Worker = (
  modules = [
    ${(await embedded(folder, options)).join(",\n    ")}
  ],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ${JSON.stringify(flags)},
);
`;
  await writeFile(join(folder, "config.capnp"), config);
  const args = ["serve", "--control-fd=3", "config.capnp"];
  const child = spawn(workerd, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding("utf8").on("data", (part) => (said += part));
  const gone = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const port = await listening(child, () => said);
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await gone;
  };
  return { url: `http://127.0.0.1:${port}`, pid: child.pid!, close };
}

/** The JSON that a request is answered with. */
export async function ask<T>(url: string): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP status ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}
