// The PyTorch that answers programs: one python process for the whole run, a line of JSON each way.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Answer, Program } from "./program.ts";

const SCRIPT = fileURLToPath(new URL("answer.py", import.meta.url));

/** A python that can import torch, or null. Another one may stand in front of the system's in PATH. */
export function python(): string | null {
  for (const name of [process.env.PYTHON, "python3", "/usr/bin/python3"]) {
    if (name === undefined) continue;
    try {
      execFileSync(name, ["-c", "import torch"], { stdio: "ignore" });
      return name;
    } catch {}
  }
  return null;
}

export class Torch {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(name: string) {
    const env = { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" };
    this.#child = spawn(name, [SCRIPT], { stdio: ["pipe", "pipe", "inherit"], env });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  async #line(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("python has ended");
    return JSON.parse(value);
  }

  async version(): Promise<string> {
    return ((await this.#line()) as { torch: string }).torch;
  }

  /** Answers in the order of the programs. One call at a time. */
  async ask(programs: readonly Program[]): Promise<Answer[]> {
    this.#child.stdin!.write(`${JSON.stringify(programs)}\n`);
    return (await this.#line()) as Answer[];
  }

  end(): void {
    this.#child.stdin!.end();
  }
}
