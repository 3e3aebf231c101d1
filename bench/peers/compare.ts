// The parent's side of a comparison: for each workload it starts a child for each library, as an application would run
// that workload alone, and lets them take turns, one round each, case by case; then it writes results.json, RESULTS.md
// and the charts.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Case, type Mode, select, titles } from "../cases.ts";
import { compilePeak } from "../peaks.ts";
import { GROWTH, write } from "../report.ts";
import { type Entrant, load, type Measured, machine, merge, today } from "../results.ts";
import { caseGrid, ratios } from "../tables.ts";
import { show, span, table } from "../timing.ts";
import { Child, KEPT, python, script } from "./child.ts";

const OURS = "wasmgrad";
const USUAL = ["torch", "tfjs", "jax", "ort"];
const PEERS = [...USUAL, "kept"];
const USAGE = `node bench/peers/run.mjs [options]
  --only W4,W2         workloads (${Object.keys(titles).join(", ")}) or beginnings of cases' names, may be repeated;
                       W1 to W7 by default
  --growth             how the cost grows with batch and width: --only batch,width
  --peers torch,tfjs   of ${PEERS.join(", ")}, or none; all but kept by default. kept: torch again, with
                       an allocator that keeps what is freed
  --rounds N           rounds, 9 by default
  --budget MS          samples of each in a round, 60 by default
  --build simd|relaxed our build, relaxed by default
  --threads N          threads of ours, of torch and of ort; 1 by default
  --out DIR            where RESULTS.md, results.json and charts/ go, bench/ by default: what is measured replaces what
                       was there of it, the rest stays
  --here               on the Node at hand instead of Node 24
  --no-build           measures dist/ as it is`;

const fail = (message: string): never => {
  console.error(`bench/peers: ${message}\n\n${USAGE}`);
  process.exit(2);
};

