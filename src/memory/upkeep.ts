// What every wait does besides waiting: it yields to the event loop, in which alone finalizers run, often enough, and behind a
// collection where one is worth it. Devices call it at the end of each read, flush and captured call.
import { Growth } from "./growth.ts";

/** Longest time without a yield. */
const YIELD_MS = 50;

/** What is asked of a device's memory. */
export interface Held {
  readonly liveBytes: number;
  /** Those, and what live storages cost besides. */
  readonly heldBytes: number;
  readonly reservedBytes: number;
  readonly maximum: number;
  /** Bytes that are never worth a collection. */
  readonly least?: number;
  /** Takes so many bytes from the host in advance, if it gives them. */
  reserve?(bytes: number): void;
  growth?: Growth;
  /** A request has failed: the next wait collects, whatever is held. */
  pressed: boolean;
  /** The yield that is under way: waits that end meanwhile share it. */
  turning: Promise<void> | null;
}

let yielded = 0;
/** What the host and the engine know. */
const host = {
  /** Collects garbage; false where that only asks for it. */
  collect: (): boolean => true,
  now: (): number => 0,
  /** Before a collection: gives tensors that are still held for a while over to it. */
  handOver: (): void => {},
  /** Live tensors, of all devices. */
  tensors: (): number => 0,
  /** Calls back when the event loop has turned. */
  turn: (f: () => void): unknown => setTimeout(f, 0),
};

/** Gives it over. */
export const setHost = (of: typeof host): unknown => Object.assign(host, of);

const yieldOnce = (): Promise<void> => new Promise((resolve) => host.turn(resolve));

/** As a device's `upkeep`: yields at least every 50 ms, and collects when that is worth it; null where there is no need. */
export function keepUp(memory: Held): Promise<void> | null {
  if (memory.turning !== null) return memory.turning;
  memory.growth ??= new Growth(memory.maximum, memory.least);
  const { growth } = memory;
  // On its own line: where there is no `reserve`, its arguments would not be looked at either.
  const ahead = growth.observe(memory.liveBytes, memory.reservedBytes, memory.heldBytes, host.tensors());
  memory.reserve?.(ahead);
  if (memory.pressed) growth.press();
  if (!growth.crowded && host.now() - yielded <= YIELD_MS) return null;
  memory.pressed = false;
  memory.turning = yieldNow(memory, growth);
  return memory.turning;
}

async function yieldNow(memory: Held, growth: Growth): Promise<void> {
  host.handOver();
  // What a weak reference was asked for lives until the event loop turns: modules, behind a recording.
  if (growth.crowded) await yieldOnce();
  const collect = (): boolean => {
    const began = host.now();
    const collected = host.collect();
    growth.took(began, host.now());
    return collected;
  };
  await growth.collect(collect, yieldOnce, () => memory.heldBytes, host.tensors);
  yielded = host.now();
  growth.settle(memory.liveBytes, memory.heldBytes, host.tensors());
  memory.turning = null;
}

/** A request has failed: what nobody holds goes with the next turn of the event loop, whatever is awaited; our own waits see to it first. */
export function press(memory: Held): void {
  if (!memory.pressed) setTimeout(() => memory.pressed && keepUp(memory), 0);
  memory.pressed = true;
}

/** Collects what nobody holds, and lets the event loop turn for the finalizers. */
export async function collectNow(): Promise<void> {
  host.handOver();
  await yieldOnce();
  host.collect();
  return yieldOnce();
}
