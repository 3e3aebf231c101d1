// The tiny net's first SGD step, and its loss: jax-js with its wasm backend, eagerly, which starts sooner than `jit`.
import { blockUntilReady, defaultDevice, init, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";

export async function first() {
  await init("wasm");
  defaultDevice("wasm");
  const uniform = (shape, scale = 1) =>
    np.array(Float32Array.from({ length: shape[0] * shape[1] }, () => Math.random() * scale)).reshape(shape);
  const sizes = [5, 8, 4, 1];
  const parameters = sizes.slice(1).flatMap((n, i) => [uniform([sizes[i], n]), uniform([1, n])]);
  const [x, y] = [uniform([32, 5]), np.array(Float32Array.from({ length: 32 }, (_, i) => i % 2)).reshape([32, 1])];
  const loss = (p, input, target) => {
    let h = input;
    for (let i = 0; i < p.length; i += 2) h = nn.sigmoid(np.matmul(h, p[i]).add(p[i + 1]));
    const one = target.ref.mul(np.log(h.ref.add(1e-7)));
    const zero = np
      .array(1)
      .sub(target)
      .mul(np.log(np.array(1 + 1e-7).sub(h)));
    return np.mean(one.add(zero)).mul(-1);
  };
  const [value, gradients] = valueAndGrad(loss)(tree.ref(parameters), x, y);
  const next = parameters.map((p, i) => p.sub(gradients[i].mul(0.1)));
  await blockUntilReady(next);
  return value.item();
}
