// Messages of views, of writes to them, and of what selects: as messages.ts, which has the others.
import { apply, type Op } from "../src/core/op.ts";
import * as w from "../src/index.ts";
import { moveTo } from "../src/ops/move.ts";
import type { Cases } from "./messages.ts";
import { ReferenceDevice } from "./reference.ts";

type Any = never;
const reference = new ReferenceDevice();
const { ones, zeros, arange } = w;
const leaf = (...shape: number[]): w.Tensor => ones(shape, { requiresGrad: true });
const ints = (...list: number[]): w.Tensor => w.tensor(list, { dtype: "int32" });

/** An op whose backward is wrong. */
const Wrong: Op = { name: "wrong", forward: ([x]) => x!.clone(), vjp: () => [ones([2])] };

export const views: Cases = {
  "tensor: move a view": () => moveTo(ones([4]).narrow(0, 2, 2), ones([2]).storage),
  "SGD: moved after its first step": async () => {
    const model = new w.nn.Linear(2, 3);
    const optimizer = new w.optim.SGD(model.parameters(), { momentum: 0.5 });
    const step = (x: w.Tensor) => {
      model.forward(x).sum().backward();
      optimizer.step();
    };
    step(ones([1, 2]));
    // Behind the optimizer's back: to() would have moved its state too.
    for (const p of model.parameters()) {
      p.setGrad(null);
      moveTo(p, reference.alloc(p.numel * 4, "weight"));
    }
    step(ones([1, 2], { device: reference }));
  },
  "backward: a gradient of the wrong shape": () =>
    apply(Wrong, [leaf(2, 3)], null)
      .sum()
      .backward(),
  "backward: another part of the storage was written": () => {
    const base = leaf(4).mul(1);
    const part = base.narrow(0, 0, 2);
    const y = part.mul(part).sum();
    base.narrow(0, 2, 2).add_(1);
    y.backward();
  },
  "backward: a detached alias was written": () => {
    const x = leaf(3);
    const y = x.mul(x).sum();
    x.detach().add_(1);
    y.backward();
  },
  "expand: released, and sizes that do not fit": () => {
    const x = ones([2, 3]);
    x.dispose();
    x.expand(4, 3);
  },
  "add_: an expanded view": () => zeros([1, 3]).expand(2, 3).add_(1),
  "add_: a part of an expanded view": () => zeros([1, 3]).expand(2, 3).t().narrow(0, 1, 2).add_(1),
  "add_: one of several": () => zeros([2, 3]).unbind(0)[0]!.add_(leaf(3)),
  "mul_: one of several": () => leaf(2, 4).mul(1).chunk(2, 1)[0]!.mul_(2),
  "sub_: a view of one of several": () => leaf(4).mul(1).split(2)[1]!.view(2, 1).sub_(1),
  "add_: a view made without gradients": () => w.noGrad(() => zeros([2, 3]).select(0, 0)).add_(leaf(3)),
  "add_: a view of a leaf that requires grad": () => leaf(3).view(3).add_(1),
  "fill_: a view of a leaf that requires grad": () => leaf(2, 3).t().narrow(0, 0, 1).fill_(1),
  "add_: bytes that overlap": () => {
    const x = arange(10);
    x.narrow(0, 1, 9).add_(x.narrow(0, 0, 9));
  },
  "copy_: bytes that overlap": () => {
    const x = arange(10);
    x.narrow(0, 1, 9).copy_(x.narrow(0, 0, 9));
  },
  "sub_: an element of itself": () => {
    const x = arange(10);
    x.sub_(x.narrow(0, 0, 1));
  },
  "add_: bool": () =>
    ones([2])
      .gt(0)
      .add_(ones([2]).gt(0)),
  "mul: one of several, its base written since": () => {
    const base = leaf(2, 3).mul(1);
    const row = base.unbind(0)[0]!;
    base.mul_(2);
    row.mul(1);
  },
  "div_: int32": () => ints(1, 2).div_(ints(1, 2)),
  "argmax: bool": () => w.tensor([true]).argmax(),
  "sum: one of several views whose base was written": () => {
    const b = ones([2, 3], { requiresGrad: true }).mul(1);
    const [first] = b.unbind(0);
    b.mul_(2);
    first!.sum();
  },
  "contiguous: too many dims": () => zeros([2, 2, 2, 2, 2, 2, 2, 2, 2]).permute(8, 7, 6, 5, 4, 3, 2, 1, 0).contiguous(),
  "capture: a transposed input that is written": () =>
    w.capture((x: w.Tensor) => {
      x.add_(1);
    })(ones([2, 3]).t()),
  "add: too many dims": () =>
    zeros([2, 2, 2, 2, 2, 2, 2, 2, 2])
      .permute(8, 7, 6, 5, 4, 3, 2, 1, 0)
      .add(ones([2])),
  "maskedFill_: no mask": () => ones([2]).maskedFill_(1 as never, 0),
  "maskedFill_: mask": () => ones([2]).maskedFill_(ones([2]), 0),
  "maskedFill_: value": () => ones([2]).maskedFill_(w.tensor([true, false]), ones([]) as never),
  "maskedFill_: shapes": () => ones([2]).maskedFill_(w.tensor([[true], [false]]), 0),
  "tanh_: int32": () => ints(1, 2).tanh_(),
  "heaviside: dtypes": () => w.heaviside(ints(1, 2), ones([])),
  "relu: bool": () => w.tensor([true]).relu(),
  "conv2d: a stride of 2^30": () => w.conv2d(ones([1, 1, 2, 2]), ones([1, 1, 1, 1]), null, { stride: 2 ** 30 }),
  "conv2d: a kernel of no rows": () => w.conv2d(ones([1, 2, 4, 4]), ones([3, 2, 0, 3])),
  "view: of a slice": () => ones([4, 5]).slice(1, 0, null, 2).view(12),
  "movedim: lists": () => ones([2, 3, 4]).movedim([0, 1], 2),
  "movedim: a dim twice": () => ones([2, 3, 4]).movedim([0, -3], [1, 2]),
  "slice: a scalar": () => ones([]).slice(0),
  "slice: step": () => ones([2, 3]).slice(1, null, null, -1),
  "slice: bound": () => ones([2, 3]).slice(1, 0.5),
  "diagonal: dims": () => ones([2, 3]).diagonal(0, 1, -1),
  "diagonal: offset": () => ones([2, 3]).diagonal(0.5),
  "unbind: a scalar": () => ones([]).unbind(),
  "split: a scalar": () => ones([]).split(1),
  "split: size": () => ones([5]).split(0),
  "split: sizes": () => ones([5]).split([2, 2]),
  "chunk: a scalar": () => ones([]).chunk(2),
  "chunk: chunks": () => ones([5]).chunk(0),
  "stride: dim": () => ones([2, 3]).stride(2),
  "fill_: a tensor": () => ones([2]).fill_(ones([]) as Any),
  "add_: an array": () => ones([2]).add_([1, 2] as Any),
  "heaviside: a number": () => w.heaviside(ones([2]), 0.5 as Any),
  "uniform_: an expanded view": () => zeros([1]).expand(3).uniform_(),
  "transpose: a dim that is a string": () => ones([2, 3]).transpose("0" as Any, 1),
  "transpose: dims in an array": () => ones([2, 3]).transpose([0, 1] as Any, 0),
  "select: a fraction": () => ones([2, 3]).select(0.5, 1),
  "unsqueeze: dim": () => ones([2, 3]).unsqueeze(3),
  "unsqueeze: a string": () => ones([2, 3]).unsqueeze("1" as Any),
  "split: no size": () => ones([2, 3]).split("1" as Any),
  "movedim: no dims": () => ones([2, 3]).movedim(0, "1" as Any),
  "narrow: a released tensor": () => {
    const x = ones([2, 3]);
    x.dispose();
    x.narrow(0, 0, 1);
  },
  "backward: a number for the gradient": () =>
    leaf(2)
      .mul(2)
      .backward(2 as Any),
};

