// More than a function takes is never ignored: `relu(x, { inplace: true })`, `zeroGrad({ ... })`. The test walks the public names: each
// has a good call here, which goes through as it is and is refused with an option more.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as amp from "../src/amp/index.ts";
import * as datasets from "../src/data/index.ts";
import * as w from "../src/index.ts";
import { nn, optim, Tensor, WasmgradError } from "../src/index.ts";
import { inPage } from "./place.ts";

// biome-ignore lint/suspicious/noExplicitAny: wrong programs
type Any = any;
const device = await w.init({ threads: 1 });
const { ones, zeros } = w;
const leaf = (...shape: number[]): Tensor => ones(shape, { requiresGrad: true });
const x = (): Tensor => ones([2, 3]);
const image = (): Tensor => ones([1, 2, 4, 4]);
const mask = (): Tensor => ones([2, 3], { dtype: "bool" });
/** Of a leaf of shape [2]. */
const rowGradient = (): w.SparseGrad => ({ indices: zeros([1], { dtype: "int32" }), values: ones([1]), size: [2] });
const labels = (): Tensor => zeros([2], { dtype: "int32" });

/** Losses as modules, by what they are of. */
const PAIRS = (
  "BCEWithLogitsLoss HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss MultiLabelSoftMarginLoss PoissonNLLLoss SmoothL1Loss " +
  "SoftMarginLoss"
).split(" ");
const TRIPLES = "GaussianNLLLoss MarginRankingLoss TripletMarginLoss TripletMarginWithDistanceLoss".split(" ");
const LABELS = ["CTCLoss", "CosineEmbeddingLoss", "MultiMarginLoss", "MultiLabelMarginLoss"];

