// Cells of Node in each version, and of Deno and Bun: the ways in which a program can load the package.
import { join } from "node:path";
import { type Cell, type Ended, ended, inFolder, modules, NODES, node, result, runtime } from "./cells.ts";

/** A library that is loaded and used says nothing. */
function quiet(done: Ended): Ended {
  if (done.err !== "") throw new Error(`on the console: ${done.err.trimEnd()}`);
  return done;
}

const program = (name: string, command: string, ...args: string[]): Cell => ({
  name,
  needs: [command],
  run: (published) => inFolder(published, async (folder) => result(quiet(await ended(command, args, folder)))),
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
  runner(`Node ${version}: jest`, version, jest, "--config", jestConfig, "--watchman=false"),
];

export const cells: Cell[] = [
  ...NODES.flatMap(nodeCells),
  program("Deno: import, --allow-read", runtime("deno"), "run", "--allow-read", "--no-prompt", "import.mjs"),
  program("Bun: import", runtime("bun"), "import.mjs"),
  program("Bun: require", runtime("bun"), "require.cjs"),
];
