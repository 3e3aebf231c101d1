// npm run bench -- [sections] [options]: what our kernels and steps reach, as rates and as shares of the peak that kernels
// of the bench's own reach in the same round. bench/peers compares with other libraries.
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { cases, type Section } from "./cases.ts";
import { guard } from "./guard.ts";
import { measure, type Row, type Settings, tableOf } from "./measure.ts";
import { memorySection, memoryTable } from "./memory.ts";
import { startSection, startTable } from "./start.ts";
import { threadsSection, threadsTable } from "./threads.ts";
import { library, ready } from "./work.ts";

const CASES: readonly Section[] = ["gemm", "conv", "elementwise", "step", "growth"];
const SECTIONS = [...CASES, "memory", "start", "threads", "guard"];
const DEFAULT = ["gemm", "conv", "elementwise", "step", "memory", "start"];
const USAGE = `npm run bench -- [${SECTIONS.join(" ")}] [options]
  --device wasm           the device
  --build simd|relaxed|256  the build: relaxed by default; shares of 256 are of the 128-bit peak
  --threads N             threads, 1 by default; for the section threads, all by default
  --rounds N              rounds over all cases, 9 by default
  --budget MS             samples of a case in a round, 40 by default
  --only NAME             cases whose name begins so, such as "W1 nn"; may be repeated
  --json FILE             everything as JSON
  --update                with guard: writes bench/guard.json
Without sections: ${DEFAULT.join(" ")}.`;

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
        rounds: { type: "string", default: "9" },
        budget: { type: "string", default: "40" },
        only: { type: "string", multiple: true, default: [] },
        json: { type: "string" },
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
const rounds = integer("rounds", values.rounds);
const budget = integer("budget", values.budget);
for (const name of values.only) {
  if (!cases.some((c) => c.name.startsWith(name))) fail(`--only ${name}: no case's name begins so`);
}
const sections = positionals.length > 0 ? positionals : DEFAULT;

const w = await library();
const device = await w.init({ simd: build, threads });
await ready(device);
const settings: Settings = { w, device, build, threads, rounds, budget };
const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores`;
console.log(
  `wasmgrad ${w.version}, ${build}, ${threads} thread${threads === 1 ? "" : "s"}; Node ${process.versions.node}`,
);
console.log(`${machine}; ${rounds} rounds; rates and shares are medians over rounds [lowest-highest]\n`);

const results: Record<string, unknown> = {};
let good = true;
for (const section of sections) {
  if ((CASES as readonly string[]).includes(section)) {
    const chosen = cases.filter(
      (c) => c.section === section && (values.only.length === 0 || values.only.some((o) => c.name.startsWith(o))),
    );
    if (chosen.length === 0) continue;
    const rows: Row[] = await measure(section, chosen, settings);
    results[section] = rows;
    console.log(`${tableOf(rows)}\n`);
  } else if (section === "memory") {
    const rows = await memorySection(settings);
    results.memory = rows;
    console.log(`${memoryTable(rows)}\n`);
  } else if (section === "start") {
    const rows = startSection(Math.max(threads, availableParallelism()), rounds);
    results.start = rows;
    console.log(`${startTable(rows)}\n`);
  } else if (section === "threads") {
    const most = values.threads === undefined ? availableParallelism() : threads;
    const rows = await threadsSection(settings, most);
    results.threads = rows;
    console.log(`${threadsTable(rows, most)}\n`);
  } else good = (await guard(settings, values.update)) && good;
}
if (values.json !== undefined) {
  const about = { version: w.version, date: new Date().toISOString(), machine, node: process.versions.node };
  writeFileSync(values.json, `${JSON.stringify({ ...about, build, threads, rounds, results }, null, 2)}\n`);
  console.log(`results in ${values.json}`);
}
process.exit(good ? 0 : 1);
