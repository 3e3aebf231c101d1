// One case for each message of the public API: what brings it about, by public names alone. messages.snap.json has the
// messages themselves; those that need files, servers or insides are in messages-files.ts and messages-wasm.ts.
import { autocast, GradScaler } from "../src/amp/index.ts";
import * as datasets from "../src/data/index.ts";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import * as format from "../src/io/safetensors.ts";
import { lossModules, lossOps } from "./messages-losses.ts";
import { sparseGradients } from "./messages-sparse.ts";
import { ReferenceDevice } from "./reference.ts";

export type Cases = Record<string, () => unknown>;
type Any = never;

const reference = new ReferenceDevice();
const half = new ReferenceDevice(true);
const { tensor, zeros, ones } = w;
const leaf = (...shape: number[]): w.Tensor => ones(shape, { requiresGrad: true });
const ints = (...list: number[]): w.Tensor => tensor(list, { dtype: "int32" });
const there16 = (...shape: number[]): w.Tensor => ones(shape, { device: half });
const there = (...shape: number[]): w.Tensor => ones(shape, { device: reference });
const released = (): w.Tensor => {
  const x = ones([2, 3]);
  x.dispose();
  return x;
};

/** A function that is recorded: the second call. */
async function recorded(f: (x: w.Tensor, call: number) => unknown, calls = 2): Promise<void> {
  let call = 0;
  const captured = w.capture((x: w.Tensor) => f(x, ++call));
  for (let i = 0; i < calls; i++) await captured(ones([2]));
}

const core: Cases = {
  "shape: not integers": () => zeros([2, -1]),
  "shape: a dim out of range": () => ones([2, 3]).softmax(2),
  "shape: not broadcastable": () => ones([2, 3]).add(ones([4, 3])),
  "op: not a tensor": () => w.maximum(ones([2]), 3 as Any),
  "op: two devices": () => ones([2]).add(there(2)),
  "op: dtype": () => w.tanh_(ints(1)),
  "tensor: released by dispose": () => released().relu(),
  "tensor: released, read": () => released().data(),
  "tensor: released by a scope": () => {
    let x: w.Tensor | undefined;
    w.scope(() => {
      x = ones([3]);
    });
    return x!.add(1);
  },
  "tensor: released by the next forward": () => {
    const model = new nn.Linear(2, 2);
    const out = model.forward(ones([1, 2]));
    out.sum().backward();
    model.forward(ones([1, 2]));
    return out.data();
  },
  "tensor: gradient held across a captured call": async () => {
    const p = leaf(2);
    const f = w.capture((x: w.Tensor) => {
      p.grad = null;
      p.mul(x).sum().backward();
    });
    for (let i = 0; i < 4; i++) await f(ones([2]));
    const held = p.grad!;
    await f(ones([2]));
    return held.data();
  },
  "tensor: requiresGrad of int32": () => ints(1).requiresGrad_(),
  "tensor: freezing what is no leaf": () => leaf(2).mul(2).requiresGrad_(false),
  "tensor: a gradient of another shape": () => {
    leaf(2, 3).grad = ones([3]);
  },
  "tensor: a gradient on another device": () => {
    leaf(2).grad = there(2);
  },
  "noGrad: a promise": () => w.noGrad(async () => 1),
  "scope: a promise": () => w.scope(async () => 1),
  "backward: nothing requires grad": () => ones([]).backward(),
  "backward: no scalar": () => leaf(2).mul(2).backward(),
  "backward: gradient of another shape": () =>
    leaf(2)
      .mul(2)
      .backward(ones([3])),
  "backward: a gradient of whole numbers": () => leaf(2).mul(2).backward(ints(1, 2)),
  "backward: gradient on another device": () => leaf(2).mul(2).backward(there(2)),
  "backward: gradient that was disposed of": () => {
    const gone = ones([2]);
    gone.dispose();
    leaf(2).mul(2).backward(gone);
  },
  "backward: a second time": () => {
    const y = leaf(2).exp().sum();
    y.backward();
    y.backward();
  },
  "backward: a leaf that came to be a result": () => {
    const x = leaf(2);
    const y = x.mul(2).sum();
    x.requiresGrad = false;
    x.mul_(leaf(2));
    y.backward();
  },
  "backward: a view that stayed behind": () => {
    const y = leaf(2).mul(2);
    const [v] = y.unbind(0);
    y.mul_(3);
    v!.backward();
  },
  "backward: a gradient that was disposed of": () => {
    const x = leaf(2);
    x.sum().backward();
    x.grad!.dispose();
    x.sum().backward();
  },
  "backward: a saved value changed in place": () => {
    const y = leaf(2).exp();
    y.add_(1);
    y.sum().backward();
  },
  "memory: it runs out": async () => {
    const before = w.defaultDevice();
    const device = await w.init({ threads: 1, fresh: true, simd: "simd", maximumMemory: 2 ** 23 });
    try {
      const held = [w.full([1 << 19], 1), w.rand([1 << 18])];
      for (;;) held.push(ones([1 << 18]));
    } finally {
      w.setDefaultDevice(before);
      await device.dispose();
    }
  },
  "read: a number of what has several": () => ones([2, 3]).item(),
  "read: a number of what has several, Sync": () => ones([2, 3]).itemSync(),
  "read: where this thread may not wait": () => {
    class Page extends ReferenceDevice {
      override readonly canBlock = false as never;
    }
    return ones([2], { device: new Page() }).dataSync();
  },
  "fault: a label out of range": () => w.crossEntropy(ones([3, 4]), ints(0, 4, 1)).item(),
  "fault: two before one wait": () => {
    w.crossEntropy(ones([3, 4]), ints(0, 4, 1));
    return w.crossEntropy(ones([3, 4]), ints(0, 1, 5)).item();
  },
  "fault: a label out of range, nll": () => w.nllLoss(ones([3, 4]), ints(0, -1, 1)).item(),
  "fault: a probability out of range": () => w.binaryCrossEntropy(tensor([0.5, 1.5]), tensor([1, 0])).item(),
  "device: disposed of": async () => {
    const before = w.defaultDevice();
    const device = await w.init({ threads: 1, fresh: true });
    w.setDefaultDevice(before);
    await device.dispose();
    return ones([2], { device });
  },
  "device: no such kernel": () => w.defaultDevice().launch("nothing_f32", [ones([2])], 1, [2], [], "nothing"),
};

