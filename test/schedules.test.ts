// Learning-rate schedules: PyTorch's rates with odd options (schedules/record.py writes schedules/rates.json), runs that go on from state
// dicts, errors that change nothing, and rates and momenta behind captured steps.
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import { camel } from "./goldens/recorded.ts";

// biome-ignore lint/suspicious/noExplicitAny: constructors of many signatures
type Any = any;
type Nested = readonly [fn: string, kwargs: Kwargs];
type Kwargs = Readonly<Record<string, unknown>>;
interface Case {
  readonly fn: string;
  readonly kwargs: Kwargs;
  readonly lr: readonly number[];
  readonly optimizer: "SGD" | "Adam";
  readonly also?: readonly Nested[];
  readonly epochs?: readonly (number | null)[];
  readonly metrics?: readonly (number | string)[];
  readonly initial?: readonly number[];
  /** Rates of the groups, and the first one's momentum. */
  readonly seen: readonly (readonly number[])[];
}

await w.init({ threads: 1 });
const cases: readonly Case[] = JSON.parse(readFileSync(new URL("schedules/rates.json", import.meta.url), "utf8"));
const { lrScheduler } = optim;
const FUNCTIONS: Record<string, (e: number) => number> = {
  harmonic: (e) => 1 / (1 + e),
  wave: (e) => 1 + 0.25 * Math.cos(e),
  halves: (e) => 0.5 ** (e % 4),
};

const named = (name: unknown): unknown =>
  Array.isArray(name) ? name.map((n: string) => FUNCTIONS[n]!) : FUNCTIONS[name as string]!;

function schedule(optimizer: Any, fn: string, kwargs: Kwargs): Any {
  const { lr_lambda, scale_fn, schedulers, ...rest } = kwargs;
  const o = Object.fromEntries(Object.entries(rest).map(([key, v]) => [camel(key), v])) as Record<string, unknown>;
  const Schedule = (lrScheduler as Any)[fn];
  if (scale_fn !== undefined) o.scaleFn = named(scale_fn);
  if (lr_lambda !== undefined) return new Schedule(optimizer, named(lr_lambda), o);
  if (schedulers === undefined) return new Schedule(optimizer, o);
  const all = (schedulers as Nested[]).map(([inner, own]) => schedule(optimizer, inner, own));
  return fn === "ChainedScheduler" ? new Schedule(all) : new Schedule(optimizer, all, o.milestones);
}

/** The optimizer and the schedules of a case, as PyTorch's were made. */
function made(c: Case): { optimizer: Any; schedules: Any[] } {
  const groups = c.lr.map((lr) => ({ params: [new nn.Parameter(w.zeros([1]))], lr }));
  const optimizer: Any = c.optimizer === "SGD" ? new optim.SGD(groups, { momentum: 0.9 }) : new optim.Adam(groups);
  c.initial?.forEach((lr, i) => {
    optimizer.paramGroups[i].initialLr = lr;
  });
  const all = [[c.fn, c.kwargs] as const, ...(c.also ?? [])];
  return { optimizer, schedules: all.map(([fn, kwargs]) => schedule(optimizer, fn, kwargs)) };
}

function step(c: Case, schedules: readonly Any[], i: number): void {
  schedules.forEach((s, k) => {
    const given = k > 0 ? undefined : (c.metrics?.[i] ?? c.epochs?.[i]);
    if (given == null) s.step();
    else s.step(Number(String(given).replace("inf", "Infinity")));
  });
}

const rates = (optimizer: Any): number[] => [
  ...optimizer.paramGroups.map((g: Any) => g.lr),
  optimizer.paramGroups[0].momentum ?? optimizer.paramGroups[0].betas[0],
];

function near(what: string, got: readonly number[], ref: readonly number[], rtol = 1e-10): void {
  assert.is(got.length, ref.length, what);
  const close = (v: number, i: number): boolean => Math.abs(v - ref[i]!) <= rtol * Math.abs(ref[i]!) + 1e-15;
  assert.ok(got.every(close), `${what}: ${got}, PyTorch has ${ref}`);
}

