// Autocast: inside it products run in float16, and what loses too much there in float32. Core asks before every op.

import { type DType, isFloat } from "../core/dtype.ts";
import { expectOptions, fail, given, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { cast } from "../core/op.ts";
import { recordingNow } from "../core/recording.ts";
import type { Tensor } from "../core/tensor.ts";
import { expectFunction, synchronous } from "../ops/modes.ts";

/** https://pytorch.org/docs/stable/amp.html#cuda-ops-that-can-autocast-to-float16 */
const HALF = ["matmul", "linear", "conv2d", "prelu"];
/** https://pytorch.org/docs/stable/amp.html#cuda-ops-that-can-autocast-to-float32, those that are there; `rdiv` is s / x. */
const FULL = [
  ...["exp", "log", "rdiv", "sum", "softmax", "logSoftmax", "layerNorm", "softplus", "cosineSimilarity"],
  ...[
    "crossEntropy",
    "nllLoss",
    "mseLoss",
    "l1Loss",
    "smoothL1Loss",
    "huberLoss",
    "binaryCrossEntropyWithLogits",
    "klDiv",
  ],
  ...["poissonNllLoss", "gaussianNllLoss", "softMarginLoss", "multilabelSoftMarginLoss", "multilabelMarginLoss"],
  ...["multiMarginLoss", "marginRankingLoss", "hingeEmbeddingLoss", "cosineEmbeddingLoss", "tripletMarginLoss"],
];
/** The others take the dtypes that come; of two, those that broadcast give the wider. */
const WANTED: Readonly<Record<string, DType>> = Object.fromEntries([
  ...HALF.map((op) => [op, "float16"] as const),
  ...FULL.map((op) => [op, "float32"] as const),
]);

/** A weight in float16, for as long as it is that weight's, on the tape where a gradient is wanted. */
interface Copy {
  readonly half: Tensor;
  readonly version: number;
  readonly recording: object | null;
}
const copies = new Map<Tensor, Copy>();
let depth = 0;

function drop({ half }: Copy): void {
  half.kept = false;
  if (half.entry === null) half.release("the end of autocast()");
}

/** Parameters are cast once a region, until they change. */
function weight(x: Tensor): Tensor {
  const recording = recordingNow();
  const { version } = x.storage;
  const found = copies.get(x);
  if (found !== undefined) {
    const { half } = found;
    const onTape = half.entry !== null && !half.entry.consumed;
    const fits = found.version === version && found.recording === recording && half.gone === null;
    if (fits && (onTape || !mode.grad)) return half;
    drop(found);
  }
  const half = cast(x, "float16").keep();
  copies.set(x, { half, version, recording });
  return half;
}

function casting(op: string, inputs: readonly Tensor[]): readonly Tensor[] {
  if (op === "binaryCrossEntropy") {
    fail("autocast", `${op} is unsafe to autocast: call it on float() inputs inside autocast(f, { enabled: false })`);
  }
  const dtype = WANTED[op];
  if (dtype === undefined) return inputs;
  return inputs.map((x) => {
    if (!isFloat(x?.dtype) || x.dtype === dtype) return x;
    if (dtype === "float32") return cast(x, dtype);
    const { float16, type } = x.device;
    if (!float16) {
      fail("autocast", `${op} on ${type}: float16 takes a WebGPU device with shader-f16; use enabled: false`);
    }
    return x.isLeaf && x.requiresGrad ? weight(x) : cast(x, dtype);
  });
}

/** Options of `autocast`. */
export interface AutocastOptions {
  /** What products run in: only `"float16"`, the default. */
  dtype?: "float16";
  /** False: inside, ops take the dtypes that come. True by default. */
  enabled?: boolean;
}

/**
 * Runs a synchronous function, such as a model's forward and its loss, and returns what it returns, with matmul, linear and conv2d in float16 and exp, log,
 * sums, softmax, layerNorm and losses in float32, whatever comes in. Backward belongs outside: there ops have the dtypes of
 * their forward. float16 takes a WebGPU device with `shader-f16`: `device.float16` says whether one has it.
 * https://pytorch.org/docs/stable/amp.html#torch.autocast
 */
export function autocast<T>(f: () => T, options?: AutocastOptions, ...none: []): T {
  noMore("autocast", none);
  expectFunction("autocast", f);
  expectOptions("autocast", options, "enabled? dtype");
  const { dtype = "float16", enabled = true } = options ?? {};
  if (dtype !== "float16") fail("autocast", `dtype ${given(dtype)}: float16 is expected`);
  const outer = mode.autocast;
  mode.autocast = enabled ? casting : null;
  depth++;
  try {
    return synchronous("autocast", f);
  } finally {
    mode.autocast = outer;
    if (--depth === 0) {
      for (const copy of copies.values()) drop(copy);
      copies.clear();
    }
  }
}