const init: Cases = {
  "init: option of the other device": () => w.init({ device: "webgpu", threads: 2 }),
  "to: device": () => w.tensor([1]).to("cuda" as "wasm"),
  "init: unknown option": () => w.init({ thread: 2 } as Any),
  "init: a string": () => w.init("webgpu" as Any),
  "init: no device": () => w.init({ device: {} as Any }),
  "init: device": () => w.init({ device: "cuda" as Any }),
  "init: simd": () => w.init({ simd: "avx" as Any }),
  "init: simd 256 on another processor": async () => {
    const arch = Object.getOwnPropertyDescriptor(process, "arch")!;
    Object.defineProperty(process, "arch", { ...arch, value: "arm64" });
    try {
      await w.init({ simd: "256", threads: 1 });
    } finally {
      Object.defineProperty(process, "arch", arch);
    }
  },
  "init: threads": () => w.init({ threads: 0 }),
  "init: maximumMemory": () => w.init({ maximumMemory: -1 }),
  "init: memory for nothing": () => w.init({ threads: 1, maximumMemory: 2 ** 20 }),
};

const calibrate = (sample: unknown, options: object = {}, model: unknown = new nn.Linear(3, 2)): Promise<unknown> =>
  w.calibrate(model as nn.Linear, sample as Any, {
    ...{ devices: [w.defaultDevice(), w.defaultDevice()], budget: 1, cache: false },
    ...options,
  });
const rows = (): w.Tensor => ones([2, 3]);

const calibration: Cases = {
  "calibrate: inside capture": async () => {
    let error: unknown;
    await recorded((x) => void calibrate(x).catch((e) => (error = e)));
    throw error;
  },
  "calibrate: model": () => calibrate(rows(), {}, "Linear"),
  "calibrate: no sample": () => calibrate([]),
  "calibrate: sample": () => calibrate(3),
  "calibrate: sample without rows": () => calibrate(zeros([0, 3])),
  "calibrate: samples of two batch sizes": () => calibrate([rows(), ones([3, 3])]),
  "calibrate: unknown option": () => calibrate(rows(), { batchs: [1] }),
  "calibrate: batch": () => calibrate(rows(), { batch: 1.5 }),
  "calibrate: batches": () => calibrate(rows(), { batches: [0] }),
  "calibrate: budget": () => calibrate(rows(), { budget: -1 }),
  "calibrate: loss": () => calibrate(rows(), { loss: 3 }),
  "calibrate: devices": () => calibrate(rows(), { devices: [w.defaultDevice()] }),
  "calibrate: an output that is no tensor": () => {
    class Pair extends nn.Module<[w.Tensor], w.Tensor[]> {
      override forward = (x: w.Tensor): w.Tensor[] => [x];
    }
    return calibrate(rows(), {}, new Pair());
  },
  "calibrate: a loss of several elements": () => calibrate(rows(), { loss: (y: w.Tensor) => y }),
};

const capture: Cases = {
  "capture: reading inside": () => recorded((x) => x.itemSync?.call(x.sum())),
  "capture: data() inside": () => recorded((x) => void x.data()),
  "capture: item() inside": () => recorded((x) => void x.sum().item()),
  "capture: dispose() inside": () => {
    const inner = w.capture((x: w.Tensor) => x);
    return recorded(() => inner.dispose());
  },
  "capture: host data inside": () => recorded((x) => x.add(tensor([1, 2]))),
  "capture: seeding inside": () => recorded(() => w.manualSeed(1)),
  "capture: lr inside": () => {
    const sgd = new optim.SGD([leaf(2)], { lr: 1 });
    return recorded(() => {
      sgd.paramGroups[0]!.lr = 2;
    });
  },
  "capture: loading optimizer state inside": () => {
    const sgd = new optim.SGD([leaf(2)], { lr: 1 });
    const state = sgd.stateDict();
    return recorded(() => sgd.loadStateDict(state));
  },
  "capture: moving inside": async () => {
    const model = new nn.Linear(1, 1);
    let error: unknown;
    await recorded(() => void model.to(reference).catch((e) => (error = e)));
    throw error;
  },
  "capture: saving inside": async () => {
    let saved: Promise<unknown> | undefined;
    await recorded((x) => {
      saved = w.saveSafetensors({ x });
      saved.catch(() => {}); // awaited below
    });
    await saved;
  },
  "capture: inside capture": async () => {
    const inner = w.capture((x: w.Tensor) => x);
    await recorded((x) => void inner(x));
  },
  "capture: a promise from the first call": () => recorded(async (x) => x, 1),
  "capture: a promise while recording": () => recorded((x, call) => (call === 2 ? Promise.resolve(x) : x)),
  "capture: an input that is no tensor": () => w.capture((x: w.Tensor) => x)(3 as Any),
  "capture: an input that requires grad": () => w.capture((x: w.Tensor) => x)(leaf(2, 3)),
  "capture: inputs of two devices": () => w.capture((x: w.Tensor, y: w.Tensor) => x.add(y))(ones([2]), there(2)),
  "capture: a tensor of another device": () => recorded(() => there(2).add(1)),
  "capture: a branch": () => recorded((x, call) => (call === 2 ? x.exp() : x.relu()), 2),
  "capture: a branch with more rows": () => recorded((x, call) => (call === 2 ? x.relu().exp() : x.relu()), 2),
  "capture: another size": () => recorded((_, call) => zeros([call]), 2),
  "capture: another number": () => recorded((x, call) => x.mul(call), 2),
  "capture: another tensor": () => {
    const tables = [1, 2].map((v) => w.full([2], v));
    return recorded((x, call) => x.add(tables[call - 1]!), 2);
  },
  "capture: other state": () => {
    const p = leaf(2);
    return recorded((x, call) => (call === 2 && p.grad !== null ? x.sub(1) : x.add(1)), 2);
  },
  "capture: a tensor carried over": () => {
    let sum = zeros([2]);
    return recorded((x) => {
      sum = sum.add(x);
    }, 2);
  },
};

