// What more threads gain, in rounds where plain loops of arithmetic show that the machine has the cores to give.
import type { Device } from "../src/index.ts";
import { select } from "./cases.ts";
import { interleave, type Settings } from "./measure.ts";
import { Peaks } from "./peaks.ts";
import { type Grid, markdown, show, span } from "./timing.ts";
import { prepare, ready } from "./work.ts";

/** The cases of the two sections. */
export const TWO = ["W1 nn 512", "W4 train 512", "W7 forward", "W7 forward+backward"];
export const MORE = ["W1 nn 2048", "W4 train 512"];

export interface ThreadsRow {
  readonly name: string;
  readonly threads: number;
  /** Time on one thread over time on all, round by round: of plain loops, and of the case right after them. */
  readonly loops: readonly number[];
  readonly scale: readonly number[];
}

/** A round counts when plain loops scale by so much of the number of threads: 1.9 of 2, 7.5 of 8. */
const quiet = (r: ThreadsRow): boolean[] => r.loops.map((x) => x >= (r.threads === 2 ? 0.95 : 0.9375) * r.threads);

/** One thread against each of `counts`. */
export async function threadsSection(
  settings: Settings,
  counts: readonly number[],
  names: readonly string[],
): Promise<ThreadsRow[]> {
  const { w, build, budget } = settings;
  const all = [1, ...counts];
  const devices: Device[] = [];
  for (const threads of all) devices.push(await w.init({ simd: build, threads }));
  for (const d of devices) await ready(d);
  const peaks = all.map((threads) => new Peaks(build, threads, 1024));
  const found = select(names);
  // The loops stand around each case, so that a round is judged case by case.
  const works = found.flatMap((c) => [
    ...peaks.map((p) => p.work("arithmetic")),
    ...devices.map((device) => prepare(w, device, c, c.modes[0]!)!),
  ]);
  const ms = await interleave("threads", works, settings.rounds, budget);
  for (const work of works) work.dispose?.();
  for (const p of peaks) await p.dispose();
  for (const d of devices) await d.dispose();
  w.setDefaultDevice(settings.device);
  return found.flatMap((c, i) => {
    const at = (j: number): number[] => ms[2 * all.length * i + j]!;
    return counts.map((threads, k) => ({
      ...{ name: c.name, threads },
      loops: at(0).map((t, r) => (threads * t) / at(k + 1)[r]!),
      scale: at(all.length).map((t, r) => t / at(all.length + k + 1)[r]!),
    }));
  });
}

const when = (values: readonly number[], is: readonly boolean[]): number[] => values.filter((_, i) => is[i]);
const spread = (values: readonly number[]): string => (values.length === 0 ? "none" : show(span(values)));

export const threadsGrid = (rows: readonly ThreadsRow[]): Grid => [
  ["", "threads", "quiet rounds: one thread over all", "of rounds", "all rounds", "plain loops, all rounds"],
  rows.map((r) => [
    ...[r.name, String(r.threads), spread(when(r.scale, quiet(r)))],
    ...[`${when(r.scale, quiet(r)).length} of ${r.scale.length}`, show(span(r.scale)), show(span(r.loops))],
  ]),
];

/** The table, and every round of a case that had no quiet one. */
export function threadsText(rows: readonly ThreadsRow[]): string {
  const none = rows.filter((r) => !quiet(r).includes(true));
  const lists = none.map((r) => {
    const each = r.loops.map((x, i) => `${x.toFixed(2)}: ${r.scale[i]!.toFixed(2)}`);
    return `${r.name}, ${r.threads} threads: none of the ${each.length} rounds was quiet. Plain loops: the case, round by round: ${each.join("; ")}.`;
  });
  return [markdown(...threadsGrid(rows)), ...lists].join("\n\n");
}
