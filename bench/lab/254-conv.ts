// Convolutions that are not W7's shape beside PyTorch, in turns, on one thread: `node --import tsx bench/lab/254-conv.ts [names] [rounds]`.
// Prints for each pass milliseconds, the share of the fused peak right before and behind each call, and PyTorch's time over ours in
// the same round: medians, since others work on such machines too and halve what a core does for milliseconds at a time.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Tensor } from "../../src/index.ts";
import { Peaks } from "../peaks.ts";
import { digits, median, table, type Work } from "../timing.ts";
import { library, ready } from "../work.ts";

interface Shape {
  readonly name: string;
  readonly n: number;
  readonly ci: number;
  readonly co: number;
  readonly size: number;
  readonly k: number;
  readonly stride: number;
  readonly groups: number;
}

/** name: images x channels in - out x size, kernel, stride, groups; padding (k - 1) / 2. */
function shape(name: string, text: string): Shape {
  const [n, ci, co, size, k, stride, groups] = text.split(" ").map(Number) as [number, ...number[]];
  return { name, n, ci: ci!, co: co!, size: size!, k: k!, stride: stride!, groups: groups! };
}
const SHAPES = [
  shape("depthwise", "8 64 64 28 3 1 64"),
  shape("depthwise-small", "8 256 256 14 3 1 256"),
  shape("depthwise-stride", "8 64 64 28 3 2 64"),
  shape("depthwise-five", "8 64 64 28 5 1 64"),
  shape("depthwise-twice", "8 64 128 28 3 1 64"),
  shape("groups-2", "8 64 64 28 3 1 2"),
  shape("groups-8", "8 64 64 28 3 1 8"),
  shape("groups-32", "8 64 64 28 3 1 32"),
  shape("stride", "8 64 64 28 3 2 1"),
  shape("stem", "8 3 64 112 7 2 1"),
  shape("small", "8 128 128 7 3 1 1"),
  shape("1x1", "8 64 64 28 1 1 1"),
  shape("1x1-small", "8 256 256 7 1 1 1"),
  shape("1x1-stride", "8 64 128 28 1 2 1"),
];
const PASSES = ["forward", "by x", "by w", "all"] as const;

const TORCH = `
import json, sys, time, torch
import torch.nn.functional as F
torch.set_num_threads(1)
works = []
def work(s, kind):
    x = torch.randn(s["n"], s["ci"], s["size"], s["size"])
    w = torch.randn(s["co"], s["ci"] // s["groups"], s["k"], s["k"])
    f = lambda: F.conv2d(x, w, None, s["stride"], s["k"] // 2, 1, s["groups"])
    if kind == "forward":
        def forward():
            with torch.no_grad(): f()
        return forward
    for leaf in {"by x": [x], "by w": [w], "all": [x, w]}[kind]: leaf.requires_grad_()
    y = f()
    g = torch.randn_like(y)
    if kind != "all": return lambda: torch.autograd.grad(y, x if kind == "by x" else w, g, retain_graph=True)
    def both():
        x.grad = w.grad = None
        f().backward(g)
    return both
for line in sys.stdin:
    q = json.loads(line)
    if "shape" in q:
        works.append(work(q["shape"], q["kind"]))
        for _ in range(3): works[-1]()
        print("{}", flush=True)
        continue
    run, times, end = works[q["work"]], [], time.perf_counter() + q["budget"] / 1000
    run()
    while time.perf_counter() < end or len(times) < 3:
        t0 = time.perf_counter(); run(); times.append(time.perf_counter() - t0)
    print(sorted(times)[len(times) // 2] * 1000, flush=True)
`;

const wanted = (process.argv[2] ?? "all").split(",");
const ROUNDS = Number(process.argv[3] ?? 7);
const BUDGET = 30;
const w = await library();
const device = await w.init({ simd: "relaxed", threads: 1 });
await ready(device);
w.setDefaultDevice(device);

const torch = spawn("/usr/bin/python3", ["-c", TORCH], {
  stdio: ["pipe", "pipe", "inherit"],
  env: { ...process.env, OMP_NUM_THREADS: "1" },
});
const lines = createInterface({ input: torch.stdout })[Symbol.asyncIterator]();
async function ask(request: object): Promise<number> {
  torch.stdin.write(`${JSON.stringify(request)}\n`);
  return Number((await lines.next()).value);
}

