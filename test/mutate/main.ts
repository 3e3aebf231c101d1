// npm run mutate -- --count 150 --seed 1: mutations drawn from operators.ts, each tried on a copy of the tree against the tests that
// concern its file. `--only TEXT`: of files whose path has it; `--operator NAME`; `--list` shows what would be tried; `--out FILE`
// keeps the verdicts, and goes on with a file that has some; `--again FILE` tries the mutations of such a file once more, `--survivors FILE` those that survived.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Bar, Presets } from "cli-progress";
import { endAll } from "../file.ts";
import { KNOWN } from "./known.ts";
import { OPERATORS } from "./operators.ts";
import { allSites, areaName, drawn, keyOf, type Site } from "./sites.ts";
import { Trials, type Verdict } from "./trial.ts";

const { values: given } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "150" },
    only: { type: "string" },
    operator: { type: "string" },
    list: { type: "boolean", default: false },
    out: { type: "string" },
    again: { type: "string" },
    survivors: { type: "string" },
    /** Copies in which mutations are tried beside one another. */
    jobs: { type: "string", default: "1" },
  },
});

/** A mutation and what came of it: one that is known to change nothing has not been tried. */
type Tried = Pick<Site, "file" | "line" | "operator" | "before" | "after"> &
  (Verdict | { readonly outcome: "changes nothing"; readonly by: string; readonly hangs: false; readonly seconds: 0 });

const reasons = new Map(KNOWN.map((k) => [keyOf(k), k.reason]));

/** Those of an earlier run that the tree still has. */
function earlier(file: string, outcomes: readonly string[]): Site[] {
  const { mutations } = read(file);
  const left = allSites();
  return mutations
    .filter((m) => outcomes.includes(m.outcome))
    .flatMap((m) => {
      // Of equal lines the nearest.
      const same = left
        .filter((s) => keyOf(s) === keyOf(m))
        .sort((a, b) => Math.abs(a.line - m.line) - Math.abs(b.line - m.line));
      if (same.length === 0) console.log(`no longer there: ${m.file}:${m.line} ${m.operator}: ${m.before}`);
      return same.slice(0, 1);
    });
}

function chosen(): { sites: Site[]; count: number } {
  const { again, survivors } = given;
  if (again !== undefined || survivors !== undefined) {
    const sites =
      survivors !== undefined
        ? earlier(survivors, ["survived"])
        : earlier(again!, ["caught", "survived", "changes nothing"]);
    return { sites, count: sites.length };
  }
  if (given.operator !== undefined && !OPERATORS.some((o) => o.name === given.operator))
    throw new Error(`${given.operator} is no operator: ${OPERATORS.map((o) => o.name).join(", ")}`);
  const sites = allSites().filter(
    (s) => s.file.includes(given.only ?? "") && (given.operator === undefined || s.operator === given.operator),
  );
  return { sites: drawn(sites, given.seed), count: Number(given.count) };
}

const place = (s: Pick<Site, "file" | "line" | "operator">): string => `${s.file}:${s.line} ${s.operator}`;
const shown = (s: Pick<Site, "before" | "after">): string => `    ${s.before}\n    ${s.after}`;

interface Kept {
  readonly seed: string;
  readonly mutations: Tried[];
}
const read = (file: string): Kept => JSON.parse(readFileSync(file, "utf8"));

const tried: Tried[] = [];
function keep(): void {
  if (given.out === undefined) return;
  const kept: Kept = { seed: given.seed, mutations: tried };
  writeFileSync(given.out, `${JSON.stringify(kept, null, 1)}\n`);
}

function shares(title: string, of: (t: Tried) => string): void {
  console.log(`\n${title}`);
  for (const name of [...new Set(tried.map(of))].sort()) {
    const mine = tried.filter((t) => of(t) === name && t.outcome !== "not viable");
    const caught = mine.filter((t) => t.outcome === "caught").length;
    const nothing = mine.filter((t) => t.outcome === "changes nothing").length;
    const share = mine.length > nothing ? `${Math.round((100 * caught) / (mine.length - nothing))}%` : "";
    console.log(
      `  ${name.padEnd(22)} ${`${caught} of ${mine.length - nothing}`.padStart(10)} caught ${share.padStart(5)}${nothing > 0 ? `, ${nothing} change nothing` : ""}`,
    );
  }
}

async function main(): Promise<void> {
  const { sites, count } = chosen();
  if (given.list) {
    for (const s of sites.slice(0, count)) console.log(`${place(s)}\n${shown(s)}`);
    console.log(`${Math.min(count, sites.length)} of ${sites.length}`);
    return;
  }
  if (!existsSync("dist/test/relaxed.wasm")) throw new Error("the wasm is not built: node build.mjs --test");
  const bar = new Bar({ format: "{bar} {value}/{total} | {survived} survived | {now}" }, Presets.shades_classic);
  const copies = Array.from({ length: Number(given.jobs) }, () => new Trials());
  const end = (): void => {
    endAll();
    for (const c of copies) c.dispose();
  };
  process.on("SIGINT", () => {
    end();
    process.exit(130);
  });
  bar.start(Math.min(count, sites.length), 0, { survived: 0, now: "" });
  if (given.out !== undefined && existsSync(given.out)) tried.push(...read(given.out).mutations);
  const done = new Set(tried.map(keyOf));
  const left = sites.filter((s) => !done.has(keyOf(s)));
  let next = 0;
  /** How many are to be tried: what is not viable does not count. */
  let open = count - tried.filter((t) => t.outcome !== "not viable").length;
  bar.increment(count - open);
  const work = async (copy: Trials): Promise<void> => {
    while (open > 0 && next < left.length) {
      const s = left[next++]!;
      const { file, line, operator, before, after } = s;
      open--;
      bar.update({ now: place(s) });
      const reason = reasons.get(keyOf(s));
      const verdict =
        reason === undefined
          ? await copy.try(s)
          : { outcome: "changes nothing" as const, by: reason, hangs: false as const, seconds: 0 as const };
      tried.push({ file, line, operator, before, after, ...verdict });
      keep();
      if (verdict.outcome === "not viable") open++;
      else bar.increment(1, { survived: tried.filter((t) => t.outcome === "survived").length });
    }
  };
  try {
    await Promise.all(copies.map(work));
  } finally {
    bar.stop();
    end();
  }
  for (const t of tried.filter((x) => x.outcome === "changes nothing"))
    console.log(`\nchanges nothing: ${place(t)}: ${t.by}\n${shown(t)}`);
  const survivors = tried.filter((t) => t.outcome === "survived");
  for (const t of survivors) console.log(`\nsurvived: ${place(t)}\n${shown(t)}`);
  shares("by operator", (t) => t.operator);
  shares("by area", (t) => areaName(t.file));
  shares("all", () => "all");
  const hung = tried.filter((t) => t.hangs).length;
  if (hung > 0) console.log(`${hung} of those caught did not end in time`);
  const unable = tried.filter((t) => t.outcome === "not viable").length;
  if (unable > 0) console.log(`${unable} could not be tried, and others were drawn instead`);
  process.exitCode = survivors.length > 0 ? 1 : 0;
}

await main();
