// A child process with a library in it, which answers requests as adapter.ts and torch_peer.py do.
import { type ChildProcess, type StdioOptions, spawn, spawnSync } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A child that answers one request at a time. */
export class Child {
  versions: Record<string, string> = {};
  private readonly process: ChildProcess;
  private readonly lines: AsyncIterableIterator<string>;
  private readonly reader: Interface;
  readonly name: string;

  constructor(name: string, command: string, args: string[], environment: Readonly<Record<string, string>> = {}) {
    this.name = name;
    const stdio: StdioOptions = ["pipe", "pipe", process.env.BENCH_DEBUG ? "inherit" : "ignore"];
    this.process = spawn(command, args, { stdio, env: { ...process.env, ...environment } });
    this.reader = createInterface({ input: this.process.stdout! });
    this.lines = this.reader[Symbol.asyncIterator]() as AsyncIterableIterator<string>;
  }

  async start(): Promise<this> {
    this.versions = (await this.next()).versions as Record<string, string>;
    return this;
  }

  async ask(request: object): Promise<Record<string, unknown>> {
    this.process.stdin!.write(`${JSON.stringify(request)}\n`);
    return await this.next();
  }

  private async next(): Promise<Record<string, unknown>> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.name} ended (BENCH_DEBUG=1 shows what it says)`);
    return JSON.parse(value) as Record<string, unknown>;
  }

  end(): void {
    this.process.stdin!.end();
    this.process.kill();
  }
}

export const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** A Python that has torch, and where it is asked for, a card that torch can use. */
export function python(card = false): string | null {
  const code = card ? "import torch, sys; sys.exit(not torch.cuda.is_available())" : "import torch";
  for (const command of ["/usr/bin/python3", "python3"]) {
    if (spawnSync(command, ["-c", code], { stdio: "ignore" }).status === 0) return command;
  }
  return null;
}

/**
 * The peer `kept` is PyTorch with an allocator that keeps what is freed. glibc's own gives tensors of some MiB back to the system at once or
 * not, by what else is alive: a step may spend most of its time on fresh pages, four times as long as the next process.
 */
export const KEPT = { MALLOC_TRIM_THRESHOLD_: String(2 ** 32), MALLOC_MMAP_THRESHOLD_: String(2 ** 32) };
