// Datasets and the loader on the wasm device: order, seeds, types, prefetch, and the life of a batch.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Dataset, type HostArray, TensorDataset } from "../src/data/dataset.ts";
import { drawDigits } from "../src/data/digits.ts";
import { DataLoader } from "../src/data/loader.ts";
import { type Device, init, memory, type Tensor, WasmgradError } from "../src/index.ts";
import { fromData } from "../src/ops/data.ts";
import { HANG_MS } from "./waiting.ts";

let device: Device;
test.before(async () => {
  device = await init({ threads: 1 });
});
test.after(() => device.dispose());

const values = async (x: Tensor) => Array.from(await x.device.read(x, x.numel, x.dtype));
const numbers = (n: number) => Int32Array.from({ length: n }, (_, i) => i);

/** The values of an epoch, a list a batch. */
async function epoch(loader: DataLoader<readonly Tensor[]>): Promise<number[][]> {
  const batches: number[][] = [];
  for await (const [x] of loader) batches.push(await values(x!));
  return batches;
}

function refusal(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    assert.instance(error, WasmgradError);
    return (error as Error).message;
  }
  return assert.unreachable("nothing was thrown") as never;
}

test("batches in order, with a smaller last one or without", async () => {
  const dataset = new TensorDataset(numbers(7));
  const all = new DataLoader(dataset, { batchSize: 3 });
  assert.is(all.length, 3);
  assert.equal(await epoch(all), [[0, 1, 2], [3, 4, 5], [6]]);
  const whole = new DataLoader(dataset, { batchSize: 3, dropLast: true });
  assert.is(whole.length, 2);
  assert.equal(await epoch(whole), [
    [0, 1, 2],
    [3, 4, 5],
  ]);
  const large = new DataLoader(dataset, { batchSize: 100 });
  assert.equal(await epoch(large), [[0, 1, 2, 3, 4, 5, 6]]);
  assert.equal(await epoch(new DataLoader(dataset, { batchSize: 100, dropLast: true })), []);
  assert.is(new DataLoader(dataset).length, 7);
  assert.equal(await epoch(new DataLoader(new TensorDataset(new Int32Array(0)))), []);
});

test("shuffle: each sample once, another order each epoch, the same for the same seed", async () => {
  const dataset = new TensorDataset(numbers(100));
  const options = { batchSize: 16, shuffle: true, seed: 5 };
  const loader = new DataLoader(dataset, options);
  const first = await epoch(loader);
  const second = await epoch(loader);
  assert.equal(
    first.flat().sort((a, b) => a - b),
    [...numbers(100)],
  );
  assert.equal(
    second.flat().sort((a, b) => a - b),
    [...numbers(100)],
  );
  assert.not.equal(first, second);
  assert.not.equal(first.flat(), [...numbers(100)]);
  const again = new DataLoader(dataset, options);
  assert.equal(await epoch(again), first);
  assert.equal(await epoch(again), second);
  const resumed = new DataLoader(dataset, options);
  resumed.epoch = 1;
  assert.equal(await epoch(resumed), second);
  assert.not.equal(await epoch(new DataLoader(dataset, { ...options, seed: 6 })), first);
  assert.equal([...loader.order(0)], first.flat());
  // every position takes every sample about equally often
  const seen = new Float64Array(16);
  const few = new DataLoader(new TensorDataset(numbers(4)), { shuffle: true });
  for (let e = 0; e < 4000; e++) few.order(e).forEach((sample, at) => void seen[at * 4 + sample]!++);
  assert.ok(
    seen.every((n) => n > 880 && n < 1120),
    `${seen}`,
  );
});

