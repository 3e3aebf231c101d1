// Shares of the peak are held to those in guard.json: a change that costs speed is named. Shares are the best rate over
// the best peak of the same run, which noise moves least, and belong to a processor, a build and a number of threads.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { cases } from "./cases.ts";
import { measure, type Settings, tableOf } from "./measure.ts";
import { percent } from "./timing.ts";

/** A share may be so much lower than the committed one, as a part of it. */
const TOLERANCE = 0.15;
const file = new URL("guard.json", import.meta.url);

/** Processor, then `relaxed 1 thread`, then case: the share. */
type Shares = Record<string, Record<string, Record<string, number>>>;

/** True when nothing fell. */
export async function guard(settings: Settings, update: boolean): Promise<boolean> {
  const rows = await measure(
    "guard",
    cases.filter((c) => c.guard).map((c) => ({ ...c, modes: c.modes.slice(0, 1) })),
    settings,
  );
  console.log(tableOf(rows));
  const now: Record<string, number> = {};
  for (const r of rows) if (r.bestShare !== null) now[r.name] = Math.round(1000 * r.bestShare) / 1000;
  const all: Shares = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Shares) : {};
  const processor = cpus()[0]?.model.trim() ?? "unknown";
  const key = `${settings.build} ${settings.threads} thread${settings.threads === 1 ? "" : "s"}`;
  if (update) {
    all[processor] = { ...all[processor], [key]: now };
    writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
    console.log(`\nguard.json now holds ${Object.keys(now).length} shares for ${processor}, ${key}`);
    return true;
  }
  const held = all[processor]?.[key];
  if (held === undefined) {
    console.log(`\nguard.json has no shares for ${processor}, ${key}: \`npm run bench -- guard --update\` writes them`);
    return false;
  }
  const fell = Object.entries(held).filter(([name, share]) => !((now[name] ?? 0) >= share * (1 - TOLERANCE)));
  for (const [name, share] of fell) {
    const got = now[name] === undefined ? "not measured" : percent(now[name]);
    console.log(`FELL  ${name}: ${got}, committed ${percent(share)}, tolerance ${percent(TOLERANCE)} of it`);
  }
  const risen = Object.entries(now).filter(([name, share]) => share > (held[name] ?? 0) * (1 + TOLERANCE));
  for (const [name, share] of risen)
    console.log(`rose  ${name}: ${percent(share)}, committed ${percent(held[name] ?? 0)}`);
  console.log(`\n${fell.length} of ${Object.keys(held).length} shares fell by more than ${percent(TOLERANCE)}`);
  return fell.length === 0;
}
