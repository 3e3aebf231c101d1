// What a comparison found: tables for the terminal and RESULTS.md, results.json, and a chart for each workload.
// Results of earlier runs on the same processor stay until their case is measured again.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { titles } from "../cases.ts";
import { digits, markdown, median, percent, show, span, table, time } from "../timing.ts";
import { bars, curves } from "./chart.ts";

export type Entrant = "captured" | "eager" | "torch" | "tfjs" | "jax" | "ort" | "peak";

export interface Measured {
  readonly name: string;
  readonly workload: string;
  readonly unit: string;
  /** Operations or bytes. */
  readonly work: number;
  readonly build: string;
  readonly threads: number;
  /** A value for each round, in ms. */
  readonly ms: Partial<Record<Entrant, number[]>>;
  /** Who could not do it, and why. */
  readonly errors: Partial<Record<Entrant, string>>;
  readonly date: string;
}

interface About {
  readonly machine: { processor: string; cores: number; memory: string; system: string };
  readonly versions: Record<string, string>;
  readonly rounds: number;
  readonly budget: number;
}

interface Results extends About {
  readonly cases: Measured[];
}

export const NAMES: Record<Entrant, string> = {
  captured: "wasmgrad, captured",
  eager: "wasmgrad, eager",
  torch: "PyTorch",
  tfjs: "tfjs-wasm",
  jax: "jax-js",
  ort: "onnxruntime-web",
  peak: "peak",
};

const ours = (m: Measured): Entrant => (m.ms.captured === undefined ? "eager" : "captured");
const entrants = (m: Measured): Entrant[] => Object.keys(m.ms) as Entrant[];

/** Round by round: our time over each library's. */
export function ratios(m: Measured): { of: Entrant; over: Entrant; values: number[] }[] {
  const mine = entrants(m).filter((e) => e === "captured" || e === "eager");
  const theirs = entrants(m).filter((e) => !["captured", "eager", "peak"].includes(e));
  return theirs.flatMap((over) =>
    mine.map((of) => ({ of, over, values: m.ms[of]!.map((t, r) => t / m.ms[over]![r]!) })),
  );
}

const HEAD = ["", "time", "range", "rate", "share of peak", "our speed over it"];

function rows(m: Measured): string[][] {
  const base = m.ms[ours(m)];
  const found = entrants(m)
    .filter((e) => e !== "peak")
    .map((e) => {
      const ms = m.ms[e]!;
      const s = span(ms);
      const share = m.ms.peak === undefined ? Number.NaN : median(m.ms.peak.map((t, r) => t / ms[r]!));
      const own = e === "captured" || e === "eager";
      const ratio = base === undefined || e === ours(m) ? "" : show(span(ms.map((t, r) => t / base[r]!)));
      const range = `${time(s.min)} - ${time(s.max)}`;
      return [NAMES[e], time(s.median), range, `${digits((m.work / s.median) * 1e-6)} ${m.unit}`].concat(
        own ? percent(share) : "",
        ratio,
      );
    });
  const missing = Object.entries(m.errors).map(([e, why]) => [NAMES[e as Entrant], why, "", "", "", ""]);
  return [...found, ...missing];
}

export const tableOf = (m: Measured): string => table(HEAD, rows(m));

