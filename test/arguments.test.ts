// What is written is never ignored: options of every public function, PyTorch's positional forms, what `tensor()` takes, what
// JavaScript would do with a tensor silently, tensors that are the user's, and calls whose error says what to write.
import { runInNewContext } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { autocast, GradScaler } from "../src/amp/index.ts";
import * as datasets from "../src/data/index.ts";
import * as w from "../src/index.ts";
import { nn, optim, type Tensor, tensor, WasmgradError } from "../src/index.ts";

// biome-ignore lint/suspicious/noExplicitAny: wrong programs
type Any = any;
const device = await w.init({ threads: 1 });
const { ones, zeros } = w;
const ALL: Any = { ...w };
const leaf = (...shape: number[]): Tensor => ones(shape, { requiresGrad: true });
const image = (): Tensor => ones([1, 2, 4, 4]);
const values = (x: Tensor): unknown => JSON.parse(JSON.stringify(x));

/** The message of the package's error. */
async function refused(f: () => unknown): Promise<string> {
  try {
    await f();
  } catch (error) {
    assert.instance(error, WasmgradError, `${(error as Error).stack}`);
    return (error as Error).message;
  }
  return "nothing was thrown";
}

/** Every public function that takes options: a good call, and options that it knows. */
const WITH_OPTIONS: Record<string, [call: (options: Any) => unknown, ...known: object[]]> = {
  add: [(o) => w.add(ones([2]), ones([2]), o), { alpha: 2 }],
  sub: [(o) => w.sub(ones([2]), 1, o), { alpha: 2 }],
  add_: [(o) => w.add_(ones([2]), ones([2]), o), { alpha: 2 }],
  sub_: [(o) => w.sub_(ones([2]), 1, o), { alpha: 2 }],
  div: [(o) => w.div(ones([2]), 2, o), { roundingMode: "floor" }],
  addcmul: [(o) => w.addcmul(ones([2]), ones([2]), ones([2]), o), { value: 2 }],
  addcdiv: [(o) => w.addcdiv(ones([2]), ones([2]), ones([2]), o), { value: 2 }],
  logit: [(o) => w.logit(ones([2]), o), { eps: 0.1 }],
  nanToNum: [(o) => w.nanToNum(ones([2]), o), { nan: 1, posinf: 2, neginf: null }],
  isclose: [(o) => w.isclose(ones([2]), ones([2]), o), { rtol: 0, atol: 1, equalNan: true }],
  clamp: [(o) => w.clamp(ones([2]), { min: 0, ...o }), { max: 1 }],
  conv2d: [(o) => w.conv2d(image(), ones([2, 2, 1, 1]), null, o), { stride: 2, padding: 1, dilation: 1, groups: 1 }],
  maxPool2d: [(o) => w.maxPool2d(image(), 2, o), { stride: 1, padding: 1, dilation: 1, ceilMode: true }],
  avgPool2d: [(o) => w.avgPool2d(image(), 2, o), { stride: 1, padding: 1, ceilMode: true, countIncludePad: false }],
  empty: [(o) => w.empty([2], o), { dtype: "int32", device, requiresGrad: false }],
  zeros: [(o) => zeros([2], o), { dtype: "int32" }],
  ones: [(o) => ones([2], o), { requiresGrad: true }],
  full: [(o) => w.full([2], 1, o), { dtype: "bool" }],
  emptyLike: [(o) => w.emptyLike(ones([2]), o), { dtype: "int32" }],
  zerosLike: [(o) => w.zerosLike(ones([2]), o), { requiresGrad: true }],
  onesLike: [(o) => w.onesLike(ones([2]), o), { device }],
  fullLike: [(o) => w.fullLike(ones([2]), 1, o), { dtype: "int32" }],
  arange: [(o) => (o === undefined ? w.arange(3) : w.arange(3, o)), { dtype: "float32", requiresGrad: true }],
  tensor: [(o) => tensor([1, 2], o), { shape: [2, 1], dtype: "int32" }],
  rand: [(o) => w.rand([2], o), { requiresGrad: true }],
  randn: [(o) => w.randn([2], o), { device }],
  randint: [(o) => w.randint(0, 3, [2], o), { dtype: "float32", requiresGrad: true }],
  randLike: [(o) => w.randLike(ones([2]), o), { requiresGrad: true }],
  randnLike: [(o) => w.randnLike(ones([2]), o), { requiresGrad: true }],
  randintLike: [(o) => w.randintLike(ones([2]), 0, 3, o), { dtype: "bool" }],
  sum: [(o) => w.sum(ones([2, 3]), o), { dim: 1, keepdim: true }],
  mean: [(o) => w.mean(ones([2, 3]), o), { dim: [0, 1] }],
  amax: [(o) => w.amax(ones([2, 3]), o), { keepdim: true }],
  amin: [(o) => w.amin(ones([2, 3]), o), { dim: -1 }],
  crossEntropy: [
    (o) => w.crossEntropy(ones([2, 3]), zeros([2], { dtype: "int32" }), o),
    { reduction: "sum", weight: ones([3]), ignoreIndex: 1, labelSmoothing: 0.1 },
  ],
  nllLoss: [(o) => w.nllLoss(ones([2, 3]), zeros([2], { dtype: "int32" }), o), { ignoreIndex: 1, weight: null }],
  mseLoss: [(o) => w.mseLoss(ones([2]), ones([2]), o), { reduction: "none" }],
  binaryCrossEntropy: [(o) => w.binaryCrossEntropy(ones([2]), ones([2]), o), { weight: ones([2]), reduction: "sum" }],
  binaryCrossEntropyWithLogits: [
    (o) => w.binaryCrossEntropyWithLogits(ones([2]), ones([2]), o),
    { weight: ones([2]), posWeight: ones([2]), reduction: "sum" },
  ],
  ctcLoss: [
    (o) => w.ctcLoss(ones([4, 1, 3]), ones([1, 2], { dtype: "int32" }), [4], [2], o),
    { reduction: "sum", blank: 2, zeroInfinity: true },
  ],
  l1Loss: [(o) => w.l1Loss(ones([2]), ones([2]), o), { reduction: "none" }],
  smoothL1Loss: [(o) => w.smoothL1Loss(ones([2]), ones([2]), o), { reduction: "none", beta: 0 }],
  huberLoss: [(o) => w.huberLoss(ones([2]), ones([2]), o), { reduction: "none", delta: 2 }],
  klDiv: [(o) => w.klDiv(ones([2]), ones([2]), o), { reduction: "batchmean", logTarget: true }],
  poissonNllLoss: [
    (o) => w.poissonNllLoss(ones([2]), ones([2]), o),
    { reduction: "sum", logInput: false, full: true, eps: 1e-6 },
  ],
  gaussianNllLoss: [
    (o) => w.gaussianNllLoss(ones([2]), ones([2]), ones([2]), o),
    { reduction: "sum", full: true, eps: 1e-3 },
  ],
  softMarginLoss: [(o) => w.softMarginLoss(ones([2]), ones([2]), o), { reduction: "none" }],
  hingeEmbeddingLoss: [(o) => w.hingeEmbeddingLoss(ones([2]), ones([2]), o), { reduction: "none", margin: 2 }],
  marginRankingLoss: [
    (o) => w.marginRankingLoss(ones([2]), ones([2]), ones([2]), o),
    { reduction: "none", margin: -1 },
  ],
  multiMarginLoss: [
    (o) => w.multiMarginLoss(ones([2, 3]), zeros([2], { dtype: "int32" }), o),
    { reduction: "sum", p: 2, margin: 0, weight: ones([3]) },
  ],
  multilabelMarginLoss: [
    (o) => w.multilabelMarginLoss(ones([2, 3]), zeros([2, 3], { dtype: "int32" }), o),
    { reduction: "none" },
  ],
  multilabelSoftMarginLoss: [
    (o) => w.multilabelSoftMarginLoss(ones([2, 3]), ones([2, 3]), o),
    { reduction: "none", weight: ones([3]) },
  ],
  cosineEmbeddingLoss: [
    (o) => w.cosineEmbeddingLoss(ones([2, 3]), ones([2, 3]), ones([2]), o),
    { reduction: "none", margin: 0.5 },
  ],
  tripletMarginLoss: [
    (o) => w.tripletMarginLoss(ones([2, 3]), ones([2, 3]), ones([2, 3]), o),
    { reduction: "none", margin: 2, p: 1, eps: 1e-3, swap: true },
  ],
  tripletMarginWithDistanceLoss: [
    (o) => w.tripletMarginWithDistanceLoss(ones([2, 3]), ones([2, 3]), ones([2, 3]), o),
    { reduction: "none", margin: 2, swap: true, distanceFunction: w.pairwiseDistance },
  ],
  cosineSimilarity: [(o) => w.cosineSimilarity(ones([2, 3]), ones([2, 3]), o), { dim: 0, eps: 1e-6 }],
  pairwiseDistance: [(o) => w.pairwiseDistance(ones([2, 3]), ones([2, 3]), o), { p: 1, eps: 0, keepdim: true }],
  gelu: [(o) => w.gelu(ones([2]), o), { approximate: "tanh" }],
  layerNorm: [(o) => w.layerNorm(ones([2, 3]), 3, null, null, o), { eps: 1e-3 }],
  backward: [(o) => leaf(2).sum().backward(null, o), { retainGraph: true, createGraph: false }],
  "backward (options alone)": [(o) => leaf(2).sum().backward(o), { retainGraph: true }],
  grad: [
    (o) => {
      const x = leaf(2);
      return w.grad(x.sum(), [x], o);
    },
    { retainGraph: true, createGraph: true, gradient: ones([]) },
  ],
  Linear: [(o) => new nn.Linear(2, 3, o), { bias: false, device }],
  Conv2d: [(o) => new nn.Conv2d(2, 2, 3, o), { stride: 1, padding: 1, dilation: 1, groups: 2, bias: false }],
  LayerNorm: [(o) => new nn.LayerNorm(3, o), { eps: 1, elementwiseAffine: true, bias: false }],
  Flatten: [(o) => new nn.Flatten(o), { startDim: 0, endDim: 1 }],
  MaxPool2d: [(o) => new nn.MaxPool2d(2, o), { stride: 1, padding: 1, dilation: 1, ceilMode: true }],
  AvgPool2d: [(o) => new nn.AvgPool2d(2, o), { stride: 1, countIncludePad: false, divisorOverride: 2 }],
  CrossEntropyLoss: [(o) => new nn.CrossEntropyLoss(o), { weight: ones([3]), ignoreIndex: 1, labelSmoothing: 0.1 }],
  NLLLoss: [(o) => new nn.NLLLoss(o), { weight: ones([3]), ignoreIndex: 1, reduction: "sum" }],
  MSELoss: [(o) => new nn.MSELoss(o), { reduction: "sum" }],
  BCELoss: [(o) => new nn.BCELoss(o), { weight: ones([3]), reduction: "sum" }],
  BCEWithLogitsLoss: [
    (o) => new nn.BCEWithLogitsLoss(o),
    { weight: ones([3]), posWeight: ones([3]), reduction: "sum" },
  ],
  CTCLoss: [(o) => new nn.CTCLoss(o), { reduction: "sum", blank: 2, zeroInfinity: true }],
  L1Loss: [(o) => new nn.L1Loss(o), { reduction: "sum" }],
  SmoothL1Loss: [(o) => new nn.SmoothL1Loss(o), { reduction: "sum", beta: 0 }],
  HuberLoss: [(o) => new nn.HuberLoss(o), { reduction: "sum", delta: 2 }],
  KLDivLoss: [(o) => new nn.KLDivLoss(o), { reduction: "batchmean", logTarget: true }],
  PoissonNLLLoss: [(o) => new nn.PoissonNLLLoss(o), { reduction: "sum", logInput: false, full: true, eps: 1e-6 }],
  GaussianNLLLoss: [(o) => new nn.GaussianNLLLoss(o), { reduction: "sum", full: true, eps: 1e-3 }],
  SoftMarginLoss: [(o) => new nn.SoftMarginLoss(o), { reduction: "sum" }],
  HingeEmbeddingLoss: [(o) => new nn.HingeEmbeddingLoss(o), { reduction: "sum", margin: 2 }],
  MarginRankingLoss: [(o) => new nn.MarginRankingLoss(o), { reduction: "sum", margin: -1 }],
  MultiMarginLoss: [(o) => new nn.MultiMarginLoss(o), { reduction: "sum", p: 2, margin: 0, weight: ones([3]) }],
  MultiLabelMarginLoss: [(o) => new nn.MultiLabelMarginLoss(o), { reduction: "sum" }],
  MultiLabelSoftMarginLoss: [(o) => new nn.MultiLabelSoftMarginLoss(o), { reduction: "sum", weight: ones([3]) }],
  CosineEmbeddingLoss: [(o) => new nn.CosineEmbeddingLoss(o), { reduction: "sum", margin: 0.5 }],
  TripletMarginLoss: [(o) => new nn.TripletMarginLoss(o), { reduction: "sum", margin: 2, p: 1, eps: 1e-3, swap: true }],
  TripletMarginWithDistanceLoss: [
    (o) => new nn.TripletMarginWithDistanceLoss(o),
    { reduction: "sum", margin: 2, swap: true, distanceFunction: w.pairwiseDistance },
  ],
  GELU: [(o) => new nn.GELU(o), { approximate: "tanh" }],
  PReLU: [(o) => new nn.PReLU(3, o), { init: 0.1, device }],
  registerBuffer: [(o) => new nn.Identity().registerBuffer("b", ones([1]), o), { persistent: false }],
  loadStateDict: [(o) => new nn.Identity().loadStateDict({}, o), { strict: false }],
  xavierUniform_: [(o) => nn.init.xavierUniform_(ones([2, 2]), o), { gain: 2 }],
  xavierNormal_: [(o) => nn.init.xavierNormal_(ones([2, 2]), o), { gain: 2 }],
  kaimingUniform_: [(o) => nn.init.kaimingUniform_(ones([2, 2]), o), { a: 1, mode: "fanOut", nonlinearity: "relu" }],
  orthogonal_: [(o) => nn.init.orthogonal_(ones([2, 2]), o), { gain: 2 }],
  sparse_: [(o) => nn.init.sparse_(ones([2, 2]), 0.5, o), { std: 2 }],
  clipGradNorm_: [(o) => nn.utils.clipGradNorm_([leaf(2)], 1, o), { normType: 1, errorIfNonfinite: false }],
  kaimingNormal_: [(o) => nn.init.kaimingNormal_(ones([2, 2]), o), { mode: "fanIn" }],
  SGD: [(o) => new optim.SGD([leaf(2)], o), { lr: 1, momentum: 0.9, weightDecay: 1 }],
  Adam: [(o) => new optim.Adam([leaf(2)], o), { lr: 1, betas: [0.5, 0.5], eps: 1, weightDecay: 1 }],
  AdamW: [(o) => new optim.AdamW([leaf(2)], o), { amsgrad: true, maximize: true }],
  Adadelta: [(o) => new optim.Adadelta([leaf(2)], o), { lr: 1, rho: 0.5, eps: 1, weightDecay: 1, maximize: true }],
  Adagrad: [(o) => new optim.Adagrad([leaf(2)], o), { lrDecay: 1, initialAccumulatorValue: 1, maximize: true }],
  Adamax: [(o) => new optim.Adamax([leaf(2)], o), { betas: [0.5, 0.5], eps: 1, weightDecay: 1, maximize: true }],
  ASGD: [(o) => new optim.ASGD([leaf(2)], o), { lambd: 1, alpha: 1, t0: 1, weightDecay: 1, maximize: true }],
  NAdam: [(o) => new optim.NAdam([leaf(2)], o), { momentumDecay: 1, decoupledWeightDecay: true, maximize: true }],
  RAdam: [(o) => new optim.RAdam([leaf(2)], o), { eps: 1, decoupledWeightDecay: true, maximize: true }],
  RMSprop: [(o) => new optim.RMSprop([leaf(2)], o), { alpha: 0.5, momentum: 1, centered: true, maximize: true }],
  Rprop: [(o) => new optim.Rprop([leaf(2)], o), { etas: [0.5, 2], stepSizes: [0, 1], maximize: true }],
  SparseAdam: [(o) => new optim.SparseAdam([leaf(2)], o), { lr: 1, betas: [0.5, 0.5], eps: 1, maximize: true }],
  Muon: [
    (o) => new optim.Muon([leaf(2, 3)], o),
    { momentum: 0.5, nesterov: false, nsSteps: 3, adjustLrFn: "original" },
  ],
  LBFGS: [
    (o) => new optim.LBFGS([leaf(2)], o),
    { maxIter: 2, maxEval: 3, toleranceGrad: 0, lineSearchFn: "strongWolfe" },
  ],
  setSparseGrad: [
    (o) => w.setSparseGrad(leaf(2), { indices: zeros([1], { dtype: "int32" }), values: ones([1]), size: [2], ...o }),
    { size: [2] },
  ],
  zeroGrad: [(o) => new optim.SGD([leaf(2)]).zeroGrad(o), { setToNone: false }],
  addParamGroup: [(o) => new optim.SGD([leaf(2)]).addParamGroup({ params: leaf(1), ...o }), { lr: 1 }],
  LinearLR: [
    (o) => new optim.lrScheduler.LinearLR(new optim.SGD([leaf(2)]), o),
    { startFactor: 0.5, endFactor: 1, totalIters: 3 },
  ],
  ConstantLR: [
    (o) => new optim.lrScheduler.ConstantLR(new optim.SGD([leaf(2)]), o),
    { factor: 0.5, totalIters: 3, lastEpoch: -1 },
  ],
  PolynomialLR: [(o) => new optim.lrScheduler.PolynomialLR(new optim.SGD([leaf(2)]), o), { totalIters: 3, power: 2 }],
  StepLR: [
    (o = { stepSize: 3 }) => new optim.lrScheduler.StepLR(new optim.SGD([leaf(2)]), o),
    { stepSize: 3, gamma: 0.5 },
  ],
  MultiStepLR: [
    (o = { milestones: [] }) => new optim.lrScheduler.MultiStepLR(new optim.SGD([leaf(2)]), o),
    { milestones: [3], gamma: 0.5 },
  ],
  ExponentialLR: [
    (o = { gamma: 1 }) => new optim.lrScheduler.ExponentialLR(new optim.SGD([leaf(2)]), o),
    { gamma: 0.5 },
  ],
  CosineAnnealingLR: [
    (o = { TMax: 3 }) => new optim.lrScheduler.CosineAnnealingLR(new optim.SGD([leaf(2)]), o),
    { TMax: 3, etaMin: 0.5 },
  ],
  CosineAnnealingWarmRestarts: [
    (o = { T0: 3 }) => new optim.lrScheduler.CosineAnnealingWarmRestarts(new optim.SGD([leaf(2)]), o),
    { T0: 3, TMult: 2, etaMin: 0.5 },
  ],
  OneCycleLR: [
    (o = { maxLr: 1, totalSteps: 2 }) =>
      new optim.lrScheduler.OneCycleLR(new optim.SGD([leaf(2)], { momentum: 0.5 }), o),
    { maxLr: 1, epochs: 3, stepsPerEpoch: 4, threePhase: true, cycleMomentum: true, annealStrategy: "linear" },
  ],
  CyclicLR: [
    (o = { baseLr: 1, maxLr: 1 }) => new optim.lrScheduler.CyclicLR(new optim.Adam([leaf(2)]), o),
    { baseLr: 0.5, maxLr: 1, stepSizeUp: 3, stepSizeDown: null, mode: "triangular2", cycleMomentum: true },
  ],
  LambdaLR: [(o) => new optim.lrScheduler.LambdaLR(new optim.SGD([leaf(2)]), () => 1, o), { lastEpoch: -1 }],
  MultiplicativeLR: [
    (o) => new optim.lrScheduler.MultiplicativeLR(new optim.SGD([leaf(2)]), () => 1, o),
    { lastEpoch: -1 },
  ],
  SWALR: [
    (o = { swaLr: 1 }) => new optim.lrScheduler.SWALR(new optim.SGD([leaf(2)]), o),
    { swaLr: 1, annealEpochs: 3, annealStrategy: "linear" },
  ],
  ReduceLROnPlateau: [
    (o) => new optim.lrScheduler.ReduceLROnPlateau(new optim.SGD([leaf(2)]), o),
    { mode: "max", factor: 0.5, patience: 0, thresholdMode: "abs", cooldown: 1, minLr: 0, eps: 0 },
  ],
  SequentialLR: [
    (o = []) => {
      const optimizer = new optim.SGD([leaf(2)]);
      return new optim.lrScheduler.SequentialLR(optimizer, [new optim.lrScheduler.ConstantLR(optimizer)], o);
    },
    { milestones: [] },
  ],
  AveragedModel: [
    (o) => new optim.swaUtils.AveragedModel(new nn.Linear(3, 2), o),
    { multiAvgFn: optim.swaUtils.getEmaMultiAvgFn(0.5), useBuffers: true },
  ],
  autocast: [(o) => autocast(() => 1, o), { enabled: false }],
  GradScaler: [(o) => new GradScaler(o), { initScale: 2, enabled: false, growthInterval: 3 }],
  DataLoader: [
    (o) => new datasets.DataLoader(new datasets.TensorDataset(new Float32Array(2)), o),
    { batchSize: 2, shuffle: true, dropLast: true, seed: 3, device },
  ],
  TensorDataset: [
    (o) => new datasets.TensorDataset({ data: new Uint8Array(2), ...o }),
    { scale: 2, shift: 1, shape: [2] },
  ],
  drawDigits: [(o) => datasets.drawDigits({ count: 1, ...o }), { train: false, seed: 2 }],
  parseIdx: [
    (o) => datasets.parseIdx(datasets.formatIdx(new Uint8Array(2), [2]), o),
    { name: "a", dims: 1, items: "b" },
  ],
  "MNIST.load": [(o) => (o?.zzz || o === null || typeof o === "number" ? datasets.MNIST.load(o) : null)],
  load: [async (o) => w.load(await w.saveSafetensors({ x: ones([1]) }), o), { device }],
  init: [async (o) => (o?.threads ? null : w.init(o === undefined ? { device } : o)), { threads: 1 }],
  calibrate: [(o) => (o && "zzz" in o ? w.calibrate(new nn.Linear(2, 2), ones([1, 2]), o) : null)],
};

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
/** Where a call spreads its options into others, what is no object adds nothing. */
const SPREAD = ["clamp", "addParamGroup", "setSparseGrad", "TensorDataset", "drawDigits", "calibrate"];

