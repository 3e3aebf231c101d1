// npm run bench -- sweep: many ops at the shapes of common nets, forward and backward, captured, beside PyTorch on one thread, in turns.
// The floor of each is the longer of its operations at the fused peak and its bytes at the rate of a copy of as many, both measured in the
// same rounds. What loses most time against PyTorch comes first.
import { Bar, Presets } from "cli-progress";
import type * as wasmgrad from "../src/index.ts";
import type { Settings } from "./measure.ts";
import { type Build, Peaks } from "./peaks.ts";
import { Child, KEPT, python, script } from "./peers/child.ts";
import { type Input, type SweepOp, type SweepStep, sweepOps, sweepSteps } from "./sweepops.ts";
import { shares } from "./tables.ts";
import { digits, type Grid, markdown, median, round, type Span, show, span, time, type Work, warm } from "./timing.ts";
import { type Library, update } from "./work.ts";

type Tensor = wasmgrad.Tensor;
type Pass = "forward" | "backward";

export interface SweepRow {
  readonly name: string;
  /** Operations, or 0 where they do not count; and bytes that come and go at least. */
  readonly flops: number;
  readonly bytes: number;
  readonly ms: Span;
  /** Null without PyTorch. */
  readonly torch: Span | null;
  /** PyTorch's time over ours, round by round. */
  readonly speed: Span | null;
  /** The floor over our time, round by round, and what makes it. */
  readonly share: Span;
  readonly bound: "operations" | "bytes";
}

export interface SweepData {
  readonly rows: readonly SweepRow[];
  /** Its version, or null. */
  readonly torch: string | null;
  /** What PyTorch could not do, and why. */
  readonly skipped: readonly string[];
}

/** Our side of an entry, and what PyTorch is asked for. */
interface Ready {
  readonly work: Work;
  readonly flops: number;
  readonly bytes: number;
  readonly task: object;
  /** What PyTorch's results are held to; null where there is nothing to compare. */
  readonly made: readonly Digest[] | null;
}

/** Of a result: the mean size of its elements, and some of them; of a random one the mean alone, as far as what was drawn may be. */
export interface Digest {
  readonly mean: number;
  readonly some: readonly number[];
  readonly tolerance: number;
}

interface Entry {
  readonly name: string;
  ready(w: Library): Promise<Ready>;
}

/** In parts of an element and the mean size together: results differ in their last digits, random ones in what was drawn. */
const TOLERANCE = 1e-3;
const DRAWN = 1e-2;
const SOME = 16;

/** Numbers of input i without a pattern that ends with a row: torch_peer.py makes the same. 1009 is prime. */
function numbers(w: Library, i: number, { shape, of, classes }: Input): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  if (of === "labels") return w.tensor(Int32Array.from({ length: n }, (_, j) => (j * 7919) % classes!));
  const at = (j: number): number => (j * 7919 + 331 * i) % 1009;
  const signed = of === "signed";
  const data = Float32Array.from({ length: n }, (_, j) => (signed ? at(j) / 504.5 - 1 : (at(j) + 1) / 1009));
  return w.tensor(data, { shape });
}

/** The place of the result's gradient among the numbers. */
const GRADIENT = 4;

const floatsOf = (tensors: readonly Tensor[]): number =>
  tensors.reduce((n, x) => n + x.shape.reduce((a, b) => a * b, 1), 0);

function digest(x: Tensor, random: boolean): Digest {
  const data = x.dataSync();
  const n = data.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += Math.abs(data[i]!) / n;
  // torch_peer.py takes the same places
  const some = random ? [] : Array.from({ length: SOME }, (_, i) => data[(Math.floor((i * n) / SOME) + i) % n]!);
  return { mean, some, tolerance: random ? DRAWN : TOLERANCE };
}

/** Whether two made the same results. */
export const alike = (a: readonly Digest[], b: readonly Omit<Digest, "tolerance">[]): boolean =>
  a.length === b.length &&
  a.every(({ mean, some, tolerance }, i) => {
    const near = (x: number, y: number): boolean => Math.abs(x - y) <= tolerance * (Math.abs(x) + mean);
    return near(mean, b[i]!.mean) && some.every((x, j) => near(x, b[i]!.some[j]!));
  });

