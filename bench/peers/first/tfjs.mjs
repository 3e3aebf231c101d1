// The tiny net's first SGD step, and its loss: tfjs with its wasm backend.
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";

export async function first() {
  await tf.setBackend("wasm");
  await tf.ready();
  if (tf.getBackend() !== "wasm") throw new Error(`tfjs took ${tf.getBackend()}`);
  const sizes = [5, 8, 4, 1];
  const layers = sizes
    .slice(1)
    .map((n, i) => [tf.variable(tf.randomUniform([sizes[i], n])), tf.variable(tf.zeros([1, n]))]);
  const optimizer = tf.train.sgd(0.1);
  const [x, y] = [tf.randomUniform([32, 5]), tf.randomUniform([32, 1]).greater(0.5).toFloat()];
  const forward = () => layers.reduce((h, [w, b]) => tf.sigmoid(tf.add(tf.matMul(h, w), b)), x);
  const loss = optimizer.minimize(() => tf.losses.logLoss(y, forward()), true);
  return (await loss.data())[0];
}
