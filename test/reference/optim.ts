// The optimizers of the reference, as PyTorch's documentation writes them. A row is a table of segments: the extents are
// the number of segments and their lengths, the inputs begin with lr [1]; f64 scalars are two words each.
import { WasmgradError } from "../../src/index.ts";
import { f64, type Kernels } from "./view.ts";

export const optim: Kernels = {};

optim.tick_f32 = (steps) => {
  for (const step of steps) step.set(0, step.v[0] + 1);
};

optim.corrections_f32 = ([y], [step], _, words) => {
  const [beta1, beta2] = [0, 2].map((i) => f64(words[i], words[i + 1]));
  const t = step.v[0];
  y.set(0, t);
  y.set(1, 1 - beta1 ** t);
  y.set(2, 1 - beta2 ** t);
  y.set(3, 2 / (1 - beta2) - 1 - (2 * t * beta2 ** t) / (1 - beta2 ** t));
};

optim.sgd_f32 = (outputs, [lr, ...grads], [, ...lengths], words) => {
  const weightDecay = f64(words[0], words[1]);
  const sign = words[2] ? -1 : 1; // maximize
  lengths.forEach((n, segment) => {
    const p = outputs[segment];
    const g = grads[segment];
    for (let i = 0; i < n; i++) p.set(i, p.v[i] - lr.v[0] * (sign * g.v[i] + weightDecay * p.v[i]));
  });
};

optim.sgd_momentum_f32 = (outputs, [lr, ...inputs], [, ...lengths], words) => {
  const weightDecay = f64(words[0], words[1]);
  const momentum = f64(words[2], words[3]);
  const dampening = f64(words[4], words[5]);
  const nesterov = words[6];
  const sign = words[7] ? -1 : 1;
  lengths.forEach((n, segment) => {
    const [p, buffer] = outputs.slice(2 * segment);
    const [g, step] = inputs.slice(2 * segment);
    for (let i = 0; i < n; i++) {
      const d = sign * g.v[i] + weightDecay * p.v[i];
      buffer.set(i, step.v[0] === 1 ? d : momentum * buffer.v[i] + (1 - dampening) * d);
      p.set(i, p.v[i] - lr.v[0] * (nesterov ? d + momentum * buffer.v[i] : buffer.v[i]));
    }
  });
};

function adam(amsgrad: boolean): Kernels[string] {
  return (outputs, [lr, ...inputs], [, ...lengths], words) => {
    const [beta1, beta2, eps, weightDecay] = [0, 2, 4, 6].map((i) => f64(words[i], words[i + 1]));
    const sign = words[8] ? -1 : 1;
    const decoupled = words[9]; // AdamW
    lengths.forEach((n, segment) => {
      const [p, m, v, vmax] = outputs.slice((amsgrad ? 4 : 3) * segment);
      const [g, step] = inputs.slice(2 * segment);
      const correction1 = 1 - beta1 ** step.v[0];
      const correction2 = 1 - beta2 ** step.v[0];
      for (let i = 0; i < n; i++) {
        let d = sign * g.v[i];
        if (decoupled) p.set(i, p.v[i] * (1 - lr.v[0] * weightDecay));
        else d += weightDecay * p.v[i];
        m.set(i, beta1 * m.v[i] + (1 - beta1) * d);
        v.set(i, beta2 * v.v[i] + (1 - beta2) * d * d);
        if (amsgrad) vmax.set(i, Math.max(vmax.v[i], v.v[i]));
        const second = amsgrad ? vmax.v[i] : v.v[i];
        p.set(i, p.v[i] - ((lr.v[0] / correction1) * m.v[i]) / (Math.sqrt(second / correction2) + eps));
      }
    });
  };
}
optim.adam_f32 = adam(false);
optim.adam_amsgrad_f32 = adam(true);

optim.sparse_rows_i32 = ([order], [indices], [n, rows], _, op) => {
  const last = new Map<number, number>();
  for (let i = 0; i < n; i++) {
    const row = indices.v[i];
    if (row < 0 || row >= rows) throw new WasmgradError(`${op}: index ${row} at ${i} is outside [0, ${rows})`);
    const before = last.get(row);
    order.set(2 * i, before === undefined ? row : -1);
    order.set(2 * i + 1, n);
    if (before !== undefined) order.set(2 * before + 1, i);
    last.set(row, i);
  }
};

optim.sparse_adam_f32 = ([p, mean, square], [lr, values, order, step], [n, width], words) => {
  const [beta1, beta2, eps] = [0, 2, 4].map((i) => f64(words[i], words[i + 1]));
  const sign = words[6] ? -1 : 1;
  const rate = (lr.v[0] * Math.sqrt(1 - beta2 ** step.v[0])) / (1 - beta1 ** step.v[0]);
  for (let i = 0; i < n; i++) {
    if (order.v[2 * i] < 0) continue;
    for (let c = 0; c < width; c++) {
      const at = order.v[2 * i] * width + c;
      let g = 0;
      for (let j = i; j < n; j = order.v[2 * j + 1]) g += sign * values.v[j * width + c];
      mean.set(at, mean.v[at] + (1 - beta1) * (g - mean.v[at]));
      square.set(at, square.v[at] + (1 - beta2) * (g * g - square.v[at]));
      p.set(at, p.v[at] - (rate * mean.v[at]) / (Math.sqrt(square.v[at]) + eps));
    }
  }
};
