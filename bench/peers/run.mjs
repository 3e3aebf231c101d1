// node bench/peers/run.mjs [options]: our work beside other libraries', round by round, on Node 24. See --help.
// Here: what must be there, and the build; then compare.ts on the Node that bench/peers/package.json brings, or with
// --here on the one that runs this.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const node = fileURLToPath(new URL("node_modules/node/bin/node", import.meta.url));
const args = process.argv.slice(2);
if (!existsSync(node)) {
  console.error("bench/peers: no Node 24 here: `npm ci --prefix bench/peers` installs it and the peers");
  process.exit(2);
}
if (!args.includes("--no-build") && !args.includes("--help")) {
  const { status } = spawnSync(process.execPath, ["build.mjs"], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
const compare = fileURLToPath(new URL("compare.ts", import.meta.url));
// Node 24 takes TypeScript as it is.
const here = [process.execPath, "--import", import.meta.resolve("tsx")];
const [command, ...first] = args.includes("--here") ? here : [node, "--disable-warning=ExperimentalWarning"];
const { status } = spawnSync(command, [...first, compare, ...args], { stdio: "inherit" });
process.exit(status ?? 1);
