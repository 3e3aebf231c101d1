// The worker pool: starts workers, counts those that are ready, and learns of those that died.
import { availableParallelism, canBlock, canShare } from "../host/probe.ts";
import { type HostWorker, spawn, tellsOfDeath } from "../host/workers.ts";
import { AWAKE, MAX_THREADS, READY, SPINS } from "./control.ts";
import { WORKER } from "./worker.ts";

/** Looks at a shared word before sleeping: some 30 µs, since a wake-up costs 10 µs and a hand-off 0.4 µs. */
const SPIN_LOOKS = 20000;

export class Pool {
  readonly threads: number;
  /** Every death comes in as an event. */
  readonly tellsOfDeath = tellsOfDeath();
  private readonly words: Int32Array;
  private workers: HostWorker[] = [];
  private readyCount = 1;
  private ended = false;

  constructor(words: Int32Array, threads: number) {
    this.words = words;
    this.threads = threads;
  }

  async start(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    names: string[],
    lost: (why: string) => void,
  ): Promise<void> {
    const cores = await availableParallelism();
    this.words[SPINS >> 2] = this.threads > cores ? 0 : SPIN_LOOKS;
    this.words[AWAKE >> 2] = canBlock() ? 0 : 1;
    for (let ith = 1; ith < this.threads; ith++) {
      const gone = (why: string) => {
        if (!this.ended) lost(`worker ${ith} is gone: ${why}`);
      };
      const worker = await spawn(WORKER, `wasmgrad ${ith}`, {
        message: (data) => gone(`it trapped: ${(data as { trap: string }).trap}`),
        exit: gone,
      });
      worker.post({ module, memory, names, ith });
      this.workers.push(worker);
    }
  }

  /** Threads that can walk now: thread 0 and the workers that wait, without a gap. */
  ready(): number {
    while (this.readyCount < this.threads && Atomics.load(this.words, (READY >> 2) + this.readyCount) !== 0)
      this.readyCount++;
    return this.readyCount;
  }

  end(): void {
    this.ended = true;
    for (const w of this.workers) w.terminate();
    this.workers = [];
  }
}

/** How many threads, and why. */
export async function chooseThreads(wanted: number | undefined): Promise<{ threads: number; why: string }> {
  const cores = await availableParallelism();
  if (!canShare()) {
    if (wanted === undefined || wanted > 1) {
      console.warn(
        "wasmgrad: one thread only: memory cannot be shared here. A page needs the headers " +
          "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.",
      );
    }
    return { threads: 1, why: "memory cannot be shared here" };
  }
  if (wanted === undefined) return { threads: Math.min(cores, MAX_THREADS), why: `the host offers ${cores}` };
  if (wanted > cores) warnOnce(wanted, cores);
  return { threads: Math.min(wanted, MAX_THREADS), why: "asked for" };
}

let warned = false;
function warnOnce(wanted: number, cores: number): void {
  if (warned) return;
  warned = true;
  console.warn(`wasmgrad: ${wanted} threads on ${cores} cores: more threads than cores are slower, not faster.`);
}