test("an option that nobody reads is an error in every function, and says ours for PyTorch's", async () => {
  for (const [name, [call, ...known]] of Object.entries(WITH_OPTIONS)) {
    await call(undefined);
    for (const options of known) await call(options);
    const message = await refused(() => call({ zzz: 1 }));
    assert.match(message, /^[\w.]+( \(wasm\))?: unknown option zzz: it takes \w+/, name);
    for (const key of known.flatMap((options) => Object.keys(options))) {
      if (snake(key) === key) continue;
      const said = await refused(() => call({ [snake(key)]: 1 }));
      assert.match(said, new RegExp(`unknown option ${snake(key)}, here ${key}: it takes `), name);
    }
    const flags = known.flatMap((options) => Object.entries(options)).filter(([, v]) => typeof v === "boolean");
    for (const [key] of flags)
      for (const odd of ["no", 0, null])
        assert.match(
          await refused(() => call({ [key]: odd })),
          new RegExp(`${key} ("no"|0|null): true or false is expected`),
          name,
        );
    if (SPREAD.includes(name)) continue;
    for (const odd of [null, 5, [1], "a", Promise.resolve({}), new nn.Linear(2, 2), new nn.Dropout()]) {
      if (name === "init" || name === "MNIST.load" ? odd === null : true) {
        if (["sum", "mean", "amax", "amin"].includes(name) && (odd === 5 || Array.isArray(odd))) continue;
        if (name === "arange" && odd === 5) continue;
        if (name.startsWith("backward (") && odd === null) continue;
        assert.match(await refused(() => call(odd)), /expected|unknown option/, `${name}: ${String(odd)}`);
      }
    }
  }
  w.setDefaultDevice(device);
});