/** Every argument that a function takes, by room and name. */
const FUNCTIONS: Record<string, Record<string, () => unknown[] | Promise<unknown[]>>> = {
  "": {
    ...Object.fromEntries(
      (
        "abs cos exp log neg relu sigmoid sign sin sqrt tanh tanh_ clone detach t zero_ " +
        "hardsigmoid hardswish logsigmoid mish relu6 selu silu softsign tanhshrink"
      )
        .split(" ")
        .map((name) => [name, () => [x()]]),
    ),
    ...Object.fromEntries(
      (
        "exp2 expm1 log1p log2 log10 rsqrt square reciprocal tan asin acos atan sinh cosh asinh acosh atanh erf erfc floor ceil trunc round frac sinc deg2rad rad2deg lgamma digamma erfinv isnan isinf isfinite logicalNot positive sgn " +
        "abs_ neg_ sign_ exp_ exp2_ expm1_ log_ log1p_ log2_ log10_ sqrt_ rsqrt_ square_ reciprocal_ sin_ cos_ tan_ asin_ acos_ atan_ sinh_ cosh_ asinh_ acosh_ atanh_ sigmoid_ relu_ erf_ erfc_ floor_ ceil_ trunc_ round_ frac_ sinc_ deg2rad_ rad2deg_ lgamma_ digamma_ erfinv_"
      )
        .split(" ")
        .map((name) => [name, () => [x()]]),
    ),
    ...Object.fromEntries(
      "pow fmod remainder floorDivide atan2 hypot copysign xlogy floatPower logaddexp logicalAnd logicalOr logicalXor pow_ fmod_ remainder_ floorDivide_ atan2_ hypot_ copysign_ xlogy_"
        .split(" ")
        .map((name) => [name, () => [x(), x()]]),
    ),
    ...Object.fromEntries("bitwiseAnd bitwiseOr bitwiseXor".split(" ").map((name) => [name, () => [mask(), mask()]])),
    ...Object.fromEntries("logit logit_ nanToNum nanToNum_".split(" ").map((name) => [name, () => [x(), {}]])),
    ...Object.fromEntries(
      "addcmul addcdiv addcmul_ addcdiv_".split(" ").map((name) => [name, () => [x(), x(), x(), {}]]),
    ),
    ...Object.fromEntries("lerp lerp_".split(" ").map((name) => [name, () => [x(), x(), 0.5]])),
    bitwiseNot: () => [mask()],
    isclose: () => [x(), x(), {}],
    div: () => [x(), x(), {}],
    clamp_: () => [x(), { min: 0 }],
    ...Object.fromEntries(
      "mul maximum minimum eq ne lt le gt ge heaviside copy_ mul_ div_"
        .split(" ")
        .map((name) => [name, () => [x(), x()]]),
    ),
    ...Object.fromEntries("add sub add_ sub_".split(" ").map((name) => [name, () => [x(), x(), { alpha: 2 }]])),
    ...Object.fromEntries(
      "sum mean max min amax amin argmax argmin".split(" ").map((name) => [name, () => [x(), 0, true]]),
    ),
    ...Object.fromEntries("empty zeros ones rand randn".split(" ").map((name) => [name, () => [[2], {}]])),
    ...Object.fromEntries(
      "emptyLike zerosLike onesLike randLike randnLike".split(" ").map((name) => [name, () => [x(), {}]]),
    ),
    ...Object.fromEntries("noGrad enableGrad scope".split(" ").map((name) => [name, () => [() => 1]])),
    ...Object.fromEntries("reshape view".split(" ").map((name) => [name, () => [x(), [3, 2]]])),
    full: () => [[2], 1, {}],
    fullLike: () => [x(), 1, {}],
    arange: () => [0, 3, 1, {}],
    tensor: () => [[1, 2], {}],
    randint: () => [0, 3, [2], {}],
    randintLike: () => [x(), 0, 3, {}],
    setSparseGrad: () => [leaf(2), rowGradient()],
    getSparseGrad: () => [leaf(2)],
    manualSeed: () => [1, device],
    dropout: () => [x(), 0.5, true],
    uniform_: () => [x(), 0, 1],
    normal_: () => [x(), 0, 1],
    fill_: () => [x(), 1],
    maskedFill: () => [x(), mask(), 1],
    maskedFill_: () => [x(), mask(), 1],
    where: () => [mask(), x(), x()],
    clamp: () => [x(), { min: 0 }],
    expand: () => [ones([3]), [2, 3]],
    flatten: () => [x(), 0, 1],
    movedim: () => [x(), 0, 1],
    permute: () => [x(), [1, 0]],
    squeeze: () => [ones([1, 2]), 0],
    unsqueeze: () => [x(), 0],
    transpose: () => [x(), 0, 1],
    narrow: () => [x(), 0, 0, 1],
    select: () => [x(), 0, 0],
    slice: () => [x(), 0, 0, 1, 1],
    diagonal: () => [x(), 0, 0, 1],
    unbind: () => [x(), 0],
    split: () => [x(), 1, 0],
    chunk: () => [x(), 2, 0],
    matmul: () => [x(), ones([3, 2])],
    mm: () => [x(), ones([3, 2])],
    linear: () => [x(), ones([4, 3]), ones([4])],
    conv2d: () => [image(), ones([2, 2, 1, 1]), ones([2]), {}],
    maxPool2d: () => [image(), 2, {}],
    avgPool2d: () => [image(), 2, {}],
    layerNorm: () => [x(), 3, ones([3]), ones([3]), {}],
    softmax: () => [x(), 1],
    logSoftmax: () => [x(), 1],
    ...Object.fromEntries(
      "celu elu hardshrink leakyRelu softshrink".split(" ").map((name) => [name, () => [x(), 0.5]]),
    ),
    gelu: () => [x(), {}],
    glu: () => [image(), -1],
    hardtanh: () => [x(), -1, 1],
    prelu: () => [x(), ones([1])],
    rrelu: () => [x(), 0.1, 0.3, true],
    softmin: () => [x(), 1],
    softplus: () => [x(), 1, 20],
    threshold: () => [x(), 1, 20],
    crossEntropy: () => [x(), labels(), {}],
    ...Object.fromEntries(
      (
        "binaryCrossEntropyWithLogits hingeEmbeddingLoss huberLoss klDiv l1Loss multilabelSoftMarginLoss poissonNllLoss " +
        "smoothL1Loss softMarginLoss cosineSimilarity pairwiseDistance"
      )
        .split(" ")
        .map((name) => [name, () => [x(), x(), {}]]),
    ),
    ...Object.fromEntries(
      "gaussianNllLoss marginRankingLoss tripletMarginLoss tripletMarginWithDistanceLoss"
        .split(" ")
        .map((name) => [name, () => [x(), x(), x(), {}]]),
    ),
    cosineEmbeddingLoss: () => [x(), x(), ones([2]), {}],
    ctcLoss: () => [ones([4, 1, 3]), ones([1, 2], { dtype: "int32" }), [4], [2], {}],
    multiMarginLoss: () => [x(), labels(), {}],
    multilabelMarginLoss: () => [x(), zeros([2, 3], { dtype: "int32" }), {}],
    nllLoss: () => [x(), labels(), {}],
    mseLoss: () => [x(), x(), {}],
    binaryCrossEntropy: () => [x(), x(), {}],
    backward: () => [leaf(2).sum(), null, {}],
    grad: () => {
      const p = leaf(2);
      return [p.sum(), [p], {}];
    },
    capture: () => [() => ones([1])],
    calibrate: () => [new nn.Linear(3, 2), x(), { devices: [device], batches: [1], steps: 1 }],
    defaultDevice: () => [],
    setDefaultDevice: () => [device],
    info: () => [device],
    memory: () => [device],
    flush: () => [device],
    init: () => [{ device }],
    load: async () => [await w.saveSafetensors({ x: x() }), {}],
    save: () => ["", {}, {}],
    saveSafetensors: () => [{ x: x() }, {}],
  },
  init: {
    ...Object.fromEntries("ones_ zeros_".split(" ").map((name) => [name, () => [x()]])),
    ...Object.fromEntries(
      "xavierUniform_ xavierNormal_ kaimingUniform_ kaimingNormal_".split(" ").map((name) => [name, () => [x(), {}]]),
    ),
    uniform_: () => [x(), 0, 1],
    normal_: () => [x(), 0, 1],
    constant_: () => [x(), 1],
    calculateGain: () => ["relu", 0.1],
    eye_: () => [x()],
    truncNormal_: () => [x(), 0, 1, -2, 2],
    dirac_: () => [w.zeros([2, 2, 3]), 1],
    orthogonal_: () => [x(), {}],
    sparse_: () => [x(), 0.5, {}],
  },
  utils: {
    clipGradNorm_: () => [[leaf(2)], 1, {}],
    clipGradValue_: () => [[leaf(2)], 1],
    parametersToVector: () => [[leaf(2)]],
    vectorToParameters: () => [w.ones([2]), [leaf(2)]],
  },
  nn: {
    ReLU: () => [],
    Sigmoid: () => [],
    Tanh: () => [],
    Identity: () => [],
    Softmax: () => [1],
    LogSoftmax: () => [1],
    ...Object.fromEntries(
      "Hardsigmoid Hardswish LogSigmoid Mish ReLU6 SELU SiLU Softmax2d Softsign Tanhshrink"
        .split(" ")
        .map((name) => [name, () => []]),
    ),
    ...Object.fromEntries("CELU ELU Hardshrink LeakyReLU Softshrink".split(" ").map((name) => [name, () => [0.5]])),
    GELU: () => [{}],
    GLU: () => [-1],
    Hardtanh: () => [-1, 1],
    PReLU: () => [1, {}],
    RReLU: () => [0.1, 0.3],
    Softmin: () => [1],
    Softplus: () => [1, 20],
    Threshold: () => [1, 20],
    Dropout: () => [0.5],
    Flatten: () => [{}],
    Linear: () => [3, 2, {}],
    Conv2d: () => [2, 2, 1, {}],
    LayerNorm: () => [3, {}],
    MaxPool2d: () => [2, {}],
    AvgPool2d: () => [2, {}],
    CrossEntropyLoss: () => [{}],
    NLLLoss: () => [{}],
    MSELoss: () => [{}],
    BCELoss: () => [{}],
    ...Object.fromEntries([...PAIRS, ...TRIPLES, ...LABELS].map((name) => [name, () => [{}]])),
    Parameter: () => [x(), true],
    Sequential: () => [new nn.ReLU()],
  },
  optim: {
    SGD: () => [[leaf(2)], {}],
    Adam: () => [[leaf(2)], {}],
    AdamW: () => [[leaf(2)], {}],
    Adadelta: () => [[leaf(2)], {}],
    Adagrad: () => [[leaf(2)], {}],
    Adamax: () => [[leaf(2)], {}],
    ASGD: () => [[leaf(2)], {}],
    NAdam: () => [[leaf(2)], {}],
    RAdam: () => [[leaf(2)], {}],
    RMSprop: () => [[leaf(2)], {}],
    Rprop: () => [[leaf(2)], {}],
    Muon: () => [[leaf(2, 3)], {}],
    SparseAdam: () => [[leaf(2, 3)], {}],
    LBFGS: () => [[leaf(2)], {}],
  },
  lr: {
    ...Object.fromEntries(
      "LinearLR ConstantLR PolynomialLR ReduceLROnPlateau"
        .split(" ")
        .map((name) => [name, () => [new optim.SGD([leaf(2)]), {}]]),
    ),
    StepLR: () => [new optim.SGD([leaf(2)]), { stepSize: 2 }],
    MultiStepLR: () => [new optim.SGD([leaf(2)]), { milestones: [2] }],
    ExponentialLR: () => [new optim.SGD([leaf(2)]), { gamma: 0.5 }],
    CosineAnnealingLR: () => [new optim.SGD([leaf(2)]), { TMax: 5 }],
    CosineAnnealingWarmRestarts: () => [new optim.SGD([leaf(2)]), { T0: 5 }],
    OneCycleLR: () => [new optim.SGD([leaf(2)]), { maxLr: 1, totalSteps: 9 }],
    CyclicLR: () => [new optim.SGD([leaf(2)]), { baseLr: 0.1, maxLr: 1 }],
    LambdaLR: () => [new optim.SGD([leaf(2)]), () => 1, {}],
    MultiplicativeLR: () => [new optim.SGD([leaf(2)]), () => 1, {}],
    SWALR: () => [new optim.SGD([leaf(2)]), { swaLr: 1 }],
    SequentialLR: () => {
      const optimizer = new optim.SGD([leaf(2)]);
      const { ConstantLR, LinearLR } = optim.lrScheduler;
      return [optimizer, [new ConstantLR(optimizer), new LinearLR(optimizer)], [2]];
    },
    ChainedScheduler: () => [[new optim.lrScheduler.LinearLR(new optim.SGD([leaf(2)]))]],
  },
  swa: {
    AveragedModel: () => [new nn.Linear(3, 2), {}],
    SWALR: () => [new optim.SGD([leaf(2)]), { swaLr: 1 }],
    getEmaAvgFn: () => [0.9],
    getEmaMultiAvgFn: () => [0.9],
    getSwaAvgFn: () => [],
    getSwaMultiAvgFn: () => [],
  },
  data: {
    TensorDataset: () => [new Float32Array(2)],
    DataLoader: () => [new datasets.TensorDataset(new Float32Array(2)), {}],
    drawDigits: () => [{ count: 1 }],
    parseIdx: () => [datasets.formatIdx(new Uint8Array(2), [2]), {}],
    formatIdx: () => [new Uint8Array(2), [2]],
  },
  amp: {
    autocast: () => [() => 1, {}],
    GradScaler: () => [{}],
  },
};

