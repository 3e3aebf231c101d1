// npm run bench -- gains: what a second thread gives nets of several sizes, captured and eager, on the machine as it is and once more with
// one core kept busy by another process.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Mode, models, net } from "./cases.ts";
import type { Settings } from "./measure.ts";
import { named, quiet, spread, type ThreadsRow, type Timed, threadsSection, when } from "./threads.ts";
import { type Grid, markdown, percent, show, span, time } from "./timing.ts";

export interface GainsData {
  readonly quiet: readonly ThreadsRow[];
  readonly busy: readonly ThreadsRow[];
}

const { softmax, mlp, cnn } = models;

const nets = (
  name: string,
  kind: "train" | "forward",
  model: typeof softmax,
  mode: Mode,
  batches: readonly number[],
): Timed[] =>
  batches.map((batch) => ({
    name: `${name} ${kind === "train" ? "step" : "forward"} ${batch}, ${mode}`,
    case: net(`${name} ${batch}`, "gains", kind, model, batch),
    mode,
  }));

const timed: readonly Timed[] = [
  ...nets("CNN", "train", cnn, "captured", [1, 4, 16, 64]),
  ...nets("CNN", "train", cnn, "eager", [16, 64]),
  ...nets("MLP", "forward", mlp, "captured", [1]),
  ...nets("MLP", "train", mlp, "captured", [1, 16, 64]),
  ...nets("MLP", "train", mlp, "eager", [64]),
  ...nets("softmax regression", "train", softmax, "captured", [16, 64]),
  ...named(["W1 nn 1024", "W4 train 512"]),
];

/** Spins, and ends by itself when its parent is gone. */
const SPIN = `while (process.ppid === ${process.pid}) for (let i = 0; i < 1e7; i++);`;

/** Until the system has settled where it runs. */
const SETTLE_MS = 500;

async function whileBusy<T>(f: () => Promise<T>): Promise<T> {
  const spinning: ChildProcess = spawn(process.execPath, ["-e", SPIN], { stdio: "ignore" });
  try {
    await once(spinning, "spawn");
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    return await f();
  } finally {
    spinning.kill("SIGKILL");
  }
}

export async function gainsSection(settings: Settings): Promise<GainsData> {
  const measure = (): Promise<ThreadsRow[]> => threadsSection(settings, [2], timed);
  return { quiet: await measure(), busy: await whileBusy(measure) };
}

export const gainsGrid = (data: GainsData): Grid => [
  [
    ...["", "one thread", "one thread over two", "quiet rounds alone", "of rounds"],
    ...["one core busy: one thread", "one thread over two", "plain loops then"],
  ],
  data.quiet.map((r, i) => {
    const busy = data.busy[i]!;
    const still = when(r.scale, quiet(r));
    return [
      ...[r.name, time(span(r.one).median), show(span(r.scale)), spread(still), `${still.length} of ${r.scale.length}`],
      ...[time(span(busy.one).median), show(span(busy.scale)), show(span(busy.loops))],
    ];
  }),
];

/** How quiet the machine was, over all cases' rounds. */
export function stillness({ quiet: rows }: GainsData): string {
  const rounds = rows.flatMap(quiet);
  const part = rounds.filter((x) => x).length / rounds.length;
  const loops = show(span(rows.flatMap((r) => r.loops)));
  const judged = part > 0.5 ? "The machine was quiet" : "The machine was not quiet, other programs shared its cores";
  return `${judged}: two plain loops scale, ${loops} x, in ${percent(part)} of the rounds.`;
}

export const gainsText = (data: GainsData): string => [stillness(data), markdown(...gainsGrid(data))].join("\n\n");
