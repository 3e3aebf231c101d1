// RESULTS.md and the charts, from results.json alone: `npm run bench -- report` writes them anew.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { titles } from "./cases.ts";
import { type ChainsRow, chainsGrid } from "./chains.ts";
import { bars, curves, rates } from "./chart.ts";
import { devicesChart, devicesText } from "./crossover.ts";
import type { DevicesData } from "./devices.ts";
import { type FirstRow, firstGrid } from "./first.ts";
import { type GainsData, gainsText } from "./gains.ts";
import { type GpuData, gpuText } from "./gpu.ts";
import { type MemoryRow, memoryGrid } from "./memory.ts";
import { type Kept, type Measured, type Results, type Run, save } from "./results.ts";
import { type SizeRow, sizeGrid } from "./size.ts";
import { type StartRow, startGrid } from "./start.ts";
import { summaryGrid } from "./summary.ts";
import { type SweepData, sweepText } from "./sweep.ts";
import { caseGrid, entrants, growthGrid, share, shares, size } from "./tables.ts";
import { type ThreadsRow, threadsText } from "./threads.ts";
import { digits, markdown, span, time } from "./timing.ts";
import { type VersionsRow, versionsGrid } from "./versions.ts";
import { type WideRow, wideGrid } from "./wide.ts";
import { type EdgeRow, workerdGrid } from "./workerd.ts";

/** Sections that are not cases: title, what it says, tables of its data. */
interface Other {
  readonly title: string;
  readonly about: string;
  show(data: unknown): string;
  /** A chart of its own, in charts/ under the section's name. */
  chart?(data: unknown, run: Run): string;
}

const devices = (name: string, title: string): Other => ({
  title,
  about: DEVICES_TEXT,
  show: (data) => devicesText(data as DevicesData, `charts/${name}.svg`),
  chart: (data, run) => devicesChart(data as DevicesData, `${place(run)}; ${run.date}`),
});

const chains = (title: string): Other => ({
  title,
  about:
    "Captured programs of elementwise ops, of so many floats an array, on the sources: rows one by one; as chains that are walked block by block, and with pieces of them made one loop, at any size; and by default, which is one of these by the size. By hand: a kernel in one loop for the same (`bench/lab/246-byhand.ts`), called directly, and for Adam the library's own. Ratios are of times, round by round; the share is of a loop of the bench's own at whose rate the bytes that must come and go would take their share of the time.",
  show: (data) => markdown(...chainsGrid(data as ChainsRow[])),
});

const DEVICES_TEXT = `The same models, parameters and batches on each device, in turns: a captured forward, and a captured training step (forward,
backward, SGD). Times are medians over the rounds with their range, the waiting for the device at a sample's end
included. "Loss apart" is the largest difference of the first three losses from the first device's, in parts of the larger of loss and 1. The
crossover is against the faster of the wasm columns.`;

