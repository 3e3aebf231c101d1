// npm run fuzz -- --programs N --seed S: random programs run here and in PyTorch, and are compared. `--captured`: each as a
// captured function against plain calls, without PyTorch. `--only NAME`: of one family, or with one op. `--replay FILE`.
// `--files --inputs N --seed S`: mutated files instead of programs (files.ts).
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Device, init } from "../../src/index.ts";
import { ReferenceDevice } from "../reference.ts";
import { ready } from "../waiting.ts";
import { allowed } from "./allowed.ts";
import { capturable, compareCaptured } from "./captured.ts";
import { compare, type Mismatch } from "./compare.ts";
import { draw, FAMILIES } from "./families.ts";
import { mainFiles } from "./files.ts";
import { type Answer, type Outcome, type Program, printed, printedValue } from "./program.ts";
import { run } from "./run.ts";
import { addSeeds, review, type Seed } from "./seeds.ts";
import { type Judge, shrunk } from "./shrink.ts";
import { python, Torch } from "./torch.ts";

const BATCH = 100;

const { values: given } = parseArgs({
  options: {
    programs: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    captured: { type: "boolean", default: false },
    replay: { type: "string" },
    out: { type: "string" },
    /** How many mismatches of each kind are made short. */
    shrink: { type: "string", default: "1" },
    /** Adds the short mismatches to the seeds, or with `--replay` its programs. */
    record: { type: "boolean", default: false },
    /** Runs the seeds and takes `known` from those that pass. */
    review: { type: "boolean", default: false },
    /** Files instead of programs, and how many. */
    files: { type: "boolean", default: false },
    inputs: { type: "string", default: "1000000" },
    /** Draws ops that are not here too. */
    all: { type: "boolean", default: false },
  },
});

const reference = new ReferenceDevice();
let wasm: Device;
async function fresh(): Promise<Device> {
  wasm = await ready(await init({ threads: 2 }));
  return wasm;
}

/** Here on both devices against PyTorch. */
function judged(p: Program, answer: Answer): Mismatch | null {
  if (answer.dropped !== undefined) return null;
  return compare(p, run(p, reference), answer, "float64") ?? compare(p, run(p, wasm), answer, "float32");
}

const name = process.argv.length === 2 ? undefined : given.only;
const names = Object.keys(FAMILIES);
if (name !== undefined && !names.includes(name))
  console.log(`${name} is no family (${names.join(", ")}): programs with such an op`);

function drawn(count: number, seed: number): Program[] {
  const programs: Program[] = [];
  for (let i = 0; programs.length < count && i < 50 * count; i++) {
    const family = name !== undefined && names.includes(name) ? name : names[i % names.length]!;
    const p = draw(family, seed, i, given.all);
    if (p.steps.length === 0) continue;
    if (name !== undefined && !names.includes(name) && !p.steps.some((s) => s.op === name)) continue;
    if (given.captured && !capturable(p)) continue;
    programs.push(p);
  }
  return programs;
}

interface Group {
  count: number;
  readonly examples: { program: Program; mismatch: Mismatch }[];
}
const groups = new Map<string, Group>();
const counts = { compared: 0, refused: 0, mismatches: 0 };
const dropped = new Map<string, number>();
const meant = new Map<string, number>();
const more = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1);

function note(program: Program, mismatch: Mismatch | null): void {
  counts.compared++;
  if (mismatch === null) return;
  const why = allowed(mismatch, program);
  if (why !== null) {
    more(meant, why);
    return;
  }
  counts.mismatches++;
  const key = `${mismatch.kind}: ${mismatch.cause}`;
  const group = groups.get(key) ?? { count: 0, examples: [] };
  groups.set(key, group);
  group.count++;
  group.examples.push({ program, mismatch });
}

const show = (what: string, outcome: Partial<Outcome>, only: string | null): void => {
  if (outcome.refused !== undefined) console.log(`    ${what}: step ${outcome.refused} is refused: ${outcome.message}`);
  const all = {
    ...outcome.values,
    ...Object.fromEntries(Object.entries(outcome.grads ?? {}).map(([k, v]) => [`${k}.grad`, v])),
  };
  for (const [key, x] of Object.entries(all)) {
    if (only === null || key === only || key === `${only}.grad`) console.log(`    ${what}: ${key} ${printedValue(x)}`);
  }
};

/** What differs in values shows where it is read: its cause is told by the ops that are left when it is short. */
const valued = ({ kind }: Mismatch): boolean => !["refused here", "answered here", "crash"].includes(kind);
const VALUES_EACH = 30;

