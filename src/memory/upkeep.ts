// When a wait yields to the event loop, in which alone finalizers run: often enough, and behind a collection where one is worth it.
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
  /** Takes so many bytes from the host in advance, if it gives them. */
  reserve?(bytes: number): void;
  growth?: Growth;
}

let yielded = 0;
/** What the host knows: a way to collect garbage, false where that only asks for it, and the time. */
const host = { collect: (): boolean => true, now: (): number => 0 };

/** Gives it over. */
export const setHost = (of: typeof host): unknown => Object.assign(host, of);

const yieldOnce = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** As a device's `upkeep`: yields at least every 50 ms, and collects when that is worth it; null where there is no need. */
export function keepUp(memory: Held, before: () => void): Promise<void> | null {
  memory.growth ??= new Growth(memory.maximum);
  const { growth } = memory;
  memory.reserve?.(growth.observe(memory.liveBytes, memory.reservedBytes, memory.heldBytes));
  if (!growth.crowded && host.now() - yielded <= YIELD_MS) return null;
  return yieldNow(memory, growth, before);
}

async function yieldNow(memory: Held, growth: Growth, before: () => void): Promise<void> {
  if (growth.crowded) before();
  await growth.collect(host.collect, yieldOnce, () => memory.heldBytes);
  yielded = host.now();
  growth.settle(memory.liveBytes, memory.heldBytes);
}
