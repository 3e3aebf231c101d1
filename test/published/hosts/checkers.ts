// Cells of the checkers of packages: publint, and attw ("are the types wrong"), on the tarball.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Cell, ended, inFolder, modules } from "./cell.ts";

/** The installed package once more as a tarball: the same files. */
async function tarball(folder: string): Promise<string> {
  const { code, err } = await ended("npm", ["pack", "--ignore-scripts", "../node_modules/wasmgrad"], folder);
  if (code !== 0) throw new Error(err);
  return readdirSync(folder).find((name) => name.endsWith(".tgz"))!;
}

const cell = (name: string, script: string, args: readonly string[]): Cell => ({
  name,
  needs: [script],
  run: (published) =>
    inFolder(published, async (folder) => {
      const done = await ended(process.execPath, [script, ...args, await tarball(folder)], folder);
      if (done.code !== 0) throw new Error(`code ${done.code}\n${done.out}${done.err}`.trimEnd());
      return null;
    }),
});

export const cells: Cell[] = [
  cell("publint", join(modules, "publint", "src", "cli.js"), ["--strict"]),
  cell("attw", join(modules, "@arethetypeswrong", "cli", "dist", "index.js"), [
    ...["--no-color", "--format", "ascii"],
    // Scripts of workers: nobody imports them, only their addresses.
    ...["--exclude-entrypoints", "worker.js", "wasmgrad-worker.js", "--"],
  ]),
];
