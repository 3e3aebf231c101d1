// The digits that the examples learn: MNIST where it can be had, else digits that this project draws, and says so.

import * as data from "../../src/data/index.ts";
import { environment } from "../../src/host/files.ts";
import type { Display } from "./display.ts";

export interface Digits {
  /** What they are: reports and files carry it. */
  label: "MNIST" | "drawn digits";
  source: string;
  train: data.Images;
  test: data.Images;
}

/** Mean and standard deviation of MNIST's training pixels, as fractions of white: inputs become (pixel - MEAN) / STD. */
export const MEAN = 0.1307;
export const STD = 0.3081;

/** Seconds without a byte after which a mirror is given up. */
const STALL_SECONDS = 10;

/** MNIST from `dir`, MNIST_DIR, the cache or a mirror (WASMGRAD_OFFLINE=1: never asks the network). */
export async function loadDigits(dir: string | undefined, limit: number | undefined, show: Display): Promise<Digits> {
  const options = {
    dir,
    download: environment("WASMGRAD_OFFLINE") === undefined,
    stallSeconds: STALL_SECONDS,
    onProgress: show.download,
  };
  let digits: Digits;
  try {
    const train = await data.MNIST.load({ ...options, train: true });
    const test = await data.MNIST.load({ ...options, train: false });
    digits = { label: "MNIST", source: train.source, train, test };
  } catch (error) {
    if (!(error instanceof data.UnavailableError)) throw error;
    show.done();
    const reasons = error.message.replace(/\)?: pass dir .*$/, "").split(/; |(?<=\bit) \(|, and /);
    show.note("MNIST is not at hand:", ...reasons.map((line) => `  ${line}`));
    show.note("To use it, name a folder with its files: --data DIR, or the environment variable MNIST_DIR.");
    show.note("This run learns digits that the project draws itself. They are not MNIST, nor is the accuracy.");
    const [train, test] = [data.drawDigits({ train: true }), data.drawDigits({ train: false })];
    digits = { label: "drawn digits", source: train.source, train, test };
  }
  show.done();
  if (limit === undefined) return digits;
  return { ...digits, train: first(digits.train, limit), test: first(digits.test, limit) };
}

/** The first `limit` images. */
function first(images: data.Images, limit: number): data.Images {
  const count = Math.min(limit, images.count);
  const size = images.rows * images.cols;
  return {
    ...images,
    count,
    images: images.images.subarray(0, count * size),
    labels: images.labels.subarray(0, count),
  };
}

/** Normalised images [1, rows, cols] and int32 labels. */
export function dataset({ images, labels, count, rows, cols }: data.Images) {
  const pixels = { data: images, shape: [count, 1, rows, cols], scale: 1 / 255 / STD, shift: -MEAN / STD };
  return new data.TensorDataset(pixels, labels);
}
