// What the host can do: probes by validating the smallest module that uses a feature.
import { hasBuiltins, isNode, isWorkerd } from "./node.ts";
import { side } from "./part.ts";

/** Whether this is the code of a function that returns a vector. */
const validates = (...code: number[]): boolean => {
  const { length } = code;
  const head = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, length + 3, 1, length + 1, 0];
  try {
    return WebAssembly.validate(new Uint8Array([...head, ...code]));
  } catch {
    return false;
  }
};

/** v128: i8x16.splat and i8x16.popcnt. */
export const hasSimd = (): boolean => validates(65, 0, 253, 15, 253, 98, 11);

/** f32x4.relaxed_madd of three splats. */
export const hasRelaxedSimd = (): boolean => validates(65, 0, 253, 17, 65, 0, 253, 17, 65, 0, 253, 17, 253, 133, 2, 11);

/** In Node 20 it is there once it is asked for. */
export async function enableRelaxedSimd(): Promise<boolean> {
  if (hasRelaxedSimd()) return true;
  if (isNode()) await (await side()).relaxSimd();
  return hasRelaxedSimd();
}

/** True where this thread may wait on an atomic: everywhere but in a page. */
export function canBlock(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}

/** Shared memory is there when it can really be posted (`typeof SharedArrayBuffer` does not tell). */
export function canShare(): boolean {
  try {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }));
    port1.close();
    port2.close();
    return true;
  } catch {
    return false;
  }
}

export async function availableParallelism(): Promise<number> {
  if (isNode()) return (await side()).parallelism();
  return globalThis.navigator?.hardwareConcurrency ?? 1;
}

/** Phones and tablets: little memory, and none of it is given back to a page that asks for too much. */
export function isPhone(): boolean {
  const { userAgent = "", maxTouchPoints = 0 } = globalThis.navigator ?? {};
  // An iPad says that it is a Mac; no Mac has a touch screen.
  return /Android|iPhone|iPad|iPod|Mobile/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
}

/** What a look at the clock counts for where it stands still while a program runs. */
const LOOK_MS = 0.0125;

/** Milliseconds; in workerd, whose clock stands still, looks are counted instead. */
export function clock(): () => number {
  if (!isWorkerd()) return () => performance.now();
  let looks = 0;
  return () => ++looks * LOOK_MS;
}

/** Calls back when the event loop has turned: at once in Node, whose timers take a millisecond. Some test runners take it away. */
export const turn: (f: () => void) => unknown =
  (isNode() && globalThis.setImmediate) || ((f: () => void): unknown => setTimeout(f, 0));

/** Bytes that are taken at a time to nudge the collector: phones refuse, or end the page, for more. They are never touched. */
const NUDGE_BYTES = 16 << 20;
/** Blocks that are held until they count as old, and blocks that are dropped at once, whose scavenges make the others old. */
const HELD = 6;
const DROPPED = 8;
const DROPPED_FOR_ONE = 4;
/** The edge gives 128 MB to an isolate, and ends it when it takes more. */
const DROPPED_ON_EDGE = 2;

/** The write is there for bundlers, which drop what only allocates. */
const block = (): Uint8Array => new Uint8Array(NUDGE_BYTES).fill(1, 0, 1);

/**
 * Pressure by buffers. V8 counts their bytes, and collects old objects, as tensors are, when those of old buffers have grown by some
 * 64 MiB; what is dropped at once dies in a scavenge and counts for nothing (measured in Chromium 156: with such alone a loop of
 * 16 MiB a step ran out of 1 GiB after 60 steps, with held ones it stays at 64 MiB).
 */
function nudge(): boolean {
  const drop = (count: number): void => {
    for (let i = 0; i < count; i++) block();
  };
  try {
    const held: Uint8Array[] = [];
    if (isWorkerd()) drop(DROPPED_ON_EDGE);
    else if (isPhone()) {
      for (let i = 0; i < HELD; i++) {
        held[0] = block();
        drop(DROPPED_FOR_ONE);
      }
    } else {
      for (let i = 0; i < HELD; i++) held.push(block());
      drop(DROPPED);
    }
    held.length = 0;
  } catch {
    // Memory is short already: the refusal was a nudge too.
  }
  return false;
}

/** A way to collect garbage: the host's own (Node and Deno show it on demand), or a nudge, which is false: it only asks. */
export async function collector(): Promise<() => boolean> {
  const { gc: own, Bun } = globalThis as { gc?: () => void; Bun?: { gc(now: boolean): void } };
  const certain = (gc: () => void) => (): boolean => {
    gc();
    return true;
  };
  if (own !== undefined) return certain(own);
  if (Bun !== undefined) return certain(() => Bun.gc(true));
  if (!hasBuiltins()) return nudge;
  const gc = await (await side()).exposed();
  return gc === null ? nudge : certain(gc);
}