/** They write a file, ask the network, measure for seconds, want a GPU, or wait where a page's thread may not: with an option more they are refused before. */
const UNTRIED = new Set([
  "save",
  "calibrate",
  "MNIST.load",
  "half",
  ...(inPage ? ["dataSync", "itemSync", "flushSync"] : []),
]);
/** Bases and errors; what they take is a subclass's. */
const BASES = new Set([
  "Tensor",
  "WasmgradError",
  "UnavailableError",
  "Module",
  "Optimizer",
  "LRScheduler",
  "fans",
  "layerDefault",
]);

const stepped = (optimizer: Any): Any => {
  optimizer.paramGroups[0].params[0].sum().backward();
  optimizer.step();
  return optimizer;
};
/** Objects with methods: how one is made, and every argument that each method takes. */
const OBJECTS: Record<string, [make: () => Any, methods: Record<string, (on: Any) => unknown[]>]> = {
  tensor: [
    x,
    {
      dispose: () => [],
      keep: () => [],
      requiresGrad_: () => [true],
      ...Object.fromEntries(
        "float half int bool contiguous isContiguous storageOffset data dataSync"
          .split(" ")
          .map((name) => [name, () => []]),
      ),
      stride: () => [0],
      to: () => ["float32"],
    },
  ],
  "a tensor of one element": [() => leaf(1).sum(), { item: () => [], itemSync: () => [], backward: () => [null, {}] }],
  Sequential: [
    () => new nn.Sequential(new nn.Linear(3, 2)),
    {
      ...Object.fromEntries(
        "parameters namedParameters buffers namedBuffers modules namedModules children namedChildren eval zeroGrad stateDict"
          .split(" ")
          .map((name) => [name, () => []]),
      ),
      forward: () => [x()],
      append: () => [new nn.ReLU()],
      at: () => [0],
      registerBuffer: () => ["b", x(), {}],
      train: () => [true],
      requiresGrad_: () => [true],
      apply: () => [() => {}],
      to: () => [device],
      loadStateDict: (model) => [model.stateDict(), {}],
    },
  ],
  ...Object.fromEntries(
    (
      "ReLU Sigmoid Tanh Identity Softmax LogSoftmax Dropout Flatten LayerNorm Linear Hardsigmoid Hardswish LogSigmoid Mish " +
      "ReLU6 SELU SiLU Softsign Tanhshrink CELU ELU Hardshrink LeakyReLU Softshrink GELU Hardtanh PReLU RReLU Softmin " +
      "Softplus Threshold"
    )
      .split(" ")
      .map((name) => [
        name,
        [() => new (nn as Any)[name](...(FUNCTIONS.nn![name]!() as unknown[])), { forward: () => [x()] }],
      ]),
  ),
  ...Object.fromEntries(
    "Conv2d MaxPool2d AvgPool2d GLU Softmax2d"
      .split(" ")
      .map((name) => [
        name,
        [() => new (nn as Any)[name](...(FUNCTIONS.nn![name]!() as unknown[])), { forward: () => [image()] }],
      ]),
  ),
  ...Object.fromEntries(
    "CrossEntropyLoss NLLLoss"
      .split(" ")
      .map((name) => [name, [() => new (nn as Any)[name](), { forward: () => [x(), labels()] }]]),
  ),
  ...Object.fromEntries(
    ["MSELoss", "BCELoss", ...PAIRS].map((name) => [
      name,
      [() => new (nn as Any)[name](), { forward: () => [x(), x()] }],
    ]),
  ),
  ...Object.fromEntries(
    TRIPLES.map((name) => [name, [() => new (nn as Any)[name](), { forward: () => [x(), x(), x()] }]]),
  ),
  CosineEmbeddingLoss: [() => new nn.CosineEmbeddingLoss(), { forward: () => [x(), x(), ones([2])] }],
  CTCLoss: [() => new nn.CTCLoss(), { forward: () => [ones([4, 1, 3]), ones([1, 2], { dtype: "int32" }), [4], [2]] }],
  MultiMarginLoss: [() => new nn.MultiMarginLoss(), { forward: () => [x(), labels()] }],
  MultiLabelMarginLoss: [
    () => new nn.MultiLabelMarginLoss(),
    { forward: () => [x(), zeros([2, 3], { dtype: "int32" })] },
  ],
  ...Object.fromEntries(
    "SGD Adam AdamW Adadelta Adagrad Adamax ASGD NAdam RAdam RMSprop Rprop".split(" ").map((name) => [
      name,
      [
        () => stepped(new (optim as Any)[name]([leaf(2)])),
        {
          addParamGroup: () => [{ params: leaf(1) }],
          zeroGrad: () => [{}],
          step: () => [() => 1],
          stateDict: () => [],
          loadStateDict: (optimizer) => [optimizer.stateDict()],
        },
      ],
    ]),
  ),
  SparseAdam: [
    () => {
      const p = leaf(2);
      const optimizer = new optim.SparseAdam([p]);
      w.setSparseGrad(p, rowGradient());
      optimizer.step();
      return optimizer;
    },
    {
      addParamGroup: () => [{ params: leaf(1) }],
      zeroGrad: () => [{}],
      step: () => [() => 1],
      stateDict: () => [],
      loadStateDict: (optimizer) => [optimizer.stateDict()],
    },
  ],
  LBFGS: [
    () => new optim.LBFGS([leaf(2)]),
    {
      addParamGroup: () => [{ params: leaf(1) }], // refused by the next step
      zeroGrad: () => [{}],
      step: () => [() => 1],
      stateDict: () => [],
      loadStateDict: (optimizer) => [optimizer.stateDict()],
    },
  ],
  ...Object.fromEntries(
    Object.keys(FUNCTIONS.lr!).map((name) => [
      name,
      [
        () => new (optim.lrScheduler as Any)[name](...(FUNCTIONS.lr![name]!() as unknown[])),
        {
          step: () => (name === "ReduceLROnPlateau" || name === "CosineAnnealingWarmRestarts" ? [2] : []),
          getLastLr: () => [],
          stateDict: () => [],
          loadStateDict: (schedule) => [schedule.stateDict()],
        },
      ],
    ]),
  ),
  AveragedModel: [
    () => new optim.swaUtils.AveragedModel(new nn.Linear(3, 2)),
    { forward: () => [x()], updateParameters: () => [new nn.Linear(3, 2)] },
  ],
  GradScaler: [
    () => new amp.GradScaler({ enabled: !inPage }), // which waits for what the gradients hold
    {
      isEnabled: () => [],
      getScale: () => [],
      scale: () => [leaf(1).sum()],
      unscale_: () => [stepped(new optim.SGD([leaf(2)]))],
      step: () => [stepped(new optim.SGD([leaf(2)]))],
      update: () => [2],
      stateDict: () => [],
      loadStateDict: () => [{ scale: 2, growthTracker: 0, growthFactor: 2, backoffFactor: 0.5, growthInterval: 3 }],
    },
  ],
  TensorDataset: [
    () => new datasets.TensorDataset(new Float32Array(2)),
    { gather: () => [Int32Array.of(0), [new Float32Array(1)]] },
  ],
  DataLoader: [() => new datasets.DataLoader(new datasets.TensorDataset(new Float32Array(2))), { order: () => [0] }],
  MNIST: [() => datasets.MNIST, { load: () => [{}] }],
  captured: [() => w.capture(() => ones([1])), { dispose: () => [] }],
  device: [() => device, { flush: () => [], flushSync: () => [], memory: () => [] }],
};

