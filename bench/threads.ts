// What more threads gain, in rounds where plain loops of arithmetic show that the machine has the cores to give.
import type { Device } from "../src/index.ts";
import { type Case, type Mode, select } from "./cases.ts";
import { interleave, type Settings } from "./measure.ts";
import { Peaks } from "./peaks.ts";
import { type Grid, markdown, show, span } from "./timing.ts";
import { prepare, ready } from "./work.ts";

export interface Timed {
  readonly name: string;
  readonly case: Case;
  readonly mode: Mode;
}

/** Cases by their names, as they are measured first. */
export const named = (names: readonly string[]): Timed[] =>
  select(names).map((c) => ({ name: c.name, case: c, mode: c.modes[0]! }));

/** The cases of the two sections. */
export const TWO = ["W1 nn 512", "W4 train 512", "W7 forward", "W7 forward+backward"];
export const MORE = ["W1 nn 2048", "W4 train 512"];

export interface ThreadsRow {
  readonly name: string;
  readonly threads: number;
  /** Milliseconds on one thread, round by round. */
  readonly one: readonly number[];
  /**
   * Time on one thread over time on all, times the threads where each does the whole work, round by round: of the case,
   * and of plain loops before and behind it, the lesser of both. `loops` work on registers alone; `reads` add up what lies
   * in the first-level cache, and feel a neighbour on the same core that leaves the arithmetic units alone.
   */
  readonly scale: readonly number[];
  readonly loops: readonly number[];
  readonly reads: readonly number[];
}

/** Floats that each thread reads, again and again: half of a first-level cache at most. */
const FLOATS = 4096;

/** Scales well enough: 1.9 of 2, 7.5 of 8. */
const enough = (r: ThreadsRow, x: number): boolean => x >= (r.threads === 2 ? 0.95 : 0.9375) * r.threads;

/** A round counts when plain loops scale. */
export const quiet = (r: ThreadsRow): boolean[] => r.loops.map((x) => enough(r, x));
/** The same, and loops that read scale too. */
const alone = (r: ThreadsRow): boolean[] => r.loops.map((x, i) => enough(r, Math.min(x, r.reads[i]!)));

/** One thread against each of `counts`. */
export async function threadsSection(
  settings: Settings,
  counts: readonly number[],
  found: readonly Timed[],
): Promise<ThreadsRow[]> {
  const { w, build, budget } = settings;
  const all = [1, ...counts];
  const devices: Device[] = [];
  for (const threads of all) devices.push(await w.init({ simd: build, threads }));
  for (const d of devices) await ready(d);
  const peaks = all.map((threads) => new Peaks(build, threads, FLOATS * threads));
  // Loops stand before each case and behind the last, so that a round is judged case by case.
  const loops = [
    ...peaks.map((p) => p.work("arithmetic")),
    ...peaks.map((p, i) => p.work("sum", FLOATS * all[i]!)), // as much for each thread
  ];
  const works = found.flatMap((c) => [...loops, ...devices.map((device) => prepare(w, device, c.case, c.mode)!)]);
  const ms = await interleave("threads", [...works, ...loops], settings.rounds, budget);
  for (const work of works) work.dispose?.();
  for (const p of peaks) await p.dispose();
  for (const d of devices) await d.dispose();
  w.setDefaultDevice(settings.device);
  const n = all.length;
  return found.flatMap((c, i) => {
    const at = (kind: number, j: number): number[] => ms[3 * n * i + n * kind + j]!;
    const gain = (kind: number, k: number, times: number): number[] =>
      at(kind, 0).map((one, r) => (times * one) / at(kind, k + 1)[r]!);
    return counts.map((threads, k) => {
      const around = (kind: number): number[] => {
        const behind = gain(kind + 3, k, threads);
        return gain(kind, k, threads).map((x, r) => Math.min(x, behind[r]!));
      };
      const scale = gain(2, k, 1);
      return { name: c.name, threads, one: at(2, 0), loops: around(0), reads: around(1), scale };
    });
  });
}

export const when = (values: readonly number[], is: readonly boolean[]): number[] => values.filter((_, i) => is[i]);
export const spread = (values: readonly number[]): string => (values.length === 0 ? "none" : show(span(values)));

export const threadsGrid = (rows: readonly ThreadsRow[]): Grid => [
  [
    ...["", "threads", "quiet rounds: one thread over all", "of rounds", "loops that read quiet too", "of rounds"],
    ...["all rounds", "plain loops, all rounds", "loops that read, all rounds"],
  ],
  rows.map((r) => {
    const [some, few] = [when(r.scale, quiet(r)), when(r.scale, alone(r))];
    const of = (part: readonly number[]): string => `${part.length} of ${r.scale.length}`;
    return [
      ...[r.name, String(r.threads), spread(some), of(some), spread(few), of(few)],
      ...[r.scale, r.loops, r.reads].map((values) => show(span(values))),
    ];
  }),
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
