// Pieces on several threads: no worker calls one that it does not have, whenever either of them comes; workers that may not make code
// leave the device to the walker. On what is published too.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Tensor } from "../src/index.ts";
import * as w from "../src/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { inPage } from "./place.ts";
import { ready } from "./waiting.ts";

type Step = (x: Tensor, y: Tensor) => Tensor;

/** More than two blocks for each of three threads; elements of one row enough to share. */
const N = 16384 + 2048 + 67;

/** Elementwise functions of seven ops, each another piece. */
function nth(k: number): Step {
  return (x, y) => {
    let z = x.sub(y);
    for (let bit = 0; bit < 6; bit++) z = (k >> bit) & 1 ? z.mul(y) : z.add(x);
    return z;
  };
}

const bits = async (x: Tensor): Promise<string> => {
  let hash = 0;
  const data = await x.data();
  for (const word of new Int32Array(data.buffer, data.byteOffset, data.length)) hash = (Math.imul(hash, 31) + word) | 0;
  return `${data.length} ${hash}`;
};

/** How many pieces a device has made: asked by the place of one that nothing else makes. */
let asked = 0;
function counter(device: WasmDevice): () => number {
  const next = (): number => {
    const steps = Array.from({ length: ++asked }, () => ({ kernel: "neg_f32", reads: [0], store: 1 }));
    return device.pieces.made!.index({ buffers: [true, true], steps })!;
  };
  let [from, own] = [next(), 0];
  return () => next() - from - ++own;
}

interface Workers {
  /** Lets the workers have what they begin with. */
  release(): void;
  restore(): void;
}

/** Until `restore`, workers that are started do not begin before `release`; if they `refuse`, they may make no code. */
function holdWorkers(refuse: boolean): Workers {
  const forbid = refuse ? "WebAssembly.Module = class { constructor() { throw new Error('forbidden'); } };\n" : "";
  // biome-ignore lint/suspicious/noExplicitAny: Node's Worker and a page's
  const place: any = inPage ? globalThis : process.getBuiltinModule("node:worker_threads");
  const { Worker } = place;
  let waiting: (() => void)[] | null = [];
  place.Worker = class extends Worker {
    constructor(url: string | URL, options: object) {
      const code = inPage
        ? URL.createObjectURL(new Blob([`${forbid}importScripts("${url}");`]))
        : new URL(String(url).replace("text/javascript,", (head) => head + encodeURIComponent(forbid)));
      super(code, options);
    }

    postMessage(message: unknown): void {
      const post = (): void => super.postMessage(message);
      if (waiting === null) post();
      else waiting.push(post);
    }
  };
  return {
    release() {
      for (const post of waiting ?? []) post();
      waiting = null;
    },
    restore() {
      place.Worker = Worker;
    },
  };
}

/** What each thread has done since the last look. */
function shares(device: WasmDevice): () => number[] {
  let before = device.workByThread();
  return () => {
    const now = device.workByThread();
    const done = now.map((work, i) => work - before[i]!);
    before = now;
    return done;
  };
}

async function onDevice(
  threads: number,
  f: (device: WasmDevice, x: Tensor, y: Tensor) => Promise<void>,
  loaded = true,
): Promise<void> {
  const device = (await w.init({ threads, fresh: true })) as WasmDevice;
  if (loaded) await device.pieces.load();
  try {
    w.manualSeed(5);
    await f(device, w.randn([N]).keep(), w.randn([N]).keep());
  } finally {
    await device.dispose();
  }
}

/** The same bits as eager, call by call. */
async function check(
  step: (x: Tensor, y: Tensor) => Promise<Tensor>,
  x: Tensor,
  y: Tensor,
  wanted: string,
): Promise<void> {
  for (let call = 0; call < 4; call++) assert.is(await bits(await step(x, y)), wanted, `call ${call}`);
}

for (const threads of [1, 2, 3]) {
  test(`many programs, made while others are replayed, on ${threads} threads`, () =>
    onDevice(threads, async (device, x, y) => {
      const made = counter(device);
      const programs: { step: w.Captured<[Tensor, Tensor], Tensor>; wanted: string }[] = [];
      for (let k = 0; k < 64; k++) {
        const wanted = await bits(nth(k)(x, y));
        programs.push({ step: w.capture(nth(k)), wanted });
        // Some pieces come before the workers do, and some workers after several at once.
        await check(programs[k]!.step, x, y, wanted);
        await check(programs[k >> 1]!.step, x, y, programs[k >> 1]!.wanted);
        if (k === 40) await ready(device);
      }
      assert.is(made(), 64);
      const done = shares(device);
      for (const { step, wanted } of programs) await check(step, x, y, wanted);
      if (threads > 1) for (const units of done()) assert.ok(units > 64 * 4 * (N / threads - 64), `${units} units`);
      // What is captured again has its pieces already.
      for (const { step } of programs) step.dispose();
      for (let i = 0; i < 100; i++) {
        const step = w.capture(nth(i % 64));
        for (let call = 0; call < 3; call++) await step(x, y);
        step.dispose();
      }
      assert.is(made(), 64);
    }));
}

