// npm run bench -- [sections] [options]: what our kernels and steps reach, as rates and as shares of the peak that kernels
// of the bench's own reach in the same round. bench/peers compares with other libraries.
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Bar, Presets } from "cli-progress";
import { all } from "./all.ts";
import { cases, type Section } from "./cases.ts";
import { chainsGrid, chainsSection } from "./chains.ts";
import { devicesGrid } from "./crossover.ts";
import { agree, BATCHES, entrants, measureDevices } from "./devices.ts";
import { firstGrid, firstSection } from "./first.ts";
import { gainsGrid, gainsSection, stillness } from "./gains.ts";
import { gpuLines, measureGpu, productGrid, stepGrid } from "./gpu.ts";
import { guard } from "./guard.ts";
import { measure, type Row, type Settings, tableOf } from "./measure.ts";
import { memoryGrid, memorySection } from "./memory.ts";
import { devicesInPage, serveDevices } from "./page.ts";
import { write } from "./report.ts";
import { load, machine, merge, nodeVersions, today } from "./results.ts";
import { sizeGrid, sizeSection } from "./size.ts";
import { startGrid, startSection } from "./start.ts";
import { sweepEntries, sweepGrid, sweepSection } from "./sweep.ts";
import { MORE, named, TWO, threadsGrid, threadsSection } from "./threads.ts";
import { type Grid, table } from "./timing.ts";
import { versionsGrid, versionsSection } from "./versions.ts";
import { wideGrid, wideSection } from "./wide.ts";
import { library, ready } from "./work.ts";
import { workerdGrid, workerdSection } from "./workerd.ts";

const CASES: readonly Section[] = ["gemm", "conv", "elementwise", "step", "growth", "views", "functions", "optimizers"];
const SECTIONS = [
  ...CASES,
  "memory",
  "start",
  "first",
  "workerd",
  "size",
  "threads",
  "scaling",
  "gains",
  "sweep",
  "wide",
  "chains",
  "devices",
  "versions",
  "gpu",
  "guard",
  "report",
  "all",
];
const DEFAULT = ["gemm", "conv", "elementwise", "step", "memory", "start"];
const USAGE = `npm run bench -- [${SECTIONS.join(" ")}] [options]
  --device wasm           the device
  --build simd|relaxed|256  the build: relaxed by default; shares of 256 are of the 128-bit peak
  --threads N             threads, 1 by default
  --rounds N              rounds over all cases, 9 by default; 30 for threads and scaling, 20 for start, 15 for first,
                          7 for gains, 5 for sweep
  --budget MS             samples of a case in a round, 40 by default, 15 for sweep
  --only NAMES            cases whose name begins so, such as "W1 nn,W2"; may be repeated. For sweep a regular expression:
                          what it finds is printed, and not kept
  --json FILE             everything as JSON
  --out DIR               memory, start, first, workerd, size, threads, scaling, gains, sweep, wide, chains and
                          devices (with WebGPU) go into RESULTS.md and results.json in DIR
  --before FILE           first, versions: a tarball of an earlier version, in turns with this one
  --sizes LIST            chains: floats, such as 1,64,1K,64K,1M,16M; 1M by default
  --batches LIST          devices: batch sizes, such as 1,64,4096; powers of two to 8192 by default
  --cap MS                devices: a step that would take longer is left out, 2000 by default
  --page                  devices: in a page, in the Chromium that is installed (CHROMIUM names one, CHROMIUM_FLAGS adds flags)
  --serve                 devices: serves that page for any browser
  --small                 gpu: small sizes, to see that it works
  --update                with guard: writes bench/guard.json
Without sections: ${DEFAULT.join(" ")}.
first: import to the first trained step, beside other libraries, in Node and in a page. workerd: the tiny net's step there.
threads: two against one. scaling: 4, 8 and so on against one, where there are as many cores. wide: the build 256.
gains: nets of several sizes on two threads against one, and the same while another process keeps one core busy.
sweep: ops at the shapes of common nets, forward and backward, beside PyTorch: what loses most first; some 5 minutes.
devices: models on wasm with one thread and all, and on WebGPU, over the batch size; 5 rounds.
chains: elementwise programs as rows one by one, walked, as pieces and by default, beside kernels by hand (on src).
versions: W1 to W7 (or --only) on this version and on that of --before, 15 rounds.
gpu: for a machine with a GPU: products and training steps on WebGPU beside PyTorch on the same card and beside wasm, with
the floors of their operations and bytes and the crossover; on a software adapter it is printed, and not kept.
guard: shares of the peak against bench/guard.json. report: RESULTS.md and charts from results.json (--out, bench/ by
default). all: everything that RESULTS.md shows, into --out, bench/ by default.`;