async function report(judge: Judge, torch: Torch | null): Promise<void> {
  const sorted = [...groups].sort((a, b) => b[1].count - a[1].count);
  const found: Seed[] = [];
  let file = 0;
  for (const [key, { count, examples }] of sorted) {
    console.log(`\n${count} x ${key}`);
    const most = Number(given.shrink) * (valued(examples[0]!.mismatch) ? VALUES_EACH : 1);
    const told = new Map<string, { program: Program; mismatch: Mismatch; count: number }>();
    for (const e of examples.slice(0, most)) {
      const { program, mismatch } = await shrunk(e.program, e.mismatch, judge);
      const ops = [...new Set(program.steps.map((s) => s.op))].join(" ");
      const same = told.get(valued(mismatch) ? ops : program.name);
      if (same !== undefined) same.count++;
      else told.set(valued(mismatch) ? ops : program.name, { program, mismatch, count: 1 });
    }
    for (const { program, mismatch, count: alike } of told.values()) {
      console.log(`  ${alike > 1 ? `${alike} of them: ` : ""}${program.name}: ${mismatch.text}\n${printed(program)}`);
      const answer = torch === null ? null : (await torch.ask([program]))[0]!;
      if (answer !== null && mismatch.value !== null) {
        show("here   ", run(program, reference), mismatch.value);
        show("PyTorch", answer.wide, mismatch.value);
      }
      if (given.record && answer !== null) found.push({ program, answer });
      if (given.out === undefined) continue;
      mkdirSync(given.out, { recursive: true });
      const kept = { program, mismatch, answer };
      writeFileSync(join(given.out, `${String(++file).padStart(3, "0")}.json`), `${JSON.stringify(kept)}\n`);
    }
  }
  if (given.record) console.log(`\n${await addSeeds(found, reference, wasm)} new seeds`);
}

function end(begin: number): void {
  console.log(
    `\n${counts.compared} programs compared, ${counts.refused} of them refused by PyTorch; ${counts.mismatches} mismatches of ${groups.size} kinds`,
  );
  for (const [why, n] of dropped) console.log(`${n} not compared: ${why}`);
  for (const [why, n] of meant) console.log(`${n} meant: ${why}`);
  console.log(`${((performance.now() - begin) / 1000).toFixed(1)} s`);
  process.exitCode = counts.mismatches > 0 ? 1 : 0;
}

async function main(): Promise<void> {
  const begin = performance.now();
  const count = Number(given.programs);
  const seed = Number(given.seed);
  await fresh();
  if (given.review) {
    for (const text of await review(reference, wasm)) console.log(`passes now: ${text}`);
    return;
  }
  if (given.captured) {
    const judge: Judge = async (list) => {
      const found: (Mismatch | null)[] = [];
      for (const p of list) {
        if (wasm.failed !== null) await fresh();
        found.push(await compareCaptured(p, wasm));
      }
      return found;
    };
    for (const p of drawn(count, seed)) note(p, (await judge([p]))[0]!);
    await report(judge, null);
    return end(begin);
  }
  const found = python();
  if (found === null) {
    console.log('fuzz: no python3 here can `import torch` (Debian has it as "python3-torch")');
    process.exitCode = 2;
    return;
  }
  const torch = new Torch(found);
  console.log(`PyTorch ${await torch.version()}, seed ${seed}`);
  const judge: Judge = async (list) => (await torch.ask(list)).map((answer, i) => judged(list[i]!, answer));
  if (given.replay !== undefined) await replay(torch, given.replay);
  else {
    const programs = drawn(count, seed);
    // PyTorch works on the next ones while these are run here.
    let coming = torch.ask(programs.slice(0, BATCH));
    for (let i = 0; i < programs.length; i += BATCH) {
      const answers = await coming;
      const next = programs.slice(i + BATCH, i + 2 * BATCH);
      if (next.length > 0) coming = torch.ask(next);
      for (const [j, answer] of answers.entries()) {
        if (answer.dropped !== undefined) {
          more(dropped, answer.dropped);
          continue;
        }
        if (answer.wide.refused !== undefined) counts.refused++;
        note(programs[i + j]!, judged(programs[i + j]!, answer));
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await report(judge, torch);
    end(begin);
  }
  torch.end();
}

/** One program or several, or what `--out` wrote, with both answers. */
async function replay(torch: Torch, file: string): Promise<void> {
  const content = JSON.parse(readFileSync(file, "utf8"));
  for (const entry of [content].flat()) {
    const program: Program = entry.program ?? entry;
    const [answer] = await torch.ask([program]);
    console.log(`${program.name}\n${printed(program)}`);
    if (answer!.dropped !== undefined) {
      console.log(`    not compared: ${answer!.dropped}`);
      continue;
    }
    show("here   ", run(program, reference), null);
    show("PyTorch", answer!.wide, null);
    const mismatch = judged(program, answer!);
    console.log(mismatch === null ? "    the same" : `    ${mismatch.kind}: ${mismatch.text}`);
    if (mismatch !== null) process.exitCode = 1;
    if (given.record) await addSeeds([{ program, answer: answer! }], reference, wasm);
  }
}

if (given.files) mainFiles(Number(given.inputs), Number(given.seed));
else {
  await main();
  await wasm!.dispose();
}