async function opReady(w: Library, op: SweepOp, pass: Pass): Promise<Ready> {
  const inputs = op.inputs.map((input, i) => numbers(w, i, input));
  const held = [...inputs];
  let given = inputs;
  let once: (...xs: Tensor[]) => Tensor[];
  let floats = floatsOf(inputs);
  if (pass === "forward") once = (...xs) => [w.noGrad(() => op.ours(w, ...xs))];
  else {
    const leaves = [...op.grads].map((name) => inputs["abcd".indexOf(name)]!);
    for (const leaf of leaves) leaf.requiresGrad = true;
    const y = op.ours(w, ...inputs);
    const gradient = numbers(w, GRADIENT, { shape: y.shape, of: "signed" });
    held.push(y, gradient);
    given = [gradient];
    once = (g) => w.grad(y, leaves, { gradient: g!, retainGraph: true }).map((x) => x!);
    floats = (op.reads ? floats : 0) + floatsOf([gradient]);
  }
  const captured = w.capture(once);
  const results = await captured(...given);
  const made = results.map((x) => digest(x, op.random));
  floats += floatsOf(results);
  for (const x of results) x.dispose();
  const { torch, grads } = op;
  return {
    work: {
      unit: 1,
      async run(times) {
        for (let i = 0; i < times; i++) for (const x of await captured(...given)) x.dispose();
        w.defaultDevice().flushSync();
      },
      dispose() {
        captured.dispose();
        for (const x of held) x.dispose();
      },
    },
    flops: op.flops * (pass === "forward" ? 1 : grads.replace("c", "").length),
    bytes: 4 * floats,
    task: { kind: "expression", inputs: op.inputs, torch, pass, grads },
    made,
  };
}

async function stepReady(w: Library, { task, bytes }: SweepStep): Promise<Ready> {
  const work = update(w, w.defaultDevice(), task, "captured");
  return { work, flops: 0, bytes, task, made: null };
}

/** Everything that a name chooses. */
export function sweepEntries(chosen: (name: string) => boolean): Entry[] {
  const ops = sweepOps.flatMap((op) =>
    (op.grads === "" ? (["forward"] as const) : (["forward", "backward"] as const)).map((pass) => ({
      name: pass === "forward" ? op.name : `${op.name}, backward`,
      ready: (w: Library) => opReady(w, op, pass),
    })),
  );
  const steps = sweepSteps.map((step) => ({ name: step.name, ready: (w: Library) => stepReady(w, step) }));
  return [...ops, ...steps].filter((entry) => chosen(entry.name));
}

/** A stream has so many floats at most: longer ones run at the same rate. */
const MOST_FLOATS = 2 ** 23;
const SAMPLE_MS = 2;

/** The machine's own rates, in turns with everyone. */
class Floors {
  readonly #peaks: Peaks;
  readonly #arithmetic: Work;
  /** Runs of the arithmetic in a sample. */
  readonly #calls: number;

  private constructor(peaks: Peaks, arithmetic: Work, calls: number) {
    this.#peaks = peaks;
    this.#arithmetic = arithmetic;
    this.#calls = calls;
  }

  static async make(build: Build): Promise<Floors> {
    const peaks = new Peaks(build, 1, MOST_FLOATS);
    const arithmetic = peaks.work("arithmetic");
    await warm(peaks.work("copy", 1024)); // V8 has its code for every length
    return new Floors(peaks, arithmetic, await warm(arithmetic));
  }

