// The tiny net's first SGD step, and its loss: wasmgrad.
import { binaryCrossEntropy, gt, init, nn, optim, rand } from "wasmgrad";

export async function first() {
  await init();
  const model = new nn.Sequential(
    ...[new nn.Linear(5, 8), new nn.Sigmoid(), new nn.Linear(8, 4), new nn.Sigmoid()],
    ...[new nn.Linear(4, 1), new nn.Sigmoid()],
  );
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
  const [x, y] = [rand([32, 5]), gt(rand([32, 1]), 0.5).float()];
  optimizer.zeroGrad();
  const loss = binaryCrossEntropy(model.forward(x), y);
  loss.backward();
  optimizer.step();
  return loss.item();
}
