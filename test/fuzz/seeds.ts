// Programs that once failed, with PyTorch's answers (../fuzz-seeds.json): run as plain tests, without PyTorch. What still
// fails has the reason in `known`, and must fail until that is taken away.
import { readFileSync, writeFileSync } from "node:fs";
import type { Device } from "../../src/index.ts";
import { allowed } from "./allowed.ts";
import { capturable, compareCaptured } from "./captured.ts";
import { compare, type Mismatch } from "./compare.ts";
import type { Answer, Program } from "./program.ts";
import { run } from "./run.ts";

export interface Seed {
  readonly program: Program;
  readonly answer: Answer;
  readonly known?: string;
  /** Why it differs from plain calls as a captured function. */
  readonly capturedKnown?: string;
}

const FILE = new URL("../fuzz-seeds.json", import.meta.url);

export const seeds = (): Seed[] => JSON.parse(readFileSync(FILE, "utf8")) as Seed[];

export function writeSeeds(list: readonly Seed[]): void {
  writeFileSync(FILE, `[\n${list.map((s) => JSON.stringify(s)).join(",\n")}\n]\n`);
}

/** What mismatches on the f64 reference or on the device, and is not meant. */
export function judge(p: Program, answer: Answer, reference: Device, device: Device): Mismatch | null {
  const m = compare(p, run(p, reference), answer, "float64") ?? compare(p, run(p, device), answer, "float32");
  return m === null || allowed(m, p) !== null ? null : m;
}

const opsOf = ({ steps }: Program): string => steps.map((s) => s.op).join(" ");

/** Longer ones tell no more. */
const LONGEST = 3000;

/** Adds programs that are not like one that is there, with what is known of them. Gives how many. */
export async function addSeeds(added: readonly Seed[], reference: Device, device: Device): Promise<number> {
  const list = seeds();
  const before = list.length;
  for (const { program, answer } of added) {
    const alike = (s: Seed): boolean =>
      opsOf(s.program) === opsOf(program) && s.program.inputs.length === program.inputs.length;
    if (JSON.stringify({ program, answer }).length > LONGEST || list.some(alike)) continue;
    list.push(await looked({ program, answer }, reference, device));
  }
  writeSeeds(list);
  return list.length - before;
}

const told = (m: Mismatch): string => `${m.kind}: ${m.cause}`;

async function looked({ program, answer }: Seed, reference: Device, device: Device): Promise<Seed> {
  const plain = judge(program, answer, reference, device);
  const captured = capturable(program) ? await compareCaptured(program, device) : null;
  return {
    ...{ program, answer },
    ...(plain === null ? {} : { known: told(plain) }),
    ...(captured === null ? {} : { capturedKnown: told(captured) }),
  };
}

/** Takes `known` from the seeds that pass, and gives it to none. */
export async function review(reference: Device, device: Device): Promise<string[]> {
  const mended: string[] = [];
  const list: Seed[] = [];
  for (const { program, answer, ...rest } of seeds()) {
    const now = await looked({ program, answer }, reference, device);
    const kept: Record<string, string> = {};
    for (const key of ["known", "capturedKnown"] as const) {
      const reason = rest[key];
      if (reason === undefined) continue;
      if (now[key] !== undefined) kept[key] = reason;
      else mended.push(`${program.name}: ${reason}`);
    }
    list.push({ program, answer, ...kept });
  }
  writeSeeds(list);
  return mended;
}
