// When a wait yields to the event loop, in which alone finalizers run: often enough, and behind a collection where one is worth it.
import { Growth } from "../memory/growth.ts";
import type { Device } from "./device.ts";
import { handToNet } from "./lifetime.ts";

/** Longest time without a yield. */
const YIELD_MS = 50;

const growths = new WeakMap<Device, Growth>();
let yielded = 0;
/** What the host knows: a way to collect garbage, false where that only asks for it, and the time. */
const host = { collect: (): boolean => true, now: (): number => 0 };

/** Gives it over. @internal */
export const setHost = (of: typeof host): unknown => Object.assign(host, of);

const yieldOnce = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Yields at least every 50 ms, and collects when that is worth it; null where there is no need. @internal */
export function maybeYield(device: Device): Promise<void> | null {
  let growth = growths.get(device);
  if (growth === undefined) {
    growth = new Growth(device.info.maximumMemory);
    growths.set(device, growth);
  }
  device.reserve?.(growth.observe(device.liveBytes, device.reservedBytes, device.heldBytes));
  if (!growth.crowded && host.now() - yielded <= YIELD_MS) return device.pace?.() ?? null;
  return yieldNow(device, growth);
}

async function yieldNow(device: Device, growth: Growth): Promise<void> {
  if (growth.crowded) handToNet();
  await growth.collect(host.collect, yieldOnce, () => device.heldBytes);
  yielded = host.now();
  growth.settle(device.liveBytes, device.heldBytes);
}
