// Modules: the tree, state dicts, modes, devices, printing, constructor errors, initialisers; and the recorded training runs.
import { existsSync, readFileSync } from "node:fs";
import { inspect } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { capture } from "../src/capture.ts";
import { setDefaultDevice } from "../src/core/device.ts";
import { WasmgradError } from "../src/core/error.ts";
import { backward } from "../src/core/tape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { init } from "../src/init.ts";
import * as nn from "../src/nn/index.ts";
import { fill_, manualSeed, ones, sum, t, tensor, zeros } from "../src/ops/index.ts";
import { noGrad, scope } from "../src/ops/modes.ts";
import { Adam, SGD } from "../src/optim/index.ts";
import { ReferenceDevice } from "./reference.ts";

const device = new ReferenceDevice();
setDefaultDevice(device);

const values = (x: Tensor): number[] => Array.from(x.device.readSync(x, x.numel, x.dtype));

function refuses(f: () => unknown, message: RegExp | string): void {
  try {
    f();
  } catch (error) {
    assert.instance(error, WasmgradError, String(error));
    if (typeof message === "string") assert.is((error as Error).message, message);
    else assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable(`accepted, instead of ${message}`);
}

class Net extends nn.Module {
  conv1 = new nn.Conv2d(1, 2, 3);
  scale = new nn.Parameter(ones([1]));
  blocks = [new nn.Linear(4, 4), new nn.Linear(4, 4)];
  head = new nn.Linear(4, 2, { bias: false });
  constructor() {
    super();
    this.registerBuffer("mean", zeros([2]));
    this.registerBuffer("scratch", zeros([3]), { persistent: false });
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(x);
  }
}

test("own properties in order of definition, a module's parameters before its children's", () => {
  const net = new Net();
  assert.equal(
    net.namedParameters().map(([key, p]) => `${key} ${p.shape.join("x")}`),
    [
      "scale 1",
      "conv1.weight 2x1x3x3",
      "conv1.bias 2",
      "blocks.0.weight 4x4",
      "blocks.0.bias 4",
      "blocks.1.weight 4x4",
      "blocks.1.bias 4",
      "head.weight 2x4",
    ],
  );
  assert.equal(Object.keys(net.stateDict()).slice(0, 3), ["scale", "mean", "conv1.weight"]);
  assert.not.ok("scratch" in net.stateDict());
  assert.is(net.buffers().length, 2);
  assert.equal(
    net.namedModules().map(([key]) => key),
    ["", "conv1", "blocks.0", "blocks.1", "head"],
  );
  assert.is(net.children().length, 4);
  net.blocks.push(new nn.Linear(4, 4));
  assert.is(net.parameters().length, 10, "found at the time of asking");
});

test("a shared parameter is listed once and stands under each key", () => {
  const net = new nn.Sequential(new nn.Linear(3, 3), new nn.Linear(3, 3));
  (net[1] as nn.Linear).weight = (net[0] as nn.Linear).weight;
  assert.is(net.parameters().length, 3);
  assert.equal(Object.keys(net.stateDict()), ["0.weight", "0.bias", "1.weight", "1.bias"]);
  const same = new nn.Linear(3, 3);
  assert.is(new nn.Sequential(same, same).parameters().length, 2);
});

test("state dicts share storage; loading copies in place", () => {
  const [a, b] = [new Net(), new Net()];
  const dict = a.stateDict();
  noGrad(() => fill_(a.scale, 7));
  assert.equal(values(dict.scale!), [7]);
  assert.is(dict.scale!.requiresGrad, false);
  const weight = b.head.weight;
  assert.equal(b.loadStateDict(dict), { missingKeys: [], unexpectedKeys: [] });
  assert.is(b.head.weight, weight);
  assert.equal(values(b.head.weight), values(a.head.weight));
  assert.is(b.head.weight.requiresGrad, true);
});

test("loading converts dtypes and takes transposed views, as PyTorch does", () => {
  const net = new nn.Linear(3, 2);
  const weight = t(tensor([1, 4, 2, 5, 3, 6], { shape: [3, 2] }));
  net.loadStateDict({ weight, bias: tensor([7, -8], { dtype: "int32" }) });
  assert.equal(values(net.weight), [1, 2, 3, 4, 5, 6]);
  assert.equal(values(net.bias!), [7, -8]);
  assert.is(net.bias!.dtype, "float32");
});

test("a state dict that does not fit is refused with all reasons, and nothing is written", () => {
  const net = new nn.Sequential(new nn.Linear(3, 2), new nn.ReLU(), new nn.Linear(2, 1));
  const before = net.parameters().map(values);
  const { "2.bias": _, ...dict } = new nn.Sequential(
    new nn.Linear(3, 2),
    new nn.ReLU(),
    new nn.Linear(2, 1),
  ).stateDict();
  const bad = { ...dict, "2.weight": zeros([1, 3]), "0.bias": 3 as never, extra: zeros([1]) };
  refuses(
    () => net.loadStateDict(bad),
    [
      "loadStateDict: error(s) in loading the state dict for Sequential:",
      'missing key(s) in the state dict: "2.bias".',
      'unexpected key(s) in the state dict: "extra".',
      "0.bias is 3: a tensor is expected.",
      "size mismatch for 2.weight: copying a tensor of shape [1,3], the shape in the current model is [1,2].",
    ].join("\n\t"),
  );
  refuses(() => net.loadStateDict(bad, { strict: false }), /size mismatch for 2\.weight/);
  assert.equal(net.parameters().map(values), before);
  assert.equal(net.loadStateDict({ ...dict, extra: zeros([1]) }, { strict: false }), {
    missingKeys: ["2.bias"],
    unexpectedKeys: ["extra"],
  });
  refuses(() => net.loadStateDict(dict, { stric: false } as object), /unknown option stric/);
});

test("train and eval reach every module; dropout reads the flag, also in a captured program", async () => {
  const net = new nn.Sequential(new nn.Sequential(new nn.Dropout(1)), new nn.Identity());
  const x = ones([4]);
  assert.equal(values(net.forward(x)), [0, 0, 0, 0]);
  const step = capture((y: Tensor) => net.forward(y));
  for (let i = 0; i < 5; i++) assert.equal(values(await step(x)), [0, 0, 0, 0]);
  assert.is(net.eval(), net);
  assert.ok(net.modules().every((m) => !m.training));
  assert.equal(values(net.forward(x)), [1, 1, 1, 1]);
  for (let i = 0; i < 5; i++) assert.equal(values(await step(x)), [1, 1, 1, 1]);
  net.train();
  assert.equal(values(await step(x)), [0, 0, 0, 0]);
  refuses(() => net.train(1 as unknown as boolean), /train: 1/);
});

test("freezing, dropping gradients, applying", () => {
  const net = new nn.Sequential(new nn.Linear(2, 2), new nn.Linear(2, 1));
  backward(sum(net.forward(ones([3, 2]))));
  assert.ok(net.parameters().every((p) => p.grad !== null));
  net.zeroGrad();
  assert.ok(net.parameters().every((p) => p.grad === null));
  (net[0] as nn.Linear).requiresGrad_(false);
  backward(sum(net.forward(ones([3, 2]))));
  assert.equal(
    net.parameters().map((p) => p.grad !== null),
    [false, false, true, true],
  );
  const seen: string[] = [];
  net.apply((m) => seen.push(m.constructor.name));
  assert.equal(seen, ["Linear", "Linear", "Sequential"]);
});

test("parameters outlive scopes and share the storage of what they were made of", () => {
  const p = scope(() => [new nn.Linear(2, 2)] as unknown as Tensor[])[0] as unknown as nn.Linear;
  assert.is(p.weight.gone, null);
  const x = zeros([2]);
  const q = new nn.Parameter(x);
  noGrad(() => fill_(q, 3));
  assert.equal(values(x), [3, 3]);
  assert.is(new nn.Parameter(x, false).requiresGrad, false);
  refuses(() => new nn.Parameter(1 as unknown as Tensor), /Parameter: 1 was given/);
});

test("to(device) moves parameters, buffers and gradients in place", async () => {
  const net = new Net();
  const weight = net.head.weight;
  backward(sum(net.forward(ones([1, 4]))));
  const before = [values(weight), values(weight.grad!)];
  const held = device.liveBytes;
  const other = new ReferenceDevice();
  assert.is(await net.to(other), net);
  assert.is(net.head.weight, weight);
  assert.ok([...net.parameters(), ...net.buffers(), weight.grad!].every((x) => x.device === other));
  assert.equal([values(weight), values(weight.grad!)], before);
  assert.is(weight.requiresGrad, true);
  assert.ok(device.liveBytes < held, "the old device has its memory back");
  const view = new nn.Linear(2, 2);
  view.weight = new nn.Parameter(view.weight);
  await view.to(other);
  assert.is(view.weight.device, other);
});

test("buffers", () => {
  const net = new Net();
  refuses(() => net.registerBuffer("mean", zeros([1])), /name "mean": the module already has such a property/);
  refuses(() => net.registerBuffer("a.b", zeros([1])), /name "a\.b"/);
  refuses(() => net.registerBuffer("x", 1 as unknown as Tensor), /"x" is 1/);
  assert.equal(Object.keys(new nn.CrossEntropyLoss({ weight: ones([3]) }).stateDict()), ["weight"]);
  assert.equal(Object.keys(new nn.CrossEntropyLoss().stateDict()), []);
});

test("printing, as PyTorch prints", () => {
  class Tower extends nn.Module {
    layers = [new nn.Linear(2, 2), new nn.Linear(2, 2), new nn.ReLU()];
    last = new nn.Softmax(-1);
    forward(x: Tensor): Tensor {
      return this.last.forward(x);
    }
  }
  assert.is(
    String(new Tower()),
    `Tower(
  (layers): ModuleList(
    (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)
    (2): ReLU()
  )
  (last): Softmax(dim=-1)
)`,
  );
  assert.is(inspect(new nn.Sequential()), "Sequential()");
  const lines: [nn.AnyModule, string][] = [
    [
      new nn.Conv2d(4, 8, [3, 5], { stride: [2, 1], padding: 1, dilation: 2, groups: 2, bias: false }),
      "Conv2d(4, 8, kernel_size=(3, 5), stride=(2, 1), padding=(1, 1), dilation=(2, 2), groups=2, bias=False)",
    ],
    [
      new nn.MaxPool2d([3, 2], { stride: 1, padding: 1, ceilMode: true }),
      "MaxPool2d(kernel_size=(3, 2), stride=1, padding=1, dilation=1, ceil_mode=True)",
    ],
    [new nn.AvgPool2d(2), "AvgPool2d(kernel_size=2, stride=2, padding=0)"],
    [new nn.LayerNorm(7), "LayerNorm((7,), eps=1e-05, elementwise_affine=True)"],
    [
      new nn.LayerNorm([4, 7], { eps: 0.5, elementwiseAffine: false }),
      "LayerNorm((4, 7), eps=0.5, elementwise_affine=False)",
    ],
    [new nn.Dropout(), "Dropout(p=0.5, inplace=False)"],
    [new nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"],
    [new nn.LogSoftmax(1), "LogSoftmax(dim=1)"],
    [new nn.CrossEntropyLoss(), "CrossEntropyLoss()"],
    [new nn.Identity(), "Identity()"],
  ];
  for (const [m, text] of lines) assert.is(m.toString(), text);
  class Wide extends nn.Linear {}
  assert.is(String(new Wide(1, 2)), "Wide(in_features=1, out_features=2, bias=True)");
});

test("LayerNorm", () => {
  const layer = new nn.LayerNorm([2]);
  assert.equal(Object.keys(layer.stateDict()), ["weight", "bias"]);
  assert.equal(
    [values(layer.weight!), values(layer.bias!)],
    [
      [1, 1],
      [0, 0],
    ],
  );
  assert.equal(Object.keys(new nn.LayerNorm(2, { bias: false }).stateDict()), ["weight"]);
  assert.equal(new nn.LayerNorm(2, { elementwiseAffine: false }).parameters(), []);
  const out = values(layer.forward(tensor([[1, 3]])));
  for (const [i, y] of [-1, 1].entries()) assert.ok(Math.abs(out[i]! - y / Math.sqrt(1 + 1e-5)) < 1e-12);
});

test("Sequential", () => {
  const [a, b] = [new nn.ReLU(), new nn.Tanh()];
  const net = new nn.Sequential([a, b]);
  assert.equal([net.length, net[0] === a, net.at(-1) === b], [2, true, true]);
  assert.equal([...net.append(a)], [a, b, a]);
  refuses(() => new nn.Sequential(a, 3 as unknown as nn.ReLU), /Sequential: item 1 is 3/);
});

test("constructor arguments", () => {
  refuses(() => new nn.Linear(-3, 2), "Linear: inFeatures -3: a positive integer is expected");
  refuses(() => new nn.Linear(3, 1.5), "Linear: outFeatures 1.5: a positive integer is expected");
  refuses(() => new nn.Linear(3, 1, { baise: true } as object), /Linear: unknown option baise: it takes bias, device/);
  refuses(() => new nn.Conv2d(3, 4, 3, { groups: 2 }), "Conv2d: inChannels 3: groups 2 must divide it");
  refuses(
    () => new nn.Conv2d(3, 4, [3, 0]),
    "Conv2d: kernelSize [3,0]: an integer of at least 1, or two of them, is expected",
  );
  refuses(() => new nn.Conv2d(3, 4, 3, { padding: "same" } as object), /Conv2d: padding "same"/);
  refuses(() => new nn.MaxPool2d(2, { padding: 2 }), "MaxPool2d: padding 2: at most half of kernelSize 2 is expected");
  refuses(() => new nn.AvgPool2d(2, { divisorOverride: 0 }), /AvgPool2d: divisorOverride 0/);
  refuses(() => new nn.Dropout(1.5), "Dropout: p 1.5: a number from 0 to 1 is expected");
  refuses(() => new nn.Dropout({ p: 0.5 } as unknown as number), /Dropout: p \{\.\.\.\}/);
  refuses(() => new nn.Softmax(undefined as unknown as number), "Softmax: dim nothing: an integer is expected");
  refuses(() => new nn.Flatten({ startDim: 0.5 }), /Flatten: startDim 0\.5/);
  refuses(
    () => new nn.MSELoss({ reduction: "avg" } as object),
    `MSELoss: reduction "avg": one of mean, sum, none is expected`,
  );
  refuses(() => new nn.CrossEntropyLoss({ labelSmoothing: 2 }), /CrossEntropyLoss: labelSmoothing 2/);
});

test("default initialisers: U(-1/sqrt(fanIn), 1/sqrt(fanIn))", () => {
  manualSeed(1);
  for (const [layer, fanIn] of [
    [new nn.Linear(100, 50), 100],
    [new nn.Conv2d(4, 40, 5, { groups: 2 }), 50],
  ] as const) {
    const bound = 1 / Math.sqrt(fanIn);
    for (const p of layer.parameters()) {
      const x = values(p);
      assert.ok(x.every((v) => Math.abs(v) <= bound * 1.000001));
      assert.ok(Math.max(...x) > 0.7 * bound && Math.min(...x) < -0.7 * bound);
    }
  }
});

test("init", () => {
  const std = (x: Tensor): number => Math.sqrt(values(x).reduce((a, v) => a + v * v, 0) / x.numel);
  const near = (got: number, expected: number): void =>
    assert.ok(Math.abs(got / expected - 1) < 0.05, `${got} for ${expected}`);
  const p = new nn.Parameter(zeros([200, 100]));
  near(std(nn.init.xavierUniform_(p)), Math.sqrt(2 / 300));
  near(std(nn.init.xavierNormal_(p, { gain: 2 })), 2 * Math.sqrt(2 / 300));
  near(std(nn.init.kaimingUniform_(p, { nonlinearity: "relu" })), Math.sqrt(2 / 100));
  near(std(nn.init.kaimingNormal_(p, { mode: "fanOut", a: Math.sqrt(5) })), Math.sqrt(1 / 3 / 200));
  near(std(nn.init.uniform_(p, -1, 1)), Math.sqrt(1 / 3));
  near(std(nn.init.normal_(p, 3, 0.001)), 3);
  assert.equal(
    [values(nn.init.constant_(p, 2))[5], values(nn.init.zeros_(p))[5], values(nn.init.ones_(p))[5]],
    [2, 0, 1],
  );
  assert.is(p.requiresGrad, true);
  assert.is(nn.init.calculateGain("tanh"), 5 / 3);
  refuses(() => nn.init.xavierUniform_(zeros([3])), /xavierUniform_: \[3\]: fan in and fan out need at least 2 dims/);
  refuses(() => nn.init.calculateGain("gelu" as "relu"), /calculateGain: nonlinearity "gelu"/);
});

interface Array1 {
  shape: number[];
  dtype: string;
  data: number[];
}
interface Run {
  name: string;
  net: string[];
  optimizer: "SGD" | "Adam";
  kwargs: Record<string, number>;
  loss: string;
  x: Array1;
  y: Array1;
  stateDict: Record<string, Array1>;
  losses: number[];
  finalStateDict: Record<string, Array1>;
}

/** A layer from PyTorch's print of it, such as `  (0): Linear(in_features=5, out_features=8, bias=True)`. */
function layer(line: string): nn.Module {
  const [, name, rest] = /\): (\w+)\((.*)\)$/.exec(line)!;
  const n = [...rest!.matchAll(/\d+/g)].map(Number);
  if (name === "Linear") return new nn.Linear(n[0]!, n[1]!);
  if (name === "Conv2d") return new nn.Conv2d(n[0]!, n[1]!, [n[2]!, n[3]!]);
  if (name === "MaxPool2d") return new nn.MaxPool2d(n[0]!, { stride: n[1]! });
  if (name === "ReLU") return new nn.ReLU();
  return name === "Flatten" ? new nn.Flatten() : new nn.Sigmoid();
}

const recorded = new URL("../../shared/goldens/training.json", import.meta.url);
const made = ({ shape, dtype, data }: Array1): Tensor =>
  tensor(Float32Array.from(data), { shape, dtype: dtype.startsWith("i") ? "int32" : "float32" });
const near = (got: number, ref: number): boolean => Math.abs(got - ref) <= 1e-5 + 1e-3 * Math.abs(ref);

if (existsSync(recorded)) {
  for (const build of ["reference", "simd", "relaxed"] as const) {
    for (const run of JSON.parse(readFileSync(recorded, "utf8")) as Run[]) {
      test(`training as recorded: ${run.name} (${build})`, async () => {
        const on = build === "reference" ? device : await init({ simd: build, threads: 1 });
        try {
          train(run);
        } finally {
          setDefaultDevice(device);
          if (on !== device) await on.dispose();
        }
      });
    }
  }
}

function train(run: Run): void {
  const net = new nn.Sequential(run.net.slice(1, -1).map(layer));
  assert.is(net.toString(), run.net.join("\n"));
  net.loadStateDict(Object.fromEntries(Object.entries(run.stateDict).map(([key, x]) => [key, made(x)])));
  const optimizer = new { SGD, Adam }[run.optimizer](net.parameters(), run.kwargs);
  const criterion = run.loss === "cross_entropy" ? new nn.CrossEntropyLoss() : new nn.BCELoss();
  const [x, y] = [made(run.x), made(run.y)];
  const losses = run.losses.map(() => {
    optimizer.zeroGrad();
    const loss = criterion.forward(net.forward(x), y);
    backward(loss);
    optimizer.step();
    return values(loss)[0]!;
  });
  assert.ok(
    losses.every((v, i) => near(v, run.losses[i]!)),
    `${losses}\n${run.losses}`,
  );
  const dict = net.stateDict();
  assert.equal(Object.keys(dict), Object.keys(run.finalStateDict));
  for (const [key, { data }] of Object.entries(run.finalStateDict)) {
    assert.ok(
      values(dict[key]!).every((v, i) => near(v, data[i]!)),
      key,
    );
  }
}

test.run();
