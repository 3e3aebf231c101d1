// The worker pool: starts workers, counts those that are ready, and learns of those that died or never came. Loaded where there is more
// than one thread.
import { fail, given } from "../core/error.ts";
import { availableParallelism, canBlock } from "../host/probe.ts";
import { type HostWorker, tellsOfDeath, type Way, waysToStart } from "../host/workers.ts";
import { urlOf } from "./address.ts";
import { AWAKE, EPOCH, READY, SPINS, TAKES } from "./control.ts";
import { ThreadCounts } from "./count.ts";
import type { Address } from "./options.ts";
import type { Threads } from "./threads.ts";
import { WORKER } from "./worker.ts";

/** Looks at a shared word before sleeping: some 30 µs, since a wake-up costs 10 µs and a hand-off 0.4 µs. */
const SPIN_LOOKS = 20000;
/** A worker that has not begun to serve by now is worth a word. Nothing waits for it. */
const LATE_MS = 10_000;

const REMEDY =
  "a page's policy for workers (`worker-src`) must allow blob:, or 'self' with the package's wasmgrad-worker.js beside " +
  "the script, or where init({ worker: address }) says; `trusted-types` must allow wasmgrad";

/** What the pool has to say to its device. */
export interface PoolEvents {
  /** A worker that had begun to serve is gone. */
  lost(why: string): void;
  /** Workers did not start: so many threads there are, or may yet be, and what to do about it. */
  fewer(threads: number, why: string, remedy: string): void;
}

/** The workers of a device end when nobody holds it any more. */
export const unheld = new FinalizationRegistry<Pool>((pool) => pool.end());

export class Pool implements Threads {
  readonly threads: number;
  /** Every death comes in as an event. */
  readonly tellsOfDeath = tellsOfDeath();
  readonly counts = new ThreadCounts();
  private words: Int32Array;
  private readonly events: PoolEvents;
  private workers: HostWorker[] = [];
  private readyCount = 1;
  private takers = 1;
  /** Threads that may still become ready: the one that never started and all behind it do not. */
  private most: number;
  private ended = false;
  /** Says a word of workers that are late. */
  private late: ReturnType<typeof setTimeout> | undefined;

  constructor(words: Int32Array, threads: number, events: PoolEvents) {
    this.words = words;
    this.threads = threads;
    this.most = threads;
    this.events = events;
  }

  async start(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    names: string[],
    file: string | Address | undefined,
  ): Promise<void> {
    const cores = await availableParallelism();
    this.words[SPINS >> 2] = this.threads > cores ? 0 : SPIN_LOOKS;
    this.words[AWAKE >> 2] = canBlock() ? 0 : 1;
    const address = file === undefined ? urlOf("wasmgrad-worker.js") : addressGiven(file);
    const ways = await waysToStart(WORKER, address, file !== undefined);
    for (let ith = 1; ith < this.threads; ith++) {
      this.launch(ith, ways, [], (worker) => worker.post({ module, memory, names, ith }));
    }
    this.late = setTimeout(() => {
      if (!this.ended && this.ready() < this.most) {
        const came = `${this.ready()} of ${this.most} threads had started after ${LATE_MS / 1000} s`;
        this.events.fewer(this.most, came, ": the others join when they come");
      }
    }, LATE_MS);
    (this.late as { unref?(): void }).unref?.();
  }

  /** Starts worker `ith` by the first way that does not refuse it. */
  private launch(ith: number, ways: readonly Way[], refusals: readonly string[], post: (w: HostWorker) => void): void {
    const [way, ...others] = ways;
    if (way === undefined) {
      this.withdraw(ith, refusals);
      return;
    }
    let worker: HostWorker | null = null;
    let over = false;
    const gone = (why: string): void => {
      if (this.ended || over) return;
      over = true;
      if (Atomics.load(this.words, (READY >> 2) + ith) !== 0) {
        this.events.lost(`worker ${ith} is gone: ${why}`);
        return;
      }
      worker?.terminate();
      this.workers = this.workers.filter((w) => w !== worker);
      this.launch(ith, others, [...refusals, `${way.from}: ${why}`], post);
    };
    try {
      worker = way.start(`wasmgrad ${ith}`, {
        message: (data) => gone(`it trapped: ${(data as { trap?: string } | null)?.trap ?? "it said something else"}`),
        exit: gone,
      });
    } catch (error) {
      gone(String((error as Error).message ?? error));
      return;
    }
    this.workers.push(worker);
    post(worker);
  }

  /** Goes on without worker `ith` and those behind it. */
  private withdraw(ith: number, refusals: readonly string[]): void {
    if (ith >= this.most) return;
    this.most = ith;
    this.events.fewer(ith, `no worker starts here (${refusals.join("; ")})`, tellsOfDeath() ? "" : `: ${REMEDY}`);
  }

  /** Threads that can walk now: thread 0 and the workers that wait, without a gap; or those that take pieces too. */
  ready(pieces = false): number {
    if (this.takers < this.most) this.look();
    return pieces ? this.takers : this.readyCount;
  }

  private look(): void {
    const word = (ith: number): number => Atomics.load(this.words, (READY >> 2) + ith);
    while (this.readyCount < this.most && word(this.readyCount) !== 0) this.readyCount++;
    while (this.takers < this.readyCount && word(this.takers) === TAKES) this.takers++;
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.late);
    // Those that wait come back from wasm, where Deno's would sleep on: a program for no threads.
    const epoch = EPOCH >> 2;
    Atomics.store(this.words, epoch, ((Atomics.load(this.words, epoch) >>> 8) + 1) << 8);
    Atomics.notify(this.words, epoch);
    for (const w of this.workers) w.terminate();
    this.workers = [];
    // The memory goes with them.
    this.most = this.takers = this.readyCount;
    this.words = new Int32Array();
  }
}

/** The address of the worker's file as the user gave it: relative to the page. Hosts with threads of their own need none. */
function addressGiven(file: string | Address): URL | null {
  if (tellsOfDeath()) return null;
  const { document, location } = globalThis as { document?: { baseURI: string }; location?: { href: string } };
  try {
    return new URL(file as string, document?.baseURI ?? location?.href);
  } catch {
    return fail("init", `worker ${given(file)}: the address of a script is expected`);
  }
}
