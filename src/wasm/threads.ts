// How many threads a device has, and what it asks of them: of one alone nothing.
import { hasBuiltins } from "../host/node.ts";
import { availableParallelism, canShare } from "../host/probe.ts";
import { MAX_THREADS } from "./control.ts";
import type { ThreadCounts } from "./count.ts";
import { warn } from "./source.ts";

/** Thread 0 and the workers beside it. */
export interface Threads {
  /** Every death comes in as an event. */
  readonly tellsOfDeath: boolean;
  /** What was learnt of how many threads walk a script best; null where there is one. */
  readonly counts: ThreadCounts | null;
  /** Threads that can walk now; of a program with pieces: those that take them. */
  ready(pieces?: boolean): number;
  end(): void;
}

/** Thread 0 alone. */
export const ALONE: Threads = { tellsOfDeath: true, counts: null, ready: () => 1, end() {} };

/** True where workers can be made. */
const hasWorkers = (): boolean => hasBuiltins() || typeof Worker !== "undefined";

/** How many threads, and why. */
export async function chooseThreads(wanted: number | undefined): Promise<{ threads: number; why: string }> {
  const cores = await availableParallelism();
  if (!hasWorkers()) return { threads: 1, why: "this host has no workers" };
  if (!canShare()) {
    if (wanted === undefined || wanted > 1) await warn("unshared");
    return { threads: 1, why: "memory cannot be shared here" };
  }
  if (wanted === undefined) return { threads: Math.min(cores, MAX_THREADS), why: `the host offers ${cores}` };
  if (wanted > cores && !warned) {
    warned = true;
    await warn("slower", wanted, cores);
  }
  return { threads: Math.min(wanted, MAX_THREADS), why: "asked for" };
}

let warned = false;
