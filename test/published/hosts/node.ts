// Cells of Node in each version, and of Deno and Bun: the ways in which a program can load the package.
import { join } from "node:path";
import { type Cell, type Ended, ended, inFolder, modules, NODES, node, result, runtime, type Trained } from "./cell.ts";

/** What it told; a library that is loaded and used says nothing else. */
function quiet(done: Ended): Trained {
  const trained = result(done);
  if (done.err !== "") throw new Error(`on the console: ${done.err.trimEnd()}`);
  return trained;
}

const program = (name: string, command: string, ...args: string[]): Cell => ({
  name,
  needs: [command],
  run: (published) => inFolder(published, async (folder) => quiet(await ended(command, args, folder))),
});

const vitest = join(modules, "vitest", "vitest.mjs");
const jest = join(modules, "jest", "bin", "jest.js");

/** Where a test runner has its own modules, the folder of the test need not. */
const runner = (name: string, version: number, script: string, ...args: string[]): Cell => ({
  name,
  needs: [node(version), script],
  run: (published) =>
    inFolder(published, async (folder) => result(await ended(node(version), [script, ...args], folder))),
});

/** Its cache stays in the folder, which is not in its way: a new package is never an old one. */
const jestConfig = JSON.stringify({ rootDir: ".", cacheDirectory: "./cache", testMatch: ["**/*.test.cjs"] });

const nodeCells = (version: number): Cell[] => [
  program(`Node ${version}: import`, node(version), "import.mjs"),
  program(`Node ${version}: require`, node(version), "require.cjs"),
  program(`Node ${version}: worker_threads`, node(version), "worker.mjs"),
  program(`Node ${version}: fork`, node(version), "fork.mjs"),
  // vitest 5 begins with Node 22.
  ...(version < 22
    ? []
    : ["forks", "threads"].map((pool) =>
        runner(`Node ${version}: vitest, ${pool}`, version, vitest, "run", "--globals", `--pool=${pool}`),
      )),
  program(`Node ${version}: import and require in one process`, node(version), "both.mjs"),
  runner(`Node ${version}: jest`, version, jest, "--config", jestConfig, "--watchman=false"),
];

/** Of programs/forms.mjs. */
const FORMS = [
  ...["own file, integrity", "URL", "URL as text", "path from the working folder", "http", "http, integrity"],
  ...["Uint8Array", "bytes, integrity", "ArrayBuffer", "WebAssembly.Module"],
  ...["addresses", "bytes", "modules"].map((what) => `{ simd, relaxed }: ${what}`),
  ...["inline", "inline/simd"],
];

/** Node 20 has relaxed SIMD once a flag is set, which `init` does: before that no such module compiles. */
const formCells = (version: number): Cell[] =>
  FORMS.filter((form) => version > 20 || !form.endsWith("modules")).map((form) =>
    program(`Node ${version}: wasm, ${form}`, node(version), "forms.mjs", form),
  );

export const cells: Cell[] = [
  ...NODES.flatMap(nodeCells),
  ...formCells(20),
  ...formCells(24),
  program("Deno: import, --allow-read", runtime("deno"), "run", "--allow-read", "--no-prompt", "import.mjs"),
  program("Bun: import", runtime("bun"), "--no-install", "import.mjs"),
  program("Bun: require", runtime("bun"), "--no-install", "require.cjs"),
];
