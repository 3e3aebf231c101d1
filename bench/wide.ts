// The 256-bit build beside the 128-bit one: products as shares of the 128-bit peak. V8 takes its flag in Node 22 or later.
import { select } from "./cases.ts";
import { measure, type Row, type Settings } from "./measure.ts";
import { shares } from "./tables.ts";
import { type Grid, percent, show, time } from "./timing.ts";

const NAMES = ["W1 nn 512", "W1 nn 1024"];

export type WideRow = Row;

/** Null where this Node cannot. The flag holds for what is compiled from then on, so a process runs one build. */
export async function wideSection(settings: Settings): Promise<WideRow[] | null> {
  if (!(Number.parseInt(process.versions.node, 10) >= 22)) return null;
  const device = await settings.w.init({ simd: "256", threads: 1 });
  return await measure("256 bits", select(NAMES), { ...settings, device, build: "256", threads: 1 });
}

export const wideGrid = (rows: readonly WideRow[]): Grid => [
  ["build 256", "time", "GFLOP/s", "share of the 128-bit peak", "best round"],
  rows.map((r) => [
    ...[r.name, time(r.ms.median), show(r.rate)],
    ...[r.share === null ? "" : shares(r.share), r.bestShare === null ? "" : percent(r.bestShare)],
  ]),
];
