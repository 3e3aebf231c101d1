// Training steps of a model on a device, for their time alone: the model's tensors get copies there for a while, and
// are afterwards what they were, with their gradients.
import { type Captured, capture } from "../capture.ts";
import type { Device, Storage, TypedData } from "../core/device.ts";
import { releaseSpent } from "../core/entry.ts";
import { fail } from "../core/error.ts";
import { handToNet, unhold, withRoom } from "../core/lifetime.ts";
import { storageFor } from "../core/make.ts";
import { numel, type Shape, show } from "../core/shape.ts";
import { backward } from "../core/tape.ts";
import { Tensor } from "../core/tensor.ts";
import type { AnyModule, Module } from "../nn/module.ts";
import { fromData } from "../ops/data.ts";
import { mean, mul } from "../ops/index.ts";
import { scope } from "../ops/modes.ts";
import { randomState } from "../ops/random.ts";

/** A sample lasts at least so long, and holds at most so many steps. */
const SAMPLE_MS = 10;
const MOST_STEPS = 200;
const [LEAST_SAMPLES, MOST_SAMPLES] = [3, 9];
/** The part of a point's time that warms up. */
const WARM = 1 / 3;

/** A sample on the host: its rows are repeated to fill a batch. */
export interface Sample {
  readonly shape: Shape;
  readonly dtype: Tensor["dtype"];
  readonly data: TypedData;
}

/** What a tensor has while it is at home. */
type Home = Pick<Tensor, "storage" | "own" | "readers">;

/** A model's parameters and buffers on a device, as copies. */
export class Trial<A extends unknown[], R> {
  readonly device: Device;
  private readonly model: Module<A, R>;
  private readonly lossOf: ((output: R) => Tensor) | null;
  private readonly copies: Map<Tensor, Storage>;
  /** False when the step cannot be captured: it is measured as it runs by itself. */
  private capturable = true;

  private constructor(
    model: Module<A, R>,
    device: Device,
    lossOf: ((output: R) => Tensor) | null,
    copies: Map<Tensor, Storage>,
  ) {
    this.model = model;
    this.device = device;
    this.lossOf = lossOf;
    this.copies = copies;
  }

  /** Copies the model's values to `device`. Throws when they have no room there, with nothing changed. */
  static async on<A extends unknown[], R>(
    model: Module<A, R>,
    device: Device,
    lossOf: ((output: R) => Tensor) | null,
  ): Promise<Trial<A, R>> {
    const copies = new Map<Tensor, Storage>();
    const trial = new Trial(model, device, lossOf, copies);
    try {
      for (const x of tensorsOf(model)) {
        const data = await x.device.read(x, x.numel, x.dtype);
        const storage = await withRoom(device, () => storageFor(x.offset + x.numel, x.dtype, x.storage.label, device));
        storage.holders++;
        copies.set(x, storage);
        device.write({ storage, offset: x.offset }, data, x.dtype);
      }
    } catch (error) {
      trial.dispose();
      throw error;
    }
    return trial;
  }

  dispose(): void {
    for (const storage of this.copies.values()) unhold(storage);
    this.copies.clear();
  }

  /**
   * Median time in ms of a step (forward, loss, backward) at `batch`, captured and warmed up, measured for about
   * `budget` ms: longer when a few steps alone take longer. Throws what the model, the loss or the device throws.
   */
  async time(samples: readonly Sample[], batch: number, budget: number): Promise<number> {
    const { device } = this;
    const homes = this.enter();
    const inputs: Tensor[] = [];
    try {
      const state = randomState(device);
      const random = await device.read(state, state.numel, state.dtype);
      for (const s of samples) inputs.push(repeated(s, batch, device));
      try {
        return await this.measured(inputs, budget);
      } finally {
        if (device.failed === null) device.write(state, random, state.dtype);
      }
    } finally {
      for (const x of inputs) x.dispose();
      this.leave(homes);
    }
  }