export const ops: Cases = {
  "sub: bool": () => tensor([true]).sub(tensor([false])),
  "add: int32 and a number beyond": () => ints(1, 2).add(2 ** 40),
  "add: no number": () => ones([2]).add("1" as Any),
  "div: roundingMode": () => ones([2]).div(2, { roundingMode: "down" as Any }),
  "div: int32 by 0": () => ints(7, 5).div(ints(2, 0), { roundingMode: "floor" }).data(),
  "floorDivide: gradient": () => w.floorDivide(leaf(2), 2).sum().backward(),
  "add: bool in place": () => tensor([true]).add_(tensor([true])),
  "addcdiv: int32": () => w.addcdiv(ones([2]), ints(1, 2), ints(1, 2)),
  "positive: bool": () => w.positive(tensor([true])),
  "fmod: bool": () => w.fmod(tensor([true]), tensor([true])),
  "frac: int32": () => w.frac(ints(1, 2)),
  "bitwiseAnd: float": () => w.bitwiseAnd(ones([2]), ints(1, 2)),
  "bitwiseNot: float": () => w.bitwiseNot(ones([2])),
  "pow: int32 and a negative number": () => ints(1, 2).pow(-1),
  "pow: bool": () => tensor([true]).pow(tensor([true])),
  "hypot: two numbers": () => w.hypot(3, 4),
  "exp_: int32": () => w.exp_(ints(1, 2)),
  "pow_: does not fit": () => w.pow_(ones([2]), ones([3, 2])),
  "lerp: weight": () => ones([2]).lerp(ones([2]), ints(1, 2)),
  "logit: eps": () => w.logit(ones([2]), { eps: 0.7 }),
  "isclose: rtol": () => w.isclose(ones([2]), ones([2]), { rtol: -1 }),
  "add: a string": () => ones([2]).add("1" as Any),
  "add_: a leaf that requires grad": () => leaf(2, 3).add_(1),
  "add_: int32 and a fraction": () => ints(1).add_(0.5),
  "add_: dtypes differ": () => ints(1, 2).add_(ones([2])),
  "add_: a result that does not fit": () => ones([3]).add_(ones([2, 3])),
  "copy_: another shape": () => ones([2]).copy_(ones([3])),
  "copy_: a larger source": () => ones([3]).copy_(ones([2, 3])),
  "matmul: inner dimensions": () => ones([2, 3]).matmul(ones([4, 5])),
  "matmul: inner dimensions, a vector": () => ones([3]).matmul(ones([4, 5])),
  "matmul: a scalar": () => ones([]).matmul(ones([4, 5])),
  "matmul: int32": () => ints(1).matmul(ints(1)),
  "mm: no matrices": () => ones([2, 3]).mm(ones([3])),
  "layerNorm: shape": () => w.layerNorm(ones([2, 3]), [2]),
  "layerNorm: weight": () => w.layerNorm(ones([2, 3]), 3, ones([2])),
  "layerNorm: eps": () => w.layerNorm(ones([2, 3]), 3, null, null, { eps: -1 }),
  "linear: weight": () => w.linear(ones([2, 3]), ones([3])),
  "linear: input": () => w.linear(ones([2, 3]), ones([5, 4])),
  "linear: bias": () => w.linear(ones([2, 3]), ones([5, 3]), ones([4])),
  "arange: numbers": () => w.arange(1, Number.NaN),
  "arange: step": () => w.arange(1, 5, -1),
  "tensor: ragged": () => tensor([[1, 2], [3]]),
  "tensor: ragged in depth": () => tensor([[1, 2], 3] as Any),
  "tensor: number of values": () => tensor([1, 2, 3], { shape: [2, 2] }),
  "tensor: no int32": () => tensor([1, 2.5], { dtype: "int32" }),
  "zeros: dtype": () => zeros([2], { dtype: "float64" as Any }),
  "zeros: shape": () => zeros(3 as Any),
  "conv2d: ranks": () => w.conv2d(ones([3, 8, 8]), ones([4, 3, 3, 3])),
  "conv2d: channels": () => w.conv2d(ones([1, 3, 8, 8]), ones([4, 2, 3, 3])),
  "conv2d: groups": () => w.conv2d(ones([1, 3, 8, 8]), ones([4, 1, 3, 3]), null, { groups: 3 }),
  "conv2d: stride": () => w.conv2d(ones([1, 3, 8, 8]), ones([4, 3, 3, 3]), null, { stride: [1, 0] }),
  "conv2d: kernel larger than input": () => w.conv2d(ones([1, 3, 2, 8]), ones([4, 3, 3, 3])),
  "conv2d: bias": () => w.conv2d(ones([1, 3, 8, 8]), ones([4, 3, 3, 3]), ones([3])),
  "maxPool2d: rank": () => w.maxPool2d(ones([8, 8]), 2),
  "maxPool2d: padding": () => w.maxPool2d(ones([1, 1, 8, 8]), 2, { padding: 2 }),
  "maxPool2d: window": () => w.maxPool2d(ones([1, 1, 2, 2]), 3),
  "avgPool2d: divisor": () => w.avgPool2d(ones([1, 1, 4, 4]), 2, { divisorOverride: 0 }),
  "crossEntropy: target": () => w.crossEntropy(ones([3, 4]), ints(1, 2)),
  "crossEntropy: target's dtype": () => w.crossEntropy(ones([3, 4]), ones([3])),
  "crossEntropy: reduction": () => w.crossEntropy(ones([1, 4]), ints(1), { reduction: "median" as Any }),
  "crossEntropy: weight": () => w.crossEntropy(ones([1, 4]), ints(1), { weight: ones([3]) }),
  "crossEntropy: labelSmoothing": () => w.crossEntropy(ones([1, 4]), ints(1), { labelSmoothing: 2 }),
  "mseLoss: shapes": () => w.mseLoss(ones([2, 1]), ones([2])),
  "sum: a dim twice": () => ones([2, 3]).sum({ dim: [0, -2] }),
  "max: of nothing": () => zeros([0]).max(),
  "view: sizes": () => ones([2, 3]).view(-1, -1),
  "view: elements": () => ones([2, 3]).view(4, 2),
  "view: of a transposed view": () => ones([2, 3]).t().view(6),
  "flatten: order": () => ones([2, 3, 4]).flatten(2, 0),
  "t: rank": () => ones([2, 3, 4]).t(),
  "permute: dims": () => ones([2, 3]).permute(0, 0),
  "expand: sizes": () => ones([2, 3]).expand(4, 3),
  "narrow: range": () => ones([5]).narrow(0, 3, 4),
  "select: index": () => ones([2, 3]).select(1, 3),
  "manualSeed: seed": () => w.manualSeed(-1),
  "randint: range": () => w.randint(5, 5, [2]),
  "randint: a range of more than 2^31": () => w.randint(-(2 ** 30) - 1, 2 ** 30, [2]),
  "randint: beyond int32": () => w.randint(2 ** 31 - 1, 2 ** 31 + 1, [2]),
  "normal_: std": () => ones([2]).normal_(0, -1),
  "normal_: requires grad": () => leaf(2, 3).normal_(),
  "uniform_: released": () => released().uniform_(),
  "dropout: p": () => w.dropout(ones([2]), 1.5),
};