export const selecting: Cases = {
  "where: condition's dtype": () => w.where(ones([2]), 1, 0),
  "where: a string": () => w.where(ones([2]).gt(0), "a" as Any, 0),
  "where: shapes": () => w.where(ones([2]).gt(0), ones([3]), ones([2])),
  "maskedFill: mask": () => ones([2]).maskedFill(ones([2]), 0),
  "maskedFill: shapes": () => ones([2]).maskedFill(w.tensor([true, false, true]), 0),
  "maskedFill: no value": () => ones([2]).maskedFill(w.tensor([true, false]), "1" as Any),
  "maskedFill: NaN among int32": () => ints(1, 2).maskedFill(w.tensor([true, false]), Number.NaN),
  "maskedFill_: what no int32 holds": () => ints(1, 2).maskedFill_(w.tensor([true, false]), 1e10),
  "clamp: no bounds": () => ones([2]).clamp({}),
  "clamp: a bound that is no number": () => ones([2]).clamp({ min: "1" as Any }),
};

/** Those that name no shape. */
export const options: Cases = {
  "where: condition": () => w.where([true] as Any, ones([1]), 0),
  "add: alpha": () => ones([2]).add(ones([2]), { alpha: "2" as Any }),
  "add: alpha with a fraction": () =>
    ones([2])
      .int()
      .add(ones([2]).int(), { alpha: 1.5 }),
  "uniform_: limits": () => ones([2]).uniform_(3, 1),
  "add: unknown option": () => ones([2]).add(ones([2]), { beta: 2 } as Any),
  "full: a tensor": () => w.full([2], ones([]) as Any),
  "randint: the shape in the place of high": () => w.randint(10, [2, 3] as Any, []),
  "noGrad: no function": () => w.noGrad(undefined as Any),
  "scope: no function": () => w.scope(1 as Any),
  "grad: no inputs": () => {
    const x = leaf(1);
    w.grad(x.mul(2), 5 as Any);
  },
  "grad: two roots": () => {
    const x = leaf(1);
    w.grad([x.mul(2), x] as Any, x);
  },
  "copy_: a number": () => ones([2]).copy_(3 as Any),
  "mm: a number": () => ones([2, 2]).mm(2 as Any),
  "layerNorm: options in the place of the weight": () => w.layerNorm(ones([2, 3]), 3, { eps: 1 } as Any),
  "clamp: numbers": () => ones([2]).clamp(0 as Any),
  "sum: another name of an option": () => ones([2, 3]).sum({ axis: 0 } as Any),
  "mean: two dims as two numbers": () => ones([2, 3]).mean(0, 1 as Any),
  "add: options that are a number": () => ones([2]).add(ones([2]), 2 as Any),
  "Adam: a number": () => new w.optim.Adam([leaf(2)], 0.1 as Any),
  "loadStateDict: a promise": () => new w.nn.Linear(2, 2).loadStateDict(Promise.resolve({}) as Any),
  "saveSafetensors: a module": () => w.saveSafetensors(new w.nn.Linear(2, 2) as Any),
  "clamp: unknown option": () => ones([2]).clamp({ low: 0 } as Any),
};
