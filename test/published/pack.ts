// The package as npm would publish it: built where it is not, packed into a tarball, and installed in a temporary folder.
import { execFile } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Packed {
  /** Holds `package.json` of type module, and the package in `node_modules/wasmgrad`. */
  readonly folder: string;
  close(): Promise<void>;
}

const changed = (path: string): number => statSync(join(root, path)).mtimeMs;
const newest = (folder: string): number =>
  Math.max(...readdirSync(join(root, folder), { recursive: true }).map((name) => changed(join(folder, String(name)))));

/** True when the bundle is missing, or older than what it is made of. */
function stale(): boolean {
  if (!existsSync(join(root, "dist/index.js"))) return true;
  const sources = [newest("src"), newest("assembly"), changed("build.mjs"), changed("bundle.mjs")];
  return changed("dist/index.js") < Math.max(...sources);
}

/** Builds `dist/` unless it is there and new. */
export async function built(): Promise<void> {
  if (stale()) await run(process.execPath, ["build.mjs"], { cwd: root });
}

/** The package, packed and installed in a folder of its own. Nothing is fetched: it has no dependencies. */
export async function packed(): Promise<Packed> {
  await built();
  const folder = await mkdtemp(join(tmpdir(), "wasmgrad-published-"));
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
      cwd: root,
    });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
    const quiet = ["--offline", "--no-audit", "--no-fund", "--ignore-scripts"];
    await run("npm", ["install", ...quiet, `./${filename}`], { cwd: folder });
    await rm(join(folder, filename));
    return { folder, close };
  } catch (error) {
    await close();
    throw error;
  }
}
