// A cell of the matrix of hosts: a program in one host, run to its end, with the losses that all of them must have.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

const path = (place: string): string => fileURLToPath(new URL(place, import.meta.url));
/** What test/published/package.json installs. */
export const modules = path("../node_modules");
const runtimes = path("../../runtimes/node_modules/.bin");

/** What a program printed of its training (programs/train.mjs). */
export interface Trained {
  readonly losses: readonly number[];
  /** Threads that took part. */
  readonly ready: number;
  readonly info: { readonly build: string; readonly threads: number; readonly why: string };
}

export interface Cell {
  readonly name: string;
  /** Files without which it is skipped. */
  readonly needs: readonly string[];
  /** Throws when something is wrong; null when there was nothing to train. */
  run(published: string): Promise<Trained | null>;
  /** How many threads it must have: 2 unless said otherwise. */
  readonly threads?: number;
}

/** No cell takes this long: it only ends what hangs. */
const LIMIT = 600_000;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a program until it ends by itself; one that hangs is an error. */
export function ended(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, NODE_OPTIONS: "", ...env } });
    const text = { out: "", err: "" };
    child.stdout.setEncoding("utf8").on("data", (part) => (text.out += part));
    child.stderr.setEncoding("utf8").on("data", (part) => (text.err += part));
    let hangs = false;
    const timer = setTimeout(() => {
      hangs = true;
      child.kill("SIGKILL");
    }, LIMIT);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      const [out, err] = [stripVTControlCharacters(text.out), stripVTControlCharacters(text.err)];
      if (hangs) reject(new Error(`it had not ended after ${LIMIT / 1000} s:\n${out}${err}`));
      else resolve({ code, out, err });
    });
  });
}

/** What a program told of its training. */
export function result({ code, out, err }: Ended): Trained {
  const found = /RESULT (\{.*\}) END/.exec(out);
  if (code !== 0 || found === null) throw new Error(`code ${code}\n${out}${err}`.trimEnd());
  return JSON.parse(found[1]!) as Trained;
}

/** A folder of its own inside that of the package, with the programs; gone when `use` has ended. */
export async function inFolder<T>(published: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(published, "cell-"));
  try {
    await cp(path("programs"), folder, { recursive: true });
    const train = await readFile(join(folder, "train.mjs"), "utf8");
    const older = train
      .replace("export async function train", "exports.train = async function train")
      .replace("export const told", "exports.told");
    await writeFile(join(folder, "train.cjs"), older);
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The binary of a Node of that version. */
export const node = (version: number): string => join(modules, `node-${version}`, "bin", "node");
export const runtime = (name: string): string => join(runtimes, name);
export const NODES = [20, 22, 24, 26];

/** What a cell lacks, or null. */
export const lacks = (cell: Cell): string | null => cell.needs.find((path) => !existsSync(path)) ?? null;

let expected: { name: string; losses: string } | undefined;

/** Runs a cell and compares its losses with those of the first one that trained. */
export async function judge(cell: Cell, published: string): Promise<Trained | null> {
  const trained = await cell.run(published);
  if (trained === null) return null;
  const losses = JSON.stringify(trained.losses);
  if (trained.losses.length !== 20 || !trained.losses.every((x) => x > 0)) throw new Error(`losses ${losses}`);
  expected ??= { name: cell.name, losses };
  if (losses !== expected.losses) throw new Error(`losses ${losses}: ${expected.name} has ${expected.losses}`);
  const { threads = 2 } = cell;
  if (trained.info.threads !== threads || trained.ready !== threads) {
    throw new Error(`${trained.ready} threads took part, ${threads} are expected: ${JSON.stringify(trained.info)}`);
  }
  return trained;
}