/** What a call says; a rejection is a throw. */
async function said(f: () => unknown): Promise<string | null> {
  try {
    await f();
    return null;
  } catch (error) {
    return error instanceof WasmgradError ? error.message : `not an error of the package: ${(error as Error).stack}`;
  }
}

/** A good call, and then that with more. */
async function held(name: string, call: (args: unknown[]) => unknown, args: () => unknown): Promise<string[]> {
  const wrong: string[] = [];
  if (!UNTRIED.has(name)) {
    const message = await said(async () => call((await args()) as unknown[]));
    if (message !== null) wrong.push(`${name}: ${message}`);
  }
  for (const more of [{ nonsense: 1 }, [5], "more", 5, null, x()]) {
    if (name === "TensorDataset" && more instanceof Tensor) continue; // one more source
    const message = await said(async () => call([...((await args()) as unknown[]), more]));
    const rule = /: no argument is expected there$|^arange: |^TensorDataset: |^Sequential: /;
    if (message === null || !rule.test(message)) wrong.push(`${name} with ${String(more)} more: ${message}`);
  }
  const message = await said(async () => call([...((await args()) as unknown[]), { nonsense: 1 }]));
  if (!/nonsense|^TensorDataset: |^Sequential: /.test(`${message}`))
    wrong.push(`${name} does not name what it was given: ${message}`);
  return wrong;
}

