// Activations as PyTorch has them: at kinks, infinities and NaN, results, gradients and second gradients recorded from PyTorch 1.13; their
// modules, printed and called; the slopes that RReLU draws.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn } from "../src/index.ts";

// biome-ignore lint/suspicious/noExplicitAny: functions of many signatures
type Any = any;
const device = await w.init({ threads: 1 });
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Two vectors of eight: what is left over PyTorch walks one by one, with another answer for NaN, and for hardswish at 3. */
const X = [nan, inf, -inf, 0, -0, 1, -1, 0.5, -0.5, 3, -3, 6, 20, -20, 0.75, -4.5];
// Of the last, a second derivative that PyTorch does not have, nothing is compared. Meant otherwise is the gradient of softsign at an
// infinity, 0: PyTorch has NaN.
// biome-ignore format: one line a function
const RECORDED: [name: string, args: string, result: string, gradient: string, second: string][] = [
  ["leakyRelu", "", "NaN inf -inf 0 0 1 -0.01 0.5 -0.005 3 -0.03 6 20 -0.2 0.75 -0.045", "0.01 1 0.01 0.01 0.01 1 0.01 1 0.01 1 0.01 1 1 0.01 1 0.01", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"],
  ["elu", "", "NaN inf -1 0 0 1 -0.632121 0.5 -0.393469 3 -0.950213 6 20 -1 0.75 -0.988891", "NaN 1 0 1 1 1 0.367879 1 0.606531 1 0.0497871 1 1 2.06115e-09 1 0.011109", "NaN 0 0 0 0 0 0.367879 0 0.606531 0 0.0497871 0 0 2.06115e-09 0 0.011109"],
  ["elu", "2", "NaN inf -2 0 0 1 -1.26424 0.5 -0.786939 3 -1.90043 6 20 -2 0.75 -1.97778", "NaN 1 0 2 2 1 0.735759 1 1.21306 1 0.0995741 1 1 4.12231e-09 1 0.022218", "NaN 0 0 0 0 0 0.735759 0 1.21306 0 0.0995741 0 0 4.12231e-09 0 0.022218"],
  ["selu", "", "NaN inf -1.7581 0 0 1.0507 -1.11133 0.525351 -0.691758 3.1521 -1.67057 6.30421 21.014 -1.7581 0.788026 -1.73857", "NaN 1.0507 0 1.7581 1.7581 1.0507 0.646769 1.0507 1.06634 1.0507 0.0875306 1.0507 1.0507 3.62371e-09 1.0507 0.0195307", "NaN 0 0 0 0 0 0.646769 0 1.06634 0 0.0875306 0 0 3.62371e-09 0 0.0195307"],
  ["celu", "0.5", "NaN inf -0.5 0 0 1 -0.432332 0.5 -0.31606 3 -0.498761 6 20 -0.5 0.75 -0.499938", "NaN 1 0 1 1 1 0.135335 1 0.367879 1 0.00247875 1 1 4.24835e-18 1 0.00012341", "NaN 0 0 0 0 0 0.270671 0 0.735759 0 0.0049575 0 0 8.49671e-18 0 0.00024682"],
  ["celu", "-2", "NaN inf -inf 0 0 1 -1.29744 0.5 -0.568051 3 -6.96338 6 20 -44050.9 0.75 -16.9755", "NaN 1 inf 1 1 1 1.64872 1 1.28403 1 4.48169 1 1 22026.5 1 9.48774", "NaN 0 -inf 0 0 0 -0.824361 0 -0.642013 0 -2.24084 0 0 -11013.2 0 -4.74387"],
  ["gelu", "", "NaN inf NaN 0 0 0.841345 -0.158655 0.345731 -0.154269 2.99595 -0.00404987 6 20 0 0.58003 -1.52886e-05", "NaN NaN NaN 0.5 0.5 1.08332 -0.0833154 0.867495 0.132505 1.01195 -0.0119456 1 1 0 0.999226 -6.85155e-05", "NaN NaN NaN 0.797885 0.797885 0.241971 0.241971 0.616114 0.616114 -0.0310229 -0.0310229 -2.0658e-07 0 0 0.432885 -0.000291703"],
  ["silu", "", "NaN inf NaN 0 0 0.731059 -0.268941 0.31123 -0.18877 2.85772 -0.142278 5.98516 20 -4.12231e-08 0.509384 -0.0494412", "NaN NaN NaN 0.5 0.5 0.927671 0.0723295 0.739961 0.260039 1.0881 -0.0881041 1.01233 1 -3.91619e-08 0.8426 -0.0379111", "NaN NaN NaN 0.5 0.5 0.302366 0.302366 0.441229 0.441229 -0.0323214 -0.0323214 -0.00979268 0 -3.71008e-08 0.377227 -0.0260911"],
  ["mish", "", "NaN inf NaN 0 0 0.865098 -0.303401 0.375245 -0.220744 2.98654 -0.145647 5.99993 20 -4.12231e-08 0.610018 -0.0497128", "NaN NaN NaN 0.6 0.6 1.04904 0.0592168 0.886424 0.289511 1.02111 -0.0933931 1.00013 1 -3.91619e-08 0.985758 -0.0383879", "NaN NaN NaN 0.64 0.64 0.184686 0.349706 0.468053 0.563971 -0.0302666 -0.0399287 -0.000242685 0 -3.71008e-08 0.324571 -0.0269089"],
  ["hardtanh", "", "NaN 1 -1 0 0 1 -1 0.5 -0.5 1 -1 1 1 -1 0.75 -1", "0 0 0 1 1 0 0 1 1 0 0 0 0 0 1 0", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"],
  ["hardtanh", "-0.5,3", "NaN 3 -0.5 0 0 1 -0.5 0.5 -0.5 3 -0.5 3 3 -0.5 0.75 -0.5", "0 0 0 1 1 1 0 1 0 0 0 0 0 0 1 0", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"],
  ["relu6", "", "NaN 6 0 0 0 1 0 0.5 0 3 0 6 6 0 0.75 0", "0 0 0 0 0 1 0 1 0 1 0 0 0 0 1 0", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"],
  ["hardsigmoid", "", "NaN 1 0 0.5 0.5 0.666667 0.333333 0.583333 0.416667 1 0 1 1 0 0.625 0", "0 0 0 0.166667 0.166667 0.166667 0.166667 0.166667 0.166667 0 0 0 0 0 0.166667 0", ""],
  ["hardswish", "", "NaN inf NaN 0 0 0.666667 -0.333333 0.291667 -0.208333 3 0 6 20 0 0.46875 0", "NaN 1 0 0.5 0.5 0.833333 0.166667 0.666667 0.333333 1 -0.5 1 1 0 0.75 0", "0 0 0 0.333333 0.333333 0.333333 0.333333 0.333333 0.333333 0 0 0 0 0 0.333333 0"],
  ["softplus", "", "NaN inf 0 0.693147 0.693147 1.31326 0.313262 0.974077 0.474077 3.04859 0.0485874 6.00248 20 2.06115e-09 1.13687 0.0110477", "NaN 1 0 0.5 0.5 0.731059 0.268941 0.622459 0.377541 0.952574 0.0474259 0.997527 1 2.06115e-09 0.679179 0.0109869", "NaN 0 0 0.25 0.25 0.196612 0.196612 0.235004 0.235004 0.0451767 0.0451767 0.00246647 0 2.06115e-09 0.217895 0.0108662"],
  ["softplus", "2,6", "NaN inf 0 0.346574 0.346574 1.06346 0.063464 0.656631 0.156631 3.00124 0.00123784 6 20 2.12418e-18 0.850707 6.17011e-05", "NaN 1 0 0.5 0.5 0.880797 0.119203 0.731059 0.268941 0.997527 0.00247262 1 1 4.24835e-18 0.817575 0.000123395", "NaN 0 0 0.5 0.5 0.209987 0.209987 0.393224 0.393224 0 0.00493302 0 0 8.49671e-18 0.298293 0.000246759"],
  ["softsign", "", "NaN NaN NaN 0 0 0.5 -0.5 0.333333 -0.333333 0.75 -0.75 0.857143 0.952381 -0.952381 0.428571 -0.818182", "NaN 0 0 1 1 0.25 0.25 0.444444 0.444444 0.0625 0.0625 0.0204082 0.00226757 0.00226757 0.326531 0.0330579", "NaN 0 0 0 0 -0.25 0.25 -0.592593 0.592593 -0.03125 0.03125 -0.00583091 -0.000215959 0.000215959 -0.373178 0.012021"],
  ["logsigmoid", "", "NaN 0 -inf -0.693147 -0.693147 -0.313262 -1.31326 -0.474077 -0.974077 -0.0485874 -3.04859 -0.00247569 -2.06115e-09 -20 -0.386871 -4.51105", "NaN 0 1 0.5 0.5 0.268941 0.731059 0.377541 0.622459 0.0474259 0.952574 0.00247262 2.06115e-09 1 0.320821 0.989013", "NaN 0 0 -0.25 -0.25 -0.196612 -0.196612 -0.235004 -0.235004 -0.0451767 -0.0451767 -0.00246647 0 -2.06115e-09 -0.217895 -0.0108662"],
  ["tanhshrink", "", "NaN inf -inf 0 0 0.238406 -0.238406 0.0378828 -0.0378828 2.00495 -2.00495 5.00001 19 -19 0.114851 -3.50025", "NaN 1 1 0 0 0.580026 0.580026 0.213552 0.213552 0.990134 0.990134 0.999975 1 1 0.403414 0.999507", "NaN 0 0 0 0 0.6397 -0.6397 0.726862 -0.726862 0.0196344 -0.0196344 4.91133e-05 0 0 0.757842 -0.000986688"],
  ["softshrink", "", "0 inf -inf 0 0 0.5 -0.5 0 0 2.5 -2.5 5.5 19.5 -19.5 0.25 -4", "0 1 1 0 0 1 1 0 0 1 1 1 1 1 1 1", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"],
  ["softshrink", "0", "0 inf -inf 0 0 1 -1 0.5 -0.5 3 -3 6 20 -20 0.75 -4.5", "0 1 1 0 0 1 1 1 1 1 1 1 1 1 1 1", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"],
  ["hardshrink", "", "NaN inf -inf 0 0 1 -1 0 0 3 -3 6 20 -20 0.75 -4.5", "0 1 1 0 0 1 1 0 0 1 1 1 1 1 1 1", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"],
  ["hardshrink", "-1", "NaN inf -inf 0 0 1 -1 0.5 -0.5 3 -3 6 20 -20 0.75 -4.5", "0 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"],
  ["threshold", "0.5,7", "NaN inf 7 7 7 1 7 7 7 3 7 6 20 7 0.75 7", "1 1 0 0 0 1 0 0 0 1 0 1 1 0 1 0", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"],
  ["rrelu", "", "NaN inf -inf 0 0 1 -0.229167 0.5 -0.114583 3 -0.6875 6 20 -4.58333 0.75 -1.03125", "0.229167 1 0.229167 0.229167 0.229167 1 0.229167 1 0.229167 1 0.229167 1 1 0.229167 1 0.229167", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"],
];

const numbers = (text: string): number[] => text.split(" ").map((v) => Number(v.replace("inf", "Infinity")));
const near = (got: ArrayLike<number>, text: string, what: string, skip: (x: number) => boolean = () => false): void => {
  const expected = numbers(text);
  assert.is(got.length, expected.length);
  expected.forEach((y, i) => {
    const x = got[i]!;
    if (skip(X[i]!) || Object.is(x, y) || x === y) return;
    assert.ok(Math.abs(x - y) <= 1e-6 + 1e-5 * Math.abs(y), `${what} at ${X[i]}: ${x}, PyTorch has ${y}`);
  });
};

for (const [name, args, result, gradient, second] of RECORDED) {
  test(`${name}(${args}) at kinks, infinities and NaN`, async () => {
    const x = w.tensor(Float32Array.from(X), { requiresGrad: true });
    const y: w.Tensor = (w as Any)[name](x, ...(args === "" ? [] : args.split(",").map(Number)));
    near(await y.data(), result, "the result");
    const [g] = w.grad(y, [x], { gradient: w.onesLike(y), createGraph: true });
    near(await g!.data(), gradient, "the gradient");
    if (second === "") return;
    const [h] = w.grad(g!, [x], { gradient: w.onesLike(y) });
    near(await h!.data(), second, "the second", Number.isNaN);
  });
}

test("an element's value does not depend on where it stands", async () => {
  const all = Float32Array.from({ length: 48 }, (_, i) => (i % 7 === 6 ? nan : 13 * Math.sin(3 * i)));
  const both = async (name: string, args: string, values: Float32Array): Promise<[Uint32Array, Uint32Array]> => {
    const x = w.tensor(values, { requiresGrad: true });
    const y: w.Tensor = (w as Any)[name](x, ...(args === "" ? [] : args.split(",").map(Number)));
    const [g] = w.grad(y, [x], { gradient: w.full(x.shape, 0.7) });
    return [new Uint32Array((await y.data()).slice().buffer), new Uint32Array((await g!.data()).slice().buffer)];
  };
  for (const [name, args] of RECORDED) {
    const [y, gx] = await both(name, args, all);
    for (const [from, to] of [
      [0, 1],
      [3, 5],
      [1, 4],
      [5, 12],
      [2, 17],
      [7, 22],
      [9, 25],
      [4, 35],
      [1, 48],
    ] as const) {
      const [part, gPart] = await both(name, args, all.slice(from, to));
      assert.equal(part, y.slice(from, to), `${name}(${args}) of ${from} to ${to}`);
      assert.equal(gPart, gx.slice(from, to), `the gradient of ${name}(${args}) of ${from} to ${to}`);
    }
  }
});

/** How each module is made, what it prints, and the function that it is. */
const MODULES: [make: nn.Module, text: string, same: (x: w.Tensor) => w.Tensor][] = [
  [new nn.LeakyReLU(), "LeakyReLU(negative_slope=0.01)", (x) => w.leakyRelu(x)],
  [new nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)", (x) => w.leakyRelu(x, 0.2)],
  [new nn.PReLU(), "PReLU(num_parameters=1)", (x) => w.leakyRelu(x, 0.25)],
  [new nn.PReLU(4, { init: 0.5 }), "PReLU(num_parameters=4)", (x) => w.leakyRelu(x, 0.5)],
  [new nn.RReLU().eval(), "RReLU(lower=0.125, upper=0.3333333333333333)", (x) => w.leakyRelu(x, 11 / 48)],
  [new nn.ReLU6(), "ReLU6()", (x) => w.relu6(x)],
  [new nn.Hardtanh(), "Hardtanh(min_val=-1.0, max_val=1.0)", (x) => w.hardtanh(x)],
  [new nn.Hardtanh(-0.5, 2), "Hardtanh(min_val=-0.5, max_val=2.0)", (x) => w.hardtanh(x, -0.5, 2)],
  [new nn.Hardsigmoid(), "Hardsigmoid()", (x) => w.hardsigmoid(x)],
  [new nn.Hardswish(), "Hardswish()", (x) => w.hardswish(x)],
  [new nn.Hardshrink(), "Hardshrink(0.5)", (x) => w.hardshrink(x)],
  [new nn.Softshrink(0.25), "Softshrink(0.25)", (x) => w.softshrink(x, 0.25)],
  [new nn.Threshold(0.1, 20), "Threshold(threshold=0.1, value=20)", (x) => w.threshold(x, 0.1, 20)],
  [new nn.GLU(0), "GLU(dim=0)", (x) => w.glu(x, 0)],
  [new nn.Softmax2d(), "Softmax2d()", (x) => w.softmax(x, 1)],
  [new nn.ELU(), "ELU(alpha=1.0)", (x) => w.elu(x)],
  [new nn.CELU(1.5), "CELU(alpha=1.5)", (x) => w.celu(x, 1.5)],
  [new nn.SELU(), "SELU()", (x) => w.selu(x)],
  [new nn.GELU(), "GELU(approximate='none')", (x) => w.gelu(x)],
  [new nn.GELU({ approximate: "tanh" }), "GELU(approximate='tanh')", (x) => w.gelu(x, { approximate: "tanh" })],
  [new nn.SiLU(), "SiLU()", (x) => w.silu(x)],
  [new nn.Mish(), "Mish()", (x) => w.mish(x)],
  [new nn.Softplus(2, 10), "Softplus(beta=2, threshold=10)", (x) => w.softplus(x, 2, 10)],
  [new nn.Softsign(), "Softsign()", (x) => w.softsign(x)],
  [new nn.LogSigmoid(), "LogSigmoid()", (x) => w.logsigmoid(x)],
  [new nn.Tanhshrink(), "Tanhshrink()", (x) => w.tanhshrink(x)],
  [new nn.Softmin(-1), "Softmin(dim=-1)", (x) => w.softmin(x, -1)],
];

test("modules print as PyTorch's, and give what their functions give", async () => {
  const x = w.randn([2, 4, 3, 5]);
  for (const [module, text, same] of MODULES) {
    assert.is(module.toString(), text);
    assert.equal([...(await module.forward(x).data())], [...(await same(x).data())], text);
  }
});

test("PReLU has a weight that is trained", async () => {
  const layer = new nn.PReLU(2);
  assert.equal(Object.keys(layer.stateDict()), ["weight"]);
  const x = w.tensor([
    [-1, 2],
    [-3, -5],
  ]);
  layer.forward(x).sum().backward();
  assert.equal([...(await layer.weight.grad!.data())], [-4, -5]);
});

test("RReLU draws a slope for each element in training, and none for what is positive", async () => {
  w.manualSeed(7);
  const layer = new nn.RReLU(0.25, 0.5);
  const x = w.full([20000], -1, { requiresGrad: true });
  const y = layer.forward(x);
  const slopes = Array.from(await y.data(), (v) => -v);
  assert.ok(slopes.every((s) => s >= 0.25 && s < 0.5));
  assert.ok(Math.abs(slopes.reduce((a, b) => a + b, 0) / slopes.length - 0.375) < 0.002);
  y.sum().backward();
  assert.equal(
    Array.from(await x.grad!.data(), (v) => -v),
    slopes.map((v) => -v),
  );
  assert.not.equal(
    Array.from(await layer.forward(x).data(), (v) => -v),
    slopes,
  );
  assert.equal([...(await layer.forward(w.ones([5])).data())], [1, 1, 1, 1, 1]);
  assert.equal(
    [
      ...(await layer
        .eval()
        .forward(w.full([2], -1))
        .data()),
    ],
    [-0.375, -0.375],
  );
});

test("a captured RReLU draws anew each time", async () => {
  const layer = new nn.RReLU();
  const f = w.capture((x: w.Tensor) => layer.forward(x));
  const seen = new Set<string>();
  for (let i = 0; i < 5; i++) seen.add(String(await (await f(w.full([50], -1))).data()));
  assert.is(seen.size, 5);
});

test.after(() => device.dispose());
test.run();