/** The slope of log time over log size, by least squares, over the upper half of the sizes and over all. */
function exponent(points: readonly (readonly [number, number])[]): number {
  const [xs, ys] = [points.map(([n]) => Math.log(n)), points.map(([, t]) => Math.log(t))];
  const mean = (v: number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
  const [mx, my] = [mean(xs), mean(ys)];
  const top = xs.reduce((a, x, i) => a + (x - mx) * (ys[i]! - my), 0);
  return top / xs.reduce((a, x) => a + (x - mx) ** 2, 0);
}

const size = (m: Measured): number => Number(m.name.split(" ").at(-1));

/** One table for a workload whose cases differ in size only. */
function growth(found: Measured[]): string {
  const all = [...new Set(found.flatMap(entrants))].filter((e) => e !== "peak");
  const head = [found[0]!.workload, ...all.map((e) => NAMES[e])];
  const cell = (m: Measured, e: Entrant): string => {
    const ms = m.ms[e];
    return ms === undefined ? "-" : `${time(median(ms))} [${time(Math.min(...ms))} - ${time(Math.max(...ms))}]`;
  };
  const points = (e: Entrant, part: Measured[]) =>
    part.filter((m) => m.ms[e] !== undefined).map((m) => [size(m), median(m.ms[e]!)] as const);
  const upper = found.slice(found.length >> 1);
  const line = (label: string, part: Measured[]): string[] => [
    label,
    ...all.map((e) => (points(e, part).length < 2 ? "-" : exponent(points(e, part)).toFixed(2))),
  ];
  return markdown(head, [
    ...found.map((m) => [String(size(m)), ...all.map((e) => cell(m, e))]),
    line("exponent", found),
    line("exponent, upper half", upper),
  ]);
}

const grows = (workload: string): boolean => workload === "batch" || workload === "width";

export function write(out: string, measured: readonly Measured[], about: About): void {
  const file = join(out, "results.json");
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Results) : null;
  const key = (m: Measured): string => `${m.name} ${m.build} ${m.threads}`;
  const fresh = new Set(measured.map(key));
  const same = before !== null && before.machine.processor === about.machine.processor;
  const old = same ? before.cases.filter((m) => !fresh.has(key(m))) : [];
  const order = Object.keys(titles);
  const cases = [...old, ...measured].sort(
    (a, b) => order.indexOf(a.workload) - order.indexOf(b.workload) || a.threads - b.threads,
  );
  const versions = { ...(same ? before.versions : {}), ...about.versions };
  const results: Results = { ...about, versions, cases };
  mkdirSync(join(out, "charts"), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, (_, v) => (typeof v === "number" ? Number(v.toPrecision(5)) : v))}\n`);
  const text = [heading(results)];
  for (const workload of order) {
    const found = cases.filter((m) => m.workload === workload);
    if (found.length === 0) continue;
    const chart = `charts/${workload}.svg`;
    const title = `${workload}: ${titles[workload]}`;
    writeFileSync(join(out, chart), grows(workload) ? curves(title, found, size) : bars(title, found));
    text.push(`## ${title}`, `![${title}](${chart})`);
    if (grows(workload)) text.push(growth(found));
    else for (const m of found) text.push(`### ${m.name}${label(m)}`, markdown(HEAD, rows(m)));
  }
  writeFileSync(join(out, "RESULTS.md"), `${text.join("\n\n")}\n`);
  console.log(`${cases.length} cases in RESULTS.md, results.json and charts/`);
}

const label = (m: Measured): string =>
  `${m.threads === 1 ? "" : `, ${m.threads} threads`}${m.build === "relaxed" ? "" : `, ${m.build}`}`;

function heading(r: Results): string {
  const { machine, versions } = r;
  const dates = [...new Set(r.cases.map((m) => m.date))].sort();
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `# Results

Machine: ${machine.processor}, ${machine.cores} cores, ${machine.memory}, ${machine.system}. Date: ${dates.join(", ")}.
Versions: ${named.join(", ")}.

Commands: \`npm ci && npm ci --prefix bench/peers && node bench/peers/run.mjs\`; \`--help\` names the options.

Everyone does the same work in its own process; the processes take turns, a round each, ${r.rounds} rounds of ${r.budget} ms
or one call. A time is the median over rounds, a round's the median of its samples; the range is that of the rounds. One
thread unless said otherwise. "Our speed over it" is the median of the ratios within each round, with their range. "Share
of peak" is of what the bench's own kernels reach in the same rounds: fused multiply-adds, or the same streams through
memory (\`simd\`: multiplications and additions). Training steps are forward, backward and update, with another batch each
time; rates count the operations of the dense algorithm.`;
}
