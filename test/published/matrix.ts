// The command behind `npm run matrix`: the published package in pages, each way, place and setting, as a table. Ends with
// an error if a cell differs. `--only vite,inline` runs the ways whose names contain one of these; `--markdown` prints
// Markdown; `--forbidden` also runs the cells that the platform forbids, and compares the browser's words.
import { parseArgs } from "node:util";
import { findChromium } from "../browser/page.ts";
import { CELLS, expected, nameOf, type Result, rowOf, runCells, settingOf } from "./cells.ts";
import { SETTINGS, type Setting } from "./pages.ts";

const { values } = parseArgs({
  options: { only: { type: "string" }, markdown: { type: "boolean" }, forbidden: { type: "boolean" } },
});

/** A number for each reason, in the order of the table. */
const notes: string[] = [];
const note = (text: string): string => {
  if (!notes.includes(text)) notes.push(text);
  return `[${notes.indexOf(text) + 1}]`;
};

function word({ cell, wrong, threads, why }: Result): string {
  if (wrong !== null) return `FAILS ${note(wrong)}`;
  const want = expected(cell);
  if ("forbidden" in want) return `no ${note(want.forbidden)}`;
  const usual = cell.isolated ? 2 : 1;
  return `${threads}${threads === usual ? "" : ` ${note(why!)}`}`;
}

function print(rows: readonly (readonly string[])[], markdown: boolean): void {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((text, i) => text.padEnd(widths[i]!));
    return markdown ? `| ${padded.join(" | ")} |` : padded.join("  ").trimEnd();
  };
  const [head, ...rest] = rows.map(line);
  console.log(head);
  if (markdown) console.log(line(widths.map((width) => "-".repeat(width))));
  for (const text of rest) console.log(text);
}

const chromium = findChromium();
if (chromium === null) throw new Error("no Chromium is installed (CHROMIUM names one)");
const only = values.only?.split(",");
const cells = CELLS.filter(({ way }) => only?.some((part) => way.name.includes(part)) ?? true);
if (cells.length === 0) throw new Error(`--only ${values.only}: no way has such a name`);

const warnings: string[] = [];
const begin = performance.now();
const results = await runCells({
  ...{ chromium, cells, forbidden: values.forbidden === true },
  warned: (text) => warnings.push(text),
  tell: ({ cell, wrong }) => {
    if (wrong !== null) console.error(`FAILS ${nameOf(cell)}: ${wrong}`);
  },
});

const table = [["threads", ...SETTINGS.map(settingOf)]];
for (const row of new Set(cells.map(rowOf))) {
  const own = results.filter(({ cell }) => rowOf(cell) === row);
  const of = (setting: Setting): Result => own.find(({ cell }) => settingOf(cell) === settingOf(setting))!;
  table.push([row, ...SETTINGS.map((setting) => word(of(setting)))]);
}
console.log();
print(table, values.markdown === true);
console.log();
for (const [i, text] of notes.entries()) console.log(`[${i + 1}] ${text}${values.markdown ? "  " : ""}`);
for (const text of warnings) console.log(`warned of: ${text}`);
const failed = results.filter(({ wrong }) => wrong !== null).length;
const seconds = ((performance.now() - begin) / 1000).toFixed(0);
console.log(`${results.length} cells, ${failed} differ, ${seconds} s`);
process.exit(failed > 0 ? 1 : 0);