/** They share their code with `add_`. */
const WITHOUT = ["mul_", "div_"];

test("no public function that takes options is left out", () => {
  const all = { ...w, ...nn.init, ...nn.utils, ...datasets };
  const taking = Object.entries(all).filter(([, f]) => typeof f === "function" && /[oO]ptions/.test(String(f)));
  assert.ok(taking.length > 30);
  const missing = taking.map(([name]) => name).filter((name) => !(name in WITH_OPTIONS) && !WITHOUT.includes(name));
  assert.equal(missing, []);
});

test("PyTorch's old names, and the method's own form", async () => {
  assert.match(await refused(() => ones([2]).sum({ axis: 0 } as Any)), /unknown option axis, here dim/);
  assert.match(await refused(() => ones([2]).sum({ dims: 0 } as Any)), /unknown option dims, here dim/);
  assert.match(await refused(() => ones([2]).sum({ keepDims: true } as Any)), /here keepdim/);
  assert.match(await refused(() => w.mseLoss(ones([2]), ones([2]), { size_average: true } as Any)), /here reduction/);
  assert.match(await refused(() => new optim.SGD([leaf(1)], 0.1 as Any)), /\{ lr: 0.1 \}/);
  for (const model of [new nn.Linear(1, 1), new nn.Sequential(new nn.Linear(1, 1)), 5, null])
    assert.match(await refused(() => new optim.SGD(model as Any)), /is expected, such as model\.parameters\(\)$/);
  assert.match(await refused(() => new nn.Conv2d(1, 1, 3, 2 as Any)), /\{ stride: 2 \}/);
  assert.match(
    await refused(() => w.conv2d(image(), ones([2, 2, 1, 1]), null, { pading: 1 } as Any)),
    /pading: it takes/,
  );
  assert.match(await refused(() => zeros([2], { dtyp: "int32" } as Any)), /dtyp: it takes dtype/);
});

