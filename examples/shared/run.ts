// What surrounds the training loop of an example: options, device, digits, batches, evaluation, report, files.
import { availableParallelism } from "node:os";
import * as data from "../../src/data/index.ts";
import { writeFile } from "../../src/host/files.ts";
import {
  argmax,
  flush,
  info,
  init,
  manualSeed,
  type nn,
  noGrad,
  save,
  type Tensor,
  WasmgradError,
} from "../../src/index.ts";
import { type Digits, dataset, loadDigits, MEAN, STD } from "./digits.ts";
import { Display } from "./display.ts";
import { type Defaults, help, type Options, parseOptions, UsageError } from "./options.ts";

/** Images in a batch of the evaluation. */
const TEST_BATCH = 500;
/** Batches between two readings of the loss: reading waits for the device. */
const READ_EVERY = 16;

interface EpochRow {
  epoch: number;
  /** Mean over the training images of the epoch. */
  loss: number;
  testAccuracy: number;
  /** Of training, without the evaluation. */
  seconds: number;
  imagesPerSecond: number;
}

/** Reads the options, makes the device and loads the digits. */
export async function start(defaults: Defaults): Promise<Run> {
  const show = new Display();
  process.on("uncaughtException", (error) => {
    show.done();
    show.note(error instanceof WasmgradError ? `${defaults.name}: ${error.message}` : String(error?.stack ?? error));
    process.exit(1);
  });
  for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
  ] as const) {
    process.once(signal, () => {
      show.done(); // brings the cursor back
      process.exit(128 + number);
    });
  }
  // `| head` closes the pipe: that is no error of ours.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  const options = readOptions(defaults, show);
  const { device, threads, simd, deterministic } = options;
  await init(device === "webgpu" ? { device, deterministic } : { threads, simd, deterministic });
  manualSeed(options.seed);
  const digits = await loadDigits(options.data, options.limit, show);
  return new Run(defaults.name, options, digits, show);
}

function readOptions(defaults: Defaults, show: Display): Options {
  try {
    const options = parseOptions(process.argv.slice(2), defaults);
    if (options !== null) return options;
    show.line(help(defaults));
    return process.exit(0);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    show.note(`${defaults.name}: ${error.message}`);
    return process.exit(2);
  }
}

export class Run {
  readonly options: Options;
  /** Batches in the whole run: the learning rate reaches zero behind the last. */
  readonly steps: number;
  private readonly name: string;
  private readonly digits: Digits;
  private readonly show: Display;
  private readonly loader: data.DataLoader<[Tensor, Tensor]>;
  /** Losses that are still on the device, and those that were read. */
  private waiting: Tensor[] = [];
  private readonly losses: number[] = [];
  private readonly rows: EpochRow[] = [];
  private trained = { loss: 0, seconds: 0 };
  private confusion: number[][] = [];

  constructor(name: string, options: Options, digits: Digits, show: Display) {
    const { batch, seed, epochs } = options;
    this.name = name;
    this.options = options;
    this.digits = digits;
    this.show = show;
    this.loader = new data.DataLoader<[Tensor, Tensor]>(dataset(digits.train), {
      batchSize: batch,
      shuffle: true,
      seed,
    });
    this.steps = this.loader.length * epochs;
    const { device, build, threads, why } = info();
    const counts = `${digits.train.count} to learn, ${digits.test.count} to test`;
    show.line(
      `${name} on ${digits.label} (${counts}), ` +
        (device === "wasm"
          ? `wasm build ${build}, ${threads} of ${availableParallelism()} threads`
          : `${device}: ${why}`),
      `${options.optimizer}, lr ${options.lr} falling to 0, batches of ${batch}, seed ${seed}${options.capture ? ", captured" : ""}`,
    );
    if (digits.label !== "MNIST") show.line(`These digits were ${digits.source}. They are not MNIST.`);
  }

  /** Shows the model as PyTorch prints it, with its size. */
  describe(model: nn.Module): void {
    const parameters = model.parameters().reduce((sum, p) => sum + p.numel, 0);
    this.show.line(`${model}`, `${parameters.toLocaleString("en-US")} parameters`, "");
  }

