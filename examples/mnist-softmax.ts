// Softmax regression on handwritten digits: one linear layer, 784 pixels to 10 digits.
// node --import tsx examples/mnist-softmax.ts --help
import { autocast, GradScaler } from "../src/amp/index.ts";
import { capture, crossEntropy, nn, optim, type Tensor } from "../src/index.ts";
import { start } from "./shared/run.ts";

class Net extends nn.Module {
  fc = new nn.Linear(784, 10);

  forward(x: Tensor): Tensor {
    return this.fc.forward(x.flatten(1));
  }
}

const run = await start({
  name: "mnist-softmax",
  about: "one linear layer learns handwritten digits",
  epochs: 5,
  batch: 64,
  optimizer: "adam",
  lr: { adam: 0.002, sgd: 0.02 },
});
const { options } = run;
const { lr } = options;

const model = new Net();
const optimizer =
  options.optimizer === "adam"
    ? new optim.Adam(model.parameters(), { lr })
    : new optim.SGD(model.parameters(), { lr, momentum: 0.9 });
const decay = new optim.lrScheduler.LinearLR(optimizer, { startFactor: 1, endFactor: 0, totalIters: run.steps });
const scaler = new GradScaler({ enabled: options.amp });
run.describe(model);

function trainStep(x: Tensor, y: Tensor): Tensor {
  optimizer.zeroGrad();
  const loss = autocast(() => crossEntropy(model.forward(x), y), { enabled: options.amp });
  scaler.scale(loss).backward();
  scaler.step(optimizer);
  scaler.update();
  return loss;
}
const step = options.capture ? capture(trainStep) : trainStep;

for (let epoch = 1; epoch <= options.epochs; epoch++) {
  model.train();
  for await (const [x, y] of run.batches(epoch)) {
    run.loss(await step(x, y));
    decay.step();
  }
  model.eval();
  await run.test(model);
}
await run.finish(model);