const nameOf = (c: Case): string => `${c.fn} ${JSON.stringify(c.kwargs)}`.slice(0, 120);

test("rates and momenta are PyTorch's, with odd options too", () => {
  assert.ok(cases.length > 50);
  for (const c of cases) {
    const { optimizer, schedules } = made(c);
    near(`${nameOf(c)}, made`, rates(optimizer), c.seen[0]!);
    c.seen.slice(1).forEach((ref, i) => {
      step(c, schedules, i);
      near(`${nameOf(c)}, step ${i + 1}`, rates(optimizer), ref);
      const { length } = optimizer.paramGroups;
      if (c.also === undefined)
        near(`${nameOf(c)}, getLastLr`, schedules[0].getLastLr(), rates(optimizer).slice(0, length), 0);
    });
  }
});

test("a run goes on from state dicts, also through JSON", () => {
  for (const c of cases) {
    if (c.initial !== undefined) continue;
    const [a, b] = [made(c), made(c)];
    const half = Math.floor(c.seen.length / 2);
    for (let i = 0; i < half; i++) step(c, a.schedules, i);
    b.schedules.forEach((s, k) => {
      const stateDict = a.schedules[k].stateDict();
      // JSON has no infinity, which a metric may be.
      s.loadStateDict(c.metrics === undefined ? JSON.parse(JSON.stringify(stateDict)) : stateDict);
      assert.equal(s.stateDict(), stateDict, nameOf(c));
      stateDict.baseLrs?.fill(7);
      stateDict._lastLr?.fill(7);
    });
    b.optimizer.loadStateDict(a.optimizer.stateDict());
    for (let i = half; i < c.seen.length - 1; i++) {
      step(c, a.schedules, i);
      step(c, b.schedules, i);
      assert.equal(rates(b.optimizer), rates(a.optimizer), nameOf(c));
    }
  }
});

/** Everything that a schedule may change. */
const all = (optimizer: Any, ...schedules: Any[]): unknown => [
  rates(optimizer),
  optimizer.stateDict().paramGroups,
  schedules.map((s) => [s.stateDict(), s.getLastLr()]),
];

test("an error changes nothing", () => {
  const sgd = (): Any => new optim.SGD([new nn.Parameter(w.zeros([1]))], { lr: 0.4, momentum: 0.9 });
  const refused = (optimizer: Any, schedules: Any[], f: () => unknown, rule: RegExp): void => {
    const before = all(optimizer, ...schedules);
    assert.throws(f, rule);
    assert.equal(all(optimizer, ...schedules), before);
  };
  const { ChainedScheduler, CyclicLR, ExponentialLR, LambdaLR, LinearLR, OneCycleLR, SequentialLR } = lrScheduler;
  const a = sgd();
  refused(a, [], () => new LinearLR(a, { startFactor: 0 }), /startFactor 0/);
  refused(a, [], () => new CyclicLR(a, { baseLr: 0.5, maxLr: 0.1 }), /baseLr 0.5, maxLr 0.1/);
  refused(a, [], () => new OneCycleLR(a, { maxLr: 1, totalSteps: 3, pctStart: 2 }), /pctStart 2/);
  refused(a, [], () => new OneCycleLR(a, { maxLr: 1, totalSteps: 3, maxMomentum: -1 }), /maxMomentum -1/);
  refused(a, [], () => new LambdaLR(a, () => Number.NaN), /lr NaN for group 0 at step 0/);
  const exponential = new ExponentialLR(a, { gamma: 0.9 });
  const cycle = new OneCycleLR(a, { maxLr: 1, totalSteps: 2 });
  const chained = new ChainedScheduler([exponential, cycle]);
  chained.step();
  chained.step();
  const every = [exponential, cycle, chained];
  refused(a, every, () => chained.step(), /OneCycleLR: step 3 is one more than its totalSteps 2/);
  refused(a, every, () => cycle.step(), /step 3/);
  refused(a, every, () => new SequentialLR(a, every, [1]), /milestones \[1\]: of 3 schedulers 2/);
  refused(
    a,
    every,
    () => new SequentialLR(sgd(), [exponential, cycle], [1]),
    /\(ExponentialLR\) is of another optimizer/,
  );
  refused(a, every, () => cycle.loadStateDict({ ...cycle.stateDict(), lastEpoch: -3 }), /lastEpoch -3/);
  refused(a, every, () => cycle.loadStateDict({ ...cycle.stateDict(), minLrs: ["a"] }), /minLrs\[0\] "a"/);
  refused(
    a,
    every,
    () => chained.loadStateDict({ ...chained.stateDict(), lastEpoch: 7, _schedulers: [] } as Any),
    /_sch/,
  );
  const b = new optim.SGD([new nn.Parameter(w.zeros([1])), new nn.Parameter(w.zeros([1]))].map((p) => ({ params: p })));
  let wrong = false;
  const lambda = new LambdaLR(b, [() => 0.5, () => (wrong ? -1 : 1)]);
  const sequence = new SequentialLR(b, [new LinearLR(b), lambda], [2]);
  sequence.step();
  wrong = true;
  refused(b, [lambda, sequence], () => sequence.step(), /lr -0.001 for group 1 at step 0/);
  wrong = false;
  sequence.step();
  assert.equal(sequence.getLastLr(), [0.0005, 0.001]);
});

