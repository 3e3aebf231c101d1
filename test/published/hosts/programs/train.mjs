// The work of every cell: ten steps of an MLP, ten captured steps of a CNN, under options that give the same bits
// everywhere. Plain JavaScript that imports nothing: the package is an argument, so that any host can load it in its way.

/** Losses of the twenty steps, and what the default device says of itself. */
export async function train(w, options = {}) {
  const device = await w.init({ simd: "simd", deterministic: true, threads: 2, ...options });
  // Threads join when they have started, which short work does not wait for: here all must take part.
  for (let i = 0; i < 1000 && device.ready < device.info.threads; i++) await new Promise((r) => setTimeout(r, 10));
  w.manualSeed(7);
  const { nn } = w;
  const losses = [];

  const mlp = new nn.Sequential(new nn.Linear(20, 32), new nn.ReLU(), new nn.Linear(32, 3));
  const sgd = new w.optim.SGD(mlp.parameters(), { lr: 0.1, momentum: 0.9 });
  const [points, classes] = [w.randn([16, 20]), w.randint(0, 3, [16])];
  for (let i = 0; i < 10; i++) {
    sgd.zeroGrad();
    const loss = w.crossEntropy(mlp.forward(points), classes);
    loss.backward();
    sgd.step();
    losses.push(await loss.item());
  }

  const cnn = new nn.Sequential(
    ...[new nn.Conv2d(1, 6, 5), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Flatten()],
    ...[new nn.Linear(864, 10)],
  );
  const adam = new w.optim.Adam(cnn.parameters(), { lr: 1e-3 });
  const step = w.capture((x, y) => {
    adam.zeroGrad();
    const loss = w.crossEntropy(cnn.forward(x), y);
    loss.backward();
    adam.step();
    return loss;
  });
  const [images, digits] = [w.randn([32, 1, 28, 28]), w.randint(0, 10, [32])];
  for (let i = 0; i < 10; i++) losses.push(await (await step(images, digits)).item());
  return { losses, ready: device.ready, info: w.info() };
}

/** The line by which a program tells what came out, wherever a test runner puts it. */
export const told = (result) => `RESULT ${JSON.stringify(result)} END`;