const ROOMS: Record<string, Any> = {
  "": w,
  init: nn.init,
  utils: nn.utils,
  nn,
  optim,
  lr: optim.lrScheduler,
  swa: optim.swaUtils,
  data: datasets,
  amp,
};
const isClass = (f: Any): boolean => /^class\b/.test(Function.prototype.toString.call(f));

test("a function that is given more than it takes says so", async () => {
  const wrong: string[] = [];
  for (const [room, all] of Object.entries(ROOMS)) {
    for (const [name, f] of Object.entries(all as Record<string, Any>)) {
      if (typeof f !== "function" || BASES.has(name)) continue;
      const args = FUNCTIONS[room]?.[name];
      if (args === undefined) wrong.push(`${room}.${name} has no call here`);
      else wrong.push(...(await held(name, (a) => (isClass(f) ? new f(...a) : f(...a)), args)));
    }
  }
  w.setDefaultDevice(device);
  assert.is(wrong.join("\n"), "");
});

/** Insides that stand on the class, and what JavaScript itself calls. */
const INSIDE = new Set(
  (
    "release setGrad toNet unwatched releaseUnread describe bufferOptions namedNodes namedState rate batches copy write " +
    "restart rewind saved expectState takeState attempt momentum extraRepr typeName toString toJSON"
  ).split(" "),
);

