// The other hosts that the tests run in: a newer Node, Deno and Bun (`npm install --prefix test/runtimes` brings them).
import { fileURLToPath } from "node:url";

const bin = fileURLToPath(new URL("runtimes/node_modules/.bin/", import.meta.url));

/** Where each is, and its arguments before a file of TypeScript. */
export const RUNTIMES: Record<string, readonly [string, ...string[]]> = {
  Node24: [`${bin}node`, "--import", "tsx"],
  Deno: [`${bin}deno`, "run", "--allow-all", "--node-modules-dir=manual"],
  Bun: [`${bin}bun`],
};
