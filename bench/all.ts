// npm run bench -- all: everything that RESULTS.md shows, one part after another, each a process of its own: a part ends
// with its results written, so that a run that is cut short keeps what it has.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { table } from "./timing.ts";

interface Part {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** What it takes on two cores. */
  readonly minutes: number;
}

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** The Node that the figures are of; the parts also run on the Node at hand where it is another one. */
const node24 = path("peers/node_modules/node/bin/node");

function parts(out: string, rounds: string[]): Part[] {
  const here = [process.execPath, ["--import", import.meta.resolve("tsx"), path("main.ts")]] as const;
  const there = [node24, ["--disable-warning=ExperimentalWarning", path("main.ts")]] as const;
  const peers = (name: string, minutes: number, ...args: string[]): Part => ({
    ...{ name, command: process.execPath, minutes },
    args: [path("peers/run.mjs"), "--no-build", "--out", out, ...args, ...rounds],
  });
  const own = (
    name: string,
    minutes: number,
    [command, first]: typeof here | typeof there,
    ...args: string[]
  ): Part => ({
    ...{ name, command, minutes },
    args: [...first, ...args, "--out", out, ...rounds],
  });
  const others = spawnSync(node24, ["-p", "process.versions.node.split('.')[0]"], { encoding: "utf8" }).stdout.trim();
  const two = others !== process.versions.node.split(".")[0];
  return [
    own("size", 0.1, there, "size"),
    own("start", 0.2, there, "start"),
    ...(two ? [own(`start, Node ${process.versions.node}`, 0.3, here, "start")] : []),
    own("first step", 0.8, there, "first"),
    own("workerd", 0.8, there, "workerd"),
    own("256 bits", 0.2, there, "wide"),
    own("two threads", 1.2, there, "threads"),
    ...(availableParallelism() >= 4 ? [own("more threads", 3, there, "scaling")] : []),
    ...(availableParallelism() >= 2 ? [own("what a second thread gives", 2.5, there, "gains")] : []),
    own("ops of common nets", 4, there, "sweep"),
    peers("beside other libraries", 12, "--only", "W1,W2,W3,W4,W5,W6,W7"),
    peers("functions and optimizers", 1, "--only", "functions,optimizers", "--peers", "torch,kept", "--rounds", "15"),
    peers("growth", 4, "--growth"),
    peers("W1, build simd", 1, "--only", "W1", "--build", "simd", "--peers", "none"),
    ...(two ? [peers(`Node ${process.versions.node}`, 3, "--here", "--peers", "none")] : []),
    own("chains", 4, there, "chains", "--sizes", "1,64,1K,64K,1M,16M"),
    ...(availableParallelism() >= 2 ? [own("chains, two threads", 0.5, there, "chains", "--threads", "2")] : []),
    own("memory", 0.3, there, "memory"),
    own("wasm and WebGPU", 5, there, "devices"),
  ];
}

/** True when every part ended well. */
export async function all(out: string, rounds: number | undefined | ""): Promise<boolean> {
  if (!existsSync(node24)) {
    console.error("bench: no Node 24 and no peers here: `npm ci --prefix bench/peers` installs them");
    return false;
  }
  const list = parts(out, rounds ? ["--rounds", String(rounds)] : []);
  const total = list.reduce((n, p) => n + p.minutes, 0);
  console.log(
    `${list.length} parts, some ${total.toFixed(0)} minutes on two cores; nothing else should run meanwhile\n`,
  );
  const clock = (ms: number): string => `${(ms / 60000).toFixed(1)} min`;
  const begin = performance.now();
  const rows: string[][] = [];
  for (const [i, part] of list.entries()) {
    console.log(
      `\n=== ${i + 1} of ${list.length}: ${part.name} (some ${part.minutes} min; ${clock(performance.now() - begin)} so far)\n`,
    );
    const t0 = performance.now();
    const { status } = spawnSync(part.command, part.args, { stdio: "inherit" });
    rows.push([part.name, clock(performance.now() - t0), status === 0 ? "" : `FAILED (${status})`]);
  }
  rows.push(["all", clock(performance.now() - begin), ""]);
  console.log(`\n${table(["part", "took", ""], rows)}`);
  return rows.every((r) => r[2] === "");
}
