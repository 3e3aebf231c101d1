// Messages about arguments of the wrong kind, which had none of their own: see messages.ts.
import { autocast, GradScaler } from "../src/amp/index.ts";
import * as datasets from "../src/data/index.ts";
import * as w from "../src/index.ts";
import * as format from "../src/io/safetensors.ts";
import type { Cases } from "./messages.ts";

type Any = never;
const { ones, tensor } = w;
const x = (): w.Tensor => ones([2, 3]);

export const badArguments: Cases = {
  "capture: no function": () => w.capture(5 as Any),
  "autocast: no function": () => autocast(undefined as Any),
  "backward: an option that it does not have": () =>
    x()
      .sum()
      .backward({ retain_graph: true } as Any),
  "device: a name": () => w.zeros([1], { device: "wasm" } as Any),
  "tensor: used as a number": () => Number(x()),
  "tensor: a string in an array": () => tensor([[1], ["a"]] as Any),
  "tensor: too deep": () => {
    const endless: unknown[] = [];
    endless.push(endless);
    tensor(endless as Any);
  },
  "tensor: a string": () => tensor("5" as Any),
  "tensor: a tensor in another shape": () => tensor(x(), { shape: [6] }),
  "tensor: tensors of two shapes": () => tensor([ones([2]), ones([3])]),
  "arange: a fraction of int32": () => w.arange(0, 2, 0.5, { dtype: "int32" }),
  "arange: beyond int32": () => w.arange(3e9, 3e9 + 4),
  "arange: bool": () => w.arange(3, { dtype: "bool" }),
  "full: beyond int32": () => w.full([1], 3e9, { dtype: "int32" }),
  "rand: whole numbers": () => w.rand([2], { dtype: "int32" }),
  "argmax: a number for keepdim": () => x().argmax(0, 1 as Any),
  "chunk: too many of nothing": () => w.zeros([0]).chunk(2 ** 31),
  "permute: nothing": () => w.permute(x(), undefined as Any),
  "view: a tensor": () => w.view(x(), ones([1]) as Any),
  "layerNorm: a string": () => w.layerNorm(x(), "3" as Any),
  "avgPool2d: a tensor": () => w.avgPool2d(ones([1, 1, 4, 4]), ones([2]) as Any),
  "noGrad: a tensor": () => w.noGrad(x() as Any),
  "step: no closure": () => new w.optim.SGD([x()], { lr: 0.1 }).step(5 as Any),
  "SGD: a momentum that was set": () => {
    const p = ones([1], { requiresGrad: true });
    const optimizer = new w.optim.SGD([p], { momentum: 0.9 });
    p.sum().backward();
    optimizer.paramGroups[0]!.momentum = -1;
    optimizer.step();
  },
  "LRScheduler: no optimizer": () => new w.optim.lrScheduler.LinearLR({} as Any),
  "parseIdx: a string": () => datasets.parseIdx("a" as Any),
  "formatIdx: a string": () => datasets.formatIdx("a" as Any, [1]),
  "formatIdx: a shape of another size": () => datasets.formatIdx(new Uint8Array(4), [3]),
  "TensorDataset: gather without arrays": () =>
    new datasets.TensorDataset(new Float32Array(2)).gather([0] as Any, undefined as Any),
  "GradScaler: losses in arrays": () => new GradScaler().scale([[x()]] as Any),
  "encodeSafetensors: nothing": () => format.encodeSafetensors(undefined as Any),
  "parseSafetensors: a string": () => format.parseSafetensors("a" as Any),
  "save: the dict first": () => w.save({ x: x() } as Any, "a.safetensors" as Any),
  "save: a model": () => w.save("a.safetensors", undefined as Any),
  "saveSafetensors: metadata that is a number": () => w.saveSafetensors({ x: x() }, 5 as Any),
  "load: a number": () => w.load(5 as Any),
  "Linear: PyTorch's third argument": () => new w.nn.Linear(2, 3, false as Any),
  "ReLU: in place": () => new (w.nn.ReLU as new (options: object) => w.nn.ReLU)({ inplace: true }),
  "crossEntropy: snake case": () => w.crossEntropy(x(), tensor([0, 1]).int(), { ignore_index: 0 } as Any),
};