test("numbers of a state dict are held to what the options are", () => {
  const group = (): Any => [new nn.Parameter(w.zeros([1]))];
  const sgd = (): Any => new optim.SGD(group(), { lr: 0.4, momentum: 0.9 });
  const { CyclicLR, LinearLR, OneCycleLR, SequentialLR } = lrScheduler;
  const bad = [-1, Number.NaN, Number.POSITIVE_INFINITY, "1", true, [-1]];
  const counts = { wrong: [...bad, 0, 1.5], right: [10] };
  const fractions = { wrong: [...bad, 2], right: [0.5, 1] };
  const lists = { wrong: [...bad, [Number.NaN], [null], new Array(1), [], [1, 2]], right: [[0.25], [0]] };
  const words = { wrong: [1, "line", ["cos"], true], right: [] };
  const flags = { wrong: [0, "yes"], right: [true] };
  const rates = {
    baseLrs: lists,
    _lastLr: { ...lists, wrong: [[-1], [Number.NaN], ["a"], 1] },
    _stepCount: { ...counts, wrong: bad },
  };
  const momenta = { cycleMomentum: flags, baseMomentums: lists, maxMomentums: lists };
  const beta = { ...lists, wrong: [...lists.wrong, [1]] };
  const cyclic = {
    ...{ ...rates, ...momenta, totalSize: counts, stepRatio: { ...fractions, wrong: [...fractions.wrong, 0] } },
    ...{ maxLrs: lists, gamma: { wrong: bad, right: [0, 2] }, mode: words, scaleMode: words },
  };
  const one = {
    ...{ ...rates, ...momenta, totalSteps: counts, pctStart: fractions, maxLrs: lists, minLrs: lists },
    ...{ annealStrategy: words, threePhase: flags },
  };
  const swa = { ...rates, swaLrs: lists, annealEpochs: { wrong: [...bad, 1.5], right: [0, 3] }, annealStrategy: words };
  type Held = Record<string, { wrong: unknown[]; right: unknown[] }>;
  const made: [(o: Any) => Any, Held, optimizer?: () => Any][] = [
    [(o) => new CyclicLR(o, { baseLr: 0.1, maxLr: 1 }), cyclic],
    [(o) => new OneCycleLR(o, { maxLr: 1, totalSteps: 9 }), one],
    [
      (o) => new OneCycleLR(o, { maxLr: 1, totalSteps: 9 }),
      { ...one, baseMomentums: beta, maxMomentums: beta },
      () => new optim.Adam(group()),
    ],
    [(o) => new optim.swaUtils.SWALR(o, { swaLr: 0.1 }), swa],
    [(o) => new LinearLR(o), rates],
  ];
  for (const [make, held, optimizer = sgd] of made) {
    const o = optimizer();
    const schedule = make(o);
    const good = schedule.stateDict();
    assert.equal(
      Object.keys(good)
        .filter((key) => key in held)
        .sort(),
      Object.keys(held).sort(),
    );
    for (const [key, { wrong, right }] of Object.entries(held)) {
      for (const v of wrong) {
        const before = all(o, schedule);
        const label = `${schedule.constructor.name}.loadStateDict: ${key}`;
        try {
          schedule.loadStateDict({ ...good, lastEpoch: 5, [key]: v });
          assert.unreachable(`${label} ${v}`);
        } catch (error) {
          assert.instance(error, w.WasmgradError, `${label} ${v}: ${error}`);
          assert.ok((error as Error).message.startsWith(label), (error as Error).message);
        }
        assert.equal(all(o, schedule), before, label);
      }
      for (const v of right) {
        schedule.loadStateDict({ ...good, [key]: v });
        assert.equal(schedule.stateDict()[key], v);
        schedule.step();
        o.loadStateDict({ ...o.stateDict(), paramGroups: optimizer().stateDict().paramGroups });
      }
    }
  }
  const o = sgd();
  const nested = new SequentialLR(o, [new LinearLR(o), new CyclicLR(o, { baseLr: 0.1, maxLr: 1 })], [2]);
  const [first, second] = nested.stateDict()._schedulers;
  assert.throws(
    () => nested.loadStateDict({ ...nested.stateDict(), _schedulers: [first!, { ...second!, totalSize: 0 }] }),
    /^SequentialLR\.loadStateDict: _schedulers\[1\]: totalSize 0: a positive integer is expected$/,
  );
  // Where a function says the height, mode is any word, as in the constructor.
  const odd: Any = { baseLr: 0.1, maxLr: 1, scaleFn: () => 1, mode: "mine" };
  const [a, b] = [new CyclicLR(sgd(), odd), new CyclicLR(sgd(), odd)];
  b.loadStateDict(a.stateDict());
  assert.is(b.mode, "mine");
});