const OTHERS: Record<string, Other> = {
  devices: devices("devices", "wasm and WebGPU"),
  "devices-software": devices("devices-software", "wasm and WebGPU on a software adapter"),
  gpu: {
    title: "On a GPU",
    about:
      "Products and captured training steps on WebGPU, in turns with PyTorch on the same card. The floor is the longer of operations over the rate of multiply-adds and bytes over that of a copy.",
    show: (data) => gpuText(data as GpuData, "charts/gpu.svg"),
    chart: (data, run) => devicesChart((data as GpuData).devices, `${place(run)}; ${run.date}`),
  },
  wide: {
    title: "256 bits",
    about:
      "The opt-in build, one thread. The peak is that of 128-bit fused multiply-adds in the same rounds: more than 100 % is what the wider registers add.",
    show: (data) => markdown(...wideGrid(data as WideRow[])),
  },
  threads: {
    title: "Two threads",
    about:
      "The time on one thread over that on two. A round is quiet for a case when two plain loops of arithmetic scale at least 1.9 x both before it and behind it. They use registers alone, and hardly feel a neighbour on the same physical core that needs the arithmetic units little; two loops that add up floats in the first-level cache do, and are given beside them.",
    show: (data) => threadsText(data as ThreadsRow[]),
  },
  scaling: {
    title: "More threads",
    about:
      "The time on one thread over that on more. A round is quiet when plain loops scale by 0.9375 of the threads, before a case and behind it; see the section before for the loops that read.",
    show: (data) => threadsText(data as ThreadsRow[]),
  },
  gains: {
    title: "What a second thread gives",
    about:
      "The time on one thread over that on two, round by round; a step is forward, backward and update. A round is quiet when plain loops scale at least 1.9 x before a case and behind it. Then the same once more while another process keeps one core busy, so that two threads have one core and a half between them.",
    show: (data) => gainsText(data as GainsData),
  },
  sweep: {
    title: "Ops of common nets",
    about:
      "Captured, one thread, in turns with PyTorch (its memory kept). The floor is the longer of two times: of the operations, a product's alone, at the rate of fused multiply-adds, and of the bytes of inputs, results and gradients at that of a copy of as many; both rates are of the same rounds. Bytes that a library keeps from the forward are not counted, and where fewer operations do (Winograd), the share may pass 100 %. Sorted by what a call takes longer than PyTorch's; \"best round\" compares the best of ours with the best of its.",
    show: (data) => sweepText(data as SweepData),
  },
  chains: chains("Chains and pieces"),
  "chains-threads": chains("Chains on more threads"),
  start: {
    title: "Start",
    about:
      "A process from its beginning to the end, in turns with one that does nothing (`node -e 0`): import of the package, `init`, a 256x256 product read back.",
    show: (data) => markdown(...startGrid(data as StartRow[])),
  },
  first: {
    title: "The first trained step",
    about:
      "From before the import to the loss of the first SGD step of 5-8-4-1 in hand, every library by its own defaults on wasm; in a page each is bundled and minified by esbuild, and nothing is cached. A time is of a process or a page of its own; they take turns.",
    show: (data) => markdown(...firstGrid(data as FirstRow[])),
  },
  versions: {
    title: "This version beside the one before",
    about:
      "The same cases on both, as published: five processes for each workload, in which the two take turns and who comes first alternates. A ratio over 1 says that this version is faster. V8 11 (Node 20) does not align the vectors that it keeps on the stack: there the same product takes up to 7 % longer or not, by the depth of the stack of whoever calls it, so that such a table says less than one of Node 24.",
    show: (data) => markdown(...versionsGrid(data as VersionsRow[])),
  },
  workerd: {
    title: "workerd",
    about:
      "The captured step of 5-8-4-1 in the runtime of Cloudflare's workers and in Node: the time of the processor that the system counts for the whole process, over many requests of 20,000 steps, in turns.",
    show: (data) => markdown(...workerdGrid(data as EdgeRow[])),
  },
  size: {
    title: "Size",
    about: "The bundle as published and as a bundler minifies it, and each wasm build; a user loads one.",
    show: (data) => markdown(...sizeGrid(data as SizeRow[])),
  },
  memory: {
    title: "Memory",
    about: "What a training step holds and makes.",
    show: (data) => markdown(...memoryGrid(data as MemoryRow[])),
  },
};

export const GROWTH = ["batch", "width"];
const grows = (workload: string): boolean => GROWTH.includes(workload);

/** Writes results.json, RESULTS.md and charts/ in `out`. */
export function write(out: string, results: Results): void {
  mkdirSync(join(out, "charts"), { recursive: true });
  save(out, results);
  const { cases, sections, runs } = results;
  const main = Math.max(0, ...cases.map((m) => m.node));
  const head = headRun(results, main);
  const text = [heading(results, head)];
  const plain = cases.filter((m) => m.node === main && m.threads === 1 && m.build === "relaxed");
  const summary = summaryGrid(plain);
  if (summary[1].length > 0) text.push("## Summary", SUMMARY, markdown(...summary));
  const charts: string[] = [];
  const chart = (name: string, svg: string): void => {
    writeFileSync(join(out, "charts", `${name}.svg`), svg);
    charts.push(name);
  };
  for (const [workload, title] of Object.entries(titles)) {
    const found = cases.filter((m) => m.workload === workload && m.node === main);
    if (found.length === 0) continue;
    const alike = found.filter((m) => plain.includes(m));
    const heading = grows(workload) ? title : `${workload}: ${title}`;
    text.push(`## ${heading}`);
    if (alike.length > 0) {
      if (workload === "W1") chart(workload, rates(heading, alike));
      else if (grows(workload)) chart(workload, curves(heading, alike, size));
      else chart(workload, bars(heading, charted(workload, alike)));
      text.push(`![${heading}](charts/${workload}.svg)`);
    }
    text.push(measured(found, runs, head));
    if (workload === GROWTH[0]) text.push(GROWTH_TEXT);
    if (grows(workload)) text.push(markdown(...growthGrid(workload, alike)));
    else for (const m of found) text.push(`### ${m.name}${label(m)}`, markdown(...caseGrid(m)));
  }
  for (const [name, { title, about, show, chart: draw }] of Object.entries(OTHERS)) {
    const found = sections.filter((s) => s.name === name);
    if (found.length > 0) text.push(`## ${title}`, about);
    if (found.length > 0 && draw !== undefined) chart(name, draw(found[0]!.data, runs[found[0]!.run]!));
    for (const s of found) text.push(measured([s], runs, head), show(s.data));
  }
  for (const node of new Set(cases.map((m) => m.node))) {
    if (node === main) continue;
    const found = cases.filter((m) => m.node === node);
    text.push(`## On Node ${node}`, measured(found, runs, head), otherNode(found));
  }
  writeFileSync(join(out, "RESULTS.md"), `${text.join("\n\n")}\n`);
  console.log(`${cases.length} cases and ${sections.length} sections in ${join(out, "RESULTS.md")}`);
}

