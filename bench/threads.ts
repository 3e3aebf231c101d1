// What more threads gain, in rounds where two plain loops of arithmetic show that the machine has the cores to give.
import { select } from "./cases.ts";
import { interleave, type Settings } from "./measure.ts";
import { Peaks } from "./peaks.ts";
import { median, show, span, table } from "./timing.ts";
import { prepare, ready } from "./work.ts";

const NAMES = ["W1 nn 512", "W1 nn 2048", "W4 train 512", "W7 forward", "W7 forward+backward"];
/** A round counts when plain loops scale by so much of the number of threads. */
const QUIET = 0.95;

export interface ThreadsRow {
  readonly name: string;
  /** Time on one thread over time on all, round by round; which rounds were quiet. */
  readonly scale: readonly number[];
  readonly quiet: readonly boolean[];
}

export async function threadsSection(settings: Settings, threads: number): Promise<ThreadsRow[]> {
  const { w, build, budget } = settings;
  const devices = [await w.init({ simd: build, threads: 1 }), await w.init({ simd: build, threads })] as const;
  await ready(devices[1]);
  const peaks = [new Peaks(build, 1, 1024), new Peaks(build, threads, 1024)] as const;
  const found = select(NAMES);
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
  return found.map((c, i) => {
    const [plain1, plainN, one, all] = ms.slice(4 * i, 4 * i + 4) as [number[], number[], number[], number[]];
    const loops = plain1.map((t, r) => (threads * t) / plainN[r]!);
    return { name: c.name, scale: one.map((t, r) => t / all[r]!), quiet: loops.map((x) => x >= QUIET * threads) };
  });
}

export const threadsTable = (rows: readonly ThreadsRow[], threads: number): string =>
  table(
    [`${threads} threads over one`, "all rounds", "quiet rounds", "of them"],
    rows.map((r) => {
      const quiet = r.scale.filter((_, i) => r.quiet[i]);
      return [
        r.name,
        show(span(r.scale)),
        quiet.length === 0 ? "none" : `${median(quiet).toFixed(2)}`,
        `${quiet.length}`,
      ];
    }),
  );