const linear = (): nn.Linear => new nn.Linear(2, 3);

const modules: Cases = {
  "Linear: size": () => new nn.Linear(0, 2),
  "Linear: unknown option": () => new nn.Linear(1, 2, { biass: true } as Any),
  "Linear: options": () => new nn.Linear(1, 2, true as Any),
  "Conv2d: groups and input": () => new nn.Conv2d(3, 4, 3, { groups: 2 }),
  "Conv2d: groups and output": () => new nn.Conv2d(4, 3, 3, { groups: 2 }),
  "Conv2d: pair": () => new nn.Conv2d(1, 1, [3, 0]),
  "LayerNorm: no size": () => new nn.LayerNorm([]),
  "LayerNorm: size": () => new nn.LayerNorm([3, 0]),
  "LayerNorm: eps": () => new nn.LayerNorm(3, { eps: -1 }),
  "MaxPool2d: padding": () => new nn.MaxPool2d(2, { padding: 2 }),
  "Dropout: p": () => new nn.Dropout(2),
  "Softmax: dim": () => new nn.Softmax(0.5),
  "MSELoss: reduction": () => new nn.MSELoss({ reduction: "max" as Any }),
  "MSELoss: unknown option": () => new nn.MSELoss({ weight: 1 } as Any),
  "Sequential: item": () => new nn.Sequential(linear(), 3 as Any),
  "Parameter: data": () => new nn.Parameter(3 as Any),
  "registerBuffer: dots": () => linear().registerBuffer("a.b", ones([1])),
  "registerBuffer: there already": () => linear().registerBuffer("weight", ones([1])),
  "registerBuffer: no tensor": () => linear().registerBuffer("scale", 3 as Any),
  "train: mode": () => linear().train(1 as Any),
  "loadStateDict: nothing": () => linear().loadStateDict(null as Any),
  "loadStateDict: keys, shapes, devices": () =>
    new nn.Sequential(linear(), linear(), linear()).loadStateDict({
      "0.weight": ones([3, 3]),
      "0.bias": ints(1, 2),
      "1.bias": 3 as Any,
      "2.weight": there(3, 2),
      extra: ones([1]),
    }),
  "to: a view": () => {
    const model = linear();
    model.weight = new nn.Parameter(ones([6, 2]).narrow(0, 3, 3));
    return model.to(reference);
  },
  "init: mode": () => nn.init.kaimingUniform_(ones([2, 3]), { mode: "fan" as Any }),
  "init: nonlinearity": () => nn.init.calculateGain("gelu" as Any),
  "init: truncNormal_ std": () => nn.init.truncNormal_(ones([3]), 0, 0),
  "init: truncNormal_ bounds": () => nn.init.truncNormal_(ones([3]), 0, 1, 2, 1),
  "init: eye_ of a vector": () => nn.init.eye_(ones([3])),
  "init: dirac_ of a matrix": () => nn.init.dirac_(ones([3, 3])),
  "init: dirac_ groups": () => nn.init.dirac_(ones([3, 2, 3]), 2),
  "init: orthogonal_ of a vector": () => nn.init.orthogonal_(ones([3])),
  "init: sparse_ of a vector": () => nn.init.sparse_(ones([3]), 0.5),
  "init: sparsity": () => nn.init.sparse_(ones([3, 2]), 1.5),
  "parametersToVector: no parameters": () => nn.utils.parametersToVector([]),
  "clipGradNorm_: a model": () => nn.utils.clipGradNorm_(new nn.Linear(1, 1) as Any, 1),
  "clipGradNorm_: a number among them": () => nn.utils.clipGradNorm_([leaf(1), 5 as Any], 1),
  "clipGradNorm_: int32": () => nn.utils.clipGradNorm_([ones([1], { dtype: "int32" })], 1),
  "clipGradNorm_: maxNorm": () => nn.utils.clipGradNorm_([leaf(1)], -1),
  "clipGradNorm_: normType": () => nn.utils.clipGradNorm_([leaf(1)], 1, { normType: 0 }),
  "clipGradNorm_: not finite": () => {
    const p = leaf(1);
    p.grad = w.full([1], Number.POSITIVE_INFINITY);
    return nn.utils.clipGradNorm_([p], 1, { errorIfNonfinite: true });
  },
  "vectorToParameters: size": () => nn.utils.vectorToParameters(ones([3]), [leaf(2), leaf(2)]),
  "init: dims": () => nn.init.xavierUniform_(ones([3])),
};

