// Captured steps with chains and without, in turns: `node --import tsx bench/lab/241-chains.ts [threads] [sizes]` prints microseconds of
// the plain rows and of the chain, and the median ratio with its quartiles.
import * as w from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { PAYS } from "../../src/program/passes/chains.ts";

const threads = Number(process.argv[2] ?? 1);
const sizes = (process.argv[3] ?? "4096,8192,16384,32768,65536,131072,262144,1048576,16777216").split(",").map(Number);
const ROUNDS = 25;
const device = await w.init({ threads });

type Step = (x: Tensor, y: Tensor) => Tensor;
const held = (n: number): Tensor[] => {
  const rate = w.full([], 0.01).keep();
  return [rate, w.randn([n]).keep(), w.zeros([n]).keep(), w.zeros([n]).keep()];
};
const STEPS: Record<string, (n: number) => Step> = {
  "mul add": () => (x) => x.mul(2).add(1),
  "polynomial (6)": () => (x) => x.mul(x).mul(0.5).add(x).mul(2).sub(x).abs(),
  "gelu by tanh (9)": () => (x) => x.mul(x).mul(x).mul(0.044715).add(x).mul(0.8).tanh().add(1).mul(x).mul(0.5),
  "huber and its mean": () => (x, y) => {
    const a = x.sub(y).abs();
    const q = a.clamp({ max: 1 });
    return q.mul(q).mul(0.5).add(a.sub(q)).mean();
  },
  "LSTM gates": () => (x, y) => {
    const cell = y.sigmoid().mul(x).add(x.sigmoid().mul(x.add(y).tanh()));
    return x.sub(y).sigmoid().mul(cell.tanh());
  },
  RMSprop: (n) => {
    const [rate, p, square] = held(n) as [Tensor, Tensor, Tensor];
    return (g) =>
      w.noGrad(() => {
        square.mul_(0.99).add_(g.mul(g).mul(0.01));
        p.sub_(g.div(square.sqrt().add(1e-8)).mul(rate));
        return rate;
      });
  },
  "Adam composed": (n) => {
    const [rate, p, mean, square] = held(n) as [Tensor, Tensor, Tensor, Tensor];
    return (g) =>
      w.noGrad(() => {
        mean.mul_(0.9).add_(g.mul(0.1));
        square.mul_(0.999).add_(g.mul(g).mul(0.001));
        p.sub_(mean.mul(1.1).div(square.mul(1.2).sqrt().add(1e-8)).mul(rate));
        return rate;
      });
  },
};

const median = (list: readonly number[], share = 0.5): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length * share)]!;

for (const n of sizes) {
  for (const [name, make] of Object.entries(STEPS)) {
    const [x, y] = [w.randn([n]).keep(), w.randn([n]).keep()] as const;
    const steps = [];
    for (const least of [2 ** 40, 1]) {
      Object.assign(PAYS, { piece: least, alone: least, shared: least });
      const step = w.capture(make(n));
      for (let i = 0; i < 4; i++) await step(x, y);
      steps.push(step);
    }
    const calls = Math.max(2, Math.floor(3e6 / n));
    const times: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++)
      for (const k of round % 2 ? [0, 1] : [1, 0]) {
        const begin = performance.now();
        for (let i = 0; i < calls; i++) (await steps[k]!(x, y)).dispose();
        device.flushSync();
        times[k]!.push(((performance.now() - begin) * 1000) / calls);
      }
    const ratios = times[0].map((t, i) => times[1][i]! / t);
    const [a, b, c] = [0.25, 0.5, 0.75].map((share) => median(ratios, share).toFixed(2));
    console.log(`${n} ${name}: ${median(times[0]).toFixed(1)} -> ${median(times[1]).toFixed(1)} µs, ${b} [${a}-${c}]`);
    for (const step of steps) step.dispose();
  }
}
process.exit(0);
