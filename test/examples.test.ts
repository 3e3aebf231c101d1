// The examples: their options, a short run on drawn digits, and the files that it writes. Nothing here asks the network.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Defaults, help, parseOptions, UsageError } from "../examples/shared/options.ts";
import { parseSafetensors } from "../src/io/safetensors.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "wasmgrad-examples-"));

const defaults: Defaults = {
  ...{ name: "an-example", about: "it learns", epochs: 3, batch: 64 },
  ...{ optimizer: "adam", lr: { adam: 0.004, sgd: 0.02 } },
};

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

const example = (name: string, ...args: string[]): Promise<Ended> => program(`examples/${name}.ts`, ...args);

/** Runs a program where no MNIST is: neither in a folder nor in a cache, and without the network. */
function program(file: string, ...args: string[]): Promise<Ended> {
  const { MNIST_DIR: _, ...inherited } = process.env;
  const env = { ...inherited, WASMGRAD_OFFLINE: "1", XDG_CACHE_HOME: join(folder, "cache") };
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", file, ...args], { cwd: root, env });
    const [out, err]: [string[], string[]] = [[], []];
    child.stdout.setEncoding("utf8").on("data", (text) => out.push(text));
    child.stderr.setEncoding("utf8").on("data", (text) => err.push(text));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out: out.join(""), err: err.join("") }));
  });
}

function refusal(...argv: string[]): string {
  try {
    parseOptions(argv, defaults);
  } catch (error) {
    assert.instance(error, UsageError);
    return (error as Error).message;
  }
  return "accepted";
}

const KNOWN =
  "--epochs, --batch, --lr, --optimizer, --device, --threads, --seed, --data, --save, --json, --limit, --simd, --capture, --deterministic, --amp, --help";

test("options: an error names the option, the value and the rule", () => {
  assert.is(refusal("--speed", "9"), `option --speed is unknown: known are ${KNOWN}`);
  assert.is(refusal("-e", "9"), `option -e is unknown: known are ${KNOWN}`);
  assert.is(refusal("fast"), `argument fast: options begin with --: known are ${KNOWN}`);
  assert.is(refusal("--batch", "0"), "--batch 0: an integer of at least 1 is expected");
  assert.is(refusal("--epochs", "-1"), "--epochs -1: an integer of at least 1 is expected");
  assert.is(refusal("--epochs=2.5"), "--epochs 2.5: an integer of at least 1 is expected");
  assert.is(refusal("--lr", "abc"), "--lr abc: a number above 0 is expected");
  assert.is(refusal("--lr", "-0.1"), "--lr -0.1: a number above 0 is expected");
  assert.is(refusal("--lr", "Infinity"), "--lr Infinity: a number above 0 is expected");
  assert.is(refusal("--optimizer", "rmsprop"), "--optimizer rmsprop: sgd or adam is expected");
  assert.is(refusal("--threads", "0"), "--threads 0: an integer from 1 to 64 is expected");
  assert.is(refusal("--threads", "65"), "--threads 65: an integer from 1 to 64 is expected");
  assert.is(refusal("--seed", "1e3"), "--seed 1e3: an integer of at least 0 is expected");
  assert.is(refusal("--limit", "0"), "--limit 0: an integer of at least 1 is expected");
  assert.is(refusal("--simd", "avx"), "--simd avx: simd or relaxed is expected");
  assert.is(refusal("--capture=yes"), "--capture=yes: it is a switch without a value");
  assert.is(refusal("--amp"), "--amp: it is an option of --device webgpu");
  assert.is(refusal("--save"), "--save: a value (FILE) is expected");
  assert.is(refusal("--save", "--json", "x"), "--save: a value (FILE) is expected, --json came instead");
});

test("options: defaults, values, help", () => {
  const plain = parseOptions([], defaults)!;
  assert.equal(
    [plain.epochs, plain.batch, plain.optimizer, plain.lr, plain.seed, plain.capture],
    [3, 64, "adam", 0.004, 1, false],
  );
  assert.equal([plain.threads, plain.data, plain.simd, plain.limit], [undefined, undefined, undefined, undefined]);
  const given = parseOptions(
    ["--optimizer", "sgd", "--seed=7", "--data", "digits", "--capture", "--lr", "1e-3"],
    defaults,
  )!;
  assert.equal([given.optimizer, given.seed, given.data, given.capture, given.lr], ["sgd", 7, "digits", true, 1e-3]);
  assert.is(parseOptions(["--optimizer", "sgd"], defaults)!.lr, 0.02);
  assert.is(parseOptions(["--help"], defaults), null);
  for (const name of KNOWN.split(", ")) assert.match(help(defaults), `${name} `);
});

