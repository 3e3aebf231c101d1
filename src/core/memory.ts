// The event loop's share in memory: finalizers run only when it turns, so waits let it turn often enough.
import { Growth } from "../program/growth.ts";
import type { Device } from "./device.ts";
import { handToNet } from "./lifetime.ts";

/** Longest time without a turn of the event loop. */
const TURN_MS = 50;

const growths = new WeakMap<Device, Growth>();
let turned = 0;
/** What the host knows: a way to collect garbage, false where that only asks for it, and the time. */
const host = { collect: (): boolean => true, now: (): number => 0 };

/** Gives it over. @internal */
export const setHost = (of: typeof host): unknown => Object.assign(host, of);

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Lets the event loop turn at least every 50 ms, collects when that is worth it; null when it need not turn. @internal */
export function tick(device: Device): Promise<void> | null {
  let growth = growths.get(device);
  if (growth === undefined) {
    growth = new Growth(device.info.maximumMemory);
    growths.set(device, growth);
  }
  device.reserve?.(growth.tick(device.liveBytes, device.reservedBytes, device.heldBytes));
  if (!growth.crowded && host.now() - turned <= TURN_MS) return device.pace?.() ?? null;
  return letTurn(device, growth);
}

async function letTurn(device: Device, growth: Growth): Promise<void> {
  if (growth.crowded) handToNet();
  await growth.collect(host.collect, turn, () => device.heldBytes);
  turned = host.now();
  growth.settle(device.liveBytes, device.heldBytes);
}
