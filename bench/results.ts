// results.json: what the runs of the bench found, each thing with the run that it is of. A run replaces what it measured
// again, case by case and section by section, and leaves the rest.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";
import { cases as known } from "./cases.ts";

export type Entrant = "captured" | "eager" | "torch" | "kept" | "tfjs" | "jax" | "ort" | "peak";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memory: string;
  readonly system: string;
}

export interface Run {
  readonly date: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  /** Milliseconds of samples in a round; null where a round is one process. */
  readonly budget: number | null;
}

/** A case that several did in turns, a round each. */
export interface Measured {
  readonly name: string;
  readonly workload: string;
  readonly unit: string;
  /** Operations or bytes. */
  readonly work: number;
  readonly build: string;
  readonly threads: number;
  /** Major version of Node. */
  readonly node: number;
  /** A value for each round, in ms. */
  readonly ms: Partial<Record<Entrant, number[]>>;
  /** Who could not do it, and why. */
  readonly errors: Partial<Record<Entrant, string>>;
  readonly run: string;
}

/** What else is measured: start, size, threads, scaling, wide, memory; its own module knows the data. */
export interface Kept {
  readonly name: string;
  readonly node: number;
  readonly data: unknown;
  readonly run: string;
}

export interface Results {
  readonly runs: Record<string, Run>;
  readonly cases: readonly Measured[];
  readonly sections: readonly Kept[];
}

export const machine = (): Machine => ({
  processor: cpus()[0]?.model.trim() ?? "unknown",
  cores: availableParallelism(),
  memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  system: process.platform,
});

export const nodeVersions = (): Record<string, string> => ({
  node: process.versions.node,
  v8: process.versions.v8,
});

/** `2026-11-21 16:05`. */
export const today = (): string => new Date().toISOString().slice(0, 16).replace("T", " ");

export function load(out: string): Results {
  const file = join(out, "results.json");
  if (!existsSync(file)) return { runs: {}, cases: [], sections: [] };
  return JSON.parse(readFileSync(file, "utf8")) as Results;
}

const caseKey = (m: Measured): string => `${m.name}, ${m.build}, ${m.threads}, ${m.node}`;
const sectionKey = (s: Kept): string => `${s.name}, ${s.node}`;

/** What was there, with what the run found in its place. Cases of another processor go: they cannot stand beside these. */
export function merge(
  before: Results,
  run: Run,
  found: { cases?: readonly Omit<Measured, "run">[]; sections?: readonly Omit<Kept, "run">[] },
): Results {
  const id = String(1 + Math.max(0, ...Object.keys(before.runs).map(Number)));
  const measured = (found.cases ?? []).map((m) => ({ ...m, run: id }));
  const kept = (found.sections ?? []).map((s) => ({ ...s, run: id }));
  const [newCases, newSections] = [new Set(measured.map(caseKey)), new Set(kept.map(sectionKey))];
  const processor = (m: Measured): string => before.runs[m.run]!.machine.processor;
  const stays = (m: Measured): boolean =>
    !newCases.has(caseKey(m)) && (measured.length === 0 || processor(m) === run.machine.processor);
  const order = new Map(known.map((c, i) => [c.name, i]));
  const place = (m: Measured): number => order.get(m.name) ?? known.length;
  const cases = [...before.cases.filter(stays), ...measured].sort(
    (a, b) => place(a) - place(b) || a.threads - b.threads || b.node - a.node,
  );
  const sections = [...before.sections.filter((s) => !newSections.has(sectionKey(s))), ...kept].sort(
    (a, b) => b.node - a.node,
  );
  const used = new Set([...cases, ...sections].map((x) => x.run));
  const runs = Object.fromEntries(Object.entries({ ...before.runs, [id]: run }).filter(([name]) => used.has(name)));
  return { runs, cases, sections };
}

export function save(out: string, results: Results): void {
  mkdirSync(out, { recursive: true });
  const short = (_: string, v: unknown): unknown =>
    typeof v === "number" && !Number.isInteger(v) ? Number(v.toPrecision(5)) : v;
  writeFileSync(join(out, "results.json"), `${JSON.stringify(results, short)}\n`);
}
