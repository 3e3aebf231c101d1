// Losses as modules: each prints as PyTorch's and gives what its function gives; targets of int32, weights, far logits, nothing at all.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { autocast } from "../src/amp/index.ts";
import * as w from "../src/index.ts";
import { nn } from "../src/index.ts";
import { ReferenceDevice } from "./reference.ts";

// biome-ignore lint/suspicious/noExplicitAny: modules of many signatures
type Any = any;
const device = await w.init({ threads: 1 });
const values = async (x: w.Tensor): Promise<number[]> => [...(await x.data())];
const x = w.tensor([
  [0.5, -1.25, 2],
  [-0.75, 1.5, 0.25],
]);
const y = w.tensor([
  [0.75, 0.5, 0.125],
  [1, 0.25, 0],
]);
const z = w.tensor([
  [1, 0.5, 2],
  [0.25, 3, 1.5],
]);
const signs = w.tensor([1, -1]);
const all = w.tensor([
  [1, -1, 1],
  [-1, 1, 1],
]);
const labels = w.tensor([2, 0], { dtype: "int32" });
const lists = w.tensor([2, -1, 0, 0, 1, -1], { shape: [2, 3], dtype: "int32" });
const weight = w.tensor([1, 2, 0.5]);
const cosine = (a: w.Tensor, b: w.Tensor): w.Tensor => w.sub(1, w.cosineSimilarity(a, b));

/** Modules with what they take, and the function that each is, with its options. */
const LOSSES: [Module: Any, options: object, inputs: w.Tensor[], f: Any][] = [
  [nn.CrossEntropyLoss, { labelSmoothing: 0.1, weight }, [x, labels], w.crossEntropy],
  [nn.CrossEntropyLoss, { labelSmoothing: 0.1, weight }, [x, y], w.crossEntropy],
  [nn.L1Loss, {}, [x, y], w.l1Loss],
  [nn.SmoothL1Loss, { beta: 0.5 }, [x, y], w.smoothL1Loss],
  [nn.HuberLoss, { delta: 0.5 }, [x, y], w.huberLoss],
  [nn.KLDivLoss, { logTarget: true }, [x, y], w.klDiv],
  [nn.PoissonNLLLoss, { full: true, logInput: false, eps: 3 }, [x, z], w.poissonNllLoss],
  [nn.GaussianNLLLoss, { full: true, eps: 0.5 }, [x, y, z], w.gaussianNllLoss],
  [nn.BCEWithLogitsLoss, { weight, posWeight: weight }, [x, y], w.binaryCrossEntropyWithLogits],
  [nn.SoftMarginLoss, {}, [x, all], w.softMarginLoss],
  [nn.MultiLabelSoftMarginLoss, { weight }, [x, y], w.multilabelSoftMarginLoss],
  [nn.HingeEmbeddingLoss, { margin: 0.5 }, [x, all], w.hingeEmbeddingLoss],
  [nn.MarginRankingLoss, { margin: 0.5 }, [x, y, all], w.marginRankingLoss],
  [nn.MultiMarginLoss, { p: 2, margin: 2, weight }, [x, labels], w.multiMarginLoss],
  [nn.MultiLabelMarginLoss, {}, [x, lists], w.multilabelMarginLoss],
  [nn.CosineEmbeddingLoss, { margin: -0.5 }, [x, y, signs], w.cosineEmbeddingLoss],
  [nn.TripletMarginLoss, { margin: 2, p: 1, eps: 0.5, swap: true }, [x, y, z], w.tripletMarginLoss],
  [
    nn.TripletMarginWithDistanceLoss,
    { margin: 2, swap: true, distanceFunction: cosine },
    [x, y, z],
    w.tripletMarginWithDistanceLoss,
  ],
];

test("modules print as PyTorch's, and give what their functions give", async () => {
  for (const [Module, options, inputs, f] of LOSSES) {
    const found: Record<string, number[]> = {};
    for (const reduction of ["mean", "sum", "none"]) {
      const module = new Module({ ...options, reduction });
      assert.is(String(module), `${Module.name}()`);
      found[reduction] = await values(module.forward(...inputs));
      assert.equal(found[reduction], await values(f(...inputs, { ...options, reduction })), Module.name);
    }
    const [mean, sum, terms] = [found.mean![0]!, found.sum![0]!, found.none!];
    const total = terms.reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(total - sum) <= 1e-5 * Math.abs(sum), Module.name);
    if (inputs[1] === labels && "labelSmoothing" in options) continue; // its mean is over weights
    assert.ok(Math.abs(total / terms.length - mean) <= 1e-5 * Math.abs(mean), Module.name);
    assert.equal(await values(new Module(options).forward(...inputs)), [mean], `${Module.name}: the default`);
  }
});

