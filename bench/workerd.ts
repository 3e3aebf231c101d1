// The tiny net's captured step in workerd beside the same in Node: the time of the processor for a step, by what the
// system says of each process, since workerd's own clock stands still while a request is answered.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Bar, Presets } from "cli-progress";
import { ask, type Serving, serve } from "../test/published/hosts/workerd.ts";
import { packed } from "../test/published/pack.ts";
import { type Grid, type Span, show, span } from "./timing.ts";

export interface EdgeRow {
  readonly name: string;
  /** Microseconds of the processor for a step: user and system, all threads of the process. */
  readonly us: Span;
  /** Over the Node of the same round. */
  readonly ratio: Span | null;
}

interface Answer {
  readonly loss: number;
  readonly info: { readonly build: string; readonly threads: number };
}

const PROGRAMS = fileURLToPath(new URL("edge", import.meta.url));
/** Steps of a request. */
const STEPS = 20_000;
/** Requests of a round: the system counts in ticks of 10 ms, of which a round has some hundred. */
const REQUESTS = 20;
const WARM = 10;
/** Ticks in a second: what Linux tells every program. */
const TICKS = 100;

/** Seconds of the processor that a process has had. */
async function seconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8");
  // Behind the name, which may hold blanks: the state is field 3, user and system time are 14 and 15.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Node, the one that runs this, as a server. */
async function serveNode(folder: string): Promise<Serving> {
  const child = spawn(process.execPath, ["server.mjs"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const gone = once(child, "close");
  const [port] = (await once(child.stdout!.setEncoding("utf8"), "data")) as [string];
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await gone;
  };
  return { url: `http://127.0.0.1:${port.trim()}`, pid: child.pid!, close };
}

export async function workerdSection(rounds: number): Promise<EdgeRow[]> {
  const published = await packed();
  const open: Serving[] = [];
  const bar = new Bar({ format: "workerd      {bar} {value}/{total}", hideCursor: true }, Presets.rect);
  try {
    const folder = await mkdtemp(join(published.folder, "edge-"));
    await cp(PROGRAMS, folder, { recursive: true });
    open.push(await serveNode(folder), await serve(folder, { entry: "worker.mjs" }));
    const answers: Answer[] = [];
    for (const { url } of open) {
      for (let i = 1; i < WARM; i++) await ask(`${url}/?steps=${STEPS}`);
      answers.push(await ask<Answer>(`${url}/?steps=${STEPS}`));
    }
    const [a, b] = answers;
    if (JSON.stringify(a!.info.build) !== JSON.stringify(b!.info.build) || a!.loss !== b!.loss) {
      throw new Error(`workerd: Node and workerd do not do the same: ${JSON.stringify(answers)}`);
    }
    const us: number[][] = open.map(() => []);
    bar.start(rounds, 0);
    for (let r = 0; r < rounds; r++) {
      for (const [i, { url, pid }] of open.entries()) {
        const before = await seconds(pid);
        for (let k = 0; k < REQUESTS; k++) await ask(`${url}/?steps=${STEPS}`);
        us[i]!.push((((await seconds(pid)) - before) / (STEPS * REQUESTS)) * 1e6);
      }
      bar.increment();
    }
    return [
      { name: `Node ${process.versions.node}`, us: span(us[0]!), ratio: null },
      { name: "workerd", us: span(us[1]!), ratio: span(us[1]!.map((t, r) => t / us[0]![r]!)) },
    ];
  } finally {
    bar.stop();
    for (const { close } of open) await close();
    await published.close();
  }
}

export const workerdGrid = (rows: readonly EdgeRow[]): Grid => [
  ["captured step of 5-8-4-1, 32 rows", "processor, µs a step", "over Node"],
  rows.map((r) => [r.name, show(r.us), r.ratio === null ? "" : show(r.ratio)]),
];