test("a layer that takes nothing, or nothing more, says so", async () => {
  const inplace = { inplace: true };
  const layers: Any = { ...nn };
  for (const make of [
    () => new layers.ReLU(inplace),
    () => new layers.Tanh(inplace),
    () => new layers.Sigmoid(inplace),
    () => new layers.Identity(inplace),
    () => new layers.Dropout(0.5, inplace),
    () => new layers.Softmax(1, inplace),
    () => new layers.LogSoftmax(1, inplace),
    () => new layers.LeakyReLU(0.1, inplace),
    () => new layers.ReLU6(inplace),
    () => new layers.SiLU(inplace),
  ])
    assert.match(await refused(make), /^\w+: \{ inplace \} was given: no argument is expected there/, String(make));
  assert.match(
    await refused(
      () => new datasets.DataLoader(new datasets.TensorDataset(new Float32Array(2)), { shuffle: "no" } as Any),
    ),
    /DataLoader: shuffle "no": true or false is expected/,
  );
});

test("reductions take dims as PyTorch does", async () => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  for (const [form, by] of [
    ["a method", (name: "sum", ...rest: Any[]) => x[name](...rest)],
    ["a function", (name: "sum", ...rest: Any[]) => ALL[name](x, ...rest)],
  ] as const) {
    assert.equal(values(by("sum", 1)), [6, 15], form);
    assert.equal(values(by("sum", [0])), [5, 7, 9], form);
    assert.equal(values(by("sum", [0, 1])), 21, form);
    assert.equal(values(by("sum", -1, true)), [[6], [15]], form);
    assert.equal(values(by("sum", undefined, true)), [[21]], form);
    assert.equal(values(by("mean" as "sum", 0)), [2.5, 3.5, 4.5], form);
    assert.equal(values(by("amax" as "sum", 1, true)), [[3], [6]], form);
    assert.equal(values(by("amin" as "sum", [0, 1])), 1, form);
  }
  assert.match(await refused(() => x.sum(0, 1 as Any)), /sum: keepdim 1: true or false is expected/);
  assert.match(await refused(() => x.max(0, 1 as Any)), /max: keepdim 1/);
  const p = leaf(2, 3);
  p.sum(1)
    .mul(tensor([1, 2]))
    .sum()
    .backward();
  assert.equal(values(p.grad!), [
    [1, 1, 1],
    [2, 2, 2],
  ]);
});