const sgd = (): optim.SGD => new optim.SGD([leaf(2, 3)], { momentum: 0.5 });
/** A state of L-BFGS that is whole, but for what `change` has. */
const lbfgsWith = (change: object): void => {
  const optimizer = new optim.LBFGS([leaf(1)]);
  const one = { t: 1, HDiag: 1, prevLoss: 1, d: ones([1]), prevFlatGrad: ones([1]), oldDirs: [], oldStps: [], ro: [] };
  optimizer.loadStateDict({ ...optimizer.stateDict(), state: { 0: { funcEvals: 1, nIter: 1, ...one, ...change } } });
};
/** An optimizer that has taken a step, and its state with one thing changed. */
const reloaded = (change: (state: Any) => unknown): void => {
  const p = leaf(2, 3);
  const optimizer = new optim.SGD([p], { momentum: 0.5 });
  p.sum().backward();
  optimizer.step();
  const state = optimizer.stateDict();
  change(state as Any);
  optimizer.loadStateDict(state);
};
const scheduled = (): optim.lrScheduler.LinearLR => new optim.lrScheduler.LinearLR(sgd());

const optimizers: Cases = {
  "SGD: lr": () => new optim.SGD([leaf(1)], { lr: -1 }),
  "SGD: one tensor": () => new optim.SGD(leaf(1) as Any),
  "SGD: no parameters": () => new optim.SGD([]),
  "SGD: group": () => sgd().addParamGroup(3 as Any),
  "SGD: unknown option": () => new optim.SGD([leaf(1)], { learningRate: 1 } as Any),
  "SGD: unknown option of a group": () => new optim.SGD([{ params: [leaf(1)], rate: 1 } as Any]),
  "SGD: no tensor": () => new optim.SGD([leaf(1), 3 as Any]),
  "SGD: int32": () => new optim.SGD([ints(1)]),
  "SGD: no leaf": () => new optim.SGD([leaf(2).mul(2)]),
  "SGD: transposed": () => new optim.SGD([ones([2, 3]).t()]),
  "SGD: twice": () => {
    const p = leaf(2);
    return new optim.SGD([p, p]);
  },
  "SGD: momentum": () => new optim.SGD([leaf(1)], { momentum: -1 }),
  "SGD: weightDecay": () => new optim.SGD([leaf(1)], { weightDecay: -1 }),
  "SGD: dampening": () => new optim.SGD([leaf(1)], { dampening: Number.NaN }),
  "SGD: nesterov": () => new optim.SGD([leaf(1)], { nesterov: true }),
  "SGD: parameters of two devices": () => {
    const list = [leaf(2), there(3).requiresGrad_()];
    const optimizer = new optim.SGD(list, { lr: 1 });
    for (const p of list) p.sum().backward();
    optimizer.step();
  },
  "Adam: betas": () => new optim.Adam([leaf(1)], { betas: [0.9] as Any }),
  "Adam: a beta": () => new optim.Adam([leaf(1)], { betas: [0.9, 1] }),
  "Adam: eps": () => new optim.Adam([leaf(1)], { eps: -1 }),
  "Adam: weightDecay": () => new optim.Adam([leaf(1)], { weightDecay: "x" as Any }),
  "Adadelta: rho": () => new optim.Adadelta([leaf(1)], { rho: 2 }),
  "Adagrad: lrDecay": () => new optim.Adagrad([leaf(1)], { lrDecay: -1 }),
  "Adamax: betas": () => new optim.Adamax([leaf(1)], { betas: 0.9 as Any }),
  "Adamax: a beta": () => new optim.Adamax([leaf(1)], { betas: [1, 0.9] }),
  "ASGD: alpha": () => new optim.ASGD([leaf(1)], { alpha: Number.NaN }),
  "ASGD: lambd": () => new optim.ASGD([leaf(1)], { lambd: -1 }),
  "NAdam: momentumDecay": () => new optim.NAdam([leaf(1)], { momentumDecay: -1 }),
  "RAdam: eps": () => new optim.RAdam([leaf(1)], { eps: -1 }),
  "RMSprop: alpha": () => new optim.RMSprop([leaf(1)], { alpha: -1 }),
  "Rprop: etas": () => new optim.Rprop([leaf(1)], { etas: [0.5, 0.5] }),
  "Rprop: stepSizes": () => new optim.Rprop([leaf(1)], { stepSizes: [-1, 1] }),
  "LBFGS: maxIter": () => new optim.LBFGS([leaf(1)], { maxIter: 0 }),
  "LBFGS: historySize": () => new optim.LBFGS([leaf(1)], { historySize: 1.5 }),
  "LBFGS: toleranceGrad": () => new optim.LBFGS([leaf(1)], { toleranceGrad: -1 }),
  "LBFGS: lineSearchFn": () => new optim.LBFGS([leaf(1)], { lineSearchFn: "strong_wolfe" as Any }),
  "LBFGS: two groups": () => new optim.LBFGS([{ params: [leaf(1)] }, { params: [leaf(1)] }]),
  "LBFGS: no closure": () => new optim.LBFGS([leaf(1)]).step(),
  "LBFGS: a closure without a loss": () => new optim.LBFGS([leaf(1)]).step(() => "loss"),
  "LBFGS: two steps at once": () => {
    const optimizer = new optim.LBFGS([leaf(1)]);
    const first = optimizer.step(() => 1);
    try {
      return optimizer.step(() => 1);
    } finally {
      first.catch(() => {});
    }
  },
  "LBFGS.loadStateDict: no tensor": () => lbfgsWith({ d: [1] }),
  "LBFGS.loadStateDict: shape": () => lbfgsWith({ d: ones([3]) }),
  "LBFGS.loadStateDict: lists": () => lbfgsWith({ d: ones([1]), prevFlatGrad: ones([1]), ro: [1] }),
  "Muon: a vector": () => new optim.Muon([leaf(2, 3), leaf(3)]),
  "Muon: nsCoefficients": () => new optim.Muon([leaf(2, 3)], { nsCoefficients: [1, 2] as Any }),
  "Muon: nsSteps": () => new optim.Muon([leaf(2, 3)], { nsSteps: 100 }),
  "Muon: adjustLrFn": () => new optim.Muon([leaf(2, 3)], { adjustLrFn: "rms" as Any }),
  "SGD.loadStateDict: nothing": () => sgd().loadStateDict({} as Any),
  "SGD.loadStateDict: no groups": () => reloaded((s: { paramGroups: unknown }) => Object.assign(s, { paramGroups: 1 })),
  "SGD.loadStateDict: no state": () => reloaded((s: { state: object }) => Object.assign(s.state, { 0: null })),
  "SGD.loadStateDict: groups": () => reloaded((s: { paramGroups: unknown[] }) => s.paramGroups.push({})),
  "SGD.loadStateDict: parameters": () =>
    reloaded((s: { paramGroups: [{ params: number[] }] }) => s.paramGroups[0].params.push(7)),
  "SGD.loadStateDict: option": () =>
    reloaded((s: { paramGroups: [object] }) => Object.assign(s.paramGroups[0], { rate: 1 })),
  "SGD.loadStateDict: number": () => reloaded((s: { state: object }) => Object.assign(s.state, { 5: {} })),
  "SGD.loadStateDict: no tensor": () =>
    reloaded((s: { state: object }) => Object.assign(s.state, { 0: { momentumBuffer: 3 } })),
  "SGD.loadStateDict: shape": () =>
    reloaded((s: { state: object }) => Object.assign(s.state, { 0: { momentumBuffer: ones([2]) } })),
  "SGD.loadStateDict: device": () =>
    reloaded((s: { state: object }) => Object.assign(s.state, { 0: { momentumBuffer: there(2, 3) } })),
  "LRScheduler.loadStateDict: lastEpoch": () => scheduled().loadStateDict({ lastEpoch: -2, baseLrs: [1] }),
  "LRScheduler.loadStateDict: baseLrs": () => scheduled().loadStateDict({ lastEpoch: 1, baseLrs: [1, 2] }),
  "LinearLR: unknown option": () => new optim.lrScheduler.LinearLR(sgd(), { total: 1 } as Any),
  "LinearLR: startFactor": () => new optim.lrScheduler.LinearLR(sgd(), { startFactor: 0 }),
  "LinearLR: endFactor": () => new optim.lrScheduler.LinearLR(sgd(), { endFactor: 2 }),
  "LinearLR: totalIters": () => new optim.lrScheduler.LinearLR(sgd(), { totalIters: 0 }),
  "LambdaLR: functions": () => new optim.lrScheduler.LambdaLR(sgd(), [() => 1, () => 2]),
};

