// Training steps drawn at random, captured with chains from one element on and without any: results, those kept from earlier calls,
// parameters, buffers, gradients and errors are the same, bit for bit. Steps read and write parameters, buffers and inputs in place; inputs
// may be one another, overlap, or be a buffer; some calls meet a fault. CHAINS_STEPS says how many are drawn, CHAINS_SEED from where on:
// `CHAINS_STEPS=2000 CHAINS_SEED=1000 npm test -- chains-steps`.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Tensor } from "../src/index.ts";
import * as w from "../src/index.ts";
import { PAYS } from "../src/program/passes/chains.ts";
import { WasmProgram } from "../src/wasm/program.ts";
import { ready } from "./waiting.ts";

const COUNT = Number(process.env.CHAINS_STEPS ?? 60);
const FIRST = Number(process.env.CHAINS_SEED ?? 1);
const CALLS = 8;
const FAULTS = [4, 6];

/** How many chains the last program had that ran. */
let chained = 0;
const run = WasmProgram.prototype.run;
WasmProgram.prototype.run = function (inputs, outputs) {
  chained = this.encoded.filter((r) => r.kernel === "chain_f32").length;
  run.call(this, inputs, outputs);
};

/** Whole numbers below `most`, by a linear congruence. */
function drawing(seed: number): (most: number) => number {
  let state = (seed * 7919) >>> 0;
  return (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
}

const bits = async (x: Tensor): Promise<string> => {
  const read = await x.data().catch((error: Error) => error.message);
  return typeof read === "string" ? read : Buffer.from(read.slice().buffer).toString("base64");
};

/** What a step works on. */
interface State {
  readonly n: number;
  readonly parameters: Tensor[];
  readonly head: Tensor;
  readonly buffers: Tensor[];
  readonly one: Tensor;
  readonly x: Tensor;
  readonly label: Tensor;
  readonly probability: Tensor;
  readonly results: Tensor[];
  loss: Tensor;
}

/** What a step may do with two of its tensors and a number. What is returned joins the others. */
const MOVES: ((s: State, u: Tensor, v: Tensor, k: number) => Tensor | null)[] = [
  (_, u, v) => u.add(v),
  (_, u, v) => u.mul(v),
  (_, u) => u.tanh(),
  (_, u, v) => u.sub(v).abs(),
  (_, u, v) => w.where(u.detach().gt(v.detach()), u, v),
  (_, u) => u.clamp({ min: -0.5, max: 0.8 }),
  (s, u) => u.mul(s.one),
  (_, u) => u.mul(u.detach().sum().mul(0.01).tanh()),
  (_, u) => u.mul(3).int().float(),
  ({ n }, u, v, k) => {
    const both = w.zeros([2 * n]);
    both.narrow(0, 0, n).copy_(u.detach());
    both.narrow(0, n, n).add_(v.detach());
    return both.narrow(0, k % (n + 1), n);
  },
  (_, u, v) => u.detach().add(1).mul_(v.detach()).sub_(u.detach()),
  (s, u) => {
    s.results.push(u.detach());
    return null;
  },
  (s, u) => {
    s.loss = s.loss.add(u.sum());
    return null;
  },
  (s) => {
    s.loss = s.loss.add(w.crossEntropy(s.head.view(1, 3).mul(1), s.label));
    return null;
  },
  (s) => {
    s.loss = s.loss.add(w.binaryCrossEntropy(s.probability, w.ones([2])));
    return null;
  },
  (s, u, _, k) => inPlace(() => s.buffers[k % 2]!.add_(u.detach()).mul_(0.5)),
  (s, u, _, k) => inPlace(() => s.buffers[k % 2]!.copy_(u.detach())),
  (s, _u, _v, k) => inPlace(() => s.buffers[k % 2]!.fill_(0.25)),
  (s) => inPlace(() => s.one.mul_(0.9)),
  (s, _u, _v, k) => (k % 3 === 0 ? inPlace(() => s.x.mul_(0.9)) : null),
];
const inPlace = (write: () => Tensor): null => {
  w.noGrad(write);
  return null;
};

/** Everything that eight calls of the step of this seed give and leave. */
async function outcome(seed: number): Promise<string[]> {
  chained = 0;
  const draw = drawing(seed);
  w.manualSeed(seed);
  const n = [1, 7, 64, 2050][draw(4)]!;
  const leaf = (size: number): Tensor =>
    w
      .noGrad(() => w.randn([size]))
      .requiresGrad_()
      .keep();
  const parameters = [leaf(n), leaf(n)];
  const head = leaf(3);
  const buffers = [w.randn([n]).keep(), w.randn([n]).keep()];
  const one = w.full([1], 0.7).keep();
  const base = w.randn([2 * n + 4]).keep();
  const plan = Array.from({ length: 6 + draw(14) }, () => [draw(MOVES.length), draw(97), draw(89), draw(83)] as const);
  const [accumulates, kind, fault, scaled, byHand, aliased] = [draw(3), draw(3), draw(3), draw(2), draw(2), draw(6)];
  const optimizer =
    kind === 0
      ? new w.optim.SGD(parameters, { lr: 0.01, momentum: 0.9 })
      : kind === 1
        ? new w.optim.Adam(parameters, { lr: 0.01 })
        : null;
  const step = w.capture((x: Tensor, y: Tensor, label: Tensor, probability: Tensor): Tensor[] => {
    if (accumulates > 0) for (const p of [...parameters, head]) p.grad = null;
    const state: State = { n, parameters, head, buffers, one, x, label, probability, results: [], loss: head.sum() };
    const pool = [x, y, ...buffers, ...parameters];
    for (const [move, i, j, k] of plan) {
      const made = MOVES[move]!(state, pool[i % pool.length]!, pool[j % pool.length]!, k);
      if (made !== null) pool.push(made);
    }
    const [p, q] = parameters as [Tensor, Tensor];
    state.loss.add(p.mul(x.detach()).mul(p).sum()).add(q.mul(q).mul(0.5).sum()).backward();
    w.noGrad(() => {
      if (scaled) for (const leaf of parameters) leaf.grad!.mul_(0.5);
      if (byHand) for (const leaf of parameters) leaf.sub_(leaf.grad!.mul(0.01));
    });
    optimizer?.step();
    const [last, before] = [pool.at(-1)!, pool.at(-2)!].map((t) => t.detach()) as [Tensor, Tensor];
    return [state.loss, ...state.results, last, before.narrow(0, 0, Math.max(1, n - 1))];
  });
  const part = (from: number): Tensor => base.narrow(0, from, n).keep();
  const fresh = [w.randn([n]).keep(), w.randn([n]).keep()];
  const [x, y] = [[part(0), part(1)], buffers, [part(4), part(4)]][aliased] ?? fresh;
  const labels = [1, 9].map((label) => w.tensor([label], { dtype: "int32" }).keep());
  const probabilities = [0.4, 1.4].map((value) => w.tensor([0.5, value]).keep());
  const log: string[] = [];
  const kept: Tensor[] = [];
  for (let call = 0; call < CALLS; call++) {
    const bad = FAULTS.includes(call);
    const given = [labels[Number(bad && fault !== 1)]!, probabilities[Number(bad && fault !== 0)]!] as const;
    try {
      for (const t of await step(x!, y!, ...given)) kept.push(t.keep());
      await w.flush();
    } catch (error) {
      log.push((error as Error).message);
    }
    for (const t of [...parameters, ...buffers, one, base, head]) log.push(await bits(t));
    for (const p of [...parameters, head]) log.push(p.grad === null ? "none" : await bits(p.grad));
  }
  for (const t of kept) log.push(await bits(t));
  step.dispose();
  return log;
}

for (const [threads, pieces] of [
  [1, true],
  [1, false],
  [2, true],
  [2, false],
  [3, true],
] as const) {
  test(`steps drawn at random, on ${threads} threads, ${pieces ? "in pieces" : "walked"}`, async () => {
    const before = { ...PAYS };
    const device = await ready(await w.init({ threads, fresh: true }));
    if (!pieces) device.pieces.made = null;
    let withChains = 0;
    try {
      for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
        Object.assign(PAYS, { piece: 2 ** 40, alone: 2 ** 40, shared: 2 ** 40 });
        const plain = await outcome(seed);
        assert.is(chained, 0);
        Object.assign(PAYS, { piece: 1, alone: 1, shared: 1 });
        const walked = await outcome(seed);
        if (chained > 0) withChains++;
        const at = walked.findIndex((line, i) => line !== plain[i]);
        assert.is(
          at < 0 && walked.length === plain.length,
          true,
          `seed ${seed}: line ${at} of ${plain.length} differs`,
        );
      }
    } finally {
      Object.assign(PAYS, before);
      await device.dispose();
    }
    assert.ok(withChains > COUNT / 2, `${withChains} of ${COUNT} have chains`);
  });
}

test.run();
