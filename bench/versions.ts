// This version beside an earlier one, as published: each workload in processes of its own, in which the two take turns. V8
// compiles whoever comes first a little differently, so that who comes first changes from one sitting to the next. Ratios of a few
// percent want Node 24: V8 11 (Node 20) spills vectors to a stack that is aligned to 8 bytes, and products of one and the same build
// take 7 % longer where the frames of their caller are an odd number of words.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Bar, Presets } from "cli-progress";
import type { Case } from "./cases.ts";
import type { Settings } from "./measure.ts";
import type { Sat, Sitting } from "./sitting.ts";
import { type Grid, percent, type Span, show, span, time } from "./timing.ts";

export interface VersionsRow {
  readonly name: string;
  readonly mode: string;
  readonly before: Span;
  readonly after: Span;
  /** How much faster this version is, round by round. */
  readonly ratio: Span;
  /** Of the peak in the same rounds. */
  readonly share: Span;
}

/** Even: who is loaded second is some 2 % slower in captured steps of the CNN, so each comes second as often. */
const SITTINGS = 6;

const root = fileURLToPath(new URL("..", import.meta.url));

/** The cases on this version and on that of the tarball `before`, in so many rounds altogether. */
export function versionsSection(
  before: string,
  cases: readonly Case[],
  { build, budget }: Settings,
  rounds: number,
): VersionsRow[] {
  const home = mkdtempSync(join(tmpdir(), "wasmgrad-versions-"));
  const workloads = [...new Set(cases.map((c) => c.workload))];
  const bar = new Bar({ format: "versions     {bar} {value}/{total} {what}", hideCursor: true }, Presets.rect);
  bar.start(workloads.length * SITTINGS, 0, { what: "" });
  try {
    execFileSync("tar", ["-xzf", before, "-C", home]);
    const modules = [join(home, "package/dist/index.js"), join(root, "dist/index.js")] as const;
    const rows: VersionsRow[] = [];
    for (const workload of workloads) {
      const chosen = cases.filter((c) => c.workload === workload);
      const all: Sat[][] = [];
      for (let s = 0; s < SITTINGS; s++) {
        bar.update({ what: workload });
        const swapped = s % 2 === 1;
        const told: Sitting = {
          modules: swapped ? [modules[1], modules[0]] : modules,
          names: chosen.map((c) => c.name),
          ...{ build, budget, rounds: Math.ceil(rounds / SITTINGS) },
        };
        for (const [i, sat] of sit(told).entries()) {
          all[i] ??= [];
          all[i].push(swapped ? { ...sat, ms: [sat.ms[1], sat.ms[0]] } : sat);
        }
        bar.increment();
      }
      rows.push(...all.map((sats) => rowOf(sats, chosen.find((c) => c.name === sats[0]!.name)!)));
    }
    return rows;
  } finally {
    bar.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

function sit(told: Sitting): Sat[] {
  const file = fileURLToPath(new URL("sitting.ts", import.meta.url));
  // Node from 22.18 on takes the types away itself.
  const loader = process.execArgv.length > 0 ? process.execArgv : [];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...loader, file, JSON.stringify(told)], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`versions: ${stderr}`);
  return JSON.parse(stdout.slice(stdout.lastIndexOf("\n[") + 1)) as Sat[];
}

function rowOf(sats: readonly Sat[], { name, work }: Case): VersionsRow {
  const [before, after] = [0, 1].map((i) => sats.flatMap((s) => s.ms[i]!)) as [number[], number[]];
  const peak = sats.flatMap((s) => s.peak);
  return {
    ...{ name, mode: sats[0]!.mode, before: span(before), after: span(after) },
    ratio: span(before.map((t, r) => t / after[r]!)),
    share: span(after.map((t, r) => work / t / peak[r]!)),
  };
}

const range = ({ min, max }: Span): string => `${percent(min)} - ${percent(max)}`;

export const versionsGrid = (rows: readonly VersionsRow[]): Grid => [
  ["case", "", "before", "after", "before over after", "share of the peak", "range"],
  rows.map((r) => [
    ...[r.name, r.mode, time(r.before.median), time(r.after.median), show(r.ratio)],
    ...[percent(r.share.median), range(r.share)],
  ]),
];
