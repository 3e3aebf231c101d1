// Captured inference of the MLP 784-520-320-240-120-10: weights from outside, turned once, beside weights that come in as
// arguments, whose products turn them at every call. `node --import tsx bench/lab/143-turned.ts [simd|relaxed] [threads]`
import * as w from "../../src/index.ts";

const SIZES = [784, 520, 320, 240, 120, 10];
const [build = "relaxed", threads = "1"] = process.argv.slice(2);
const device = await w.init({ simd: build as "relaxed", threads: Number(threads) });
const layers = SIZES.slice(1).map((n, i) => new w.nn.Linear(SIZES[i]!, n));
const weights = layers.flatMap((l) => [l.weight.detach(), l.bias!.detach()]);

function forward(x: w.Tensor, ...p: w.Tensor[]): w.Tensor {
  let h = x;
  for (let i = 0; i < p.length; i += 2) {
    h = w.linear(h, p[i]!, p[i + 1]!);
    if (i + 2 < p.length) h = w.relu(h);
  }
  return h;
}

// Identical programs can differ by 10 % with the places that they get, so each is made several times.
for (const batch of [1, 2, 4, 5, 8, 16, 32, 64]) {
  const x = w.randn([batch, SIZES[0]!]);
  const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const times = Math.ceil(32 / batch);
  for (let made = 0; made < 5; made++) {
    const plain = w.capture(forward);
    const turned = w.capture((y: w.Tensor) => forward(y, ...weights));
    const runs = [() => plain(x, ...weights), () => turned(x)];
    if (made % 2 === 1) await turned(x);
    for (let r = 0; r < 16; r++) {
      for (const i of r % 2 === 0 ? [0, 1] : [1, 0]) {
        if (r < 2) for (let q = 0; q < 4; q++) (await runs[i]!()).dispose();
        const t0 = performance.now();
        for (let q = 0; q < times; q++) (await runs[i]!()).dispose();
        best[i] = Math.min(best[i]!, ((performance.now() - t0) / times) * 1000);
      }
    }
    plain.dispose();
    turned.dispose();
  }
  const [before, after] = best as [number, number];
  console.log(`batch ${batch}: ${before.toFixed(0)} -> ${after.toFixed(0)} us, ${(before / after).toFixed(2)} x`);
}
await device.dispose();