test("a module takes the options that its function takes, and refuses the others when it is made", async () => {
  const more: typeof LOSSES = [
    [nn.CrossEntropyLoss, { ignoreIndex: 0 }, [x, labels], w.crossEntropy],
    [nn.NLLLoss, { ignoreIndex: 0, weight }, [x, labels], w.nllLoss],
    [nn.BCELoss, { weight }, [y, y], w.binaryCrossEntropy],
    [nn.MSELoss, {}, [x, y], w.mseLoss],
  ];
  const odd = [undefined, null, Number.NaN, -1, 0, 0.5, 1, 2 ** 31, 2 ** 40, "1", true, {}, w.tensor([1, 2, 3]).int()];
  for (const [Module, options, inputs, f] of [...LOSSES, ...more]) {
    const outcome = async (make: () => w.Tensor): Promise<number[] | string> => {
      try {
        return await values(make());
      } catch (error) {
        assert.instance(error, w.WasmgradError);
        return "refused";
      }
    };
    for (const key of Object.keys(options)) {
      for (const v of odd) {
        const label = `${Module.name} ${key} ${v}`;
        let module: Any = null;
        try {
          module = new Module({ [key]: v });
        } catch (error) {
          assert.match((error as Error).message, new RegExp(`^${Module.name}: ${key} `), label);
        }
        const expected = await outcome(() => f(...inputs, { [key]: v }));
        assert.equal(module === null ? "refused" : await values(module.forward(...inputs)), expected, label);
      }
    }
    const names = ["reduction", ...Object.keys(options)];
    for (const name of [...names.map((k) => `${k}?`), "", " ", names.slice(0, 2).join(" ") + (names[1] ? "" : " ")]) {
      const made = new RegExp(`^${Module.name}: unknown option `);
      assert.throws(
        () => new Module({ [name]: true }),
        (e: Error) => made.test(e.message),
        `${Module.name} "${name}"`,
      );
      assert.is(await outcome(() => f(...inputs, { [name]: true })), "refused", `${Module.name} "${name}"`);
    }
  }
  for (const blank of [-1, 0.5]) assert.throws(() => new nn.CTCLoss({ blank }), /^CTCLoss: blank .* of at least 0/);
});

test("weights are buffers", () => {
  const loss = new nn.BCEWithLogitsLoss({ posWeight: weight });
  assert.equal(Object.keys(loss.stateDict()), ["posWeight"]);
  assert.equal(Object.keys(new nn.MultiMarginLoss({ weight }).stateDict()), ["weight"]);
  assert.equal(Object.keys(new nn.MultiLabelSoftMarginLoss().stateDict()), []);
});

test("signs may be int32", async () => {
  const whole = all.int();
  for (const f of [w.softMarginLoss, w.hingeEmbeddingLoss])
    assert.equal(await values(f(x, whole)), await values(f(x, all)));
  assert.equal(await values(w.marginRankingLoss(x, y, whole)), await values(w.marginRankingLoss(x, y, all)));
  assert.equal(
    await values(w.cosineEmbeddingLoss(x, y, signs.int())),
    await values(w.cosineEmbeddingLoss(x, y, signs)),
  );
});

test("logits far from 0 lose nothing", async () => {
  const far = w.tensor([1000, -1000, 1000, -1000], { requiresGrad: true });
  const target = w.tensor([1, 0, 0, 1]);
  const loss = w.binaryCrossEntropyWithLogits(far, target, { reduction: "none" });
  assert.equal(await values(loss), [0, 0, 1000, 1000]);
  assert.equal(await values(w.grad(loss.sum(), [far])[0]!), [0, 0, 1, -1]);
  assert.equal(await values(w.logsigmoid(far)), [0, -1000, 0, -1000]);
});

test("divergence: batchmean is the sum over the first dim", async () => {
  const [sum] = await values(w.klDiv(x, y, { reduction: "sum" }));
  assert.equal(await values(w.klDiv(x, y, { reduction: "batchmean" })), [sum! / 2]);
  assert.is((await values(w.klDiv(w.zeros([3]), w.tensor([0, 1, 0]), { reduction: "sum" })))[0], 0);
});