  /** What gives, round by round, how long so many operations and bytes take at least. */
  async of(flops: number, bytes: number): Promise<() => Promise<{ operations: number; bytes: number }>> {
    const floats = Math.min(MOST_FLOATS, 16 * Math.ceil(bytes / 8 / 16));
    const stream = this.#peaks.work("copy", floats);
    await stream.run(1);
    const begin = performance.now();
    await stream.run(1);
    const calls = Math.ceil(SAMPLE_MS / (performance.now() - begin));
    // Of no budget: one sample, for the rates hardly change within a round.
    return async () => ({
      operations: ((await round(this.#arithmetic, this.#calls, 0)) * flops) / this.#peaks.amount("arithmetic"),
      bytes: ((await round(stream, calls, 0)) * bytes) / this.#peaks.amount("copy", floats),
    });
  }

  dispose(): Promise<void> {
    return this.#peaks.dispose();
  }
}

export async function sweepSection(settings: Settings, entries: readonly Entry[]): Promise<SweepData> {
  const { w, device, build, rounds, budget } = settings;
  w.setDefaultDevice(device);
  const command = python();
  const child =
    command === null ? null : await new Child("torch", command, [script("torch_peer.py"), "1"], KEPT).start();
  const floors = await Floors.make(build);
  const rows: SweepRow[] = [];
  const skipped: string[] = [];

  async function measure({ name, ready }: Entry): Promise<SweepRow> {
    const { work, flops, bytes, task, made } = await ready(w);
    const floor = await floors.of(flops, bytes);
    const calls = await warm(work);
    const loaded = child && (await child.ask({ do: "load", case: { task }, mode: "eager" }));
    if (loaded?.error !== undefined) skipped.push(`${name}: ${loaded.error}`);
    const other = loaded?.error === undefined ? loaded : null;
    if (other !== null && made !== null && !alike(made, other.made as Digest[]))
      throw new Error(`sweep: ${name}: PyTorch gives ${JSON.stringify(other.made)}, we ${JSON.stringify(made)}`);
    const ms: number[] = [];
    const torch: number[] = [];
    const least: { operations: number; bytes: number }[] = [];
    for (let r = 0; r < rounds; r++) {
      ms.push(await round(work, calls, budget));
      if (other !== null) torch.push((await child!.ask({ do: "round", work: other.work, budget })).ms as number);
      least.push(await floor());
    }
    if (other !== null) await child!.ask({ do: "drop", work: other.work });
    work.dispose?.();
    return {
      ...{ name, flops, bytes, ms: span(ms), torch: other && span(torch) },
      speed: other && span(torch.map((t, r) => t / ms[r]!)),
      share: span(least.map((l, r) => Math.max(l.operations, l.bytes) / ms[r]!)),
      bound: median(least.map((l) => l.operations / l.bytes)) > 1 ? "operations" : "bytes",
    };
  }

  const bar = new Bar({ format: "sweep        {bar} {value}/{total} {what}", hideCursor: true }, Presets.rect);
  bar.start(entries.length, 0, { what: "" });
  try {
    for (const entry of entries) {
      bar.update({ what: entry.name });
      rows.push(await measure(entry));
      bar.increment();
    }
    return { rows, torch: child?.versions.torch ?? null, skipped };
  } finally {
    bar.stop();
    child?.end();
    await floors.dispose();
  }
}

/** Milliseconds that a call takes longer than PyTorch's, or where there is none, than the floor: time x (1 - the ratio of speeds). */
export const lost = ({ ms, speed, share }: SweepRow): number => ms.median * (1 - (speed ?? share).median);

const bytesText = (bytes: number): string => `${digits(bytes / 2 ** 20)} MiB`;

/** What loses most comes first. */
export const sweepGrid = ({ rows }: SweepData): Grid => [
  [
    ...[
      "",
      "time",
      "range",
      "PyTorch",
      "our speed over it",
      "best round",
      "lost in a call",
      "share of the floor",
      "bound by",
    ],
    ...["operations", "bytes at least"],
  ],
  [...rows]
    .sort((a, b) => lost(b) - lost(a))
    .map((r) => [
      ...[r.name, time(r.ms.median), `${time(r.ms.min)} - ${time(r.ms.max)}`],
      ...[r.torch === null ? "-" : time(r.torch.median), r.speed === null ? "-" : show(r.speed)],
      r.torch === null ? "-" : digits(r.torch.min / r.ms.min),
      ...[lost(r) > 0 ? time(lost(r)) : "", shares(r.share), r.bound],
      ...[r.flops === 0 ? "" : `${digits(r.flops * 1e-6)} M`, bytesText(r.bytes)],
    ]),
];

/** The table, with a line that sums it up. */
export function sweepText(data: SweepData): string {
  const beside = data.rows.filter((r) => r.speed !== null);
  const mean = Math.exp(beside.reduce((sum, r) => sum + Math.log(r.speed!.median), 0) / beside.length);
  const slower = beside.filter((r) => r.speed!.median < 1).length;
  const lines = [
    data.torch === null
      ? "Without PyTorch: what is lost is against the floor."
      : `Beside PyTorch ${data.torch}: ${slower} of ${beside.length} are slower than there, the geometric mean of our speeds over its is ${digits(mean)}.`,
    markdown(...sweepGrid(data)),
    ...data.skipped.map((why) => `Left out of PyTorch: ${why}.`),
  ];
  return lines.join("\n\n");
}