function prepare(s: Shape, pass: (typeof PASSES)[number]): Work {
  const options = { stride: s.stride, padding: s.k >> 1, groups: s.groups };
  const x = w.randn([s.n, s.ci, s.size, s.size]).keep();
  const weight = w.randn([s.co, s.ci / s.groups, s.k, s.k]).keep();
  const forward = (): Tensor => w.conv2d(x, weight, null, options);
  let once = (): void => w.noGrad(() => forward().dispose());
  if (pass !== "forward") {
    if (pass !== "by w") x.requiresGrad = true;
    if (pass !== "by x") weight.requiresGrad = true;
    const y = forward();
    const gradient = w.randn(y.shape).keep();
    if (pass === "all") {
      once = () => {
        x.grad = weight.grad = null;
        const z = forward();
        z.backward(gradient);
        z.dispose();
      };
    } else {
      const leaf = pass === "by x" ? x : weight;
      y.keep();
      once = () => w.grad(y, [leaf], { gradient, retainGraph: true })[0]!.dispose();
    }
  }
  const run = (times: number): void => {
    for (let i = 0; i < times; i++) once();
    device.flushSync();
  };
  return { unit: 1, run };
}

/** Products of 256: what the tile reaches where nothing is in its way. */
function product(): Work {
  const [a, b] = [w.randn([256, 256]).keep(), w.randn([256, 256]).keep()];
  const run = (times: number): void => {
    w.noGrad(() => {
      for (let i = 0; i < times; i++) w.matmul(a, b).dispose();
    });
    device.flushSync();
  };
  return { unit: 1, run };
}

const peaks = new Peaks("relaxed", 1, 1024);
const peak = peaks.work("fma");
const PEAK_CALLS = 4;

async function timed(work: Work, calls: number): Promise<number> {
  const t0 = performance.now();
  await work.run(calls);
  return (performance.now() - t0) / calls;
}

/** Times of single calls for so many milliseconds, three at least, and the peak's beside them. */
async function beside(work: Work, budget: number): Promise<{ ms: number[]; peak: number[] }> {
  const found = { ms: [] as number[], peak: [] as number[] };
  const end = performance.now() + budget;
  await work.run(1);
  let before = await timed(peak, PEAK_CALLS);
  while (found.ms.length < 3 || performance.now() < end) {
    found.ms.push(await timed(work, 1));
    const behind = await timed(peak, PEAK_CALLS);
    found.peak.push((before + behind) / 2);
    before = behind;
  }
  return found;
}

const entries = [{ label: "product 256", work: product(), flops: 2 * 256 ** 3, torch: -1 }];
let works = 0;
for (const s of SHAPES.filter(({ name }) => wanted[0] === "all" || wanted.includes(name))) {
  const out = Math.floor((s.size - 1) / s.stride) + 1;
  const flops = (2 * s.n * s.co * out * out * s.k * s.k * s.ci) / s.groups;
  for (const pass of PASSES) {
    await ask({ shape: s, kind: pass });
    const all = pass === "all" ? 3 * flops : flops;
    entries.push({ label: `${s.name} ${pass}`, work: prepare(s, pass), flops: all, torch: works++ });
  }
}
for (const e of entries) await beside(e.work, 100); // V8 compiles
const found = entries.map(() => ({ ms: [] as number[], share: [] as number[], torch: [] as number[] }));
for (let r = 0; r < ROUNDS; r++) {
  for (const [i, e] of entries.entries()) {
    const own = await beside(e.work, BUDGET);
    const middle = median(own.ms);
    found[i]!.ms.push(middle);
    found[i]!.share.push(...own.ms.map((ms, j) => (e.flops / ms) * (own.peak[j]! / peaks.amount("fma"))));
    if (e.torch >= 0) found[i]!.torch.push((await ask({ work: e.torch, budget: BUDGET })) / middle);
  }
}
torch.stdin.end();
const rows = entries.map(({ label, torch }, i) => {
  const { ms, share, torch: over } = found[i]!;
  return [label, digits(median(ms)), `${(100 * median(share)).toFixed(0)} %`, torch < 0 ? "" : digits(median(over))];
});
console.log(table(["case", "ms", "of the peak", "PyTorch's time / ours"], rows));
process.exit(0);
