// Chains: elementwise rows that are walked together give the bits of those rows one by one, on any number of threads; which rows join,
// and which may not.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Row } from "../src/core/device.ts";
import type { Tensor } from "../src/index.ts";
import * as w from "../src/index.ts";
import { factsOf } from "../src/program/kernels/facts.ts";
import { table } from "../src/program/kernels/index.ts";
import { PAYS } from "../src/program/passes/chains.ts";
import { memberOf, SUM } from "../src/program/passes/member.ts";
import { WasmProgram } from "../src/wasm/program.ts";
import { ready } from "./waiting.ts";

/** Rows of the last program that ran. */
let ran: readonly Row[] = [];
const run = WasmProgram.prototype.run;
WasmProgram.prototype.run = function (inputs, outputs) {
  ran = this.encoded;
  run.call(this, inputs, outputs);
};
/** How many rows each chain stands for. */
const chained = (): number[] => ran.filter((r) => r.kernel === "chain_f32").map((r) => r.extents[0]!);

const bits = async (x: Tensor): Promise<string> => {
  const data = await x.data();
  return Buffer.from(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)).toString("base64");
};
type Program = (...inputs: Tensor[]) => Tensor[];

/** What a function returns and leaves in `kept` after three calls, eager or captured, from the same state. */
async function outcome(
  make: () => [f: Program, kept: Tensor[]],
  inputs: Tensor[],
  captured: boolean,
): Promise<string[]> {
  const [f, kept] = make();
  const step = captured ? w.capture((...xs: Tensor[]) => f(...xs)) : async (...xs: Tensor[]) => f(...xs);
  let results: Tensor[] = [];
  for (let i = 0; i < 4; i++) results = await step(...inputs);
  return Promise.all([...results, ...kept].map(bits));
}

const BLOCK = 2048;
const sizes = [1, 3, 4, 63, 64, 65, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 67];
/** Sums are cut in chunks of two blocks from here on. */
const sizesOfSums = [4 * BLOCK, 4 * BLOCK + 1, 6 * BLOCK, 9 * BLOCK + 77];
const param = (n: number, seed: number): Tensor => {
  w.manualSeed(seed);
  return w
    .noGrad(() => w.randn([n]))
    .requiresGrad_()
    .keep();
};

/** Programs of n elements, and how many rows their chains stand for. */
const programs: Record<string, (n: number) => [make: () => [Program, Tensor[]], chains?: number[]]> = {
  "gelu by tanh": () => [
    () => [(x) => [x!.mul(x!).mul(x!).mul(0.044715).add(x!).mul(0.8).tanh().add(1).mul(x!).mul(0.5)], []],
    [9],
  ],
  "a result in the middle": () => [
    () => [
      (x, y) => {
        const a = x!.mul(2);
        const b = a.add(y!);
        return [a, b.exp(), b];
      },
      [],
    ],
  ],
  "its gradient": (n) => [
    () => {
      const p = param(n, 3);
      return [
        (x) => {
          p.grad = null;
          p.mul(x!).tanh().mul(p).sub(x!).abs().sum().backward();
          return [p.grad!];
        },
        [p],
      ];
    },
  ],
  "RMSprop in place": (n) => [
    () => {
      const [p, square] = [param(n, 4), w.zeros([n]).keep()];
      const lr = w.full([], 0.01).keep();
      return [
        (g) => {
          w.noGrad(() => {
            square.mul_(0.99).add_(g!.mul(g!).mul(0.01));
            p.sub_(g!.div(square.sqrt().add(1e-8)).mul(lr));
          });
          return [];
        },
        [p, square],
      ];
    },
  ],
  "a number of one element, by where too": () => [
    () => {
      const s = w.full([], 0.3).keep();
      return [(x, y) => [w.where(x!.gt(y!), x!.mul(s), s).add(s), x!.clamp({ min: -0.5, max: s })], []];
    },
  ],
  "what others read": () => [
    () => [
      (x, y) => {
        const a = x!.mul(y!);
        const b = a.add(1).relu();
        const total = a.sum();
        return [b.mul(total).sub(a), total];
      },
      [],
    ],
  ],
  "sums at the end": () => [
    () => [
      (x, y) => {
        const d = x!.sub(y!);
        return [w.huberLoss(x!, y!), d.sum(), d.sigmoid().mul(x!).sum(), w.mseLoss(x!, y!).mul(2), d];
      },
      [],
    ],
  ],
  "a sum of what is written behind it": () => [
    () => [
      (x, y) => {
        const a = x!.mul(2);
        const total = a.add(1).sum();
        const sum = a.sum();
        a.add_(y!).mul_(0.5);
        return [a, sum, total];
      },
      [],
    ],
  ],
  "int32 and bool": () => [
    () => [
      (x, y) => {
        const a = x!.mul(10).int();
        const b = y!.mul(10).int();
        return [a.add(b).mul(3), a.gt(b), a.eq(b).float().mul(x!)];
      },
      [],
    ],
  ],
  "a leaf that is read and written": (n) => [
    () => {
      const p = param(n, 5);
      return [
        (x) => {
          const before = p.detach().mul(2);
          w.noGrad(() => p.add_(x!).mul_(0.5));
          return [before, p.detach().add(before)];
        },
        [p],
      ];
    },
  ],
  "draws and fills": (n) => [
    () => [
      (x) => {
        const filled = w.zeros([n]);
        filled.fill_(3).add_(x!).mul_(x!);
        return [filled, w.dropout(x!.mul(2), 0, true).add(1)];
      },
      [],
    ],
  ],
};

