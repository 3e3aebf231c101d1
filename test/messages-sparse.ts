// Messages about gradients by rows: see messages.ts.
import { GradScaler } from "../src/amp/index.ts";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import type { Cases } from "./messages.ts";
import { ReferenceDevice } from "./reference.ts";

type Any = never;
const reference = new ReferenceDevice();
const { ones, tensor } = w;
const leaf = (...shape: number[]): w.Tensor => ones(shape, { requiresGrad: true });
const ints = (...list: number[]): w.Tensor => tensor(list, { dtype: "int32" });

/** A gradient of rows 1 and 2 of three. */
const good = () => ({ indices: ints(1, 2), values: ones([2, 2]), size: [3, 2] });
const bad = (change: object): void => w.setSparseGrad(leaf(3, 2), { ...good(), ...change } as Any);
/** A parameter with a sparse gradient. */
function sparse(): w.Tensor {
  const p = leaf(3, 2);
  w.setSparseGrad(p, good());
  return p;
}

export const sparseGradients: Cases = {
  "setSparseGrad: no object": () => w.setSparseGrad(leaf(3, 2), ones([3, 2]) as Any),
  "setSparseGrad: unknown name": () => bad({ index: ints(1) }),
  "setSparseGrad: no tensor": () => bad({ indices: [1, 2] }),
  "setSparseGrad: released": () => {
    const values = ones([2, 2]);
    values.dispose();
    bad({ values });
  },
  "setSparseGrad: no dims": () => w.setSparseGrad(leaf(), good()),
  "setSparseGrad: size": () => bad({ size: [4, 2] }),
  "setSparseGrad: dtype of indices": () => bad({ indices: ones([2]) }),
  "setSparseGrad: dims of indices": () => bad({ indices: tensor([[1, 2]], { dtype: "int32" }) }),
  "setSparseGrad: shape of values": () => bad({ values: ones([2, 3]) }),
  "setSparseGrad: dtype of values": () => bad({ values: ones([2, 2], { dtype: "int32" }) }),
  "setSparseGrad: device": () => bad({ values: ones([2, 2], { device: reference }) }),
  "getSparseGrad: released": () => {
    const p = leaf(3, 2);
    p.dispose();
    return w.getSparseGrad(p);
  },
  "sparse gradient: read as a dense one": () => sparse().grad,
  "sparse gradient: backward": () => sparse().sum().backward(),
  "sparse gradient: SGD": () => new optim.SGD([sparse()]).step(),
  "sparse gradient: LBFGS": () => new optim.LBFGS([sparse()]).step(() => 1),
  "sparse gradient: clipGradNorm_": () => nn.utils.clipGradNorm_([sparse()], 1),
  "sparse gradient: GradScaler": () => new GradScaler().unscale_(new optim.SparseAdam([sparse()])),
  "sparse gradient: a move": async () => {
    class Rows extends nn.Module {
      weight = new nn.Parameter(ones([3, 2]));
      forward(x: w.Tensor): w.Tensor {
        return x.matmul(this.weight);
      }
    }
    const model = new Rows();
    w.setSparseGrad(model.weight, good());
    await model.to(reference);
  },
  "sparse gradient: inside capture": () => {
    const optimizer = new optim.SparseAdam([sparse()]);
    return w.capture(() => optimizer.step())();
  },
  "SparseAdam: a dense gradient": () => {
    const p = leaf(3, 2);
    p.sum().backward();
    new optim.SparseAdam([p]).step();
  },
  "SparseAdam: index": () => {
    const p = leaf(3, 2);
    w.setSparseGrad(p, { ...good(), indices: ints(1, 3) });
    new optim.SparseAdam([p]).step();
    return p.data();
  },
  "SparseAdam: lr": () => new optim.SparseAdam([leaf(3, 2)], { lr: 0 }),
  "SparseAdam: betas": () => new optim.SparseAdam([leaf(3, 2)], { betas: [1, 0.9] }),
  "SparseAdam: eps": () => new optim.SparseAdam([leaf(3, 2)], { eps: 0 }),
};
