// Ops of the corners, in turns with PyTorch on one thread (memory kept), the best sample of each, and with streams of the same bytes.
// `node bench/lab/280-corners.ts [part of a name, ..]` (Node 24) on dist/ as it is; BUILD=simd; ROUNDS=7
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Peak } from "../peaks.ts";
import { Peaks } from "../peaks.ts";
import { type Work, warm } from "../timing.ts";
import { type Library, library } from "../work.ts";

type Tensor = ReturnType<Library["rand"]>;
interface Corner {
  name: string;
  ours: (w: Library, ...x: Tensor[]) => Tensor | readonly Tensor[];
  torch: string;
  shapes: readonly (readonly number[])[];
  /** Streams of the same bytes, and how many floats long; none where arithmetic counts. */
  peak?: Peak;
  floats?: number;
  /** Inputs as whole numbers below this. */
  whole?: number;
  /** Operations, for products. */
  work?: number;
}

const M = 1 << 20;
const none = undefined as never;
const one = (name: string, shape: readonly number[], peak?: Peak, torch = `a.${name}()`): Corner => ({
  name: `${name} ${shape.join("x")}`,
  ours: (w, a) => (w as unknown as Record<string, (x: Tensor) => Tensor>)[name]!(a!),
  torch,
  shapes: [shape],
  peak: peak ?? none,
  floats: shape.reduce((x, y) => x * y, 1),
});
const corner = (
  name: string,
  shapes: readonly (readonly number[])[],
  ours: Corner["ours"],
  torch: string,
  peak?: Peak,
  floats?: number,
): Corner => ({ name, shapes, ours, torch, peak: peak ?? none, floats: floats ?? none });
const product = (m: number, k: number, n: number): Corner => ({
  name: `product ${m}x${k}x${n}`,
  shapes: [
    [m, k],
    [k, n],
  ],
  ours: (w, a, b) => w.matmul(a!, b!),
  torch: "a @ b",
  peak: "sum",
  floats: k * n,
  work: 2 * m * n * k,
});

