// What the engine makes of a host that gives little: workers that do not start, a phone, little address space.
import { EventEmitter } from "node:events";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { collector, isPhone } from "../src/host/probe.ts";
import * as w from "../src/index.ts";
import { chooseMaximum } from "../src/wasm/memory.ts";

/** Runs `f` with `value` in the place of a property; what it was comes back. */
async function standIn<T>(of: object, name: string, value: unknown, f: () => Promise<T>): Promise<T> {
  const own = Object.getOwnPropertyDescriptor(of, name);
  Object.defineProperty(of, name, { value, configurable: true, writable: true });
  try {
    return await f();
  } finally {
    if (own === undefined) delete (of as Record<string, unknown>)[name];
    else Object.defineProperty(of, name, own);
  }
}

const product = (): Promise<number> =>
  w
    .ones([300, 300])
    .matmul(w.ones([300, 300]))
    .sum()
    .item();

/** A device whose workers are made by `Worker`, after a product and a turn of the event loop; what was said of them. */
async function withWorkers(Worker: unknown): Promise<{ info: w.DeviceInfo; warnings: string[] }> {
  const warnings: string[] = [];
  const { getBuiltinModule } = process as unknown as { getBuiltinModule(name: string): unknown };
  const modules = (name: string): unknown => (name === "node:worker_threads" ? { Worker } : getBuiltinModule(name));
  return standIn(process, "getBuiltinModule", modules, () =>
    standIn(
      console,
      "warn",
      (text: string) => void (/no worker/.test(text) && warnings.push(text)),
      async () => {
        const device = await w.init({ threads: 3 });
        assert.is(await product(), 300 ** 3);
        await new Promise((resolve) => setTimeout(resolve, 0));
        assert.is(await product(), 300 ** 3);
        const info = w.info();
        await device.dispose();
        return { info, warnings };
      },
    ),
  );
}

test("a host that refuses workers at once: one thread, the reason in info().why, one word on the console", async () => {
  const { info, warnings } = await withWorkers(
    class {
      constructor() {
        throw new Error("Access to this API has been restricted");
      }
    },
  );
  assert.is(info.threads, 1);
  assert.match(info.why, /no worker starts here \(.*Access to this API has been restricted\)/);
  assert.is(warnings.length, 1);
  assert.match(warnings[0]!, /^wasmgrad: one thread only: no worker starts here/);
});

test("workers that end before they serve, as an event tells later: one thread does all", async () => {
  const { info, warnings } = await withWorkers(
    class extends EventEmitter {
      constructor() {
        super();
        setImmediate(() => this.emit("error", new Error("out of threads")));
      }
      postMessage(): void {}
      terminate(): void {}
      unref(): void {}
    },
  );
  assert.is(info.threads, 1);
  assert.match(info.why, /out of threads/);
  assert.is(warnings.length, 1);
});

test("a second worker that does not start leaves the first one at work", async () => {
  const { Worker: Real } = await import("node:worker_threads");
  const { info } = await withWorkers(
    new Proxy(Real, {
      construct(target, [script, options]: [URL, { name: string }]) {
        if (options.name === "wasmgrad 2") throw new Error("one is enough");
        return new target(script, options);
      },
    }),
  );
  assert.is(info.threads, 2);
  assert.match(info.why, /one is enough/);
});

const AGENTS: Record<string, [agent: string, touch: number, phone: boolean]> = {
  iPhone: [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
    5,
    true,
  ],
  "iPad, as a Mac": [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
    5,
    true,
  ],
  Mac: ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15", 0, false],
  Android: [
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/150.0.0.0 Mobile Safari/537.36",
    5,
    true,
  ],
  "Windows with a touch screen": [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/150.0.0.0",
    10,
    false,
  ],
  Linux: ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36", 0, false],
};

test("phones and tablets ask for 1 GiB, others for 4, a number given holds everywhere", async () => {
  for (const [name, [userAgent, maxTouchPoints, phone]] of Object.entries(AGENTS)) {
    await standIn(globalThis, "navigator", { userAgent, maxTouchPoints }, async () => {
      assert.is(isPhone(), phone, name);
      assert.is(chooseMaximum(undefined).bytes, phone ? 2 ** 30 : 2 ** 32, name);
      assert.is(chooseMaximum(2 ** 31).bytes, 2 ** 31, name);
      if (phone) {
        const device = await w.init({ threads: 1 });
        assert.is(w.info().maximumMemory, 2 ** 30);
        assert.match(w.info().why, /at most 1 GiB on a phone/);
        await device.dispose();
      }
    });
  }
});

test("a host that reserves less than was asked for: halved until it does, and said", async () => {
  const { Memory } = WebAssembly;
  const asked: number[] = [];
  class Small {
    constructor(wanted: WebAssembly.MemoryDescriptor) {
      if (wanted.maximum! > 1) asked.push(wanted.maximum!); // one page is a probe of shared memory
      if (wanted.maximum! > 10000) throw new RangeError("could not allocate memory");
      // biome-ignore lint/correctness/noConstructorReturn: the host's own memory
      return new Memory(wanted);
    }
  }
  await standIn(WebAssembly, "Memory", Small, async () => {
    const device = await w.init({ threads: 1 });
    assert.equal(asked, [65536, 32768, 16384, 8192]);
    assert.is(w.info().maximumMemory, 8192 * 65536);
    assert.match(w.info().why, /the host reserves no more than 536870912 bytes/);
    assert.is(await product(), 300 ** 3);
    await device.dispose();
  });
});

test("a nudge to the collector takes at most 16 MiB at a time, and none is an error", async () => {
  const sizes: number[] = [];
  class Bytes extends Uint8Array {
    constructor(length: number) {
      super(0);
      sizes.push(length);
      if (sizes.length === 5) throw new RangeError("Array buffer allocation failed");
    }
  }
  await standIn(globalThis, "gc", undefined, () =>
    standIn(globalThis, "process", undefined, async () => {
      const collect = await collector();
      await standIn(globalThis, "Uint8Array", Bytes, async () => collect());
    }),
  );
  assert.equal(sizes, Array(5).fill(16 << 20));
});

test.run();