test("a dtype is honoured or refused, and no number wraps", async () => {
  const x = w.randint(0, 5, [100], { dtype: "float32" });
  assert.is(x.dtype, "float32");
  assert.ok([...x.dataSync()].every((v) => Number.isInteger(v) && v >= 0 && v < 5));
  assert.is(w.randint(0, 2, [3], { dtype: "bool" }).dtype, "bool");
  assert.match(await refused(() => w.rand([2], { dtype: "int32" })), /rand: dtype "int32": one of float32, float16/);
  assert.match(await refused(() => w.randn([2], { dtype: "bool" })), /randn: dtype "bool"/);
  for (const f of [
    () => w.full([1], 3e9, { dtype: "int32" }),
    () => w.full([1], Number.NaN, { dtype: "int32" }),
    () => w.arange(3e9, 3e9 + 2),
    () => w.arange(2 ** 31 - 1, 2 ** 31 + 2),
    () => zeros([1], { dtype: "int32" }).fill_(-3e9),
    () => w.fullLike(zeros([1], { dtype: "int32" }), 3e9),
    () => w.randint(2 ** 31 - 2, 2 ** 31 + 5, [1]),
    () => w.arange(0, 2, 0.5, { dtype: "int32" }),
  ])
    assert.match(await refused(f), /int32/, String(f));
  assert.equal([...w.arange(2 ** 31 - 2, 2 ** 31).dataSync()], [2 ** 31 - 2, 2 ** 31 - 1]);
  assert.equal(values(w.full([2], -2.7, { dtype: "int32" })), [-2, -2]);
  assert.is(w.zerosLike(zeros([1], { dtype: "int32" }), { dtype: undefined }).dtype, "int32");
});