/** Charts that would be long show the smaller size. */
const charted = (workload: string, found: readonly Measured[]): Measured[] =>
  found.filter((m) => workload !== "W6" || m.name.endsWith(" 1M"));

const label = (m: Measured): string =>
  `${m.threads === 1 ? "" : `, ${m.threads} threads`}${m.build === "relaxed" ? "" : `, ${m.build}`}`;

const otherNode = (found: readonly Measured[]): string =>
  markdown(
    ["", "mode", "time", "range", "rate", "share of peak or streams"],
    found.flatMap((m) =>
      entrants(m)
        .filter((e) => e !== "peak")
        .map((e) => {
          const s = span(m.ms[e]!);
          const part = share(m, e);
          const rate = `${digits((m.work / s.median) * 1e-6)} ${m.unit}`;
          const range = `${time(s.min)} - ${time(s.max)}`;
          return [m.name + label(m), e, time(s.median), range, rate, part === null ? "" : shares(part)];
        }),
    ),
  );

/** When and how often, for each run of a section, and what differs from the head. */
function measured(found: readonly (Measured | Kept)[], runs: Results["runs"], head: Run | undefined): string {
  return [...new Set(found.map((x) => x.run))]
    .map((id) => {
      const run = runs[id]!;
      const versions = Object.entries(run.versions).filter(
        ([name, v]) => name === "node" || head?.versions[name] !== v,
      );
      const named = versions.map(([name, v]) => `${name} ${v}`).join(", ");
      const rounds =
        run.rounds === 1 ? "" : `, ${run.rounds} rounds${run.budget === null ? "" : ` of ${run.budget} ms`}`;
      const elsewhere = JSON.stringify(run.machine) === JSON.stringify(head?.machine) ? "" : `, on ${place(run)}`;
      return `Measured ${run.date}${rounds}, ${named}${elsewhere}.`;
    })
    .join(" ");
}

const place = ({ machine: m }: Run): string => `${m.processor}, ${m.cores} cores, ${m.memory}, ${m.system}`;

/** The latest run of cases on the main Node, with the versions of all that ran there. */
function headRun({ cases, sections, runs }: Results, main: number): Run | undefined {
  const of = (list: readonly (Measured | Kept)[]): Run[] =>
    [...new Set(list.map((x) => x.run))].map((id) => runs[id]!).sort((a, b) => (a.date < b.date ? -1 : 1));
  const found = of(cases.filter((m) => m.node === main));
  const last = found.at(-1) ?? of(sections).at(-1);
  return last && { ...last, versions: Object.assign({}, ...found.map((r) => r.versions), last.versions) };
}

const SUMMARY = `Build \`relaxed\`, one thread; the captured step or product where the name does not say otherwise. Medians over the rounds
with their range; "best round" compares the best of ours with the best of the other.`;

const GROWTH_TEXT = `Training steps. The exponent is the slope of log time over log size, fitted by least squares: over the upper half of the
sizes, since small ones are mostly overhead, and over all; its range is that of the rounds. "Ours" is the speed of our captured step over the library's.`;

function heading({ runs }: Results, head: Run | undefined): string {
  const dates = [...new Set(Object.values(runs).map((r) => r.date.slice(0, 10)))].sort();
  const named = Object.entries(head?.versions ?? {}).map(([name, version]) => `${name} ${version}`);
  return `# Results

Machine: ${head === undefined ? "-" : place(head)}. Dates: ${dates.join(", ")}.
Versions: ${named.join(", ")}.

All of it, with the peers installed: \`npm ci && npm ci --prefix bench/peers && npm run bench -- all\`. Parts of it:
\`node bench/peers/run.mjs --only W4\` beside the other libraries, \`node bench/peers/run.mjs --growth\`,
\`npm run bench -- start size threads --out bench\`; \`--help\` names the options.

Everyone does the same work in its own process; the processes take turns, a round each. A time is the median over rounds, a
round's the median of its samples; the range is that of the rounds. One thread unless said otherwise. "Our speed over it"
is the median of the ratios within each round, with their range. "Share of peak" is of what the bench's own kernels reach
in the same rounds: fused multiply-adds (\`simd\`: multiplications and additions); "share of the same streams" is of a loop
of the bench's own that reads and writes as many arrays of that length. Training steps are forward, backward and update,
with another batch each time; rates count the operations of the dense algorithm. A library is left out of a case
where one call takes more than 3 s. "PyTorch, memory kept" has an allocator that gives nothing back to the system: by itself
glibc's may fetch fresh pages at each step.`;
}