test("an option that is wrong ends the program with code 2 and one line", async () => {
  const { code, out, err } = await example("mnist-cnn", "--batch", "0");
  assert.equal([code, out, err], [2, "", "mnist-cnn: --batch 0: an integer of at least 1 is expected\n"]);
});

test("a folder without MNIST's files is an error, not a reason to learn other digits", async () => {
  const { code, out, err } = await example("mnist-softmax", "--data", join(folder, "nothing"));
  assert.is(code, 1);
  assert.is(out, "");
  assert.match(err, /^mnist-softmax: MNIST: train-images-idx3-ubyte: neither it nor .*, the folder given\n$/);
});

interface Results {
  testAccuracy: number;
  data: string;
  build: string;
  threads: number;
  epochs: { epoch: number; loss: number; testAccuracy: number; seconds: number; imagesPerSecond: number }[];
  settings: Record<string, unknown>;
}

/** Learns a few drawn digits; the last batch of an epoch is smaller. */
async function learn(name: string, mark: string, ...args: string[]) {
  const [save, json] = [join(folder, `${name}-${mark}.safetensors`), join(folder, "new", `${name}-${mark}.json`)];
  const quick = ["--limit", "200", "--epochs", "2", "--batch", "64", "--threads", "2", "--seed", "3"];
  const run = await example(name, ...quick, "--save", save, "--json", json, ...args);
  assert.is(run.code, 0, run.err);
  const results: Results = JSON.parse(readFileSync(json, "utf8"));
  return { ...run, save, weights: readFileSync(save), results };
}

for (const name of ["mnist-softmax", "mnist-cnn"]) {
  test(`${name}: eager and captured learn the same bits; files and report agree`, async () => {
    const eager = await learn(name, "eager", "--deterministic");
    const { results, out, err } = eager;

    // Never passed off as MNIST.
    assert.is(results.data, "drawn digits");
    assert.match(err, "MNIST is not at hand");
    assert.match(err, "downloads are off");
    assert.match(out, new RegExp(`^${name} on drawn digits \\(200 to learn, 200 to test\\)`));
    assert.match(out, "They are not MNIST.");

    const percent = (results.testAccuracy * 100).toFixed(2);
    const right = Math.round(results.testAccuracy * 200);
    assert.match(out, new RegExp(`\\ntest accuracy ${percent} % \\(${right} of 200, drawn digits\\)\\n$`));
    assert.not(
      ["\r", "\u001b"].some((code) => (out + err).includes(code)),
      "no terminal: plain lines",
    );
    assert.match(out, "loss (log scale), batches 1 to 8");
    assert.match(out, "predicted digit (columns)");

    assert.equal(
      results.epochs.map((row) => row.epoch),
      [1, 2],
    );
    for (const row of results.epochs) {
      assert.ok(row.loss > 0 && row.loss < 4 && row.seconds > 0 && row.imagesPerSecond > 0);
    }
    assert.ok(results.epochs[1]!.loss < results.epochs[0]!.loss);
    assert.is(results.epochs[1]!.testAccuracy, results.testAccuracy);
    assert.equal([results.settings.batch, results.settings.seed, results.settings.capture], [64, 3, false]);
    assert.ok(["simd", "relaxed"].includes(results.build));
    assert.is(results.threads, 2);

    const { metadata, tensors } = parseSafetensors(eager.weights);
    assert.equal([metadata.model, metadata.data, metadata.test_images], [name, "drawn digits", "200"]);
    assert.ok("fc.weight" in tensors && "fc.bias" in tensors);

    const captured = await learn(name, "captured", "--capture", "--deterministic");
    assert.is(captured.results.settings.capture, true);
    const outcome = (r: Results) => [r.testAccuracy, r.epochs.map((row) => [row.loss, row.testAccuracy])];
    assert.equal(outcome(captured.results), outcome(results));
    assert.ok(captured.weights.equals(eager.weights));

    const check = await example("check-saved", eager.save);
    assert.is(check.code, 0, check.err);
    assert.match(check.out, `recomputed test accuracy ${percent} % (${right} of 200, drawn digits)`);
    assert.match(check.out, `the example said ${percent} %`);
  });
}

