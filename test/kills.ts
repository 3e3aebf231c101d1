// npm run kills -- --kills N --seed S: processes that save one file over and over are killed, and what they leave is looked at: a whole
// file, the last one that was written or the one before, and nothing else once it was loaded or saved.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setDefaultDevice } from "../src/core/device.ts";
import { load, save } from "../src/io/index.ts";
import { parseSafetensors } from "../src/io/safetensors.ts";
import "../src/methods.ts";
import { ReferenceDevice } from "./reference.ts";

/** Two tensors of 8 MB: a save takes some ten times as long as what is around it. */
const FLOATS = 2_000_000;
/** A kill comes at most so long after the first save has begun: some saves long. */
const LATEST_MS = 150;
const child = fileURLToPath(new URL("kills-child.ts", import.meta.url));

export interface Kills {
  kills: number;
  /** Files that were whole. */
  whole: number;
  /** Kills that left a temporary file behind. */
  torn: number;
  /** Temporary files that were there still when the file had been loaded or saved. */
  left: number;
}

/** Starts a process that saves, and kills it so long after it has begun. */
function killed(path: string, begin: number, after: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const process_ = spawn(process.execPath, ["--import", "tsx", child, path, String(begin), String(FLOATS)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    process_.stdout.once("data", () => setTimeout(() => process_.kill("SIGKILL"), after));
    process_.once("error", reject);
    process_.once("exit", (code, signal) => {
      if (signal === "SIGKILL") resolve();
      else reject(new Error(`it ended by itself, with ${code}`));
    });
  });
}

/** The number in all places of a file; null when there is more than one, or the file is not whole. */
function numberIn(path: string): number | null {
  const { tensors, metadata } = parseSafetensors(readFileSync(path));
  const value = Number(metadata.number);
  const { a, b } = tensors;
  const whole =
    a?.data.length === FLOATS && b?.data.length === FLOATS && [a, b].every((x) => x.data.every((v) => v === value));
  return whole ? value : null;
}

export async function kill(options: { kills: number; seed: number; tell?: (done: Kills) => void }): Promise<Kills> {
  setDefaultDevice(new ReferenceDevice());
  const dir = mkdtempSync(join(tmpdir(), "wasmgrad-kills-"));
  const done: Kills = { kills: 0, whole: 0, torn: 0, left: 0 };
  try {
    // Through a link, into a file that only its owner may read.
    mkdirSync(join(dir, "real"));
    const [real, link] = [join(dir, "real", "net.safetensors"), join(dir, "net.safetensors")];
    symlinkSync(join("real", "net.safetensors"), link);
    await save(link, { x: { dtype: "float32", shape: [1], data: Float32Array.of(1) } });
    const { chmodSync } = await import("node:fs");
    chmodSync(real, 0o640);
    let last = 0;
    let state = options.seed;
    for (let i = 0; i < options.kills; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const begin = 1000 * (i + 1);
      await killed(link, begin, (state / 2 ** 32) * LATEST_MS);
      done.kills++;
      if (readdirSync(join(dir, "real")).length > 1) done.torn++;
      const small = statSync(real).size < FLOATS;
      const now = small && last === 0 ? 0 : numberIn(real);
      // The number of this child, or the last that was there before.
      if (now !== null && (now === last || now >= begin) && (statSync(real).mode & 0o777) === 0o640) done.whole++;
      last = now ?? last;
      if (i % 2 === 0) for (const x of Object.values(await load(link))) x.dispose();
      else {
        const data = new Float32Array(FLOATS).fill(begin);
        last = begin;
        const x = { dtype: "float32", shape: [FLOATS], data } as const;
        await save(link, { a: x, b: x }, { number: String(begin) });
      }
      done.left += readdirSync(join(dir, "real")).length - 1 + (readdirSync(dir).length - 2);
      options.tell?.(done);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return done;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { kills: { type: "string", default: "100" }, seed: { type: "string", default: "1" } },
  });
  const line = ({ kills, whole, torn, left }: Kills): string =>
    `${kills} kills: ${whole} whole files; ${torn} left a temporary file behind, ${left} of them after the next save or load`;
  const tell = (done: Kills): void => {
    if (done.kills % 10 === 0) console.log(line(done));
  };
  const done = await kill({ kills: Number(values.kills), seed: Number(values.seed), tell });
  if (done.kills % 10 !== 0) console.log(line(done));
  process.exitCode = done.whole === done.kills && done.left === 0 ? 0 : 1;
}