const CORNERS: Corner[] = [
  corner("permute(0,2,1,3) 32x64x4x32", [[32, 64, 4, 32]], (w, a) => w.permute(a!, [0, 2, 1, 3]).clone(), "a.permute(0,2,1,3).contiguous()", "copy", 32 * 64 * 4 * 32),
  corner("permute(0,2,1,3) 8x128x8x64", [[8, 128, 8, 64]], (w, a) => w.permute(a!, [0, 2, 1, 3]).clone(), "a.permute(0,2,1,3).contiguous()", "copy", 8 * 128 * 8 * 64),
  corner("permute(0,2,1,3) 64x64x4x8", [[64, 64, 4, 8]], (w, a) => w.permute(a!, [0, 2, 1, 3]).clone(), "a.permute(0,2,1,3).contiguous()", "copy", 64 * 64 * 4 * 8),
  corner("permute(0,3,1,2) 32x28x28x64", [[32, 28, 28, 64]], (w, a) => w.permute(a!, [0, 3, 1, 2]).clone(), "a.permute(0,3,1,2).contiguous()", "copy", 32 * 28 * 28 * 64),
  corner("permute(0,2,3,1) 32x64x28x28", [[32, 64, 28, 28]], (w, a) => w.permute(a!, [0, 2, 3, 1]).clone(), "a.permute(0,2,3,1).contiguous()", "copy", 32 * 28 * 28 * 64),
  corner("permute(2,1,0) 64x64x64", [[64, 64, 64]], (w, a) => w.permute(a!, [2, 1, 0]).clone(), "a.permute(2,1,0).contiguous()", "copy", 64 * 64 * 64),
  corner("permute(1,0,2) 512x64x8", [[512, 64, 8]], (w, a) => w.permute(a!, [1, 0, 2]).clone(), "a.permute(1,0,2).contiguous()", "copy", 512 * 64 * 8),
  corner("t() copy 1024x1024", [[1024, 1024]], (w, a) => w.t(a!).clone(), "a.t().contiguous()", "copy", M),
  corner("t() copy 1000x300", [[1000, 300]], (w, a) => w.t(a!).clone(), "a.t().contiguous()", "copy", 300000),
  corner("x + y.t() 1024x1024", [[1024, 1024], [1024, 1024]], (w, a, b) => w.add(a!, w.t(b!)), "a + b.t()", "add", M),
  ...["log", "exp", "tanh", "sigmoid", "log1p", "expm1", "log2", "log10", "sin", "cos", "erf"].map((name) => one(name, [M])),
  corner("pow 1M", [[M], [M]], (w, a, b) => w.pow(a!, b!), "a.pow(b)"),
  corner("pow(1.7) 1M", [[M]], (w, a) => w.pow(a!, 1.7), "a.pow(1.7)"),
  corner("pow(2) 1M", [[M]], (w, a) => w.pow(a!, 2), "a.pow(2)", "copy", M),
  product(32, 1024, 1024),
  product(16, 1024, 1024),
  product(8, 1024, 1024),
  product(4, 1024, 1024),
  product(1, 1024, 1024),
  product(64, 1024, 1024),
  product(32, 256, 256),
  product(32, 784, 520),
  corner("product nt 32x1024x1024", [[32, 1024], [1024, 1024]], (w, a, b) => w.matmul(a!, w.t(b!)), "a @ b.t()", "sum", M),
  corner("sum(0) 4096x256", [[4096, 256]], (w, a) => w.sum(a!, 0), "a.sum(0)", "sum", M),
  corner("sum(0) 1024x1024", [[1024, 1024]], (w, a) => w.sum(a!, 0), "a.sum(0)", "sum", M),
  corner("sum(0) 65536x10", [[65536, 10]], (w, a) => w.sum(a!, 0), "a.sum(0)", "sum", 655360),
  corner("sum(1) 4096x256", [[4096, 256]], (w, a) => w.sum(a!, 1), "a.sum(1)", "sum", M),
  corner("sum(1) 65536x10", [[65536, 10]], (w, a) => w.sum(a!, 1), "a.sum(1)", "sum", 655360),
  corner("mean(1) 64x64x256", [[64, 64, 256]], (w, a) => w.mean(a!, 1), "a.mean(1)", "sum", M),
  corner("mean(0,2,3) 32x64x14x14", [[32, 64, 14, 14]], (w, a) => w.mean(a!, [0, 2, 3]), "a.mean((0,2,3))", "sum", 32 * 64 * 196),
  corner("max(0) 4096x256", [[4096, 256]], (w, a) => w.max(a!, 0).values, "a.max(0)", "sum", M),
  corner("max(1) 4096x256", [[4096, 256]], (w, a) => w.max(a!, 1).values, "a.max(1)", "sum", M),
  corner("amax(0) 4096x256", [[4096, 256]], (w, a) => w.amax(a!, 0), "a.amax(0)", "sum", M),
  corner("argmax(0) 4096x256", [[4096, 256]], (w, a) => w.argmax(a!, 0), "a.argmax(0)", "sum", M),
  corner("argmax(1) 4096x256", [[4096, 256]], (w, a) => w.argmax(a!, 1), "a.argmax(1)", "sum", M),
  corner("argmax(1) 65536x10", [[65536, 10]], (w, a) => w.argmax(a!, 1), "a.argmax(1)", "sum", 655360),
  corner("softmax(0) 4096x256", [[4096, 256]], (w, a) => w.softmax(a!, 0), "a.softmax(0)"),
  corner("softmax(1) 4096x256", [[4096, 256]], (w, a) => w.softmax(a!, 1), "a.softmax(1)"),
  corner("softmax(1) 65536x10", [[65536, 10]], (w, a) => w.softmax(a!, 1), "a.softmax(1)"),
  corner("softmax(1) 32x64x256", [[32, 64, 256]], (w, a) => w.softmax(a!, 1), "a.softmax(1)"),
  { ...corner("int sum(0) 4096x256", [[4096, 256]], (w, a) => w.sum(a!, 0), "a.sum(0, dtype=torch.int32)", "sum", M), whole: 100 },
  { ...corner("int sum(1) 4096x256", [[4096, 256]], (w, a) => w.sum(a!, 1), "a.sum(1, dtype=torch.int32)", "sum", M), whole: 100 },
  { ...corner("int sum 1M", [[M]], (w, a) => w.sum(a!), "a.sum(dtype=torch.int32)", "sum", M), whole: 100 },
  { ...corner("int max(1) 4096x256", [[4096, 256]], (w, a) => w.max(a!, 1).values, "a.max(1)", "sum", M), whole: 100 },
  { ...corner("int max(0) 4096x256", [[4096, 256]], (w, a) => w.max(a!, 0).values, "a.max(0)", "sum", M), whole: 100 },
  corner("x + b rows 4096x256", [[4096, 256], [256]], (w, a, b) => w.add(a!, b!), "a + b", "copy", M),
  corner("x + b columns 4096x256", [[4096, 256], [4096, 1]], (w, a, b) => w.add(a!, b!), "a + b", "copy", M),
  corner("x + b 65536x10", [[65536, 10], [10]], (w, a, b) => w.add(a!, b!), "a + b", "copy", 655360),
  corner("x + b columns 65536x10", [[65536, 10], [65536, 1]], (w, a, b) => w.add(a!, b!), "a + b", "copy", 655360),
  corner("x + b middle 64x64x256", [[64, 64, 256], [64, 1, 256]], (w, a, b) => w.add(a!, b!), "a + b", "copy", M),
  corner("x * b channels 32x64x14x14", [[32, 64, 14, 14], [64, 1, 1]], (w, a, b) => w.mul(a!, b!), "a * b", "copy", 32 * 64 * 196),
  corner("a + b outer 1024x1024", [[1024, 1], [1, 1024]], (w, a, b) => w.add(a!, b!), "a + b", "copy", M / 2),
  corner("x > b rows 4096x256", [[4096, 256], [256]], (w, a, b) => w.gt(a!, b!), "a > b"),
  corner("where 1M", [[M], [M], [M]], (w, a, b, c) => w.where(w.gt(a!, 0), b!, c!), "torch.where(a > 0, b, c)"),
  corner("where with a row", [[4096, 256], [4096, 256], [256]], (w, a, b, c) => w.where(w.gt(a!, 0), b!, c!), "torch.where(a > 0, b, c)"),
  corner("x + 1 1M", [[M]], (w, a) => w.add(a!, 1), "a + 1", "copy", M),
  corner("x * 2 1M", [[M]], (w, a) => w.mul(a!, 2), "a * 2", "copy", M),
  corner("x + y 1M", [[M], [M]], (w, a, b) => w.add(a!, b!), "a + b", "add", M),
  ...(["sqrt", "abs", "floor", "round", "relu", "neg"] as const).map((name) => one(name, [M], "copy")),
  corner("clamp 1M", [[M]], (w, a) => w.clamp(a!, { min: -1, max: 1 }), "a.clamp(-1, 1)", "copy", M),
  corner("maximum 1M", [[M], [M]], (w, a, b) => w.maximum(a!, b!), "torch.maximum(a, b)", "add", M),
  corner("float to int 1M", [[M]], (_w, a) => a!.int(), "a.int()", "copy", M),
  { ...corner("int to float 1M", [[M]], (_w, a) => a!.float(), "a.float()", "copy", M), whole: 100 },
  corner("cat 2 of 2048x256 dim 1", [[2048, 256], [2048, 256]], (w, a, b) => w.cat([a!, b!], 1), "torch.cat([a, b], 1)", "copy", M),
  corner("randn 1M", [[M]], (w) => w.randn([M]), "torch.randn(1 << 20)"),
  corner("rand 1M", [[M]], (w) => w.rand([M]), "torch.rand(1 << 20)"),
  corner("dropout 1M", [[M]], (w, a) => w.dropout(a!, 0.5, true as never), "F.dropout(a, 0.5, True)"),
  corner("layer norm 4096x256", [[4096, 256], [256], [256]], (w, a, b, c) => w.layerNorm(a!, [256], b!, c!), "F.layer_norm(a, (256,), b, c)", "copy", M),
  corner("layer norm 16384x64", [[16384, 64], [64], [64]], (w, a, b, c) => w.layerNorm(a!, [64], b!, c!), "F.layer_norm(a, (64,), b, c)", "copy", M),
  corner("cross entropy 8192x10", [[8192, 10], [8192]], (w, a, b) => w.crossEntropy(a!, b!.int()), "F.cross_entropy(a, b.long())"),
  corner("embedding 10000x64 of 8192", [[10000, 64], [8192]], (w, a, b) => w.embedding(b!.int(), a!), "F.embedding(b.int(), a)", "copy", 8192 * 64),
];