test("tensor() takes rows that are typed arrays or tensors, and a tensor", async () => {
  assert.equal(values(tensor([Float32Array.of(1, 2), Float32Array.of(3, 4)])), [
    [1, 2],
    [3, 4],
  ]);
  assert.is(tensor([Int32Array.of(1)]).dtype, "int32");
  assert.equal(values(tensor([tensor(1), tensor(2)])), [1, 2]);
  const turned = tensor([
    [1, 2],
    [3, 4],
  ]).t();
  assert.equal(values(tensor([[turned], [turned.add(1)]])), [
    [
      [
        [1, 3],
        [2, 4],
      ],
    ],
    [
      [
        [2, 4],
        [3, 5],
      ],
    ],
  ]);
  const p = leaf(2);
  const copy = tensor(p);
  assert.not.ok(copy.requiresGrad);
  w.noGrad(() => p.fill_(5));
  assert.equal(values(copy), [1, 1]);
  assert.is(tensor(tensor([1, 2]), { dtype: "int32" }).dtype, "int32");
  assert.ok(tensor(p, { requiresGrad: true }).requiresGrad);
  assert.equal(values(tensor([true, 2.5])), [1, 2.5]);
  assert.equal(values(tensor([true, false])), [true, false]);
  const big = tensor(BigInt64Array.of(1n, -2n));
  assert.is(big.dtype, "int32");
  assert.equal(values(big), [1, -2]);
  assert.match(await refused(() => tensor(BigInt64Array.of(2n ** 40n))), /value 1099511627776 at 0 for int32/);
});

test("tensor() says where what is no number stands", async () => {
  const cases: [unknown, RegExp][] = [
    [[undefined], /tensor: nothing at \[0\]/],
    [["a"], /"a" at \[0\]/],
    [[{}], /\{\.\.\.\} at \[0\]/],
    [[null], /null at \[0\]/],
    [[[1], [null]], /null at \[1\]\[0\]/],
    [new Array(3), /nothing at \[0\]/],
    [[1n], /a bigint at \[0\]/],
    [undefined, /tensor: nothing: a number/],
    ["1", /tensor: "1": a number/],
    [new DataView(new ArrayBuffer(4)), /a DataView: a number/],
  ];
  for (const [data, message] of cases) assert.match(await refused(() => tensor(data as Any)), message);
  assert.match(await refused(() => ones([1]).fill_("a" as Any)), /fill_: \[1\] and "a": a number is expected/);
});