function methodsOf(object: Any): string[] {
  const names = new Set<string>();
  for (let o = Object.getPrototypeOf(object); o !== Object.prototype && o !== null; o = Object.getPrototypeOf(o))
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(o)))
      if (typeof value === "function" && name !== "constructor" && !INSIDE.has(name)) names.add(name);
  return [...names];
}

test("so does a method", async () => {
  const wrong: string[] = [];
  for (const [what, [make, methods]] of Object.entries(OBJECTS))
    for (const [name, args] of Object.entries(methods)) {
      const object = (): Any => make();
      let on: Any;
      const call = (a: unknown[]): unknown => on[name](...a);
      const given = (): unknown[] => {
        on = object();
        return args(on);
      };
      const found = await held(what === "MNIST" ? "MNIST.load" : name, call, given);
      wrong.push(...found.map((line) => `${what}.${line}`));
    }
  for (const name of methodsOf(x())) {
    if (Object.values(OBJECTS).some(([make, methods]) => name in methods && make() instanceof Tensor)) continue;
    const args = FUNCTIONS[""]![name];
    if (args === undefined) wrong.push(`Tensor.${name} has no call here`);
    else wrong.push(...(await held(name, ([on, ...a]) => (on as Any)[name](...a), args)));
  }
  for (const [what, [make, methods]] of Object.entries(OBJECTS)) {
    const object = make();
    if (object instanceof Tensor || what === "device" || what === "captured" || what === "MNIST") continue;
    const other = OBJECTS.Sequential![1];
    for (const name of methodsOf(object))
      if (!(name in methods) && !(object instanceof nn.Module && name in other))
        wrong.push(`${what}.${name} has no call here`);
  }
  assert.is(wrong.join("\n"), "");
});

