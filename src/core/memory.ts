// The event loop's share in memory: finalizers run only when it turns, so waits let it turn often enough.
import { type Device, defaultDevice, type MemoryUse } from "./device.ts";
import { count, handToNet } from "./tensor.ts";

/** Longest time without a turn of the event loop, the least growth worth a collection, and turns to wait for finalizers. */
const TURN_MS = 50;
const LEAST = 32 << 20;
const MOST_TURNS = 6;

let turned = performance.now();
/** Live bytes behind the last collection and behind the last tick, and the most that came between two ticks. */
let settled = LEAST;
let [last, stride] = [0, 0];
let collect: () => void = () => {};

/** The host's way to ask for a garbage collection. */
export function setCollector(f: () => void): void {
  collect = f;
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/**
 * Lets the event loop turn at least every 50 ms, and collects when live bytes have doubled since they last settled, or have
 * grown by a quarter and the next strides might not fit what is reserved; null when it need not turn. So memory grows
 * for what lives, not for when the collector happened to run.
 */
export function tick(device: Device): Promise<void> | null {
  const { liveBytes, reservedBytes } = device;
  stride = Math.max(stride, liveBytes - last);
  last = liveBytes;
  const tight = liveBytes + 2 * stride > reservedBytes && liveBytes > 1.25 * settled;
  const crowded = tight || liveBytes > 2 * settled;
  if (!crowded && performance.now() - turned <= TURN_MS) return device.pace?.() ?? null;
  return letTurn(device, crowded);
}

async function letTurn(device: Device, crowded: boolean): Promise<void> {
  if (crowded) {
    handToNet();
    collect();
  }
  // The finalizers are a task of their own, which may come a few turns behind the collection.
  for (let i = 0; i === 0 || (crowded && i < MOST_TURNS && device.liveBytes > settled); i++) await turn();
  turned = performance.now();
  last = device.liveBytes;
  if (crowded || last < settled) settled = Math.max(LEAST, last);
}

/** Live bytes, storages and tensors, and which ops asked for them: a leak has a name. */
export function memory(device: Device = defaultDevice()): MemoryUse & { tensors: number } {
  return { ...device.memory(), tensors: count.tensors };
}