test("typed arrays and options of another realm are what they are called", async () => {
  const [ints, floats, list, options] = runInNewContext(
    "[Int32Array.of(1, 2), Float32Array.of(3), [[1], [2]], {dtype: 'int32'}]",
  );
  assert.is(tensor(ints).dtype, "int32");
  assert.equal(values(tensor(ints)), [1, 2]);
  assert.equal(values(tensor(list, options)), [[1], [2]]);
  const dataset = new datasets.TensorDataset(ints, { data: runInNewContext("Uint8Array.of(1, 2)") });
  const loader = new datasets.DataLoader(dataset, { batchSize: 2 });
  for await (const [a, b] of loader)
    assert.equal(
      [values(a!), values(b!)],
      [
        [1, 2],
        [1, 2],
      ],
    );
  const bytes = await w.saveSafetensors({ x: tensor(floats) });
  const there = runInNewContext("(b) => Uint8Array.from(b)")(bytes);
  assert.equal(values((await w.load(there)).x!), [3]);
});

test("a tensor where JavaScript takes a number throws, and names the method", async () => {
  const x = ones([2]) as Any;
  let _loss: Any = 0;
  for (const f of [
    () => x * x,
    () => -x,
    () => x + 1,
    // biome-ignore lint/style/useTemplate: what a user writes
    () => "loss: " + x,
    () => x > 0.5,
    // biome-ignore lint/suspicious/noDoubleEquals: what a user writes
    () => x == 1,
    () => {
      _loss += x;
    },
    () => Math.max(x, 1),
    () => Number(x),
  ])
    assert.match(await refused(f), /mul\(\), add\(\), neg\(\) or gt\(\) is expected, item\(\) .* `\$\{x\}`/, String(f));
  assert.is(`${x}`, "tensor([1., 1.])");
  assert.is(String(x), "tensor([1., 1.])");
});

test("iteration gives rows, which are views", async () => {
  const x = tensor([
    [1, 2],
    [3, 4],
  ]);
  assert.equal([...x].map(values), [
    [1, 2],
    [3, 4],
  ]);
  for (const row of x) row.mul_(2);
  assert.equal(values(x), [
    [2, 4],
    [6, 8],
  ]);
  const [first] = x;
  assert.equal(values(first!), [2, 4]);
  const p = leaf(2, 2);
  for (const row of p) row.sum().backward();
  assert.equal(values(p.grad!), [
    [1, 1],
    [1, 1],
  ]);
  assert.match(await refused(() => [...ones([])]), /at least one dim is expected/);
});

test("JSON of a tensor is its values, or a summary", () => {
  assert.is(
    JSON.stringify({ x: tensor([[1, 2.5]]), b: tensor([true]), s: tensor(3) }),
    '{"x":[[1,2.5]],"b":[true],"s":3}',
  );
  assert.is(JSON.stringify(zeros([2, 0])), "[[],[]]");
  const large = zeros([1 << 20]);
  const start = performance.now();
  assert.is(JSON.stringify(large), '"Tensor(zeros [1048576], float32)"');
  assert.ok(performance.now() - start < 20);
  large.dispose();
  assert.match(JSON.stringify(large), /released by dispose/);
});

test("no message writes out a tensor, or any large object", async () => {
  const huge = Array.from({ length: 100_000 }, (_, i) => [i]);
  const large = zeros([1 << 20]);
  for (const odd of [large, huge, { huge }, "x".repeat(1e6), new Float32Array(1e6)]) {
    for (const f of [
      () => w.avgPool2d(image(), odd as Any),
      () => w.conv2d(image(), ones([2, 2, 1, 1]), null, { stride: odd } as Any),
      () => zeros(odd as Any),
      () => w.sum(image(), { dim: odd } as Any),
      () => w.add(image(), odd === large ? (null as Any) : (odd as Any)),
      () => new nn.Linear(odd as Any, 2),
      () => w.mseLoss(image(), image(), { reduction: odd } as Any),
      () => w.init({ threads: odd } as Any),
      () => w.zeros([1], { dtype: odd } as Any),
      () => w.noGrad(odd as Any),
    ]) {
      const start = performance.now();
      const message = await refused(f);
      assert.ok(message.length < 500, `${String(f)}: ${message.length}`);
      assert.ok(performance.now() - start < 100, String(f));
    }
  }
});

test("the user's tensors are the user's", async () => {
  const p = leaf(2);
  const optimizer = new optim.SGD([p], { lr: 1 });
  const g = ones([2]).keep();
  p.grad = g;
  optimizer.zeroGrad();
  assert.equal(values(g), [1, 1]);
  assert.ok(g.kept, "what was kept stays kept");
  w.scope(() => {
    p.grad = g;
    p.grad = null;
  });
  const model = new nn.Linear(2, 2);
  model.weight.grad = model.weight;
  model.weight.grad = null;
  assert.ok(model.weight.kept);
  const step = () => {
    const x = model.forward(ones([1, 2])).sum();
    x.backward();
    model.zeroGrad();
  };
  for (let i = 0; i < 3; i++) step();
  w.scope(step);
  assert.is((values(model.weight) as number[][]).length, 2);
  // In a captured step, which keeps the gradient's place.
  const own = ones([2]);
  const q = leaf(2);
  q.grad = own;
  const captured = w.capture((x: Tensor) => {
    q.grad = null;
    q.mul(x).sum().backward();
  });
  for (let i = 0; i < 5; i++) await captured(ones([2]));
  assert.equal(values(own), [1, 1], "a captured step neither releases nor writes it");
  const kept = ones([2]);
  q.grad = kept;
  let throws = false;
  const failing = w.capture((x: Tensor) => {
    q.grad = null;
    q.mul(x).sum().backward();
    if (throws) throw new Error("the user's");
  });
  await failing(ones([2]));
  q.grad = kept;
  throws = true;
  for (let i = 0; i < 3; i++) await failing(ones([2])).catch(() => {});
  q.grad = null;
  assert.equal(values(kept), [1, 1], "nor one that throws");
  const sum = ones([2]);
  const r = leaf(2);
  r.grad = sum;
  const adding = w.capture((x: Tensor) => {
    r.mul(x).sum().backward();
  });
  for (let i = 0; i < 6; i++) await adding(ones([2]));
  assert.equal(values(r.grad), [7, 7]);
  const before = values(sum);
  r.grad = null;
  for (let i = 0; i < 4; i++) await adding(ones([2]));
  assert.equal(values(r.grad!), [4, 4]);
  assert.equal(values(sum), before, "what was accumulated into it is the user's");
  for (let i = 0; i < 5; i++) {
    r.grad = sum.fill_(i);
    await adding(ones([2]));
    assert.equal(
      [values(r.grad!), values(sum)],
      [
        [i + 1, i + 1],
        [i + 1, i + 1],
      ],
      `set before call ${i}`,
    );
  }
});