const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);
const samples = (): datasets.TensorDataset<[Float32Array]> => new datasets.TensorDataset(new Float32Array(4));

const data: Cases = {
  "IDX: no magic": () => datasets.parseIdx(bytes(0, 0)),
  "IDX: magic": () => datasets.parseIdx(bytes(1, 2, 3, 4), { name: "labels", dims: 1 }),
  "IDX: type": () => datasets.parseIdx(bytes(0, 0, 13, 1), { name: "labels", dims: 1 }),
  "IDX: dims": () => datasets.parseIdx(bytes(0, 0, 8, 3), { name: "labels", dims: 1 }),
  "IDX: too many dims": () => datasets.parseIdx(bytes(0, 0, 8, 5)),
  "IDX: header cut short": () => datasets.parseIdx(bytes(0, 0, 8, 1, 0, 0)),
  "IDX: data cut short": () =>
    datasets.parseIdx(bytes(0, 0, 8, 1, 0, 0, 0, 3, 1, 2), { name: "labels", items: "labels" }),
  "IDX: no bytes": () => datasets.parseIdx("labels" as Any),
  "IDX: gzip": () => datasets.parseIdx(bytes(0x1f, 0x8b, 8, 0)),
  "IDX: sizes beside 0": () => datasets.parseIdx(bytes(0, 0, 8, 2, 255, 255, 255, 255, 0, 0, 0, 0)),
  "IDX: unknown option": () => datasets.parseIdx(bytes(0, 0), { dim: 1 } as Any),
  "formatIdx: no bytes": () => datasets.formatIdx([1] as Any, [1]),
  "formatIdx: no shape": () => datasets.formatIdx(bytes(1), 1 as Any),
  "formatIdx: many dims": () => datasets.formatIdx(bytes(1), [1, 1, 1, 1, 1]),
  "formatIdx: negative sizes": () => datasets.formatIdx(bytes(1, 2), [-2, -1]),
  "formatIdx: number of values": () => datasets.formatIdx(bytes(1, 2), [3]),
  "IDX: too long": () => datasets.parseIdx(bytes(0, 0, 8, 1, 0, 0, 0, 1, 1, 2), { name: "labels", items: "labels" }),
  "TensorDataset: nothing": () => new datasets.TensorDataset(),
  "TensorDataset: lengths": () => new datasets.TensorDataset(ones([3, 2]), ones([4])),
  "TensorDataset: index": () => samples().gather(Int32Array.of(4), [new Float32Array(1)]),
  "TensorDataset: source": () => new datasets.TensorDataset("x" as Any),
  "TensorDataset: a label that does not fit": () => new datasets.TensorDataset(BigInt64Array.of(1n, 2n ** 40n)),
  "TensorDataset: unknown option": () => new datasets.TensorDataset({ data: new Float32Array(1), size: 1 } as Any),
  "TensorDataset: shape []": () => new datasets.TensorDataset({ data: new Float32Array(1), shape: [] }),
  "TensorDataset: number of values": () => new datasets.TensorDataset({ data: new Float32Array(3), shape: [2, 2] }),
  "TensorDataset: scale": () => new datasets.TensorDataset({ data: new Float32Array(3), scale: 2 }),
  "TensorDataset: a scalar": () => new datasets.TensorDataset(ones([])),
  "DataLoader: unknown option": () => new datasets.DataLoader(samples(), { batch: 1 } as Any),
  "DataLoader: batchSize": () => new datasets.DataLoader(samples(), { batchSize: 0 }),
  "DataLoader: dataset": () => new datasets.DataLoader([1, 2] as Any),
  "drawDigits: count": () => datasets.drawDigits({ count: -1 }),
  "MNIST: unknown option": () => datasets.MNIST.load({ folder: "x" } as Any),
  "MNIST: downloads off": () => datasets.MNIST.load({ cacheDir: null, download: false }),
  "MNIST: no mirrors": () => datasets.MNIST.load({ cacheDir: null, mirrors: [] }),
};