const fail = (message: string): never => {
  console.error(`bench: ${message}\n\n${USAGE}`);
  process.exit(2);
};

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        device: { type: "string", default: "wasm" },
        build: { type: "string", default: "relaxed" },
        threads: { type: "string" },
        rounds: { type: "string" },
        budget: { type: "string" },
        only: { type: "string", multiple: true, default: [] },
        json: { type: "string" },
        before: { type: "string" },
        out: { type: "string" },
        sizes: { type: "string", default: "1M" },
        batches: { type: "string" },
        cap: { type: "string", default: "2000" },
        page: { type: "boolean", default: false },
        serve: { type: "boolean", default: false },
        small: { type: "boolean", default: false },
        update: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return fail((error as Error).message);
  }
}

function integer(name: string, text: string): number {
  const value = Number(text);
  return Number.isInteger(value) && value >= 1
    ? value
    : fail(`--${name} ${text}: an integer of at least 1 is expected`);
}

/** `64`, `64K`, `16M`. */
const floats = (text: string): number =>
  integer("sizes", text.replace(/[KM]$/, "")) * (text.endsWith("K") ? 1024 : text.endsWith("M") ? 2 ** 20 : 1);

const { values, positionals } = parse();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
for (const name of positionals) {
  if (!SECTIONS.includes(name)) fail(`section ${name}: known are ${SECTIONS.join(", ")}`);
}
if (values.device !== "wasm") fail(`--device ${values.device}: "wasm" is expected`);
const { build } = values;
if (build !== "simd" && build !== "relaxed" && build !== "256") {
  throw fail(`--build ${build}: "simd", "relaxed" or "256" is expected`);
}
const threads = integer("threads", values.threads ?? "1");
/** Rounds where the section has its own number of them unless one is asked for. */
const roundsOr = (usual: number): number => integer("rounds", values.rounds ?? String(usual));
const rounds = roundsOr(9);
const budgetOr = (usual: number): number => integer("budget", values.budget ?? String(usual));
const budget = budgetOr(40);
const sizes = values.sizes.split(",").map(floats);
const only = values.only.flatMap((o) => o.split(",")).filter((o) => o !== "");
const swept = positionals.includes("sweep");
if (swept && positionals.length > 1 && only.length > 0) fail("--only: sweep reads it otherwise than other sections");
for (const name of swept ? [] : only) {
  if (!cases.some((c) => c.name.startsWith(name))) fail(`--only ${name}: no case's name begins so`);
}
// V8's flag for 256 bits holds for all that is compiled afterwards: that section comes last.
const sections = (positionals.length > 0 ? positionals : DEFAULT).sort((a, b) => +(a === "wide") - +(b === "wide"));
if (values.serve) {
  console.log(`open ${await serveDevices()} (Ctrl+C ends)`);
  await new Promise(() => {});
}
const home = fileURLToPath(new URL(".", import.meta.url));
if (sections.includes("all") || sections.includes("report")) {
  if (sections.length > 1) fail("all and report stand alone");
  const out = values.out ?? home;
  if (sections[0] === "all") process.exit((await all(out, values.rounds && rounds)) ? 0 : 1);
  write(out, load(out));
  process.exit(0);
}