test("fields: bytes scaled or as labels, floats, ints, tensors, side by side", async () => {
  const pixels = Uint8Array.from({ length: 5 * 6 }, (_, i) => (i * 51) % 256);
  const floats = Float32Array.from({ length: 5 }, (_, i) => i / 3);
  const tensor = fromData(
    Float32Array.from({ length: 10 }, (_, i) => -i),
    [5, 2],
    "float32",
    { device },
  );
  const dataset = new TensorDataset(
    { data: pixels, shape: [5, 1, 2, 3], scale: 1 / 255 },
    { data: pixels, shape: [5, 6], scale: 2, shift: -1 },
    Uint8Array.of(9, 8, 7, 6, 5),
    floats,
    tensor,
  );
  tensor.dispose(); // read when the dataset was made
  const types = dataset.fields.map((f) => `${f.dtype}[${f.shape}]`);
  assert.equal(types, ["float32[1,2,3]", "float32[6]", "int32[]", "float32[]", "float32[2]"]);
  const loader = new DataLoader(dataset, { batchSize: 2, shuffle: true, seed: 1 });
  const order = loader.order(0);
  let at = 0;
  for await (const [image, scaled, label, float, row] of loader) {
    const rows = order.subarray(at, at + image.shape[0]!);
    const of = (size: number, f: (i: number) => number) => {
      return [...rows].flatMap((r) => Array.from({ length: size }, (_, j) => Math.fround(f(r * size + j))));
    };
    assert.equal(image.shape, [rows.length, 1, 2, 3]);
    assert.equal(label.shape, [rows.length]);
    assert.equal([image.dtype, label.dtype], ["float32", "int32"]);
    assert.equal(
      await values(image),
      of(6, (i) => pixels[i]! / 255),
    );
    assert.equal(
      await values(scaled),
      of(6, (i) => pixels[i]! * 2 - 1),
    );
    assert.equal(
      await values(label),
      of(1, (i) => 9 - i),
    );
    assert.equal(
      await values(float),
      of(1, (i) => floats[i]!),
    );
    assert.equal(
      await values(row),
      of(2, (i) => -i),
    );
    at += rows.length;
  }
  assert.is(at, 5);
});

test("bytes through a table: every byte / 255 is what division in float32 gives", async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const out = [new Float32Array(256)];
  new TensorDataset({ data: bytes, scale: 1 / 255 }).gather(numbers(256), out);
  assert.equal(
    Array.from(out[0]!),
    Array.from(bytes, (b) => Math.fround(Math.fround(b) / Math.fround(255))),
  );
});

test("a batch is released when the next is asked for, kept by keep(), and the loop ends with nothing live", async () => {
  const before = memory();
  const loader = new DataLoader(new TensorDataset(numbers(10)), { batchSize: 2 });
  const seen: Tensor[] = [];
  for await (const [x] of loader) {
    assert.is(x.gone, null);
    if (seen.length === 1) assert.match(seen.at(-1)!.gone ?? "", /the loader, which was asked for the next batch/);
    seen.push(x);
    if (seen.length === 3) x.keep();
  }
  assert.equal(
    seen.map((x) => x.gone === null),
    [false, false, true, false, false],
  );
  assert.equal(await values(seen[2]!), [4, 5]);
  seen[2]!.dispose();
  const after = memory();
  assert.is(after.tensors, before.tensors);
  assert.is(after.liveBytes, before.liveBytes);
  // leaving the loop leaves the batch readable
  let left: Tensor | undefined;
  for await (const [x] of loader) {
    left = x;
    break;
  }
  assert.equal(await values(left!), [0, 1]);
});

test("two epochs at once do not disturb each other, and calls of next() queue", async () => {
  const loader = new DataLoader(new TensorDataset(numbers(6)), { batchSize: 2 });
  const a = loader[Symbol.asyncIterator]();
  const b = loader[Symbol.asyncIterator]();
  const read = async (p: Promise<IteratorResult<readonly Tensor[], void>>) => {
    const { value } = await p;
    return value ? await values(value[0]!) : null;
  };
  assert.equal(await read(a.next()), [0, 1]);
  assert.equal(await read(b.next()), [0, 1]);
  assert.equal(await read(a.next()), [2, 3]);
  assert.equal(await read(a.next()), [4, 5]);
  assert.equal(await read(b.next()), [2, 3]);
  assert.equal(await read(a.next()), null);
  const c = loader[Symbol.asyncIterator]();
  const results = await Promise.all([c.next(), c.next(), c.next(), c.next()]);
  assert.equal(
    results.map((r) => r.done),
    [false, false, false, true],
  );
});

/** A dataset of one's own. */
class Squares implements Dataset<[Tensor]> {
  readonly length = 6;
  readonly fields: Dataset<[Tensor]>["fields"] = [{ shape: [], dtype: "float32" }];
  readonly asked: string[] = [];
  async gather(indices: Int32Array, out: readonly HostArray[]): Promise<void> {
    this.asked.push([...indices].join());
    await new Promise((done) => setTimeout(done, 5));
    indices.forEach((index, i) => {
      if (index === 5) throw new Error("sample 5 is broken");
      out[0]![i] = index * index;
    });
  }
}