test("workers that come late take what was made before", async () => {
  const workers = holdWorkers(false);
  try {
    await onDevice(3, async (device, x, y) => {
      const step = w.capture(nth(9));
      const wanted = await bits(nth(9)(x, y));
      await check(step, x, y, wanted);
      assert.is(device.ready, 1);
      workers.release();
      await ready(device);
      const done = shares(device);
      await check(step, x, y, wanted);
      for (const units of done()) assert.ok(units > 0);
      assert.is(device.pieces.made!.refused, false);
    });
  } finally {
    workers.restore();
  }
});

test("workers that may not make code: a program that comes behind them is walked by all", async () => {
  const workers = holdWorkers(true);
  workers.release();
  try {
    await onDevice(3, async (device, x, y) => {
      await ready(device);
      assert.is(device.pieces.made!.refused, true);
      const made = counter(device);
      const step = w.capture(nth(21));
      const done = shares(device);
      await check(step, x, y, await bits(nth(21)(x, y)));
      for (const units of done()) assert.ok(units > 0);
      assert.is(made(), 0);
      step.dispose();
    });
  } finally {
    workers.restore();
  }
});

test("workers that may not make code, and come late: a program with pieces is made anew without", async () => {
  const workers = holdWorkers(true);
  try {
    await onDevice(3, async (device, x, y) => {
      const made = counter(device);
      const [p, from] = [w.randn([N]).requiresGrad_().keep(), w.randn([N]).keep()];
      const train: Step = (x, y) => {
        p.grad = null;
        const loss = nth(42)(x.mul(p), y).sum();
        loss.backward();
        w.noGrad(() => p.sub_(p.grad!.mul(0.01)));
        return loss;
      };
      let done: number[] = [];
      const run = async (step: (x: Tensor, y: Tensor) => Tensor | Promise<Tensor>): Promise<string[]> => {
        w.noGrad(() => p.copy_(from));
        await w.flush();
        const look = shares(device);
        const log: string[] = [];
        for (let call = 0; call < 6; call++) log.push(await bits(await step(x, y)), await bits(p));
        done = look();
        return log;
      };
      const wanted = await run(train);
      const step = w.capture(train);
      assert.equal(await run(step), wanted);
      assert.ok(made() > 0);
      // One that comes between the program's look and the run does not take part.
      Object.defineProperty(device.pieces.made, "refused", { value: false, configurable: true });
      workers.release();
      await ready(device);
      assert.equal(await run(step), wanted, "before it is seen that they came");
      assert.equal(done, [0, 0, 0], "alone");
      Reflect.deleteProperty(device.pieces.made!, "refused");
      assert.is(device.pieces.made!.refused, true);
      assert.equal(await run(step), wanted, "walked");
      for (const units of done) assert.ok(units > 0);
      assert.ok("captured program" in device.memory().byOp);
      step.dispose();
      assert.not.ok("captured program" in device.memory().byOp);
    });
  } finally {
    workers.restore();
  }
});

for (const threads of [1, 2]) {
  test(`what makes pieces is loaded for the first program that could use them, on ${threads} threads`, () =>
    onDevice(
      threads,
      async (device, x, y) => {
        let loads = 0;
        const load = device.pieces.load.bind(device.pieces);
        device.pieces.load = async () => void loads++;
        const [a, b] = [w.randn([500]), w.randn([500])].map((t) => t.keep()) as [Tensor, Tensor];
        await check(w.capture(nth(3)), a, b, await bits(nth(3)(a, b)));
        assert.is(loads, 0, "few elements");
        const [step, wanted] = [w.capture(nth(5)), await bits(nth(5)(x, y))];
        await check(step, x, y, wanted);
        assert.ok(loads > 0);
        assert.is(device.pieces.made, null);
        await load();
        const made = counter(device);
        await check(step, x, y, wanted);
        assert.is(made(), 1, "the program that was there is made anew");
        await check(w.capture(nth(5)), x, y, wanted);
        assert.is(made(), 1);
      },
      false,
    ));
}

test.run();
