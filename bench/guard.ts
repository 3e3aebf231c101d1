// Shares of the peak are held to those in guard.json: a change that costs speed is named. A share is the best rate over
// the best peak of the same run, which noise moves least, and belongs to a processor, a build and a number of threads.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { cases } from "./cases.ts";
import { measure, type Settings, tableOf } from "./measure.ts";
import { percent, table } from "./timing.ts";

/** A share may be so much lower than the committed one, as a part of it. */
const TOLERANCE = 0.15;
/** What fell is measured again so often, and the best counts: noise does not come back in the same place. */
const AGAIN = 2;
const file = new URL("guard.json", import.meta.url);

/** Processor, then Node's major version and build and threads, then case: the share. */
type Shares = Record<string, Record<string, Record<string, number>>>;

async function sharesOf(settings: Settings, names?: readonly string[]): Promise<Record<string, number>> {
  const chosen = cases.filter((c) => c.guard && (names === undefined || names.includes(c.name)));
  const rows = await measure(
    "guard",
    chosen.map((c) => ({ ...c, modes: c.modes.slice(0, 1) })),
    settings,
  );
  console.log(`${tableOf(rows)}\n`);
  const found = rows.filter((r) => r.bestShare !== null);
  return Object.fromEntries(found.map((r) => [r.name, Math.round(1000 * r.bestShare!) / 1000]));
}

/** True when nothing fell. */
export async function guard(settings: Settings, update: boolean): Promise<boolean> {
  const all: Shares = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Shares) : {};
  const processor = cpus()[0]?.model.trim() ?? "unknown";
  const { build, threads } = settings;
  const node = process.versions.node.split(".")[0];
  const key = `node ${node}, ${build}, ${threads} thread${threads === 1 ? "" : "s"}`;
  const held = all[processor]?.[key];
  if (held === undefined && !update) {
    const known = Object.entries(all).flatMap(([p, keys]) => Object.keys(keys).map((k) => `${p}, ${k}`));
    console.log(
      `guard.json has no shares for ${processor}, ${key}; it has ${known.length === 0 ? "none at all" : known.join("; ")}.`,
    );
    console.log("`npm run bench -- guard --update` with the same options writes them.");
    return false;
  }
  const now = await sharesOf(settings);
  const lowest = (name: string): number => held![name]! * (1 - TOLERANCE);
  const below = (): string[] => (held === undefined ? [] : Object.keys(held).filter((n) => !(now[n]! >= lowest(n))));
  for (let again = 0; again < AGAIN && below().length > 0; again++) {
    console.log(`below the tolerance, measured again: ${below().join(", ")}\n`);
    const more = await sharesOf(settings, below());
    for (const [name, share] of Object.entries(more)) now[name] = Math.max(share, now[name] ?? 0);
  }
  const changed = Object.keys({ ...held, ...now })
    .map((name) => ({ name, was: held?.[name], is: now[name] }))
    .filter(({ was, is }) => was === undefined || is === undefined || Math.abs(is - was) > TOLERANCE * was);
  if (changed.length > 0 && held !== undefined) {
    const word = (was?: number, is?: number): string =>
      is === undefined ? "NOT MEASURED" : was === undefined ? "new" : is < was ? "FELL" : "rose";
    const cell = (x?: number): string => (x === undefined ? "-" : percent(x));
    console.log(
      `${table(
        ["case", "share of the peak", "committed", "allowed down to", ""],
        changed.map(({ name, was, is }) => [
          ...[name, cell(is), cell(was), cell(was && was * (1 - TOLERANCE)), word(was, is)],
        ]),
      )}\n`,
    );
  }
  if (update) {
    all[processor] = { ...all[processor], [key]: now };
    writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
    console.log(`guard.json now holds ${Object.keys(now).length} shares for ${processor}, ${key}`);
    return true;
  }
  const fell = below();
  console.log(
    fell.length === 0
      ? `guard: all ${Object.keys(held!).length} shares are within ${percent(TOLERANCE)} of the committed ones, or above`
      : `guard: ${fell.length} of ${Object.keys(held!).length} shares fell by more than ${percent(TOLERANCE)} of the committed ones, best of ${1 + AGAIN} runs of ${settings.rounds} rounds: ${fell.join(", ")}`,
  );
  return fell.length === 0;
}