test("prefetch: the next batch is on its way while one is used; its error comes where it is asked for", async () => {
  const dataset = new Squares();
  const seen: number[][] = [];
  let failed = "";
  try {
    for await (const [x] of new DataLoader(dataset, { batchSize: 2 })) {
      seen.push(await values(x));
      assert.is(dataset.asked.length, Math.min(3, seen.length + 1));
    }
  } catch (error) {
    failed = (error as Error).message;
  }
  assert.equal(dataset.asked, ["0,1", "2,3", "4,5"]);
  assert.equal(seen, [
    [0, 1],
    [4, 9],
  ]);
  assert.is(failed, "sample 5 is broken");
});

test("the event loop turns while a loop only awaits the loader", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const loader = new DataLoader(new TensorDataset(new Int32Array(4000)), { batchSize: 1 });
  // What never turns shows no timer's end either, so the limit on a hang is looked at here.
  const limit = performance.now() + HANG_MS;
  const over = (): boolean => turns >= 3 || performance.now() > limit;
  while (!over()) for await (const _ of loader) if (over()) break;
  clearInterval(timer);
  assert.ok(turns >= 3, `${turns} turns in ${HANG_MS / 60_000} minutes`);
});

test("bad input names the option, the value and the rule", () => {
  const dataset = new TensorDataset(numbers(4));
  const loader = (options: object) => refusal(() => new DataLoader(dataset, options));
  const make = (...sources: unknown[]) => refusal(() => new TensorDataset(...(sources as [Int32Array])));
  assert.equal(
    [
      loader({ batchSize: 0 }),
      loader({ batchSize: 2.5 }),
      loader({ batchSize: "4" }),
      loader({ seed: -1 }),
      loader({ batch_size: 4 }),
      refusal(() => new DataLoader([1, 2] as never)),
      make(),
      make(numbers(4), { data: new Float32Array(6), shape: [3, 2] }),
      make({ data: new Float32Array(6), shape: [4, 2] }),
      make({ data: new Float32Array(1), shape: [] }),
      make({ data: new Float32Array(6), scale: 2 }),
      make({ data: numbers(4), shapes: [4] }),
      make([1, 2, 3]),
      make(fromData(Float32Array.of(1), [], "float32", { device })),
      refusal(() => dataset.gather(Int32Array.of(4), [new Int32Array(1)])),
    ],
    [
      "DataLoader: batchSize 0: a positive integer is expected",
      "DataLoader: batchSize 2.5: a positive integer is expected",
      'DataLoader: batchSize "4": a positive integer is expected',
      "DataLoader: seed -1: an integer of at least 0 is expected",
      "DataLoader: unknown option batch_size, here batchSize: it takes batchSize, shuffle, dropLast, seed, device",
      "DataLoader: [1,2] without gather(): a Dataset is expected",
      "TensorDataset: no tensors: at least one is expected",
      "TensorDataset: [4] and [3,2]: the first dims differ, they count the samples",
      "TensorDataset: 6 values for shape [4,2]: it holds 8",
      "TensorDataset: source 1 has shape []: the first dim counts the samples",
      "TensorDataset: scale and shift with Float32Array: they are for bytes",
      "TensorDataset: unknown option shapes, here shape: it takes data, shape, scale, shift",
      "TensorDataset: source 1 is a value of type Array: a tensor, a typed array or { data, shape } with one is expected",
      "TensorDataset: source 1 has shape []: the first dim counts the samples",
      "TensorDataset: index 4: there are 4 samples",
    ],
  );
});

test("drawn digits through the loader", async () => {
  const digits = drawDigits({ count: 300 });
  const { images, labels, count, rows, cols } = digits;
  const dataset = new TensorDataset({ data: images, shape: [count, 1, rows, cols], scale: 1 / 255 }, labels);
  let n = 0;
  for await (const [x, y] of new DataLoader(dataset, { batchSize: 64, shuffle: true })) {
    assert.equal(x.shape, [y.shape[0]!, 1, 28, 28]);
    const pixels = await values(x);
    assert.ok(pixels.every((p) => p >= 0 && p <= 1));
    n += y.shape[0]!;
  }
  assert.is(n, 300);
});

test.run();
