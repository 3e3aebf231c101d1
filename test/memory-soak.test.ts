// A soak: captured and eager steps of a tiny net, losses that are kept for a while, evaluations, a throw of the user's and a bad label
// every hundred steps. Nothing may grow. Here for some 20 seconds; `npm run soak -- --minutes 10` (soak/main.ts) for as long as it says.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import { collect, used } from "./heap.ts";
import { variable } from "./place.ts";

const STEPS = Number(variable("SOAK_STEPS") ?? 600_000);
const MINUTES = Number(variable("SOAK_MINUTES") ?? 0);
/** Where levels are taken: parts of the run. */
const PARTS = [0.02, 0.1, 0.5, 1];
/** Steps of a round: most of them captured. */
const ROUND = 100;
const EAGER = 10;
const CLASSES = 4;
/** As in src/memory/growth.ts: fewer tensors are never worth a collection. */
const FEW_TENSORS = 3 << 13;

interface Level {
  readonly part: number;
  readonly steps: number;
  /** The most since the level before, garbage included. */
  mostTensors: number;
  mostLive: number;
  /** What the device has taken from the host. */
  readonly reserved: number;
  /** Behind a collection. */
  readonly tensors: number;
  readonly live: number;
  readonly heap: number;
  readonly rss: number;
}

/** A training run that can be taken a round further. */
class Run {
  readonly net = new nn.Sequential(new nn.Linear(8, 16), new nn.ReLU(), new nn.Linear(16, CLASSES));
  readonly optimizer = new optim.Adam(this.net.parameters(), { lr: 1e-3 });
  readonly x = w.randn([16, 8]);
  readonly y = w.tensor(Int32Array.from({ length: 16 }, (_, i) => i % CLASSES));
  readonly bad = w.tensor(Int32Array.from({ length: 16 }, (_, i) => (i === 7 ? -1 : i % CLASSES)));
  readonly step = w.capture((x: w.Tensor, y: w.Tensor) => this.plain(x, y));
  /** Losses and hits, as people keep them until the end of an epoch. */
  kept: w.Tensor[] = [];
  thrown = 0;
  faults = 0;

  plain(x: w.Tensor, y: w.Tensor): { loss: w.Tensor; right: w.Tensor } {
    this.optimizer.zeroGrad();
    const logits = this.net.forward(x);
    const loss = w.crossEntropy(logits, y);
    loss.backward();
    this.optimizer.step();
    return { loss, right: logits.argmax(1).eq(y).sum() };
  }

  async round(n: number): Promise<void> {
    const { x, y } = this;
    for (let i = 0; i < ROUND - EAGER; i++) this.kept.push((await this.step(x, y)).loss);
    for (let i = 0; i < EAGER; i++) {
      const { loss, right } = this.plain(x, y);
      this.kept.push(loss.detach());
      if (i === 0) await right.item();
    }
    try {
      // The user's own mistake, in the middle of a forward that nobody will go back through.
      const h = this.net.forward(x).relu();
      if (h.shape[1] === CLASSES) throw new Error("a mistake in the model");
    } catch (error) {
      if ((error as Error).message === "a mistake in the model") this.thrown++;
    }
    try {
      w.noGrad(() => w.crossEntropy(this.net.forward(x), this.bad));
      await w.flush();
    } catch (error) {
      if (/-1/.test((error as Error).message)) this.faults++;
    }
    if (n % 10 !== 0) return;
    const losses = this.kept.slice(-3);
    for (const loss of losses) await loss.item();
    this.kept = [];
    this.net.eval();
    for (let i = 0; i < 5; i++) w.noGrad(() => this.net.forward(x));
    await this.net.forward(x).argmax(1).eq(y).sum().item();
    this.net.train();
  }
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

function table(levels: readonly Level[]): string {
  const rows = levels.map((l) => {
    const figures = [l.mostTensors, l.tensors, mib(l.mostLive), mib(l.live), mib(l.reserved), mib(l.heap), mib(l.rss)];
    return `| ${l.part * 100} % | ${l.steps} | ${figures.join(" | ")} |`;
  });
  const head =
    "| of the run | steps | most tensors | collected | most live MiB | collected | wasm MiB | heapUsed MiB | RSS MiB |";
  return [head, `|${" --- |".repeat(9)}`, ...rows].join("\n");
}

async function soak(): Promise<void> {
  const device = await w.init({ threads: 1, fresh: true });
  const run = new Run();
  const begin = performance.now();
  const levels: Level[] = [];
  let [steps, rounds, mostTensors, mostLive] = [0, 0, 0, 0];
  const part = (): number => (MINUTES > 0 ? (performance.now() - begin) / 60_000 / MINUTES : steps / STEPS);
  while (levels.length < PARTS.length) {
    await run.round(++rounds);
    steps += ROUND;
    mostTensors = Math.max(mostTensors, w.memory().tensors);
    mostLive = Math.max(mostLive, device.liveBytes);
    if (part() < PARTS[levels.length]! || rounds % 10 !== 0) continue;
    const reserved = device.reservedBytes;
    await collect();
    const { tensors, liveBytes } = w.memory();
    levels.push({
      ...{ part: PARTS[levels.length]!, steps, mostTensors, mostLive, reserved, tensors, live: liveBytes },
      ...(await used()),
    });
    [mostTensors, mostLive] = [0, 0];
  }
  console.log(`${steps} steps, ${run.thrown} throws, ${run.faults} faults\n${table(levels)}`);
  assert.is(run.thrown, rounds);
  assert.is(run.faults, rounds);
  const [first, early] = levels as [Level, Level, Level, Level];
  /** Garbage of less than `least` bytes is what happened to wait for the collector, be it losses or logits. */
  const flat = (what: keyof Level, from: Level, most = 1.1, least = 0): void => {
    for (const l of levels.slice(levels.indexOf(from) + 1))
      assert.ok(l[what] <= Math.max(most * from[what], least), `${what} at ${l.part * 100} %:\n${table(levels)}`);
  };
  // Tensors level off within 30,000 steps, two per cent of a long run; in fewer code is still being compiled, too.
  const from = first.steps >= 30_000 ? first : early;
  // A short run is still on its way to where it levels off: what it may hold at most there. Without collections for tensors it held
  // 217,000 of them, and 25 MiB, after 165,000 steps.
  const short = from === early;
  flat("mostTensors", from, 1.1, 1.1 * FEW_TENSORS);
  flat("mostLive", from, 1.1, 2 ** 20);
  flat("reserved", from, 1.1, short ? 8 * 2 ** 20 : 0);
  flat("heap", from, 1.1, short ? from.heap + 3 * 2 ** 20 : 0);
  for (const what of ["tensors", "live"] as const) flat(what, first);
  flat("rss", early, 1.5);
  await device.dispose();
}

test("a soak: nothing grows", soak);

test.run();
