// Recomputes the test accuracy of weights that an example saved, without the engine: it reads the file itself and runs
// plain loops in 64-bit floats. node --import tsx examples/check-saved.ts FILE [--data DIR]
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { drawDigits, MNIST } from "../src/data/index.ts";

/** A dense array of rows, channels, ... as `shape` tells. */
interface Weights {
  shape: number[];
  values: Float32Array;
}

/** Feature maps of one image: [channels, side, side]. */
interface Maps {
  channels: number;
  side: number;
  values: Float64Array;
}

/** The safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes. */
async function load(file: string) {
  const bytes = await readFile(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  const weights = new Map<string, Weights>();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries<Record<string, unknown>>(entries)) {
    if (dtype !== "F32") throw new Error(`${file}: ${name} is ${dtype}: F32 is expected`);
    const [begin, end] = offsets as [number, number];
    const values = new Float32Array((end - begin) / 4);
    for (let i = 0; i < values.length; i++) values[i] = bytes.readFloatLE(8 + length + begin + 4 * i);
    weights.set(name, { shape: shape as number[], values });
  }
  const layer = (name: string): [Weights, Weights] => {
    const [weight, bias] = [weights.get(`${name}.weight`), weights.get(`${name}.bias`)];
    if (weight === undefined || bias === undefined)
      throw new Error(`${file}: ${name}.weight and ${name}.bias are expected`);
    return [weight, bias];
  };
  return {
    metadata: metadata as Record<string, string | undefined>,
    layer,
    convolutional: weights.has("conv1.weight"),
  };
}

/** y[o][r][c] = bias[o] + sum over i, u, v of x[i][r + u][c + v] * weight[o][i][u][v] */
function convolution(x: Maps, [weight, bias]: [Weights, Weights]): Maps {
  const [outputs, inputs, k] = weight.shape as [number, number, number];
  const side = x.side - k + 1;
  const values = new Float64Array(outputs * side * side);
  for (let o = 0; o < outputs; o++) {
    for (let r = 0; r < side; r++) {
      for (let c = 0; c < side; c++) {
        let sum = bias.values[o]!;
        for (let i = 0; i < inputs; i++) {
          for (let u = 0; u < k; u++) {
            const from = (i * x.side + r + u) * x.side + c;
            const at = ((o * inputs + i) * k + u) * k;
            for (let v = 0; v < k; v++) sum += x.values[from + v]! * weight.values[at + v]!;
          }
        }
        values[(o * side + r) * side + c] = sum;
      }
    }
  }
  return { channels: outputs, side, values };
}

/** The largest of each 2x2 square, and zero where that is negative. */
function poolAndRelu(x: Maps): Maps {
  const side = x.side / 2;
  const values = new Float64Array(x.channels * side * side);
  for (let i = 0; i < x.channels; i++) {
    for (let r = 0; r < side; r++) {
      for (let c = 0; c < side; c++) {
        const from = (i * x.side + 2 * r) * x.side + 2 * c;
        const [a, b] = [x.values[from]!, x.values[from + 1]!];
        const [d, e] = [x.values[from + x.side]!, x.values[from + x.side + 1]!];
        values[(i * side + r) * side + c] = Math.max(a, b, d, e, 0);
      }
    }
  }
  return { channels: x.channels, side, values };
}

/** The class whose score, bias + weight · x, is the largest. */
function classify(x: Maps, [weight, bias]: [Weights, Weights]): number {
  let best = 0;
  let most = Number.NEGATIVE_INFINITY;
  for (let o = 0; o < bias.values.length; o++) {
    let sum = bias.values[o]!;
    for (let i = 0; i < x.values.length; i++) sum += weight.values[o * x.values.length + i]! * x.values[i]!;
    if (sum > most) [best, most] = [o, sum];
  }
  return best;
}

const { values: options, positionals } = parseArgs({ options: { data: { type: "string" } }, allowPositionals: true });
const [file] = positionals;
if (file === undefined || positionals.length > 1)
  throw new Error("check-saved: one file with saved weights is expected");
const { metadata, layer, convolutional } = await load(file);
const drawn = metadata.data === "drawn digits";
const test = drawn ? drawDigits({ train: false }) : await MNIST.load({ train: false, dir: options.data });
const count = Number(metadata.test_images ?? test.count);

let right = 0;
for (let n = 0; n < count; n++) {
  const pixels = test.images.subarray(n * 784, (n + 1) * 784);
  let x: Maps = { channels: 1, side: 28, values: Float64Array.from(pixels, (byte) => (byte / 255 - 0.1307) / 0.3081) };
  if (convolutional) {
    x = poolAndRelu(convolution(x, layer("conv1")));
    x = poolAndRelu(convolution(x, layer("conv2")));
  }
  if (classify(x, layer("fc")) === test.labels[n]) right++;
}
const label = drawn ? "drawn digits" : "MNIST";
if (metadata.test_accuracy !== undefined) {
  console.log(`the example said ${(Number(metadata.test_accuracy) * 100).toFixed(2)} %`);
}
console.log(`recomputed test accuracy ${((right / count) * 100).toFixed(2)} % (${right} of ${count}, ${label})`);
