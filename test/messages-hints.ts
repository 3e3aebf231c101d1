// Messages for what PyTorch's users write: values in the place of options, options in the place of values, names with underscores. What
// a message says to write is an option that takes such a value, or none at all.
import * as datasets from "../src/data/index.ts";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import type { Cases } from "./messages.ts";

type Any = never;
const { ones } = w;
const x = (): w.Tensor => ones([2, 3]);
const net = (): nn.Linear => new nn.Linear(2, 3);
const sgd = (): optim.SGD => new optim.SGD([ones([1], { requiresGrad: true })], { lr: 0.1 });
/** A class, of which anything is made. */
const made = (of: unknown, ...given: unknown[]): unknown => new (of as new (...given: unknown[]) => unknown)(...given);
const call = (f: unknown, ...given: unknown[]): unknown => (f as (...given: unknown[]) => unknown)(...given);
const lr = optim.lrScheduler;
const swa = optim.swaUtils;

export const hints: Cases = {
  "HuberLoss: a number": () => made(nn.HuberLoss, 1),
  "SmoothL1Loss: a number": () => made(nn.SmoothL1Loss, 0.5),
  "TripletMarginLoss: a number": () => made(nn.TripletMarginLoss, 0.5),
  "CrossEntropyLoss: a weight": () => made(nn.CrossEntropyLoss, ones([3])),
  "MSELoss: a word": () => made(nn.MSELoss, "sum"),
  "MSELoss: a number": () => made(nn.MSELoss, 1),
  "GELU: a word": () => made(nn.GELU, "tanh"),
  "CTCLoss: true": () => made(nn.CTCLoss, true),
  "drawDigits: a number": () => call(datasets.drawDigits, 2000),
  "DataLoader: numbers": () => made(datasets.DataLoader, {}, 32, true),
  "AveragedModel: a function": () => made(swa.AveragedModel, net(), swa.getEmaMultiAvgFn()),
  "MultiStepLR: a list": () => made(lr.MultiStepLR, sgd(), [30, 80], 0.1),
  "OneCycleLR: numbers": () => made(lr.OneCycleLR, sgd(), 0.1, 10),
  "ReduceLROnPlateau: a word": () => made(lr.ReduceLROnPlateau, sgd(), "max", 0.5),
  "SGD: two numbers": () => made(optim.SGD, [ones([1])], 0.1, 0.9),
  "clamp: two numbers": () => call(w.clamp, x(), 0, 1),
  "Conv2d: numbers": () => made(nn.Conv2d, 1, 8, 3, 1, 1),
  "Conv2d: too much behind options": () => made(nn.Conv2d, 1, 8, 3, {}, 1),
  "Conv2d: too much behind nothing": () => made(nn.Conv2d, 1, 8, 3, undefined, 1),
  "conv2d: numbers": () => call(w.conv2d, ones([1, 1, 4, 4]), ones([1, 1, 2, 2]), null, 1, 1),
  "maxPool2d: numbers": () => call(w.maxPool2d, ones([1, 1, 4, 4]), 2, 2, 0),
  "Linear: a tensor for options": () => made(nn.Linear, 2, 3, ones([3])),
  "Linear: a map for options": () => made(nn.Linear, 2, 3, new Map()),
  "load: a word": () => w.load(new Uint8Array(8), "float16" as Any),
  "Dropout: options": () => made(nn.Dropout, { p: 0.1 }),
  "Softmax: options": () => made(nn.Softmax, { dim: 1 }),
  "softmax: options": () => call(w.softmax, x(), { dim: 1 }),
  "softplus: options": () => call(w.softplus, x(), { beta: 2 }),
  "normal_: options": () => call(nn.init.normal_, x(), { std: 0.02 }),
  "LambdaLR: options": () => made(lr.LambdaLR, sgd(), { lrLambda: () => 1 }),
  "LambdaLR: too much": () => made(lr.LambdaLR, sgd(), () => 1, {}, 1),
  "LBFGS: an async closure": () => new optim.LBFGS([ones([1], { requiresGrad: true })]).step(async () => x()),
  "SGD: an async closure": () => sgd().step(async () => x()),
  "capture: a module": () => w.capture(net() as Any),
  "backward: a captured function's result": async () => {
    const model = net();
    const step = w.capture((a: w.Tensor) => model.forward(a).sum());
    (await step(ones([1, 2]))).backward();
  },
  "calculateGain: PyTorch's name": () => nn.init.calculateGain("leaky_relu" as Any),
  "calculateGain: PyTorch's name for a layer": () => nn.init.calculateGain("conv_transpose2d" as Any),
  "kaimingNormal_: PyTorch's name": () => nn.init.kaimingNormal_(x(), { nonlinearity: "leaky_relu" as Any }),
  "kaimingUniform_: PyTorch's mode": () => nn.init.kaimingUniform_(x(), { mode: "fan_out" as Any }),
};
