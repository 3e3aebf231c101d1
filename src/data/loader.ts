// Batches from a dataset, for `for await`.
//
// While the device works on one batch the next one is gathered on the host: asking for batch k hands over what was
// launched, gathers k+1 into the other set of arrays, and makes tensors of k. Batches belong to the loader: asking for the
// next releases the one before, in program order; `keep()` or `clone()` keeps one.
import { type Device, defaultDevice, expectDevice } from "../core/device.ts";
import { checkNumber, expectOptions, fail, given, noMore } from "../core/error.ts";
import { withRoom } from "../core/lifetime.ts";
import { numel } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { fromData } from "../ops/data.ts";

import { type Batch, type Dataset, type HostArray, hostArray } from "./dataset.ts";
import { Random } from "./random.ts";

/** Options of `DataLoader`. */
export interface LoaderOptions {
  /** Samples in a batch; 1 by default. */
  batchSize?: number;
  /** Another order in each epoch; false by default. */
  shuffle?: boolean;
  /** Leave out the last batch when it is smaller; false by default. */
  dropLast?: boolean;
  /** Of the shuffle: the same seed gives the same orders; 0 by default. */
  seed?: number;
  /** Where the batches go. The default device by default, looked up when an epoch begins. */
  device?: Device;
}

/** A batch that is gathered, or will be. */
interface Gathered {
  readonly count: number;
  readonly arrays: readonly HostArray[];
  readonly ready: Promise<void>;
}

const NAME = "DataLoader";

/**
 * Batches of a dataset, for `for await (const [x, y] of loader)`: each is an array of tensors, one a field, of shape
 * `[batchSize, ...field.shape]` (the last one may be smaller), off the tape. A batch is released when the next one is asked for;
 * `keep()` or `clone()` keeps it. https://pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
 */
export class DataLoader<B extends readonly unknown[] = Tensor[]> implements AsyncIterable<Batch<B>> {
  /** Where the samples come from. */
  readonly dataset: Dataset<B>;
  /** Samples in a batch. */
  readonly batchSize: number;
  /** Whether each epoch has another order. */
  readonly shuffle: boolean;
  /** Whether a last batch that is smaller is left out. */
  readonly dropLast: boolean;
  /** Seed of the orders. */
  readonly seed: number;
  /** Number of the next epoch, 0 at first, which picks its order. Set it to continue where an earlier run stopped. */
  epoch = 0;
  /** @internal */
  private readonly device: Device | undefined;

  constructor(dataset: Dataset<B>, options: LoaderOptions = {}, ...none: []) {
    expectOptions(NAME, options, "batchSize shuffle? dropLast? seed device", none);
    const { batchSize = 1, shuffle = false, dropLast = false, seed = 0, device } = options;
    checkNumber(NAME, "batchSize", batchSize, [(v) => Number.isSafeInteger(v) && v > 0, "a positive integer"]);
    checkNumber(NAME, "seed", seed, [(v) => Number.isSafeInteger(v) && v >= 0, "an integer of at least 0"]);
    if (typeof dataset?.gather !== "function") fail(NAME, `${given(dataset)} without gather(): a Dataset is expected`);
    if (device !== undefined) expectDevice(NAME, device);
    this.dataset = dataset;
    this.batchSize = batchSize;
    this.shuffle = shuffle;
    this.dropLast = dropLast;
    this.seed = seed;
    this.device = device;
  }

  /** Batches in an epoch (`len(loader)`). */
  get length(): number {
    const batches = this.dataset.length / this.batchSize;
    return this.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /** Numbers of the samples in the order that an epoch has. */
  order(epoch: number, ...none: []): Int32Array {
    noMore(NAME, none);
    const order = new Int32Array(this.dataset.length);
    for (let i = 0; i < order.length; i++) order[i] = i;
    if (this.shuffle) new Random(this.seed, epoch).shuffle(order);
    return order;
  }

  /** An epoch: its batches. Each call begins the next one. */
  [Symbol.asyncIterator](): AsyncGenerator<Batch<B>, void, undefined> {
    return this.batches(this.order(this.epoch++), this.device ?? defaultDevice());
  }

  /** @internal */
  private async *batches(order: Int32Array, device: Device): AsyncGenerator<Batch<B>, void, undefined> {
    const { batchSize, length } = this;
    const fields: Dataset["fields"] = this.dataset.fields;
    const capacity = Math.min(batchSize, order.length);
    const buffers = [0, 1].map(() => fields.map((f) => hostArray(f, capacity)));
    const start = (k: number): Gathered | null => {
      if (k >= length) return null;
      const indices = order.subarray(k * batchSize, (k + 1) * batchSize);
      const count = indices.length;
      const arrays = buffers[k & 1]!.map((a, i) => a.subarray(0, count * numel(fields[i]!.shape)));
      const ready = readBatch(this.dataset, indices, arrays);
      ready.catch(() => {}); // told when the batch is asked for
      return { count, arrays, ready };
    };
    let next = start(0);
    for (let k = 0; next !== null; k++) {
      const now = next;
      const handedOver = device.handOver();
      next = start(k + 1);
      await handedOver;
      await now.ready;
      const batch = await withRoom(device, () =>
        fields.map((f, i) => fromData(now.arrays[i]!, [now.count, ...f.shape], f.dtype, { device, label: "batch" })),
      );
      yield batch as unknown as Batch<B>;
      for (const x of batch) if (!x.kept) x.releaseUnread("the loader, which was asked for the next batch");
    }
    await device.flush();
  }
}

/** A throw of the dataset's own becomes a rejection. */
async function readBatch(dataset: Dataset, indices: Int32Array, out: readonly HostArray[]): Promise<void> {
  await dataset.gather(indices, out);
}
