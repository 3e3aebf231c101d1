// `npm run soak -- --minutes 10`: test/memory-soak.test.ts for as long as that, and what it saw as a table. --steps N instead of minutes;
// --in HOST: Node24, Deno or Bun, as test/others.ts has them; --dist: on dist/ as it is published, in Node; --page: there in Chromium.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openPages } from "../browser/dist.ts";
import { findChromium } from "../browser/page.ts";
import { environment } from "../environment.ts";
import { RUNTIMES } from "../others.ts";

const FILE = "memory-soak.test.ts";
const HELP = "npm run soak -- [--minutes N | --steps N] [--in Node24 | Deno | Bun] [--dist] [--page]";
const root = fileURLToPath(new URL("../..", import.meta.url));

function read() {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: "string" },
        steps: { type: "string" },
        in: { type: "string" },
        dist: { type: "boolean", default: false },
        page: { type: "boolean", default: false },
      },
    });
    for (const name of ["minutes", "steps"] as const) {
      if (values[name] !== undefined && !(Number(values[name]) > 0))
        throw new Error(`--${name} ${values[name]}: a positive number is expected`);
    }
    if (values.in !== undefined && !Object.hasOwn(RUNTIMES, values.in))
      throw new Error(`--in ${values.in}: one of ${Object.keys(RUNTIMES).join(", ")} is expected`);
    if (values.dist && values.in !== undefined) throw new Error("--dist: Node alone runs it, without --in");
    return values;
  } catch (error) {
    console.error(`soak: ${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

const { minutes, steps, in: host, dist, page } = read();
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
  const [command, ...args] = host === undefined ? [process.execPath, "--import", "tsx", ...hook] : RUNTIMES[host]!;
  const child = spawn(command!, [...args, `test/${FILE}`], {
    cwd: root,
    env: environment({ ...process.env, ...variables }, FILE),
    stdio: "inherit",
  });
  child.on("close", (code) => {
    process.exitCode = code ?? 1;
  });
}
