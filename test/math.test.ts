// exp, log, tanh and sigmoid at most 4 ulp from the f64 value, swept over all exponents with 4096 mantissas each, both signs,
// and 64 values to each side of every threshold; below 2^-126 an absolute error of 2^-126 is allowed.
import { suite } from "uvu";
import { init } from "../src/init.ts";
import "../src/methods.ts";
import * as ops from "../src/ops/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import type { Build } from "../src/wasm/options.ts";
import { generator } from "./cases/case.ts";
import { ulpOf } from "./harness.ts";

const MANTISSAS = 4096;
const AROUND = 64;
/** Values given to a kernel by ones, twos and threes. */
const SOME = 996;
const TINY = 2 ** -126;

const word = new DataView(new ArrayBuffer(4));
const bitsOf = (x: number): number => {
  word.setFloat32(0, x);
  return word.getUint32(0);
};

/** Every exponent, 4096 mantissas spread evenly with random low bits, both signs: infinities and NaN among them. */
function sweep(): Float32Array {
  const out = new Uint32Array(2 * 256 * MANTISSAS);
  const random = generator(1);
  let n = 0;
  for (let exponent = 0; exponent < 256; exponent++) {
    for (let m = 0; m < MANTISSAS; m++) {
      const low = m === 0 ? 0 : random() & 0x7ff;
      const bits = (exponent << 23) | (m << 11) | low;
      out[n++] = bits;
      out[n++] = bits | 0x80000000;
    }
  }
  return new Float32Array(out.buffer);
}

/** The 64 floats to each side of each value, and the value. Floats in order are integers in order. */
function around(centres: readonly number[]): Float32Array {
  const words: number[] = [];
  for (const centre of centres) {
    const size = bitsOf(Math.abs(Math.fround(centre)));
    const sign = centre < 0 ? 0x80000000 : 0;
    for (let d = -AROUND; d <= AROUND; d++) {
      // below zero the order goes on with the other sign
      const at = size + d;
      words.push(at >= 0 ? at | sign : -at | (sign ^ 0x80000000));
    }
  }
  return new Float32Array(Uint32Array.from(words).buffer);
}

const both = (values: readonly number[]): number[] => values.flatMap((x) => [x, -x]);
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

const MAX = 3.4028234663852886e38;
const ENDS = [0, 2 ** -149, TINY, 1, MAX, Number.POSITIVE_INFINITY];
/** Where n changes in x = n ln 2 + r. */
const STEPS = range(-151, 128).map((n) => (n + 0.5) * Math.LN2);

interface Tested {
  readonly name: "exp" | "log" | "tanh" | "sigmoid";
  readonly f64: (x: number) => number;
  readonly thresholds: readonly number[];
}
const FUNCTIONS: readonly Tested[] = [
  {
    name: "exp",
    f64: Math.exp,
    // the ends of the near ranges, overflow, underflow into subnormals, the clamps, the last subnormal
    thresholds: [
      ...both(ENDS),
      ...STEPS,
      ...both([24, 87.33]),
      ...[88.722839, 88.3762626, -87.33654, -87.3365447, -88, 89, -103.2789, -103.9720765, -104, -150],
    ],
  },
  {
    name: "log",
    f64: Math.log,
    // 1 + f leaves [sqrt 1/2, sqrt 2), powers of two
    thresholds: [
      ...both(ENDS),
      ...range(-149, 127).map((n) => 2 ** n),
      ...range(-149, 127).map((n) => Math.SQRT1_2 * 2 ** n),
    ],
  },
  {
    name: "tanh",
    f64: Math.tanh,
    // steps of exp(2 x), where it rounds to 1, the clamp
    thresholds: [...both(ENDS), ...STEPS.map((x) => x / 2), ...both([0.625, 9.010913, 9.0109, 10, 20, 44, 88, 89])],
  },
  {
    name: "sigmoid",
    f64: (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))),
    thresholds: [
      ...both(ENDS),
      ...STEPS,
      ...both([16.635532, 17.32868, 87.33, 87.3365447, 88, 88.3762626, 88.722839, 89, 103.9720765, 104]),
    ],
  },
];

/** Throws where a value is more than 4 ulp off. */
function verify(what: string, x: Float32Array, got: ArrayLike<number>, ref: Float64Array): void {
  let bad = 0;
  let text = "";
  let worst = 0;
  for (let i = 0; i < x.length; i++) {
    const y = ref[i]!;
    const z = got[i]!;
    if (z === y || (Number.isNaN(z) && Number.isNaN(y))) continue;
    let off: number;
    if (Math.abs(y) < TINY) off = Math.abs(z - y) <= TINY ? 0 : Number.POSITIVE_INFINITY;
    else if (Math.fround(y) === z) off = 0.5;
    else off = Number.isFinite(z) && Number.isFinite(y) ? Math.abs(z - y) / ulpOf(y) : Number.POSITIVE_INFINITY;
    // Where y rounds to infinity the largest float is as near as any.
    if (!Number.isFinite(z) && z * y > 0 && Math.abs(y) > MAX - 3 * ulpOf(MAX)) off = 1;
    worst = Math.max(worst, off);
    if (off <= 4) continue;
    if (bad++ < 3) text += `\n  f(${x[i]}) [0x${bitsOf(x[i]!).toString(16)}] is ${z}, expected ${y}: ${off} ulp`;
  }
  if (bad > 0) throw new Error(`${what}: ${bad} of ${x.length} values are more than 4 ulp off:${text}`);
  worsts.set(what, worst);
}
const worsts = new Map<string, number>();

const swept = sweep();
const tested = FUNCTIONS.map(({ name, f64, thresholds }) => {
  const near = around(thresholds);
  const x = new Float32Array(swept.length + near.length);
  x.set(swept);
  x.set(near, swept.length);
  return { name, x, ref: Float64Array.from(x, f64) };
});

for (const build of ["simd", "relaxed"] as Build[]) {
  const all = suite(`math, ${build}`);
  let device: WasmDevice;
  all.before(async () => {
    device = (await init({ simd: build, threads: 1 })) as WasmDevice;
  });
  all.after(() => device.dispose());
  for (const { name, x, ref } of tested) {
    all(`${name}: ${build}`, () => {
      const input = ops.tensor(x, { device });
      const output = input[name]();
      verify(`${name}, ${build}`, x, output.dataSync(), ref);
      input.dispose();
      output.dispose();
    });
    all(`${name}, one to three at a time: ${build}`, () => {
      // The last elements of a run go through other code; some of the hardest are enough.
      const some = x.subarray(x.length - SOME);
      const input = ops.tensor(x, { device });
      for (const n of [1, 2, 3]) {
        const got = new Float32Array(some.length);
        for (let i = 0; i < some.length; i += n) {
          const part = input.narrow(0, x.length - SOME + i, n)[name]();
          got.set(part.dataSync(), i);
          part.dispose();
        }
        verify(`${name}, ${build}, ${n} at a time`, some, got, ref.subarray(ref.length - SOME));
      }
      input.dispose();
    });
  }
  all.after(() => {
    const text = [...worsts]
      .filter(([what]) => !what.includes("at a time"))
      .map(([what, w]) => `${what} ${w.toFixed(2)}`);
    console.log(`\n  worst ulp: ${text.join("; ")}`);
    worsts.clear();
  });
  all.run();
}