const host = { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) } as const;
/** A safetensors file with this header and as many bytes of data. */
function file(header: unknown, data = 8): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const all = new Uint8Array(8 + text.length + data).fill(7);
  new DataView(all.buffer).setBigUint64(0, BigInt(text.length), true);
  all.set(text, 8);
  return all;
}
const parse = (header: unknown, data?: number) => format.parseSafetensors(file(header, data), "net.safetensors");
const right = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}';
const entry = (change: object) => parse({ w: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...change } });

const safetensors: Cases = {
  "saveSafetensors: released": () => w.saveSafetensors({ w: released() }),
  "saveSafetensors: metadata": () => format.encodeSafetensors({ w: host }, { epoch: 3 as Any }),
  "saveSafetensors: name": () => format.encodeSafetensors({ __metadata__: host }),
  "saveSafetensors: dtype": () => format.encodeSafetensors({ w: { ...host, dtype: "float64" as Any } }),
  "saveSafetensors: number of values": () => format.encodeSafetensors({ w: { ...host, shape: [3] } }),
  "saveSafetensors: metadata that is none": () => format.encodeSafetensors({ w: host }, "made by me" as Any),
  "saveSafetensors: metadata with surrogates": () => format.encodeSafetensors({ w: host }, { made: "\ud800" }),
  "saveSafetensors: metadata too long": () => format.encodeSafetensors({ w: host }, { made: "x".repeat(100_000_001) }),
  "saveSafetensors: name with surrogates": () => format.encodeSafetensors({ "\ud800": host }),
  "saveSafetensors: no tensor": () => format.encodeSafetensors({ w: true as Any }),
  "saveSafetensors: no shape": () => format.encodeSafetensors({ w: { ...host, shape: 2 as Any } }),
  "saveSafetensors: shape of many dims": () =>
    format.encodeSafetensors({ w: { ...host, shape: new Array(65).fill(1) } }),
  "saveSafetensors: negative sizes": () => format.encodeSafetensors({ w: { ...host, shape: [-2, -1] } }),
  "saveSafetensors: fractions": () => format.encodeSafetensors({ w: { ...host, shape: [0.5, 4] } }),
  "saveSafetensors: no values": () => format.encodeSafetensors({ w: { ...host, data: new ArrayBuffer(8) as Any } }),
  "saveSafetensors: a value that is no number": () =>
    format.encodeSafetensors({ w: { ...host, data: [1, "2"] as Any } }),
  "saveSafetensors: a value that does not fit": () =>
    format.encodeSafetensors({ w: { ...host, dtype: "int32", data: [1, 2 ** 31] as Any } }),
  "save: no file": () => w.save({ w: host } as Any, "net.safetensors" as Any),
  "save: the address of a server": () => w.save(new URL("https://localhost/net"), { w: host }),
  "load: nothing": () => w.load(undefined as Any),
  "load: an answer without the file": () => w.load(new Response("", { status: 404 })),
  "load: a blob that cannot be read": () => w.load({ arrayBuffer: () => Promise.reject(new Error("gone")) }),
  "load: options": () => w.load(bytes(1), 3 as Any),
  "load: unknown option": () => w.load(bytes(1), { map_location: "cpu" } as Any),
  "load: dtype": () => w.load(bytes(1), { dtype: "int32" as Any }),
  "safetensors: no header": () => format.parseSafetensors(bytes(1, 2), "net.safetensors"),
  "safetensors: header too long": () => format.parseSafetensors(new Uint8Array(16).fill(255), "net.safetensors"),
  "safetensors: cut short": () => format.parseSafetensors(bytes(9, 0, 0, 0, 0, 0, 0, 0, 1), "net.safetensors"),
  "safetensors: UTF-8": () =>
    format.parseSafetensors(bytes(4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 255, 0x22), "net.safetensors"),
  "safetensors: surrogates": () => parse('{"\\ud800":{}}'),
  "safetensors: no bytes": () => format.parseSafetensors("net.safetensors" as Any),
  "safetensors: gzip": () => format.parseSafetensors(bytes(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0), "net.safetensors"),
  "safetensors: zip": () => format.parseSafetensors(bytes(0x50, 0x4b, 3, 4, 0, 0, 0, 0, 0), "net.safetensors"),
  "safetensors: a text without an end": () => parse('{"x'),
  "safetensors: a control character": () => parse('{"x\n'),
  "safetensors: an escape": () => parse('{"\\x":1}'),
  "safetensors: no colon": () => parse('{"x"}'),
  "safetensors: no comma": () => parse(`{"x":${right} `),
  "safetensors: behind the end": () => parse("{} x"),
  "safetensors: no brace": () => parse("[1, 2]"),
  "safetensors: no JSON": () => parse("{x"),
  "safetensors: a key twice": () => parse(`{"w":${right},"w":{}}`),
  "safetensors: metadata": () => parse({ __metadata__: { a: 1 } }, 0),
  "safetensors: holes": () => parse({ w: { dtype: "F32", shape: [1], data_offsets: [4, 8] } }),
  "safetensors: bytes left over": () => parse({ w: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }),
  "safetensors: entry": () => parse({ w: 3 }),
  "safetensors: field": () => entry({ strides: [1] }),
  "safetensors: field missing": () => parse({ w: { shape: [2], data_offsets: [0, 8] } }),
  "safetensors: dtype": () => entry({ dtype: "F8_E4M3" }),
  "safetensors: dtype that is no text": () => entry({ dtype: { toString: 1 } }),
  "safetensors: shape": () => entry({ shape: [-1] }),
  "safetensors: shape of many dims": () => entry({ shape: new Array(65).fill(1) }),
  "safetensors: sizes beside 0": () => entry({ shape: [0, 2 ** 31 - 1, 2 ** 31 - 1, 2], data_offsets: [0, 0] }),
  "safetensors: offsets": () => entry({ data_offsets: [0] }),
  "safetensors: offsets outside": () => entry({ data_offsets: [0, 80] }),
  "safetensors: size": () => entry({ shape: [3] }),
  "safetensors: I64 too large": () => parse({ w: { dtype: "I64", shape: [1], data_offsets: [0, 8] } }),
  "safetensors: BOOL": () => parse({ w: { dtype: "BOOL", shape: [8], data_offsets: [0, 8] } }),
};

