// The host's garbage collector, and what it says of its memory, for tests of flat memory. To a page they are lent.

/** In bytes. A page does not know how much of it is resident. */
export interface Heap {
  readonly heap: number;
  readonly rss: number;
}
/** What dist.test.ts lends to a page. */
interface Lent {
  collectGarbage?(): Promise<void>;
  heapUsed?(): Promise<number>;
}
const lent = globalThis as Lent;

async function collector(): Promise<() => unknown> {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(now: boolean): void } };
  const own = lent.collectGarbage ?? gc;
  if (own !== undefined) return own;
  if (Bun !== undefined) return () => Bun.gc(true);
  const [v8, vm] = [await import("node:v8"), await import("node:vm")];
  v8.setFlagsFromString("--expose-gc");
  return vm.runInNewContext("gc") as () => void;
}

/** Collects, and lets the finalizers run: a task of their own, a few turns behind. */
export async function collect(): Promise<void> {
  const now = await collector();
  for (let i = 0; i < 4; i++) {
    await now();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function used(): Promise<Heap> {
  if (lent.heapUsed !== undefined) return { heap: await lent.heapUsed(), rss: 0 };
  const { heapUsed: heap, rss } = process.memoryUsage();
  return { heap, rss };
}