const wanted = process.argv.slice(2);
const rounds = Number(process.env["ROUNDS"] ?? 7);
const build = (process.env["BUILD"] ?? "relaxed") as "relaxed" | "simd";
const threads = Number(process.env["THREADS"] ?? 1);
const w = await library();
const device = await w.init({ simd: build, threads });
w.setDefaultDevice(device);
const peaks = new Peaks(build, 1, 2 * M);

const env = { ...process.env, OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1", MALLOC_TRIM_THRESHOLD_: "2000000000", MALLOC_MMAP_THRESHOLD_: "2000000000" };
const python = `
import json, sys, time, math, torch
import torch.nn.functional as F
torch.set_num_threads(1)
torch.set_grad_enabled(False)
now = time.perf_counter
f = calls = None
def timed(n):
    t = now()
    for _ in range(n): f()
    return now() - t
for line in sys.stdin:
    q = json.loads(line)
    if "expr" in q:
        x = [torch.randint(q["whole"], s, dtype=torch.int32) if q["whole"] else torch.rand(s) + 0.1 for s in q["shapes"]]
        f = eval("lambda: " + q["expr"], {"torch": torch, "F": F, **dict(zip("abc", x))})
        calls, t, took = 1, now(), 0
        while now() - t < 0.15:
            took = timed(calls)
            if took < 2e-3: calls *= 2
        calls = max(1, math.ceil(1e-3 * calls / took))
        print(json.dumps({"ok": 1}), flush=True)
    else:
        timed(1)
        s, end = [], now() + q["budget"] / 1000
        while now() < end: s.append(timed(calls) / calls)
        print(json.dumps({"ms": min(s) * 1000}), flush=True)
`;
const child = spawn("/usr/bin/python3", ["-c", python], { env, stdio: ["pipe", "pipe", "inherit"] });
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const ask = async (q: object): Promise<{ ms: number }> => {
  child.stdin.write(`${JSON.stringify(q)}\n`);
  return JSON.parse((await lines.next()).value as string);
};

/** The best sample of so many ms: what else runs on the machine only adds. */
async function best(work: Work, calls: number, budget: number): Promise<number> {
  await work.run(1);
  let least = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + budget; performance.now() < end; ) {
    const t0 = performance.now();
    await work.run(calls);
    least = Math.min(least, (performance.now() - t0) / (calls * work.unit));
  }
  return least;
}

