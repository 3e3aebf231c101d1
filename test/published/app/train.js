// Ten steps of an MLP and ten captured steps of a small CNN, in any host: the losses must have the same bits everywhere.
// Names are imported one by one, so that bundlers drop what is not used.
import {
  capture,
  crossEntropy,
  info,
  init,
  manualSeed,
  maxPool2d,
  mseLoss,
  nn,
  optim,
  rand,
  randint,
  randn,
  relu,
  tanh,
} from "wasmgrad";

const STEPS = 10;

class Net extends nn.Module {
  conv = new nn.Conv2d(1, 4, 5);
  out = new nn.Linear(576, 10);

  forward(x) {
    return this.out.forward(relu(maxPool2d(this.conv.forward(x), 2)).flatten(1));
  }
}

function mlp() {
  const [hidden, out] = [new nn.Linear(16, 32), new nn.Linear(32, 1)];
  const optimizer = new optim.SGD([...hidden.parameters(), ...out.parameters()], { lr: 0.1, momentum: 0.9 });
  const [x, y] = [randn([64, 16]), randn([64, 1])];
  return () => {
    optimizer.zeroGrad();
    const loss = mseLoss(out.forward(tanh(hidden.forward(x))), y);
    loss.backward();
    optimizer.step();
    return loss;
  };
}

function cnn() {
  const net = new Net();
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 });
  const step = capture((x, y) => {
    optimizer.zeroGrad();
    const loss = crossEntropy(net.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  });
  const [x, y] = [rand([32, 1, 28, 28]), randint(0, 10, [32])];
  return () => step(x, y);
}

/** Losses as numbers, which float32 gives exactly, what the device says of itself, and how many threads take part. */
export async function train(options = {}) {
  const device = await init({ threads: 2, simd: "simd", deterministic: true, ...options });
  try {
    const { build, threads, why } = info();
    for (let i = 0; i < 500 && device.ready < threads; i++) await new Promise((r) => setTimeout(r, 10));
    manualSeed(3);
    const losses = [];
    for (const step of [mlp(), cnn()]) {
      for (let i = 0; i < STEPS; i++) losses.push(await (await step()).item());
    }
    return { losses, build, threads, ready: device.ready, why, isolated: globalThis.crossOriginIsolated === true };
  } finally {
    await device.dispose();
  }
}