const w = await library();
const device = await w.init({ simd: build, threads });
await ready(device);
const settings: Settings = { w, device, build, threads, rounds, budget };
const cores = availableParallelism();
console.log(
  `wasmgrad ${w.version}, ${build}, ${threads} thread${threads === 1 ? "" : "s"}; Node ${process.versions.node}`,
);
console.log(`${machine().processor}, ${cores} cores; rates and shares are medians over rounds [lowest-highest]\n`);

const results: Record<string, unknown> = {};
const kept: { name: string; data: unknown; rounds: number; budget: number | null }[] = [];
function keep(name: string, data: unknown, grid: Grid, times: number, timed: number | false = budget): void {
  results[name] = data;
  kept.push({ name, data, rounds: times, budget: timed || null });
  console.log(`${table(...grid)}\n`);
}

let good = true;
const others: Record<string, () => void | Promise<void>> = {
  async memory() {
    const rows = await memorySection(settings);
    keep("memory", rows, memoryGrid(rows), 1, false);
  },
  start() {
    const rows = startSection(Math.max(threads, cores), roundsOr(20));
    keep("start", rows, startGrid(rows), roundsOr(20), false);
  },
  async first() {
    const rows = await firstSection(roundsOr(15), values.before);
    keep("first", rows, firstGrid(rows), roundsOr(15), false);
  },
  async workerd() {
    const rows = await workerdSection(rounds);
    if (rows === null) return console.log("workerd: left out, it is not installed: npm ci --prefix test/published\n");
    keep("workerd", rows, workerdGrid(rows), rounds, false);
  },
  async size() {
    const rows = await sizeSection();
    keep("size", rows, sizeGrid(rows), 1, false);
  },
  async threads() {
    if (cores < 2) return console.log("threads: this machine has one core\n");
    const rows = await threadsSection({ ...settings, rounds: roundsOr(30) }, [2], named(TWO));
    keep("threads", rows, threadsGrid(rows), roundsOr(30));
  },
  async scaling() {
    const counts = [2, 4, 8, 16].filter((n) => n <= cores);
    if (cores < 4) return console.log(`scaling: left out, it takes 4 cores at least and this machine has ${cores}\n`);
    const rows = await threadsSection({ ...settings, rounds: roundsOr(30) }, counts, named(MORE));
    keep("scaling", rows, threadsGrid(rows), roundsOr(30));
  },
  async gains() {
    if (cores < 2) return console.log("gains: this machine has one core\n");
    const data = await gainsSection({ ...settings, rounds: roundsOr(7) });
    keep("gains", data, gainsGrid(data), roundsOr(7));
    console.log(`${stillness(data)}\n`);
  },
  async sweep() {
    let regex = /./;
    try {
      regex = new RegExp(values.only.join("|") || ".");
    } catch (error) {
      fail(`--only: ${(error as Error).message}`);
    }
    const entries = sweepEntries((name) => regex.test(name));
    if (entries.length === 0) fail(`--only ${regex.source}: no op of the sweep has such a name`);
    const data = await sweepSection({ ...settings, rounds: roundsOr(5), budget: budgetOr(15) }, entries);
    if (only.length === 0) return keep("sweep", data, sweepGrid(data), roundsOr(5), budgetOr(15));
    results.sweep = data;
    console.log(`${table(...sweepGrid(data))}\n`);
  },
  async devices() {
    const batches = (values.batches?.split(",") ?? BATCHES).map((n) => integer("batches", String(n)));
    const bar = new Bar({ format: "devices {bar} {value}/{total} {what}", hideCursor: true }, Presets.rect);
    bar.start(1, 0, { what: "" });
    const options = { batches, rounds: roundsOr(5), budget, cap: integer("cap", values.cap) };
    const tell = (what: string, done: number, total: number): void => {
      bar.setTotal(total);
      bar.update(done, { what });
    };
    const measured = values.page
      ? devicesInPage(options, tell)
      : measureDevices(w, await entrants(w), {
          ...options,
          onPoint: ({ model, kind, batch }, done, total) => tell(`${model}, ${kind}, batch ${batch}`, done, total),
        }).then((data) => ({ data, browser: null }));
    const { data: found, browser } =
      (await measured.finally(() => bar.stop())) ?? fail("--page: no Chromium is installed");
    const software = found.entrants.some((e) => e.software);
    if (browser === null && found.missing === null) {
      keep(software ? "devices-software" : "devices", found, devicesGrid(found), roundsOr(5));
    } else {
      // RESULTS.md has Node's figures, of wasm beside WebGPU.
      results[browser === null ? "devices" : "devices, page"] = { browser, ...found };
      console.log(`${browser ?? "Node"}\n${found.entrants.map((e) => `${e.name}: ${e.why}`).join("\n")}`);
      console.log(`${table(...devicesGrid(found))}\n`);
    }
    for (const line of found.ended) console.log(`left out: ${line}`);
    if (found.missing !== null) console.log(`no WebGPU: ${found.missing}`);
    if (!agree(found)) {
      console.log("the losses of the devices differ by more than 1e-3");
      good = false;
    }
  },
  async gpu() {
    const options = { small: values.small, rounds: roundsOr(9), budget, cap: integer("cap", values.cap) };
    const found = await measureGpu(w, { ...options, tell: (what) => console.log(`  ${what}`) });
    if ("missing" in found) {
      good = false;
      return console.log(`gpu: no WebGPU: ${found.missing}\n`);
    }
    console.log(`\n${gpuLines(found).join("\n")}\n\n${table(...productGrid(found))}\n`);
    if (found.software || values.small) {
      results.gpu = found;
      console.log(`${table(...stepGrid(found))}\n`);
    } else keep("gpu", found, stepGrid(found), rounds);
    if (!agree(found.devices)) {
      console.log("the losses of the devices differ by more than 1e-3");
      good = false;
    }
  },
  versions() {
    if (values.before === undefined) throw fail("versions: --before names the tarball of an earlier version");
    const chosen = cases.filter((c) =>
      only.length === 0 ? /^W\d$/.test(c.workload) : only.some((o) => c.name.startsWith(o)),
    );
    const rows = versionsSection(values.before, chosen, settings, roundsOr(15));
    keep("versions", rows, versionsGrid(rows), roundsOr(15));
  },
  async chains() {
    const rows = await chainsSection(settings, sizes);
    keep(threads === 1 ? "chains" : "chains-threads", rows, chainsGrid(rows), rounds);
  },
  async wide() {
    const rows = await wideSection(settings);
    if (rows === null) return console.log("wide: left out, the build 256 takes Node 22 or later\n");
    keep("wide", rows, wideGrid(rows), rounds);
  },
};

for (const section of sections) {
  if ((CASES as readonly string[]).includes(section)) {
    const chosen = cases.filter(
      (c) => c.section === section && (only.length === 0 || only.some((o) => c.name.startsWith(o))),
    );
    if (chosen.length === 0) continue;
    const rows: Row[] = await measure(section, chosen, settings);
    results[section] = rows;
    console.log(`${tableOf(rows)}\n`);
  } else if (section === "guard") good = (await guard(settings, values.update)) && good;
  else await others[section]!();
}
if (values.out !== undefined && kept.length > 0) {
  const node = Number.parseInt(process.versions.node, 10);
  let found = load(values.out);
  for (const { name, data, ...times } of kept) {
    const run = { date: today(), machine: machine(), versions: { wasmgrad: w.version, ...nodeVersions() }, ...times };
    found = merge(found, run, { sections: [{ name, node, data }] });
  }
  write(values.out, found);
}
if (values.json !== undefined) {
  const about = { version: w.version, date: today(), machine: machine(), ...nodeVersions() };
  writeFileSync(values.json, `${JSON.stringify({ ...about, build, threads, rounds, results }, null, 2)}\n`);
  console.log(`results in ${values.json}`);
}
process.exit(good ? 0 : 1);