test("the README's first program does what its comment says", async () => {
  const [, text] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, "README.md"), "utf8"))!;
  const file = join(folder, "first.mts");
  writeFileSync(file, text!.replace('"wasmgrad"', JSON.stringify(pathToFileURL(join(root, "src/index.ts")).href)));
  const { code, out, err } = await program(file);
  assert.is(code, 0, err);
  const [first, second, third] = out.split("\n").map(Number);
  assert.ok(first! > second! && second! > third! && third! > 0, out); // losses
  assert.match(out, /^Sequential\(/m);
  const numbers = /Float32Array\(4\) \[([^\]]*)\]/.exec(out)![1]!.split(",").map(Number);
  for (const [i, wanted] of [0, 1, 1, 0].entries()) assert.ok(Math.abs(numbers[i]! - wanted) < 0.1, out);
});

test("the README's model learns, goes on from its files bit for bit, and shows where a NaN comes from", async () => {
  const blocks = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/```ts\n([\s\S]*?)```/g)].map((m) => m[1]!);
  const block = (part: string): string => blocks.find((text) => text.includes(part))!;
  const [saving, loading] = block("await save(").split("// In the program that goes on");
  const text = `
    import { init, manualSeed, optim, randn, tensor } from "wasmgrad";
    ${block("class Net")}
    await init();
    manualSeed(1);
    const [x, y] = [randn([8, 2]), randn([8, 1])];
    const make = () => {
      const model = new Net();
      const optimizer = new optim.AdamW(model.parameters(), { lr: 0.02 });
      return { model, optimizer, schedule: new optim.lrScheduler.StepLR(optimizer, { stepSize: 2 }) };
    };
    let { model, optimizer, schedule } = make();
    const train = async (steps: number) => {
      for (let i = 0; i < steps; i++) {
        optimizer.zeroGrad();
        const loss = model.forward(x).sub(y).square().mean();
        loss.backward();
        optimizer.step();
        schedule.step();
        console.log(await loss.item());
      }
    };
    const epoch = 3;
    await train(3);
    ${saving}
    await train(3);
    ({ model, optimizer, schedule } = make());
    // ${loading}
    await train(3);
    console.log(model.parameters().length, run.epoch);
    model.blocks[1]!.weight.requiresGrad = false;
    model.blocks[1]!.weight.fill_(Number.NaN);
    ${block(".isfinite()")}
    await model.forward(x).sum().item();
    await new Promise((resolve) => setTimeout(resolve, 50));
  `;
  const at = (file: string): string => JSON.stringify(pathToFileURL(join(root, file)).href);
  const sources = text
    .replaceAll('"wasmgrad"', at("src/index.ts"))
    .replaceAll('"wasmgrad/io"', at("src/io/safetensors.ts"));
  const file = join(folder, "model.mts");
  writeFileSync(
    file,
    sources.replaceAll(/"(model|run)\.safetensors"/g, (_, name) => JSON.stringify(join(folder, name))),
  );
  const { code, out, err } = await program(file);
  assert.is(code, 0, err);
  const lines = out.trim().split("\n");
  const losses = lines.slice(0, 9).map(Number);
  assert.ok(
    losses.every((loss, i) => loss > 0 && (i === 0 || i === 6 || loss < losses[i - 1]!)),
    out,
  );
  assert.equal(losses.slice(6), losses.slice(3, 6));
  assert.is(lines[9], "9 3");
  // The first that makes one, and all that read it or contain it.
  assert.equal(err.trim().split("\n").sort(), ["blocks.1: not finite", "last: not finite", "model: not finite"]);
});

test("nothing is left behind", () => {
  assert.not(existsSync(join(folder, "cache")));
});

test.after(() => rmSync(folder, { recursive: true, force: true }));

test.run();
