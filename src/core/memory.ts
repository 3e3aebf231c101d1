// The event loop's share in memory: finalizers run only when it turns, so waits let it turn often enough.
import { type Device, defaultDevice, type MemoryUse } from "./device.ts";
import { count, handToNet } from "./tensor.ts";

/** Longest time without a turn of the event loop, and the least growth worth a collection. */
const TURN_MS = 50;
const LEAST = 32 << 20;
const MOST_TURNS = 4;

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

/**
 * Lets the event loop turn at least every 50 ms, and at once when live bytes have doubled since they last settled; null
 * when it need not turn.
 */
export function tick(device: Device): Promise<void> | null {
  const crowded = device.liveBytes > 2 * settled;
  return crowded || performance.now() - turned > TURN_MS ? letTurn(device, crowded) : null;
}

async function letTurn(device: Device, crowded: boolean): Promise<void> {
  if (crowded) {
    handToNet();
    collect();
  }
  // The finalizers are a task of their own, which may come behind the first turns.
  for (let i = 0; i === 0 || (crowded && i < MOST_TURNS && device.liveBytes > settled); i++) await turn();
  // Finalizers may come a few turns after the collection.
  for (let i = 1; crowded && i < MOST_TURNS && device.liveBytes > 2 * settled; i++) await turn();
  turned = performance.now();
  if (crowded || device.liveBytes < settled) settled = Math.max(LEAST, device.liveBytes);
}

/** Live bytes, storages and tensors, and which ops asked for them: a leak has a name. */
export function memory(device: Device = defaultDevice()): MemoryUse & { tensors: number } {
  return { ...device.memory(), tensors: count.tensors };
}