  private async measured(inputs: readonly Tensor[], budget: number): Promise<number> {
    const { device } = this;
    let captured: Captured<Tensor[], Tensor> | null = this.capturable ? capture((...xs) => this.step(xs)) : null;
    const run = async (steps: number): Promise<number> => {
      const begin = performance.now();
      for (let i = 0; i < steps; i++) (captured === null ? this.step(inputs) : await captured(...inputs)).dispose();
      await device.flush();
      return performance.now() - begin;
    };
    const recorded = async (steps: number): Promise<number> => {
      try {
        return await run(steps);
      } catch (error) {
        // Such as a forward that reads values, or branches on numbers of its own. What fails by itself too is thrown.
        if (captured === null || device.failed !== null) throw error;
        captured.dispose();
        captured = null;
        this.capturable = false;
        return run(steps);
      }
    };
    try {
      const end = performance.now() + budget;
      const first = await recorded(1);
      // Once more: kernels are compiled now.
      if (first > 2 * budget) return Math.min(first, await recorded(1));
      await recorded(2);
      const one = await run(1);
      if (one > budget) return one;
      const times: number[] = [];
      let steps = 1;
      if (one >= SAMPLE_MS) times.push(one);
      else {
        const warm = end - (1 - WARM) * budget;
        do {
          const took = await run(steps);
          steps = Math.min(MOST_STEPS, Math.max(1, Math.ceil((SAMPLE_MS * steps) / took)));
        } while (performance.now() < warm);
      }
      while (times.length < LEAST_SAMPLES || (times.length < MOST_SAMPLES && performance.now() < end)) {
        times.push((await run(steps)) / steps);
      }
      return times.sort((a, b) => a - b)[times.length >> 1]!;
    } finally {
      captured?.dispose();
    }
  }

  /** Forward, loss and backward; the loss. Values in between are released. */
  private step(inputs: readonly Tensor[]): Tensor {
    return scope(() => {
      this.model.zeroGrad();
      const loss = this.loss(this.model.forward(...(inputs as unknown as A)));
      if (loss.requiresGrad) backward(loss);
      return loss;
    });
  }

  private loss(output: R): Tensor {
    if (this.lossOf === null) {
      if (output instanceof Tensor) return mean(mul(output, output));
      return fail("calibrate", `the model returns ${typeof output}: options.loss must make a tensor of it`);
    }
    const loss = this.lossOf(output);
    if (!(loss instanceof Tensor && loss.numel === 1)) {
      const given = loss instanceof Tensor ? show(loss.shape) : typeof loss;
      fail("calibrate", `options.loss gives ${given}: a tensor of one element is expected`);
    }
    return loss;
  }

  /** The tensors get their copies; what they had is returned. */
  private enter(): Map<Tensor, Home> {
    handToNet(); // so that the net knows what each tensor holds at home
    const homes = new Map<Tensor, Home>();
    for (const [x, storage] of this.copies) {
      homes.set(x, { storage: x.storage, own: x.own, readers: x.readers });
      x.own = null;
      storage.holders++;
      x.storage = storage;
    }
    return homes;
  }

  private leave(homes: Map<Tensor, Home>): void {
    for (const [x, home] of homes) {
      const { leaf, storage } = x;
      if (leaf.spent !== null) releaseSpent(leaf, "calibrate");
      leaf.seen = false;
      x.setGrad(null);
      leaf.home?.release("calibrate");
      unhold(storage);
      Object.assign(x, home);
    }
  }
}

export const tensorsOf = (model: AnyModule): Tensor[] => [...model.parameters(), ...model.buffers()];

function repeated({ shape, dtype, data }: Sample, batch: number, device: Device): Tensor {
  const row = numel(shape.slice(1));
  const whole = data instanceof Int32Array ? new Int32Array(batch * row) : new Float32Array(batch * row);
  for (let at = 0; at < whole.length; at += data.length) whole.set(data.subarray(0, whole.length - at), at);
  return fromData(whole, [batch, ...shape.slice(1)], dtype, { device, label: "calibrate" });
}
