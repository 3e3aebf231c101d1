// Random tensors. The generator's state lies on the device and every draw reads it there, so a captured step draws anew.

import { type Device, defaultDevice, expectDevice } from "../core/device.ts";
import { DTYPES, isFloat } from "../core/dtype.ts";
import { checkNumber, expectFlag, fail, given, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { empty } from "../core/make.ts";
import { apply, launch, type Op } from "../core/op.ts";
import { lastingState, refuseInCapture } from "../core/recording.ts";
import { type Shape, show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { word } from "../row/words.ts";
import { mul } from "./binary.ts";
import { FINITE, FRACTION } from "./bounds.ts";
import { compose, done, like } from "./compose.ts";
import { toDtype } from "./copy.ts";
import { as, dtypeOf, finish, making, type TensorOptions } from "./create.ts";
import { checkShape, expectDtype } from "./expect.ts";
import { expectSingle } from "./strides.ts";

/** State [4]: key and counter, each of two words. */
const states = new WeakMap<Device, Tensor>();

/** The state of a device's generator, int32 [4]: key and 64-bit counter. @internal */
export function randomState(device: Device = defaultDevice()): Tensor {
  let state = states.get(device);
  if (state === undefined) {
    const seed = (Math.random() * 2 ** 32) >>> 0;
    state = lastingState(() => seeded(device, seed));
    states.set(device, state);
  }
  return state;
}

function seeded(device: Device, seed: number): Tensor {
  const state = empty([4], "int32", "random state", device).keep().unwatched();
  device.write(state, Int32Array.of(seed >>> 0, Math.floor(seed / 2 ** 32), 0, 0), "int32");
  return state;
}

/**
 * Seeds the generator of a device (the default one) with an integer from 0 to 2^53 - 1: the same seed gives the same bits, on
 * every device, with any number of threads, captured or not. They are not PyTorch's.
 */
export function manualSeed(seed: number, device: Device = defaultDevice(), ...none: []): void {
  noMore("manualSeed", none);
  if (!Number.isSafeInteger(seed) || seed < 0)
    fail("manualSeed", `seed ${given(seed)}: an integer from 0 to 2^53 - 1 is expected`);
  expectDevice("manualSeed", device);
  refuseInCapture("manualSeed", "writes to the generator from the host: seed it outside");
  const state = states.get(device);
  const words = Int32Array.of(seed >>> 0, Math.floor(seed / 2 ** 32), 0, 0);
  if (state === undefined) states.set(device, seeded(device, seed));
  else device.write(state, words, "int32");
}

/** Takes numbers for `n` values and launches `kernel(out, slot)`. */
function draw(kernel: string, out: Tensor, scalars: readonly number[], op: string): Tensor {
  const state = randomState(out.device);
  const slot = empty([4], "int32", op, out.device);
  launch("random_take_i32", [slot, state], [], [out.numel], undefined, op);
  launch(kernel, [out], [slot], [out.numel], scalars, op);
  done(slot);
  return out;
}

const FLOATS = DTYPES.filter(isFloat);

/** Drawn floats of [0, 1), or normal ones. */
function floats(
  op: string,
  kernel: string,
  shape: Shape,
  options: TensorOptions | undefined,
  none: readonly [],
): Tensor {
  noMore(op, none);
  checkShape(op, shape);
  const { device } = making(op, options);
  const y = empty(shape, dtypeOf(op, options, "float32", FLOATS), op, device);
  return finish(draw(kernel, y, [word(0), word(1)], op), options);
}

/** Numbers drawn uniformly from [0, 1), of `shape`; float32, or float16 where `dtype` says so. https://pytorch.org/docs/stable/generated/torch.rand.html */
export const rand = (shape: Shape, options?: TensorOptions, ...none: []): Tensor =>
  floats("rand", "uniform_f32", shape, options, none);

/**
 * Numbers drawn from the standard normal distribution, of `shape`; float32, or float16 where `dtype` says so.
 * https://pytorch.org/docs/stable/generated/torch.randn.html
 */
export const randn = (shape: Shape, options?: TensorOptions, ...none: []): Tensor =>
  floats("randn", "normal_f32", shape, options, none);

/** Integers drawn uniformly from [low, high), of `shape`; int32 unless `dtype` says otherwise. https://pytorch.org/docs/stable/generated/torch.randint.html */
export function randint(low: number, high: number, shape: Shape, options?: TensorOptions, ...none: []): Tensor {
  noMore("randint", none);
  const { device } = making("randint", options);
  if (!Number.isInteger(low) || !Number.isInteger(high) || high <= low) {
    const range = `low ${given(low)}, high ${given(high)}`;
    fail("randint", `${range}: integers with low < high are expected, the shape behind them`);
  }
  if (low < -(2 ** 31) || high > 2 ** 31 || high - low > 2 ** 31)
    fail("randint", `low ${low}, high ${high}: a range of int32, at most 2^31 long, is expected`);
  checkShape("randint", shape);
  const dtype = dtypeOf("randint", options, "int32");
  const drawn = (): Tensor =>
    toDtype(draw("randint_i32", empty(shape, "int32", "randint", device), [low, high], "randint"), dtype);
  return finish(dtype === "int32" ? drawn() : compose(drawn), options);
}

/** As `rand`, in the shape of `x` and on its device; float32 unless `dtype` says float16. */
export function randLike(x: Tensor, options?: TensorOptions, ...none: []): Tensor {
  noMore("randLike", none);
  const own = as("randLike", x, options);
  return rand(x.shape, own);
}
/** As `randn`, in the shape of `x` and on its device; float32 unless `dtype` says float16. */
export function randnLike(x: Tensor, options?: TensorOptions, ...none: []): Tensor {
  noMore("randnLike", none);
  const own = as("randnLike", x, options);
  return randn(x.shape, own);
}
/** As `randint`, in the shape of `x` and on its device. */
export function randintLike(x: Tensor, low: number, high: number, options?: TensorOptions, ...none: []): Tensor {
  noMore("randintLike", none);
  const own = as("randintLike", x, options);
  return randint(low, high, x.shape, own);
}

function writable(op: string, x: Tensor): void {
  expectDtype(op, x, "float32");
  alive(op, x);
  expectSingle(op, x);
  if (mode.grad && x.requiresGrad) {
    fail(op, `${show(x.shape)} requires grad: such a write in place is not recorded, use noGrad`);
  }
}

/** Fills the float tensor `x` in place with numbers of [low, high), and returns it. On what requires grad only inside `noGrad`. */
export function uniform_(x: Tensor, low = 0, high = 1, ...none: []): Tensor {
  noMore("uniform_", none);
  writable("uniform_", x);
  checkNumber("uniform_", "low", low, FINITE);
  checkNumber("uniform_", "high", high, FINITE);
  if (low > high) fail("uniform_", `low ${low}, high ${high}: low must not be the larger`);
  return draw("uniform_f32", x, [word(low), word(high)], "uniform_");
}

/**
 * Fills the float tensor `x` in place with normal numbers of that mean and standard deviation, and returns it. On what requires
 * grad only inside `noGrad`.
 */
export function normal_(x: Tensor, mean = 0, std = 1, ...none: []): Tensor {
  noMore("normal_", none);
  writable("normal_", x);
  checkNumber("normal_", "mean", mean, FINITE);
  checkNumber("normal_", "std", std);
  return draw("normal_f32", x, [word(mean), word(std)], "normal_");
}

const Mask: Op<number> = {
  name: "dropout",
  forward([x], p) {
    const mask = like(x!, "dropout mask");
    return draw("dropout_mask_f32", mask, [word(p), word(p < 1 ? 1 / (1 - p) : 0)], "dropout");
  },
};

/**
 * While `training` (the default), zeroes each element with probability p (0.5 by default) and scales the others by
 * 1 / (1 - p): the shape and dtype of `x`. Otherwise `x` itself.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html
 */
export function dropout(x: Tensor, p = 0.5, training = true, ...none: []): Tensor {
  noMore("dropout", none);
  checkNumber("dropout", "p", p, [FRACTION[0], "a probability from 0 to 1"]);
  alive("dropout", x);
  if (training !== true) expectFlag("dropout", "training", training);
  if (!training || p === 0) return x;
  return compose(() => mul(x, apply(Mask, [x], p)));
}
