// node --import tsx test/published/hosts.ts [--only NAMES] [--markdown]: the published package in hosts without a bundler.
// Prints a table; ends with an error when a cell fails.
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { markdown, table } from "../../bench/timing.ts";
import { judge, lacks } from "./hosts/cell.ts";
import { cells } from "./hosts/cells.ts";
import { packed } from "./pack.ts";

const USAGE = `node --import tsx test/published/hosts.ts [options]
  --only NAMES   cells whose name contains one of these, such as "node 24,jest"; may be repeated
  --markdown     the table as Markdown
  --list         names the cells`;

function parse() {
  try {
    return parseArgs({
      options: {
        only: { type: "string", multiple: true, default: [] },
        markdown: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    console.error(`hosts: ${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

const values = parse();
const only = values.only.flatMap((o) => o.toLowerCase().split(",")).filter((o) => o !== "");
const chosen = cells.filter(({ name }) => only.length === 0 || only.some((o) => name.toLowerCase().includes(o)));
if (values.help || values.list || chosen.length === 0) {
  console.log(values.list ? cells.map((c) => c.name).join("\n") : USAGE);
  process.exit(values.help || values.list ? 0 : 2);
}

const { folder, close } = await packed();
const rows: string[][] = [];
const failures: string[] = [];
try {
  for (const cell of chosen) {
    const begin = performance.now();
    const row = (state: string, about = ""): void => {
      rows.push([cell.name, state, about, `${((performance.now() - begin) / 1000).toFixed(1)} s`]);
      console.error(`${state.padEnd(7)} ${cell.name}`);
    };
    const missing = lacks(cell);
    if (missing !== null) {
      row("skipped", `no ${basename(missing)}`);
      continue;
    }
    try {
      const trained = await judge(cell, folder);
      row("ok", trained === null ? "" : `${trained.info.build}, ${trained.info.threads} threads`);
    } catch (error) {
      row("FAILED");
      failures.push(`--- ${cell.name}\n${(error as Error).message}`);
    }
  }
} finally {
  await close();
}
console.log((values.markdown ? markdown : table)(["host", "", "", "took"], rows));
const count = (state: string): number => rows.filter((r) => r[1] === state).length;
console.log(`\n${failures.join("\n\n")}${failures.length > 0 ? "\n\n" : ""}`);
console.log(`${count("ok")} ok, ${count("FAILED")} failed, ${count("skipped")} skipped`);
process.exitCode = failures.length > 0 ? 1 : 0;