test("probabilities and labels of one class a row give one loss", async () => {
  const hot = w.tensor([
    [0, 0, 1],
    [1, 0, 0],
  ]);
  for (const options of [{}, { labelSmoothing: 0.25 }, { reduction: "none" as const }]) {
    const [a, b] = [await values(w.crossEntropy(x, hot, options)), await values(w.crossEntropy(x, labels, options))];
    a.forEach((v, i) => void assert.ok(Math.abs(v - b[i]!) < 1e-6));
  }
});

test("the mean of nothing is NaN, its sum 0", async () => {
  const none = w.zeros([0, 3]);
  for (const f of [w.l1Loss, w.smoothL1Loss, w.huberLoss, w.klDiv, w.binaryCrossEntropyWithLogits, w.poissonNllLoss]) {
    assert.equal(await values(f(none, none)), [Number.NaN]);
    assert.equal(await values(f(none, none, { reduction: "sum" })), [0]);
    assert.equal(f(none, none, { reduction: "none" }).shape, [0, 3]);
  }
});

test("the gradient of a distance of equal rows is 0, and so is its second", async () => {
  for (const p of [1, 2, 3, Number.POSITIVE_INFINITY]) {
    const a = w.ones([2, 3], { requiresGrad: true });
    const d = w.pairwiseDistance(a, w.ones([2, 3]), { p, eps: 0 });
    assert.equal(await values(d), [0, 0]);
    const [g] = w.grad(d, [a], { gradient: w.ones([2]), createGraph: true });
    assert.equal(await values(g!), [0, 0, 0, 0, 0, 0], `p ${p}`);
    const [h] = g!.requiresGrad ? w.grad(g!.sum(), [a]) : [null];
    if (h) assert.equal(await values(h), [0, 0, 0, 0, 0, 0], `second, p ${p}`);
  }
});

test("under autocast losses are float32, activations what comes", async () => {
  const half = new ReferenceDevice(true);
  const narrow = (v: w.Tensor): Promise<w.Tensor> =>
    v.data().then((data) => w.tensor(Float32Array.from(data), { shape: v.shape, device: half }).half());
  const [a, b] = [await narrow(x), await narrow(y)];
  for (const f of [w.l1Loss, w.smoothL1Loss, w.huberLoss, w.klDiv, w.binaryCrossEntropyWithLogits, w.softMarginLoss]) {
    assert.is(f(a, b).dtype, "float16");
    assert.is(autocast(() => f(a, b)).dtype, "float32");
    assert.is(f(a, b.float()).dtype, "float32");
  }
  for (const f of [w.gelu, w.leakyRelu, w.elu, w.hardswish]) assert.is(autocast(() => f(a)).dtype, "float16");
  assert.is(autocast(() => w.softplus(a)).dtype, "float32");
  const p = a.float().requiresGrad_();
  const loss = w.gelu(p.half()).sum();
  assert.is(w.grad(loss, [p])[0]!.dtype, "float32");
  w.setDefaultDevice(device);
});

/** -log of the sum over every alignment, by plain loops. */
function ctc(p: number[][], target: readonly number[], blank: number): number {
  const { length: classes } = p[0]!;
  let total = 0;
  for (let code = 0; code < classes ** p.length; code++) {
    const path = p.map((_, i) => Math.floor(code / classes ** i) % classes);
    const seen = path.filter((c, i) => c !== path[i - 1]).filter((c) => c !== blank);
    if (String(seen) === String(target)) total += path.reduce((a, c, i) => a * p[i]![c]!, 1);
  }
  return -Math.log(total);
}