for (const [threads, pieces] of [
  [1, true],
  [1, false],
  [2, true],
  [2, false],
  [3, true],
  [3, false],
] as const) {
  test(`the bits of the rows one by one, on ${threads} threads, ${pieces ? "in pieces" : "walked"}`, async () => {
    const before = { ...PAYS };
    const device = await ready(await w.init({ threads, fresh: true }));
    assert.ok(device.pieces.made !== null);
    if (!pieces) device.pieces.made = null;
    Object.assign(PAYS, { piece: 1, alone: 1, shared: 1 });
    try {
      for (const [name, program] of Object.entries(programs)) {
        for (const n of [...sizes, ...sizesOfSums, ...(threads > 1 ? [20 * BLOCK + 5] : [])]) {
          w.manualSeed(1);
          const inputs = [w.randn([n]), w.randn([n])].map((x) => x.keep());
          const [make, chains] = program(n);
          const plain = await outcome(make, inputs, false);
          const walked = await outcome(make, inputs, true);
          assert.equal(walked, plain, `${name}, ${n} elements`);
          assert.ok(chained().length > 0, `${name}: no chain`);
          if (!pieces && chains !== undefined && n > 1) assert.equal(chained(), chains, name);
        }
      }
    } finally {
      Object.assign(PAYS, before);
      await device.dispose();
    }
  });
}

test("members are the elementwise kernels of the table that cannot fail", () => {
  const storage = { width: 4 } as Row["buffers"][0]["storage"];
  for (const [kernel, { outputs, inputs, extents, scalars, tags }] of table()) {
    if (extents.some((x) => x.each) || kernel === "chain_f32") continue;
    const buffers = [...outputs, ...inputs].map(() => ({ storage, offset: 0 }));
    const row = {
      kernel,
      buffers,
      outputs: outputs.length,
      extents: extents.map(() => 1),
      scalars: scalars.map(() => 1),
      op: "",
    };
    const each = tags.includes("each") || tags.includes("broadcast") || kernel === SUM;
    const narrow = /_b16$|f16/.test(kernel); // by their names: the storages here are wide
    const expected = each && !narrow && factsOf(kernel).faults === undefined;
    assert.is(memberOf(row) !== null, expected, kernel);
  }
});

test("small steps stay as they are", async () => {
  const device = await ready(await w.init({ threads: 1, fresh: true }));
  const step = w.capture((x: Tensor) => x.mul(2).add(1).relu());
  const takes = async (n: number): Promise<number[]> => {
    const x = w.ones([n]).keep();
    for (let i = 0; i < 3; i++) await step(x);
    return chained();
  };
  assert.equal(await takes(PAYS.piece - 1), []);
  assert.equal(await takes(PAYS.piece), [1], "one piece");
  device.pieces.made = null; // as where code may not be made
  assert.equal(await takes(PAYS.alone - 1), []);
  assert.equal(await takes(PAYS.alone), [3]);
  await device.dispose();
});