/** A model whose loss is on the tape, its optimizer, and a scaler. */
function scaled(device: w.Device = w.defaultDevice()) {
  const p = ones([2], { device, requiresGrad: true });
  const optimizer = new optim.SGD([p], { lr: 1 });
  const scaler = new GradScaler();
  const step = (): void => {
    scaler.scale(p.sum()).backward();
    scaler.step(optimizer);
  };
  return { p, optimizer, scaler, step };
}

const amp: Cases = {
  "float16: on wasm": () => zeros([2], { dtype: "float16" }),
  "float16: half() on wasm": () => ones([2, 3]).half(),
  "float16: products of two widths": () => there16(2, 2).half().matmul(there16(2, 2)),
  "autocast: dtype": () => autocast(() => 1, { dtype: "bfloat16" as Any }),
  "autocast: a promise": () => autocast(async () => 1),
  "autocast: on wasm": () => autocast(() => ones([2, 2]).matmul(ones([2, 2]))),
  "autocast: unsafe": () => autocast(() => w.binaryCrossEntropy(ones([2]), ones([2]))),
  "GradScaler: unknown option": () => new GradScaler({ scale: 1 } as Any),
  "GradScaler: no loss": () => new GradScaler().scale(1 as Any),
  "GradScaler: no optimizer": () => new GradScaler().step(ones([2]) as Any),
  "GradScaler: parameters of two devices": () => {
    const list = [leaf(2), there(3).requiresGrad_()];
    for (const p of list) p.sum().backward();
    new GradScaler().unscale_(new optim.SGD(list, { lr: 1 }));
  },
  "GradScaler: growthFactor": () => new GradScaler({ growthFactor: 1 }),
  "GradScaler: unscaled twice": () => {
    const { p, optimizer, scaler } = scaled();
    scaler.scale(p.sum()).backward();
    scaler.unscale_(optimizer);
    scaler.unscale_(optimizer);
  },
  "GradScaler: unscaled behind the step": () => {
    const { optimizer, scaler, step } = scaled();
    step();
    scaler.unscale_(optimizer);
  },
  "GradScaler: two steps": () => {
    const { optimizer, scaler, step } = scaled();
    step();
    scaler.step(optimizer);
  },
  "GradScaler: no gradients": () => {
    const { optimizer, scaler } = scaled();
    scaler.step(optimizer);
  },
  "GradScaler: float16 gradients": () => {
    const p = there16(2).half().detach().requiresGrad_();
    p.sum().backward();
    new GradScaler().unscale_({ paramGroups: [{ params: [p] }], step() {} });
  },
  "GradScaler: update first": () => new GradScaler().update(),
  "GradScaler: two devices": () => {
    const { scaler } = scaled();
    scaler.scale(ones([]));
    scaler.scale(there());
  },
  "GradScaler: captured on wasm": () => {
    const { scaler, step } = scaled();
    return recorded(() => {
      step();
      scaler.update();
    });
  },
  "GradScaler: asked inside capture": async () => {
    const { scaler, step } = scaled();
    step();
    let asked: Promise<number> | undefined;
    await recorded(() => {
      asked = scaler.getScale();
      asked.catch(() => {});
    });
    await asked;
  },
  "GradScaler: loaded inside capture": async () => {
    const { scaler } = scaled();
    const state = (await scaler.stateDict()) as Any;
    return recorded(() => scaler.loadStateDict(state));
  },
  "GradScaler: state": () => new GradScaler().loadStateDict({ scale: -1 } as Any),
};

export const cases: Cases = {
  ...core,
  ...init,
  ...calibration,
  ...capture,
  ...ops,
  ...lossOps,
  ...sparseGradients,
  ...modules,
  ...lossModules,
  ...optimizers,
  ...amp,
  ...data,
  ...safetensors,
};