test("ctcLoss sums over all alignments", async () => {
  for (const [time, classes, blank, targets] of [
    [4, 3, 0, [[1, 2], [1, 1], [2], []]],
    [
      5,
      3,
      2,
      [
        [0, 1, 0],
        [0, 0],
        [1, 1, 0],
        [0, 1, 1, 0],
      ],
    ],
    [1, 4, 1, [[0], [], [3], [0, 2]]],
  ] as const) {
    const n = targets.length;
    const logProbs = w.logSoftmax(w.randn([time, n, classes]).mul(2), 2);
    const p = await values(logProbs.exp());
    const expected = targets.map((target, i) =>
      ctc(
        Array.from({ length: time }, (_, s) => p.slice((s * n + i) * classes, (s * n + i + 1) * classes)),
        target,
        blank,
      ),
    );
    const lengths = targets.map((target) => target.length);
    const most = Math.max(...lengths);
    // What stands behind the labels does not count, not even where it is no class.
    const padded = w.tensor(Int32Array.from(targets.flatMap((l) => [...l, ...Array(most - l.length).fill(-7)])), {
      ...{ shape: [n, most], dtype: "int32" },
    });
    const joined = w.tensor(Int32Array.from(targets.flatMap((l) => [...l])), { dtype: "int32" });
    const times = w.full([n], time, { dtype: "int32" });
    const sizes = w.tensor(Int32Array.from(lengths), { dtype: "int32" });
    const options = { blank, reduction: "none" } as const;
    for (const got of [
      await values(w.ctcLoss(logProbs, padded, Array(n).fill(time), lengths, options)),
      await values(w.ctcLoss(logProbs, padded, times, sizes, options)),
      await values(w.ctcLoss(logProbs, joined, times, lengths, options)),
    ])
      got.forEach((v, i) => {
        assert.ok(v === expected[i] || Math.abs(v - expected[i]!) < 1e-5, `${targets[i]}: ${v}, ${expected[i]}`);
      });
  }
});

test("ctcLoss: what does not fit is infinite, or 0; no input gives no labels", async () => {
  const logits = w.randn([3, 2, 3], { requiresGrad: true });
  const target = w.tensor([1, 1, 2, 1, 2, 0], { shape: [2, 3], dtype: "int32" });
  for (const zeroInfinity of [false, true]) {
    const loss = w.ctcLoss(w.logSoftmax(logits, 2), target, [3, 0], [3, 0], { reduction: "none", zeroInfinity });
    assert.equal(await values(loss), [zeroInfinity ? 0 : Number.POSITIVE_INFINITY, 0]);
    const g = await values(w.grad(loss, [logits], { gradient: w.ones([2]) })[0]!);
    g.forEach((v, i) => void assert.ok(Object.is(Math.abs(v), zeroInfinity || i % 6 > 2 ? 0 : Number.NaN)));
  }
  const odd = w.tensor([3], { dtype: "int32" });
  assert.equal(await values(w.ctcLoss(w.logSoftmax(w.ones([2, 3]), 1), odd, 2, 1)), [Number.POSITIVE_INFINITY]);
});

test("ctcLoss captured is ctcLoss", async () => {
  const run = (x: w.Tensor, y: w.Tensor, lengths: w.Tensor): w.Tensor[] => {
    x.requiresGrad = true;
    const loss = w.ctcLoss(w.logSoftmax(x, 2), y, [6, 4, 6], lengths);
    return [loss, w.grad(loss, [x])[0]!];
  };
  const captured = w.capture((x: w.Tensor, y: w.Tensor, lengths: w.Tensor) => run(x.mul(1), y, lengths));
  for (let i = 0; i < 4; i++) {
    const given = [w.randn([6, 3, 5]), w.randint(1, 5, [3, 3]), w.randint(0, 4, [3])] as const;
    const [a, b] = [await captured(...given), run(given[0].mul(1), given[1], given[2])];
    for (const k of [0, 1]) assert.equal(await values(a[k]!), await values(b[k]!));
  }
});

test("a loss learns in a captured step as in an eager one", async () => {
  const build = (): { layer: nn.Linear; step: (a: w.Tensor, b: w.Tensor) => w.Tensor } => {
    const layer = new nn.Linear(3, 3);
    const optimizer = new w.optim.SGD(layer.parameters(), { lr: 1 });
    const criterion = new nn.BCEWithLogitsLoss({ posWeight: w.tensor([1, 2, 3]) });
    const step = (a: w.Tensor, b: w.Tensor): w.Tensor => {
      optimizer.zeroGrad();
      const loss = criterion.forward(w.gelu(layer.forward(a)), b);
      loss.backward();
      optimizer.step();
      return loss;
    };
    return { layer, step };
  };
  w.manualSeed(3);
  const [eager, other] = [build(), build()];
  other.layer.loadStateDict(eager.layer.stateDict());
  const captured = w.capture(other.step);
  let [first, last] = [0, 0];
  for (let i = 0; i < 30; i++) {
    const [expected, got] = [await eager.step(x, y).item(), await (await captured(x, y)).item()];
    assert.ok(Math.abs(expected - got) < 1e-6, `step ${i}: ${expected} and ${got}`);
    if (i === 0) first = got;
    last = got;
  }
  assert.ok(last < 0.9 * first, `${first} to ${last}`);
});

test.after(() => device.dispose());
test.run();
