// Automatic differentiation by hand: one number a node, in f64, in the plainest way that there is. It shares nothing with
// the project, so programs written twice, with tensors and with these, show that a program keeps its meaning.

let made = 0;

export class Value {
  v: number;
  /** Accumulates over backwards, for leaves; set it to 0 as zeroGrad() does. */
  grad = 0;
  private readonly serial = made++;
  private readonly from: readonly (readonly [Value, number])[];

  /** `from`: what it was computed of, each with d(this)/d(that). */
  constructor(v: number, from: readonly (readonly [Value, number])[] = []) {
    this.v = v;
    this.from = from;
  }

  add(b: Value | number): Value {
    return typeof b === "number"
      ? new Value(this.v + b, [[this, 1]])
      : new Value(this.v + b.v, [
          [this, 1],
          [b, 1],
        ]);
  }
  sub(b: Value | number): Value {
    return typeof b === "number" ? this.add(-b) : this.add(b.mul(-1));
  }
  mul(b: Value | number): Value {
    if (typeof b === "number") return new Value(this.v * b, [[this, b]]);
    return new Value(this.v * b.v, [
      [this, b.v],
      [b, this.v],
    ]);
  }
  exp(): Value {
    const y = Math.exp(this.v);
    return new Value(y, [[this, y]]);
  }
  log(): Value {
    return new Value(Math.log(this.v), [[this, 1 / this.v]]);
  }
  tanh(): Value {
    const y = Math.tanh(this.v);
    return new Value(y, [[this, 1 - y * y]]);
  }
  relu(): Value {
    return this.v > 0 ? new Value(this.v, [[this, 1]]) : new Value(0, [[this, 0]]);
  }
  sigmoid(): Value {
    const y = 1 / (1 + Math.exp(-this.v));
    return new Value(y, [[this, y * (1 - y)]]);
  }
  /** The same number, off the tape. */
  detach(): Value {
    return new Value(this.v);
  }

  /** Adds d(this)/d(leaf) to every leaf's `grad`. */
  backward(seed = 1): void {
    const grads = new Map<Value, number>([[this, seed]]);
    const order: Value[] = [];
    const seen = new Set<Value>([this]);
    const stack: Value[] = [this];
    while (stack.length > 0) {
      const x = stack.pop()!;
      order.push(x);
      for (const [p] of x.from) if (!seen.has(p)) stack.push(p) && seen.add(p);
    }
    for (const x of order.sort((a, b) => b.serial - a.serial)) {
      const g = grads.get(x)!;
      if (x.from.length === 0) x.grad += g;
      for (const [p, d] of x.from) grads.set(p, (grads.get(p) ?? 0) + g * d);
    }
  }
}

/** A matrix of values, or a vector as one row. */
export type Matrix = Value[][];

/** Leaves, row by row. */
export const matrix = (numbers: readonly number[], cols: number): Matrix =>
  Array.from({ length: numbers.length / cols }, (_, i) =>
    numbers.slice(i * cols, (i + 1) * cols).map((v) => new Value(v)),
  );

export const total = (list: readonly Value[]): Value => list.reduce((a, b) => a.add(b), new Value(0));
export const average = (list: readonly Value[]): Value => total(list).mul(1 / list.length);
export const map = (x: Matrix, f: (v: Value) => Value): Matrix => x.map((row) => row.map(f));
export const transposed = (x: Matrix): Matrix => x[0]!.map((_, j) => x.map((row) => row[j]!));

export const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => total(row.map((v, k) => v.mul(b[k]![j]!)))));

/** x Wᵀ + b, as nn.Linear. */
export const linear = (x: Matrix, w: Matrix, b: Matrix): Matrix =>
  product(x, transposed(w)).map((row) => row.map((v, j) => v.add(b[0]![j]!)));

/** Mean of -log softmax at the labels. */
export const crossEntropy = (logits: Matrix, labels: readonly number[]): Value =>
  average(
    logits.map((row, i) =>
      total(row.map((v) => v.exp()))
        .log()
        .sub(row[labels[i]!]!),
    ),
  );

export const mse = (x: Matrix, y: Matrix): Value =>
  average(x.flatMap((row, i) => row.map((v, j) => v.sub(y[i]![j]!)).map((d) => d.mul(d))));

/** Mean of -(t log p + (1 - t) log(1 - p)). */
export const bce = (p: Matrix, t: number): Value =>
  average(
    p.flat().map((v) =>
      v
        .log()
        .mul(-t)
        .sub(
          v
            .mul(-1)
            .add(1)
            .log()
            .mul(1 - t),
        ),
    ),
  );

export const numbers = (x: Matrix): number[] => x.flat().map((v) => v.v);
export const gradients = (x: Matrix): number[] => x.flat().map((v) => v.grad);

/** Stochastic gradient descent as torch.optim.SGD does it. */
export class Sgd {
  private readonly leaves: Value[];
  private readonly buffers = new Map<Value, number>();
  private readonly lr: number;
  private readonly momentum: number;
  constructor(parameters: readonly Matrix[], lr: number, momentum = 0) {
    this.leaves = [...new Set(parameters.flat(2))];
    this.lr = lr;
    this.momentum = momentum;
  }
  zeroGrad(): void {
    for (const p of this.leaves) p.grad = 0;
  }
  step(): void {
    for (const p of this.leaves) {
      const before = this.buffers.get(p);
      const b = before === undefined ? p.grad : this.momentum * before + p.grad;
      this.buffers.set(p, b);
      p.v -= this.lr * b;
    }
  }
}

/** Adam as torch.optim.Adam does it. */
export class Adam {
  private readonly leaves: Value[];
  private readonly moments = new Map<Value, [number, number]>();
  private readonly lr: number;
  private t = 0;
  constructor(parameters: readonly Matrix[], lr: number) {
    this.leaves = [...new Set(parameters.flat(2))];
    this.lr = lr;
  }
  zeroGrad(): void {
    for (const p of this.leaves) p.grad = 0;
  }
  step(): void {
    this.t++;
    for (const p of this.leaves) {
      let [m, v] = this.moments.get(p) ?? [0, 0];
      m = 0.9 * m + 0.1 * p.grad;
      v = 0.999 * v + (1 - 0.999) * p.grad * p.grad;
      this.moments.set(p, [m, v]);
      p.v -= (this.lr / (1 - 0.9 ** this.t)) * (m / (Math.sqrt(v / (1 - 0.999 ** this.t)) + 1e-8));
    }
  }
}
