// The event loop's share in memory: finalizers run only when it turns, so waits let it turn often enough.
import { type Device, defaultDevice, type MemoryUse } from "./device.ts";
import { count, handToNet } from "./tensor.ts";

/** Longest time without a turn of the event loop, and the least growth worth a collection. */
const TURN_MS = 50;
const LEAST = 64 << 20;

let turned = performance.now();
let settled = LEAST;
let collect: () => void = () => {};

/** The host's way to ask for a garbage collection. */
export function setCollector(f: () => void): void {
  collect = f;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Lets the event loop turn at least every 50 ms, and at once when live bytes have doubled since they last settled. */
export async function tick(device: Device): Promise<void> {
  if (device.liveBytes > 2 * settled) {
    handToNet();
    collect();
    await turn();
    turned = performance.now();
    settled = Math.max(LEAST, device.liveBytes);
  } else if (performance.now() - turned > TURN_MS) {
    await turn();
    turned = performance.now();
    if (device.liveBytes < settled) settled = Math.max(LEAST, device.liveBytes);
  }
}

/** Live bytes, storages and tensors, and which ops asked for them: a leak has a name. */
export function memory(device: Device = defaultDevice()): MemoryUse & { tensors: number } {
  return { ...device.memory(), tensors: count.tensors };
}
