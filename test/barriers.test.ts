// Which rows of a program share a barrier: as few meetings as the rows' reads and writes allow, and no fewer.
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Row, Storage } from "../src/core/device.ts";
import type { Tensor } from "../src/index.ts";
import * as w from "../src/index.ts";
import { SGD } from "../src/optim/index.ts";
import { meetings } from "../src/program/barriers.ts";
import { plan } from "../src/program/plan.ts";
import { Launched } from "../src/wasm/launched.ts";
import { ready } from "./waiting.ts";

interface Touch {
  readonly parallel: boolean;
  readonly faulty: boolean;
  readonly writes: readonly number[];
  readonly reads: readonly number[];
}

const storages = Array.from({ length: 6 }, (_, i) => ({ bytes: 64 * (i + 1) }) as Storage);

/** Dense, and over views. */
const FAULTY = ["nll_f32", "walk:bce_f32", "cross_entropy_f32"];

function rowOf({ faulty, writes, reads, parallel }: Touch): Row {
  const buffers = [...writes, ...reads].map((s) => ({ storage: storages[s]!, offset: 0 }));
  const kernel = faulty ? FAULTY[writes[0]! % FAULTY.length]! : "add_f32";
  return { kernel, buffers, outputs: writes.length, extents: [parallel ? 1 : 0], scalars: [], op: "" };
}
const isParallel = (row: Row): boolean => row.extents[0] === 1;
const meetingsOf = (rows: readonly Row[]): boolean[] => meetings(rows, isParallel, (row, j) => row.buffers[j]!.storage);

/** May thread 1 be in one of the rows while thread 0 is in the other? Not if they do this. */
function clash(a: Touch, b: Touch): boolean {
  if (!a.parallel && !b.parallel) return false; // thread 0 alone, in order
  const shared = (x: readonly number[], y: readonly number[]): boolean => x.some((s) => y.includes(s));
  return a.faulty || shared(a.writes, b.writes) || shared(a.writes, b.reads) || shared(a.reads, b.writes);
}