test("a device says so too, and stays", async () => {
  const other = await w.init({ threads: 1, fresh: true });
  assert.match(`${await said(() => (other as Any).dispose({ nonsense: 1 }))}`, /\{ nonsense \} was given/);
  assert.is(other.failed, null);
  await other.dispose();
  w.setDefaultDevice(device);
});

test("map and reduce of an array may take a function as it is", async () => {
  const list = [x(), x(), x()];
  const values = async (y: Tensor): Promise<number[]> => [...(await y.data())];
  assert.equal(await values(list.map(w.neg)[2]!), [-1, -1, -1, -1, -1, -1]);
  assert.equal(await values(list.reduce(w.mul as (a: Tensor, b: Tensor) => Tensor)), [1, 1, 1, 1, 1, 1]);
  list.forEach(w.zero_);
  assert.equal(await values(list[1]!), [0, 0, 0, 0, 0, 0]);
  assert.equal(await values((w.relu as Any)(x(), undefined)), [1, 1, 1, 1, 1, 1]);
  assert.match(`${await said(() => Array.from(list, w.relu))}`, /^relu: 0 was given: no argument is expected there$/);
  for (const more of [
    [undefined, { inplace: true }],
    [1, [2]],
    [0, [2], { inplace: true }],
    ["length", []],
  ])
    assert.match(`${await said(() => (w.relu as Any)(x(), ...more))}`, /^relu: .+ was given: /, `${more}`);
});

test.run();