test("calls that others read differently work, or say what to write", async () => {
  const x = ones([2]);
  const linear = new nn.Linear(3, 2);
  const told: [() => unknown, RegExp][] = [
    [() => linear.forward([[1, 2, 3]] as Any), /linear: input \[\[1,2,3\]\]: a tensor is expected/],
    [() => (w.mm as Any)(), /mm: nothing was given: a tensor is expected/],
    [() => w.mseLoss(x, 5 as Any), /mseLoss: target 5: a tensor is expected/],
    [() => w.view(x, x as Any), /view: shape a tensor \[2\]: an array of integers is expected/],
    [() => (w.permute as Any)(x), /permute: dims nothing: an array of integers is expected/],
    [() => w.scope(5 as Any), /scope: 5 was given: a function is expected/],
    [() => (w.noGrad as Any)(), /noGrad: nothing was given: a function is expected/],
    [
      () => w.save(linear as Any, undefined as Any),
      /save: a value of type Linear: the file comes first, as in save\(file, tensors\)/,
    ],
    [() => w.save("a", linear as Any), /save: a value of type Linear: .* as in model.stateDict\(\)/],
    [() => w.save({ x } as Any, "a" as Any), /save: a value of type Object: the file comes first/],
    [() => w.init({ device: {} } as Any), /init: device \{\.\.\.\}: "wasm", "webgpu", "auto" or a device is expected/],
    [() => (zeros as Any)(2, 3), /zeros: shape 2: an array of sizes is expected, such as \[2, 3\]/],
    [() => x.to(5 as Any), /to: device 5: a device is expected/],
  ];
  for (const [f, message] of told) assert.match(await refused(f), message);
  const p = tensor([1, 2], { requiresGrad: true });
  p.mul(p).sum().backward({ retainGraph: true });
  assert.equal(values(p.grad!), [2, 4]);
  assert.equal(
    w.grad(p.mul(p).sum(), p).map((g) => values(g!)),
    [[2, 4]],
  );
  assert.equal(
    w.grad([p.mul(p).sum()], [p]).map((g) => values(g!)),
    [[2, 4]],
  );
  assert.equal(values(w.div(1, tensor([2, 4]))), [0.5, 0.25]);
  assert.equal(values(w.div(1, tensor([2, 4]).int())), [0.5, 0.25]);
  assert.equal(values(w.sub(1, tensor([2, 4]))), [-1, -3]);
  assert.equal(values(w.sub(1, tensor([2, 4]), { alpha: 2 })), [-3, -7]);
  assert.equal(values(w.add(1, tensor([2, 4]).int())), [3, 5]);
  assert.equal(values(w.mul(3, tensor([2, 4]))), [6, 12]);
  p.grad = null;
  w.div(1, p).sum().backward();
  assert.equal(values(p.grad!), [-1, -0.25]);
});

test("step(closure) calls it with gradients on, and promises what it returns", async () => {
  const p = tensor([1], { requiresGrad: true });
  const optimizer = new optim.SGD([p], { lr: 0.5 });
  const closure = (): Tensor => {
    optimizer.zeroGrad();
    const loss = p.mul(p).sum();
    loss.backward();
    return loss;
  };
  const loss = await w.noGrad(() => {
    const promised: Any = optimizer.step(closure);
    return [promised];
  })[0];
  assert.is(await loss.item(), 1);
  assert.equal(values(p), [0]);
  assert.match(await refused(() => optimizer.step((async () => 1) as Any)), /promise/);
  assert.match(await refused(() => optimizer.step(5 as Any)), /SGD.step: 5 was given: a function/);
});

test("hyperparameters that are set later are held to the rules", async () => {
  for (const [make, key, value, message] of [
    [(p: Tensor) => new optim.SGD([p], { lr: 1, momentum: 0.9 }), "momentum", -1, /SGD: momentum -1/],
    [(p: Tensor) => new optim.SGD([p]), "weightDecay", "1", /SGD: weightDecay "1"/],
    [(p: Tensor) => new optim.Adam([p]), "betas", 0.5, /Adam: betas 0.5: two numbers are expected/],
    [(p: Tensor) => new optim.AdamW([p]), "eps", -1, /AdamW: eps -1/],
  ] as const) {
    const p = leaf(2);
    const optimizer = make(p);
    p.sum().backward();
    optimizer.step();
    (optimizer.paramGroups[0] as Any)[key] = value;
    assert.match(await refused(() => optimizer.step()), message);
  }
});

test.run();