function parse() {
  try {
    return parseArgs({
      options: {
        only: { type: "string", multiple: true, default: [] },
        growth: { type: "boolean", default: false },
        peers: { type: "string", default: USUAL.join() },
        rounds: { type: "string", default: "9" },
        budget: { type: "string", default: "60" },
        build: { type: "string", default: "relaxed" },
        threads: { type: "string", default: "1" },
        out: { type: "string", default: fileURLToPath(new URL("..", import.meta.url)) },
        here: { type: "boolean" },
        "no-build": { type: "boolean" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return fail((error as Error).message);
  }
}

const list = (text: string): string[] => text.split(",").filter((s) => s !== "");

const options = parse();
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
// onnxruntime-web does not train: nothing of it grows.
const asked = options.peers === "none" ? [] : list(options.peers);
const peers = options.growth ? asked.filter((p) => p !== "ort") : asked;
for (const p of peers) if (!PEERS.includes(p)) fail(`--peers ${p}: known are ${PEERS.join(", ")}`);
const [rounds, budget, threads] = (["rounds", "budget", "threads"] as const).map((name) => {
  const value = Number(options[name]);
  return Number.isInteger(value) && value >= 1 ? value : fail(`--${name} ${options[name]}: an integer of at least 1`);
}) as [number, number, number];
const { build } = options;
if (build !== "simd" && build !== "relaxed") throw fail(`--build ${build}: "simd" or "relaxed" is expected`);
let cases: Case[] = [];
try {
  const only = options.growth ? GROWTH : options.only.flatMap(list);
  cases = only.length > 0 ? select(only) : select([]).filter((c) => /^W\d/.test(c.workload));
} catch (error) {
  fail(`--only: ${(error as Error).message}`);
}

compilePeak(build);
const TORCH = ["torch", "kept"];
const asksTorch = peers.some((p) => TORCH.includes(p));
const torch = asksTorch ? python() : null;
if (asksTorch && torch === null) {
  console.log('torch is left out: no python3 here can `import torch` (Debian has it as "python3-torch")');
}
const onNode = (name: string, file: string, ...args: string[]): Child =>
  new Child(name, process.execPath, [...process.execArgv, script(file), ...args]);

function childOf(peer: string): Child | null {
  if (!TORCH.includes(peer)) return onNode(peer, `${peer}.ts`, String(threads));
  const environment = peer === "kept" ? KEPT : {};
  return torch === null ? null : new Child(peer, torch, [script("torch_peer.py"), String(threads)], environment);
}

interface Turn {
  readonly entrant: Entrant;
  readonly child: Child;
  readonly mode: Mode | "peak";
}

/** Who takes turns in a workload: ours three times. */
const turnsOf = (ours: Child, others: readonly Child[]): Turn[] => [
  { entrant: "captured", child: ours, mode: "captured" },
  { entrant: "eager", child: ours, mode: "eager" },
  ...others.map((child) => ({ entrant: child.name as Entrant, child, mode: "eager" as const })),
  { entrant: "peak", child: ours, mode: "peak" },
];

/** One line that is written over; nothing where the output is no terminal. */
const progress = (line: string): void => {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${line}`);
};

async function compare(c: Case, turns: readonly Turn[]): Promise<Omit<Measured, "run">> {
  const errors: Record<string, string> = {};
  const loaded: { turn: Turn; work: number; ms: number[] }[] = [];
  for (const turn of turns) {
    if (turn.child.name === OURS && turn.mode !== "peak" && !c.modes.includes(turn.mode)) continue;
    progress(`${c.name}: ${turn.entrant} warms up`);
    const answer = await turn.child.ask({ do: "load", case: c, mode: turn.mode });
    if (answer.error === undefined) loaded.push({ turn, work: answer.work as number, ms: [] });
    else errors[turn.entrant] = String(answer.error);
  }
  for (let r = 0; r < rounds; r++) {
    progress(`${c.name}: round ${r + 1} of ${rounds}`);
    for (const { turn, work, ms } of r % 2 === 0 ? loaded : [...loaded].reverse()) {
      const answer = await turn.child.ask({ do: "round", work, budget });
      if (answer.error !== undefined) throw new Error(`${c.name}, ${turn.entrant}: ${answer.error}`);
      ms.push(answer.ms as number);
    }
  }
  for (const { turn, work } of loaded) await turn.child.ask({ do: "drop", work });
  progress("");
  const { name, workload, unit, work } = c;
  const ms = Object.fromEntries(loaded.map((l) => [l.turn.entrant, l.ms]));
  const node = Number.parseInt(process.versions.node, 10);
  return { name, workload, unit, work, build, threads, node, ms, errors };
}

const measured: Omit<Measured, "run">[] = [];
const versions: Record<string, string> = {};
const begin = performance.now();
console.log(`${cases.length} cases, ${rounds} rounds, ${threads} thread${threads === 1 ? "" : "s"}, ${build}\n`);
for (const workload of new Set(cases.map((c) => c.workload))) {
  const ours = onNode(OURS, "ours.ts", build, String(threads));
  const others = peers.map(childOf).filter((child) => child !== null);
  const children = [ours, ...others];
  try {
    for (const child of children) {
      progress(`${workload}: ${child.name} starts`);
      Object.assign(versions, (await child.start()).versions);
    }
    for (const c of cases.filter((each) => each.workload === workload)) {
      const m = { ...(await compare(c, turnsOf(ours, others))), run: "" };
      measured.push(m);
      const minutes = ((performance.now() - begin) / 60000).toFixed(1);
      console.log(`${m.name} (${measured.length} of ${cases.length}, ${minutes} min)`);
      console.log(table(...caseGrid(m)));
      for (const r of ratios(m)) console.log(`  ${r.of}: our speed over ${r.over}'s ${show(span(r.values))}`);
      console.log("");
    }
  } finally {
    for (const child of children) child.end();
  }
}
const run = { date: today(), machine: machine(), versions, rounds, budget };
write(options.out, merge(load(options.out), run, { cases: measured }));