test("a run goes on with lastEpoch from the optimizer's state dict", () => {
  for (const make of [
    (o: Any, lastEpoch = -1) => new lrScheduler.StepLR(o, { stepSize: 3, gamma: 0.5, lastEpoch }),
    (o: Any, lastEpoch = -1) => new lrScheduler.CosineAnnealingLR(o, { TMax: 20, lastEpoch }),
    (o: Any, lastEpoch = -1) => new lrScheduler.OneCycleLR(o, { maxLr: 0.8, totalSteps: 20, lastEpoch }),
    (o: Any, lastEpoch = -1) => new lrScheduler.CyclicLR(o, { baseLr: 0.1, maxLr: 0.8, stepSizeUp: 3, lastEpoch }),
  ]) {
    const [a, b]: Any[] = [0, 0].map(() => new optim.SGD([new nn.Parameter(w.zeros([1]))], { lr: 0.4, momentum: 0.9 }));
    const schedule = make(a);
    for (let i = 0; i < 4; i++) schedule.step();
    b.loadStateDict(a.stateDict());
    const other = make(b, schedule.lastEpoch);
    for (let i = 0; i < 10; i++) {
      schedule.step();
      if (i > 0) other.step(); // it takes the first when it is made
      near(`step ${i}`, rates(b), rates(a));
      assert.is(other.lastEpoch, schedule.lastEpoch);
    }
  }
});

test("schedules inside of schedules begin anew at their milestones", () => {
  const { ChainedScheduler, ConstantLR, ExponentialLR, LinearLR, SequentialLR, StepLR } = lrScheduler;
  const optimizer: Any = new optim.SGD([new nn.Parameter(w.zeros([1]))], { lr: 1 });
  const inner = new SequentialLR(
    optimizer,
    [new ConstantLR(optimizer, { factor: 0.5 }), new StepLR(optimizer, { stepSize: 2 })],
    [2],
  );
  const chained = new ChainedScheduler([
    new LinearLR(optimizer, { startFactor: 0.5, totalIters: 2 }),
    new ExponentialLR(optimizer, { gamma: 0.5 }),
  ]);
  const schedule = new SequentialLR(optimizer, [inner, chained], { milestones: [5] });
  const seen = [...schedule.getLastLr()];
  for (let i = 0; i < 8; i++) {
    schedule.step();
    seen.push(optimizer.paramGroups[0].lr);
    assert.equal(schedule.getLastLr(), seen.slice(-1));
  }
  near("nested", seen, [0.5, 0.5, 1, 1, 0.1, 0.5, 0.375, 0.25, 0.125]);
  assert.is(schedule.lastEpoch, 8);
  assert.is(chained.lastEpoch, 3);
});

