// The tiny net's captured step, for workerd and Node alike: the work of bench/workerd.ts.

/** A function that takes so many steps and gives the last loss. */
export async function prepare(w, options) {
  await w.init({ threads: 1, maximumMemory: 64 << 20, ...options });
  w.manualSeed(1);
  const { nn } = w;
  const model = new nn.Sequential(
    ...[new nn.Linear(5, 8), new nn.Sigmoid(), new nn.Linear(8, 4), new nn.Sigmoid()],
    ...[new nn.Linear(4, 1), new nn.Sigmoid()],
  );
  const optimizer = new w.optim.SGD(model.parameters(), { lr: 0.1 });
  const [x, y] = [w.rand([32, 5]), w.gt(w.rand([32, 1]), 0.5).float()];
  const step = w.capture((a, b) => {
    optimizer.zeroGrad();
    const loss = w.binaryCrossEntropy(model.forward(a), b);
    loss.backward();
    optimizer.step();
    return loss;
  });
  const run = async (steps) => {
    let loss;
    for (let i = 0; i < steps; i++) loss = await step(x, y);
    return { loss: await loss.item(), info: w.info() };
  };
  return run;
}
