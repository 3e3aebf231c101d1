// `npm run soak -- --minutes 10`: test/memory-soak.test.ts for as long as that, and what it saw as a table. --steps N instead of minutes;
// --node FILE: another Node; --dist: on dist/ as it is published; --page: there in Chromium.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openPages } from "../browser/dist.ts";
import { findChromium } from "../browser/page.ts";
import { environment } from "../environment.ts";

const FILE = "memory-soak.test.ts";
const HELP = "npm run soak -- [--minutes N | --steps N] [--node FILE] [--dist] [--page]";
const root = fileURLToPath(new URL("../..", import.meta.url));

function read() {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: "string" },
        steps: { type: "string" },
        node: { type: "string", default: process.execPath },
        dist: { type: "boolean", default: false },
        page: { type: "boolean", default: false },
      },
    });
    for (const name of ["minutes", "steps"] as const) {
      if (values[name] !== undefined && !(Number(values[name]) > 0))
        throw new Error(`--${name} ${values[name]}: a positive number is expected`);
    }
    return values;
  } catch (error) {
    console.error(`soak: ${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

const { minutes, steps, node, dist, page } = read();
const variables: Record<string, string> = {};
if (steps !== undefined) variables.SOAK_STEPS = steps;
else variables.SOAK_MINUTES = minutes ?? "10";

if (page) {
  const chromium = findChromium();
  if (chromium === null) throw new Error("no Chromium is installed (CHROMIUM names one)");
  const pages = await openPages(chromium);
  try {
    const text = await pages.run(FILE, variables);
    console.log(text);
    process.exitCode = /^\s*Passed:\s+1$/m.test(text) ? 0 : 1;
  } finally {
    await pages.close();
  }
} else {
  const hook = dist ? ["--import", "./test/dist-hook.mjs"] : [];
  const args = ["--expose-gc", "--import", "tsx", ...hook, `test/${FILE}`];
  const child = spawn(node, args, {
    cwd: root,
    env: environment({ ...process.env, ...variables }, FILE),
    stdio: "inherit",
  });
  child.on("close", (code) => {
    process.exitCode = code ?? 1;
  });
}