const ofPeak = (peak: Peak, floats: number): Work => ({ unit: 1, run: peaks.work(peak, Math.ceil(floats / 32) * 32).run });
const fmt = (ms: number): string => (ms < 1 ? `${(1000 * ms).toFixed(0)} us` : `${ms.toFixed(2)} ms`).padStart(8);
for (const c of CORNERS) {
  if (wanted.length > 0 && !wanted.some((part) => c.name.includes(part))) continue;
  const inputs = c.shapes.map((shape) => (c.whole ? w.randint(0, c.whole, [...shape]) : w.rand([...shape]).add(0.1)));
  // Eager: a captured step leaves out what nobody reads.
  const once = (): void => void c.ours(w, ...inputs);
  const ours: Work = {
    unit: 1,
    run(times) {
      w.noGrad(() => {
        for (let i = 0; i < times; i++) w.scope(once);
      });
      device.flushSync();
    },
  };
  try {
    ours.run(1);
  } catch (e) {
    console.log(c.name, String(e).slice(0, 200));
    continue;
  }
  await ask({ expr: c.torch, shapes: c.shapes, whole: c.whole ?? 0 });
  const stream = c.peak === undefined ? null : ofPeak(c.peak, c.floats!);
  const math: Work | null = c.work === undefined ? null : peaks.work("arithmetic");
  const ourCalls = await warm(ours);
  const streamCalls = stream && (await warm(stream));
  const mathCalls = math && (await warm(math));
  const t: [number[], number[], number[], number[]] = [[], [], [], []];
  for (let r = 0; r < rounds; r++) {
    t[0].push(await best(ours, ourCalls, 25));
    t[1].push((await ask({ budget: 25 })).ms);
    if (stream) t[2].push(await best(stream, streamCalls!, 15));
    if (math) t[3].push((await best(math, mathCalls!, 10)) * (c.work! / peaks.amount("arithmetic")));
  }
  const least = t.map((x) => Math.min(...x)) as [number, number, number, number];
  const ratio = (i: number): string => (least[i]! / least[0]).toFixed(2);
  console.log(
    `${c.name.padEnd(30)} ours ${fmt(least[0])}  torch ${fmt(least[1])}  speed over torch ${ratio(1)}` +
      (stream ? `  of stream ${ratio(2)}` : "") +
      (math ? `  of peak ${ratio(3)}` : ""),
  );
  for (const x of inputs) x.dispose();
}
child.stdin.end();
process.exit(0);