test("a gradient that is made and read in one chain is lost behind a fault, and made anew by the next step", async () => {
  const device = await w.init({ threads: 1, fresh: true });
  const n = PAYS.alone;
  const p = param(n, 8);
  const q = param(3, 9);
  const f = (label: Tensor): Tensor => {
    p.grad = q.grad = null;
    const loss = p
      .tanh()
      .mul(2)
      .sum()
      .add(w.crossEntropy(q.view(1, 3), label));
    loss.backward();
    w.noGrad(() => {
      p.sub_(p.grad!.mul(0.01));
      q.sub_(q.grad!.mul(0.01));
    });
    return loss;
  };
  const step = w.capture(f);
  const [good, bad] = [1, 9].map((label) => w.tensor([label], { dtype: "int32" }).keep()) as [Tensor, Tensor];
  const told = async (call: () => Tensor | Promise<Tensor>): Promise<string> => {
    try {
      return typeof (await (await call()).item());
    } catch (error) {
      return (error as Error).message;
    }
  };
  for (let i = 0; i < 3; i++) assert.is(await told(() => step(good)), "number");
  const touches = (r: Row, x: Tensor): boolean => r.buffers.some((b) => (b.storage.alias ?? b.storage) === x.storage);
  assert.ok(ran.some((r) => r.kernel === "chain_f32" && touches(r, p) && touches(r, p.grad!)));
  const before = await bits(p);
  assert.match(await told(() => step(bad)), /label 9/);
  assert.is(p.grad, null);
  assert.is(q.grad, null);
  assert.is(await bits(p), before);
  assert.is(await told(() => step(good)), "number");
  assert.match(await told(() => f(bad)), /label 9/);
  for (let i = 0; i < 4; i++)
    assert.is(await told(() => step(good)), "number", `captured call ${i} behind an eager fault`);
  await device.dispose();
});

test("an input that the function writes may be what it reads under another name", async () => {
  const device = await w.init({ threads: 1, fresh: true });
  const before = { ...PAYS };
  Object.assign(PAYS, { alone: 1, shared: 1 });
  try {
    const n = 100;
    const made = (): [Tensor, (x: Tensor, y: Tensor) => Tensor[]] => {
      const held = w.zeros([n]).keep();
      const f = (x: Tensor, y: Tensor): Tensor[] => {
        const a = y.mul(2);
        x.add_(1);
        const b = a.add(held);
        held.mul_(3);
        return [b, b.sub(x).mul(y)];
      };
      return [held, f];
    };
    const y = w.ones([n]).keep();
    const [plain, f] = made();
    const [held, g] = made();
    const step = w.capture(g);
    for (let i = 0; i < 5; i++) {
      const expected = await Promise.all([...f(plain, y), plain].map(bits));
      const results = await step(held, y);
      assert.equal(await Promise.all([...results, held].map(bits)), expected, `call ${i}`);
    }
  } finally {
    Object.assign(PAYS, before);
    await device.dispose();
  }
});

test("results are written where they lie: none is another's, nor what was given, and each call has its own", async () => {
  const device = await w.init({ threads: 1, fresh: true });
  const p = param(6, 7);
  const f = (x: Tensor): Tensor[] => {
    const a = x.mul(2);
    const b = a.add(p.detach());
    return [a, a, a.narrow(0, 1, 3), a.view(2, 3), x, p.detach(), b, b.t(), b.sum()];
  };
  const step = w.capture(f);
  const before: { bits: string[]; results: Tensor[] }[] = [];
  for (let i = 0; i < 5; i++) {
    const x = w.randn([6]).keep();
    const expected = await Promise.all(f(x).map(bits));
    const results = (await step(x)).map((y) => y.keep());
    assert.equal(await Promise.all(results.map(bits)), expected);
    before.push({ bits: expected, results });
    results[6]!.fill_(0); // one of its own
    before[i]!.bits[6] = await bits(results[6]!);
    for (const earlier of before) assert.equal(await Promise.all(earlier.results.map(bits)), earlier.bits);
    assert.is(await bits(x), earlier(expected));
  }
  assert.is(ran.filter((r) => r.op === "capture").length, 6);
  await device.dispose();
});
/** The input, as the function gives it back. */
const earlier = (values: string[]): string => values[4]!;

test.run();
