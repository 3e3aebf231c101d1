// A small convolutional network on handwritten digits: two convolutions, each with pooling and relu, and a linear layer.
// node --import tsx examples/mnist-cnn.ts --help
import { autocast, GradScaler } from "../src/amp/index.ts";
import { capture, crossEntropy, maxPool2d, nn, optim, relu, type Tensor } from "../src/index.ts";
import { start } from "./shared/run.ts";

class Net extends nn.Module {
  conv1 = new nn.Conv2d(1, 10, 5);
  conv2 = new nn.Conv2d(10, 20, 5);
  fc = new nn.Linear(320, 10);

  forward(x: Tensor): Tensor {
    x = relu(maxPool2d(this.conv1.forward(x), 2)); // [n, 10, 12, 12]
    x = relu(maxPool2d(this.conv2.forward(x), 2)); // [n, 20, 4, 4]
    return this.fc.forward(x.flatten(1));
  }
}

const run = await start({
  name: "mnist-cnn",
  about: "a convolutional network learns handwritten digits",
  epochs: 3,
  batch: 64,
  optimizer: "adam",
  lr: { adam: 0.004, sgd: 0.02 },
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