test("a group that was added later follows as in PyTorch: where a rate comes from the one before, it does too", () => {
  const { CosineAnnealingWarmRestarts, CyclicLR, ExponentialLR, SWALR } = lrScheduler;
  for (const [make, follows] of [
    [(o: Any) => new ExponentialLR(o, { gamma: 0.5 }), true],
    [(o: Any) => new SWALR(o, { swaLr: 0 }), false],
    [(o: Any) => new CyclicLR(o, { baseLr: 0.1, maxLr: 1, stepSizeUp: 2 }), false],
    [(o: Any) => new CosineAnnealingWarmRestarts(o, { T0: 9 }), false],
  ] as const) {
    const optimizer: Any = new optim.SGD([new nn.Parameter(w.zeros([1]))], { momentum: 0.9 });
    const schedule = make(optimizer);
    optimizer.addParamGroup({ params: new nn.Parameter(w.zeros([1])), lr: 0.25, momentum: 0.75 });
    schedule.step();
    assert.is(optimizer.paramGroups[1].lr, follows ? 0.125 : 0.25);
    assert.is(optimizer.paramGroups[1].momentum, 0.75);
    schedule.loadStateDict(schedule.stateDict());
    assert.not.ok("initialLr" in optimizer.stateDict().paramGroups[1]);
  }
});

test("a group that was added later has its own rate when nested schedules begin anew", () => {
  const { ChainedScheduler, ConstantLR, SequentialLR } = lrScheduler;
  const optimizer: Any = new optim.SGD([new nn.Parameter(w.zeros([1]))], { lr: 1 });
  const made = () => new ConstantLR(optimizer, { factor: 0.5, totalIters: 2 });
  const inner = new ChainedScheduler([new SequentialLR(optimizer, [made(), made()], [3])]);
  const schedule = new SequentialLR(optimizer, [made(), inner], [2]);
  optimizer.addParamGroup({ params: new nn.Parameter(w.zeros([1])), lr: 0.25 });
  schedule.step();
  schedule.step();
  assert.equal(schedule.getLastLr(), [0.5, 0.125]);
});

for (const captured of [false, true]) {
  test(`rates and momenta take effect behind the steps that were launched before, ${captured ? "captured" : "plain"}`, async () => {
    const p = new nn.Parameter(w.zeros([2]));
    const optimizer: Any = new optim.SGD([p], { lr: 1, momentum: 0.5 });
    const f = (x: w.Tensor): w.Tensor => {
      optimizer.zeroGrad();
      const loss = p.mul(x).sum();
      loss.backward();
      optimizer.step();
      return loss;
    };
    const step: Any = captured ? w.capture(f) : f;
    const cycle = new lrScheduler.OneCycleLR(optimizer, { maxLr: 0.8, totalSteps: 20, divFactor: 4 });
    let [value, buffer] = [0, 0];
    const expected: number[] = [];
    const got: w.Tensor[] = [];
    for (let i = 0; i < 20; i++) {
      const { lr, momentum } = optimizer.paramGroups[0];
      buffer = i === 0 ? 1 : momentum * buffer + 1;
      value -= lr * buffer;
      expected.push(value);
      await step(w.ones([2]));
      got.push(p.clone()); // which waits for nothing
      cycle.step();
    }
    for (let i = 0; i < 20; i++) near(`step ${i}`, [(await got[i]!.data())[1]!], [expected[i]!], 1e-5);
  });
}

test.run();