  /** The batches of an epoch in its own order, behind a progress bar. */
  async *batches(epoch: number): AsyncGenerator<[Tensor, Tensor], void, undefined> {
    const began = performance.now();
    const { count } = this.digits.train;
    const { batch } = this.options;
    const name = `epoch ${epoch} of ${this.options.epochs}`;
    const before = this.losses.length;
    const seconds = () => (performance.now() - began) / 1000;
    let seen = 0;
    this.show.training(name, 0, count, 0, Number.NaN);
    for await (const [x, y] of this.loader) {
      yield [x, y];
      seen += x.shape[0]!;
      if (this.waiting.length < READ_EVERY) continue;
      await this.read();
      this.show.training(name, seen, count, seconds(), this.losses.at(-1)!);
    }
    await this.read();
    await flush();
    // The last batch may be smaller: it counts by its images.
    const sum = this.losses.slice(before).reduce((s, loss, k) => s + loss * Math.min(batch, count - k * batch), 0);
    this.trained = { loss: sum / count, seconds: seconds() };
    this.show.done();
  }

  /** Notes the loss of a batch; its value is read later. */
  loss(loss: Tensor): void {
    this.waiting.push(loss);
  }

  private async read(): Promise<void> {
    for (const loss of this.waiting) {
      this.losses.push(await loss.item());
      loss.dispose();
    }
    this.waiting = [];
  }

  /** Counts how the model does on the test images. */
  async test(model: nn.Module): Promise<void> {
    const { test, train } = this.digits;
    const table = Array.from({ length: 10 }, () => new Array<number>(10).fill(0));
    let at = 0;
    for await (const [x] of new data.DataLoader<[Tensor, Tensor]>(dataset(test), { batchSize: TEST_BATCH })) {
      const digits = noGrad(() => argmax(model.forward(x), 1));
      for (const digit of await digits.data()) table[test.labels[at++]!]![digit]!++;
      digits.dispose();
    }
    this.confusion = table;
    const testAccuracy = table.reduce((sum, row, i) => sum + row[i]!, 0) / test.count;
    const { loss, seconds } = this.trained;
    const epoch = this.rows.length + 1;
    const imagesPerSecond = train.count / seconds;
    this.rows.push({ epoch, loss, testAccuracy, seconds, imagesPerSecond });
    this.show.line(
      `epoch ${epoch} of ${this.options.epochs}  loss ${loss.toFixed(4)}  test accuracy ${percent(testAccuracy)}  ` +
        `${seconds.toFixed(1)} s  ${Math.round(imagesPerSecond).toLocaleString("en-US")} images/s`,
    );
  }

  /** Curve, confusion table, files, and the test accuracy as the last line. */
  async finish(model: nn.Module): Promise<void> {
    const { digits, show, options } = this;
    const { testAccuracy } = this.rows.at(-1)!;
    show.curve(this.losses);
    show.confusion(this.confusion);
    if (options.save !== undefined) {
      const metadata = { model: this.name, data: digits.label, test_images: `${digits.test.count}` };
      await save(options.save, model.stateDict(), { ...metadata, test_accuracy: `${testAccuracy}` });
      show.line(`weights: ${options.save}`);
    }
    if (options.json !== undefined) {
      await writeFile(
        options.json,
        new TextEncoder().encode(`${JSON.stringify(this.results(testAccuracy), null, 2)}\n`),
      );
      show.line(`results: ${options.json}`);
    }
    const right = this.confusion.reduce((sum, row, i) => sum + row[i]!, 0);
    show.line(
      `total time ${(performance.now() / 1000).toFixed(1)} s`,
      `test accuracy ${percent(testAccuracy)} (${right} of ${digits.test.count}, ${digits.label})`,
    );
  }

  private results(testAccuracy: number): object {
    const { epochs, batch, lr, optimizer, seed, capture, deterministic, limit } = this.options;
    const { train, test, label } = this.digits;
    const { device, build, threads } = info();
    return {
      example: this.name,
      data: label,
      testAccuracy,
      epochs: this.rows,
      settings: {
        ...{ epochs, batch, lr, optimizer, seed, capture, deterministic, limit: limit ?? null },
        ...{ trainImages: train.count, testImages: test.count, mean: MEAN, std: STD },
      },
      device,
      build,
      threads,
      seconds: performance.now() / 1000,
    };
  }
}

const percent = (fraction: number): string => `${(fraction * 100).toFixed(2)} %`;