const touches = fc.array(
  fc.record({
    parallel: fc.boolean(),
    faulty: fc.boolean(),
    writes: fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 2 }),
    reads: fc.uniqueArray(fc.nat(5), { maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 30 },
);

test("rows that clash never share a segment, and every meeting has a clash behind it", () => {
  fc.assert(
    fc.property(touches, (list) => {
      const meets = meetingsOf(list.map(rowOf));
      let begin = 0;
      for (const [i, b] of list.entries()) {
        const clashes = list.slice(begin, i).some((a) => clash(a, b));
        assert.is(meets[i], clashes, `row ${i} of ${JSON.stringify(list)}`);
        if (meets[i]) begin = i;
      }
    }),
    { numRuns: 2000 },
  );
});

test("launched rows meet where those of a program do; at bytes cut out of others, too", () => {
  fc.assert(
    fc.property(touches, fc.array(fc.nat(29)), (list, cuts) => {
      const rows = list.map(rowOf);
      const block = (last: number): object => ({ last, met: -1, touched: 0 });
      const blocks = new Map(storages.map((s) => [s, block(0)]));
      const launched = new Launched(null as never, null as never, null as never);
      const wanted = meetingsOf(rows);
      let cut = false;
      const touched: { meet: boolean; touch: Touch }[] = [];
      for (const [i, row] of rows.entries()) {
        if (cuts.includes(i)) {
          // All bytes go over to other blocks, which know no more than the last row that touched them.
          for (const [s, b] of blocks) blocks.set(s, block((b as { last: number }).last));
          cut = true;
        }
        const buffers = row.buffers.map(({ storage }) => ({ storage: { block: blocks.get(storage) }, offset: 0 }));
        const { faulty, parallel } = list[i]!;
        const serial = 100 + i;
        const meet = launched.meets(serial, i === 0, buffers as never, row.outputs, parallel, faulty);
        for (const { storage } of buffers) (storage.block as { last: number }).last = serial;
        // Behind a cut they may meet more often than they must.
        if (!cut) assert.is(meet, wanted[i], `row ${i} of ${JSON.stringify(list)}`);
        touched.push({ meet, touch: list[i]! });
      }
      let begin = 0;
      for (const [i, { meet, touch }] of touched.entries()) {
        if (meet) begin = i;
        for (const { touch: a } of touched.slice(begin, i)) assert.not(clash(a, touch), JSON.stringify([list, cuts]));
      }
    }),
    { numRuns: 2000 },
  );
});

for (const threads of [2, 3]) {
  test(`eager steps with few meetings have the bits of one thread, on ${threads}`, async () => {
    const [one, many] = [
      await ready(await w.init({ threads: 1 })),
      await ready(await w.init({ threads, fresh: true })),
    ];
    /** Rows that are shared and others, in place, over views, with bytes that are free again and cut anew. */
    const run = async (device: typeof one, seed: number): Promise<string> => {
      w.setDefaultDevice(device);
      w.manualSeed(seed);
      let state = seed;
      const draw = (n: number): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * n);
      };
      const sizes = [20000, 300, 40000];
      const pool = sizes.flatMap((n) => [w.randn([n]).keep(), w.randn([n]).keep(), w.randn([n]).keep()]);
      for (let i = 0; i < 150; i++) {
        const group = 3 * draw(3);
        const [a, b, k] = [pool[group + draw(3)]!, pool[group + draw(3)]!, group + draw(3)];
        const moves = [
          () => void a.add_(b, { alpha: 0.5 }),
          () => void a.mul_(0.9),
          () => void a.narrow(0, 0, 100).copy_(b.narrow(0, 100, 100)),
          () => void a.sub_(b.mean()),
          () => {
            const next = a.mul(b).tanh().add(b);
            pool[k]!.dispose();
            pool[k] = next.keep();
          },
          () => {
            const next = a.narrow(0, 50, 200).sigmoid().sum().add(a);
            pool[k]!.dispose();
            pool[k] = next.keep();
          },
        ];
        moves[draw(moves.length)]!();
      }
      const sums: string[] = [];
      for (const x of pool) {
        const data = await x.data();
        sums.push(
          Buffer.from(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)).toString("base64"),
        );
        x.dispose();
      }
      return sums.join();
    };
    for (let seed = 1; seed <= 12; seed++)
      assert.ok((await run(many, seed)) === (await run(one, seed)), `seed ${seed}`);
    await one.dispose();
    await many.dispose();
  });
}

test("what stands in front of a fault has run, whoever meets it first", async () => {
  const device = await ready(await w.init({ threads: 2, fresh: true }));
  const n = 16383;
  const logits = w.randn([n, 2]).keep();
  const labels = w.zeros([n], { dtype: "int32" }).keep();
  labels.narrow(0, n - 1, 1).fill_(7);
  const before = w.zeros([n]).keep();
  // Rows of thread 0 alone, and behind them one that both run, without a meeting between: a worker is there first.
  const step = w.capture((x: Tensor) => {
    for (let i = 0; i < 6; i++) before.add_(1);
    return w.crossEntropy(x, labels);
  });
  for (let i = 0; i < 100; i++) {
    before.zero_();
    const failed = await step(logits).then(
      () => false,
      () => true,
    );
    assert.ok(failed);
    assert.is(await before.select(0, 0).item(), 6, `call ${i}`);
  }
  await device.dispose();
});

test("a row is shared from 16384 elements on, and a product from sixteen times as many multiply-adds", async () => {
  const device = await ready(await w.init({ threads: 2 }));
  const shared = async (run: () => unknown): Promise<boolean> => {
    await w.flush();
    const before = device.workByThread()[1]!;
    run();
    await w.flush();
    return device.workByThread()[1]! > before;
  };
  for (const [n, is] of [
    [16383, false],
    [16384, true],
  ] as const) {
    const x = w.ones([n]);
    assert.is(await shared(() => x.exp()), is, `${n} elements`);
  }
  for (const [k, is] of [
    [63, false],
    [64, true],
  ] as const) {
    const [a, b] = [w.ones([64, k]), w.ones([k, 64])];
    assert.is(await shared(() => a.matmul(b)), is, `a product over ${k}`);
  }
  await device.dispose();
});

test("temporaries that live in one segment have bytes of their own", () => {
  fc.assert(
    fc.property(touches, (list) => {
      const rows = list.map(rowOf);
      const meets = meetingsOf(rows);
      const { offsets, bytes } = plan(rows, () => true, meets);
      const segment: number[] = [];
      for (const [i, meet] of meets.entries()) segment.push(i === 0 ? 0 : segment[i - 1]! + Number(meet));
      const life = (s: Storage): [number, number] => {
        const at = rows.flatMap((r, i) => (r.buffers.some((b) => b.storage === s) ? [segment[i]!] : []));
        return [Math.min(...at), Math.max(...at)];
      };
      const used = [...offsets.keys()];
      for (const a of used) {
        assert.ok(offsets.get(a)! + a.bytes <= bytes);
        for (const b of used) {
          if (a === b) continue;
          const [[a0, a1], [b0, b1]] = [life(a), life(b)];
          const [from, to] = [offsets.get(a)!, offsets.get(b)!];
          const apart = from + a.bytes <= to || to + b.bytes <= from;
          assert.ok(apart || a1 < b0 || b1 < a0, JSON.stringify(list));
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("the plan takes no more bytes than the largest first, and the earliest of equals, leave room for", () => {
  /** Bytes of a plan over temporaries of such sizes, each written and last read by such rows. */
  const planned = (...temporaries: [size: number, first: number, last: number][]): number => {
    const made = temporaries.map(([bytes], i) => ({ bytes, label: `${i}` }) as Storage);
    const rows = Array.from({ length: 1 + Math.max(...temporaries.map(([, , last]) => last)) }, (_, at): Row => {
      const named = made.filter((_, i) => temporaries[i]![1] === at || temporaries[i]![2] === at);
      const buffers = named.map((storage) => ({ storage, offset: 0 }));
      return { ...{ kernel: "k", op: "k", outputs: 1, extents: [], scalars: [] }, buffers };
    });
    return plan(rows, () => true).bytes;
  };
  assert.is(planned([64, 2, 3], [64, 4, 5], [64, 1, 4], [64, 5, 6]), 128);
  assert.is(planned([64, 4, 6], [128, 2, 3], [128, 4, 6], [64, 3, 6]), 256);
});

test("an input that the program itself writes: the same bits on one thread and on three", async () => {
  const run = async (threads: number): Promise<Float32Array[]> => {
    const device = await ready(await w.init({ threads }));
    w.manualSeed(4);
    const weight = w.rand([512, 512], { requiresGrad: true });
    const left = w.rand([24, 512]);
    const optimizer = new SGD([weight], { lr: 0.125 });
    const step = w.capture((x: w.Tensor) => {
      optimizer.zeroGrad();
      w.sum(w.mul(weight, weight)).backward();
      optimizer.step();
      return w.matmul(left, x); // behind the step; each thread reads what all of them wrote
    });
    const found: Float32Array[] = [];
    for (let i = 0; i < 20; i++) found.push((await (await step(weight.detach())).data()) as Float32Array);
    found.push((await weight.data()) as Float32Array);
    await device.dispose();
    return found;
  };
  const one = await run(1);
  for (const threads of [2, 3, 3]) {
    const several = await run(threads);
    for (const [i, x] of several.entries()) {
      assert.ok(Buffer.from(x.buffer).equals(Buffer.from(one[i]!.buffer)), `${threads} threads, result ${i}`);
    }
  }
});

test.run();
