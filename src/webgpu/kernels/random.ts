// Random numbers: Threefry-2x32 with 20 rounds from the counters that assembly/random.ts has, so the same bits. A thread
// draws a block, which is two values. A state is the words key0 key1 counter_low counter_high.
import { word } from "../../row/words.ts";
import { type Implementation, type Kernel, one, type Registry, SIZE } from "../kernel.ts";

const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
];

const rounds = [0, 1, 2, 3, 4].map((group) => {
  const mixes = ROTATIONS[group % 2]!.map((r) => `x += y; y = ((y << ${r}u) | (y >> ${32 - r}u)) ^ x;`).join(" ");
  return `  ${mixes} x += k${(group + 1) % 3}; y += k${(group + 2) % 3} + ${group + 1}u;`;
});

const THREEFRY = `
fn threefry_(k0: u32, k1: u32, c0: u32, c1: u32) -> vec2<u32> {
  let k2 = k0 ^ k1 ^ 0x1bd11bdau;
  var x = c0 + k0;
  var y = c1 + k1;
${rounds.join("\n")}
  return vec2<u32>(x, y);
}
// in [0, 1): the upper 24 bits
fn unit_(x: u32) -> f32 { return f32(x >> 8u) * 5.9604644775390625e-8; }
`;

/** Values of n from the words of block `i`: `values` is WGSL that makes `even` and `odd` of `u`. */
function draw(values: string, more: Partial<Kernel> = {}): Implementation {
  return one({
    ...more,
    groups: ([n]) => Math.ceil(n! / (2 * SIZE)),
    head: THREEFRY + (more.head ?? ""),
    body: `
  let first = 2u * i;
  if (first >= n) { return; }
  let low = slot[2] + i;
  let u = threefry_(slot[0], slot[1], low, slot[3] + u32(low < i));
  ${values}
  y[first] = even;
  if (first + 1u < n) { y[first + 1u] = odd; }`,
  });
}

const float = new DataView(new ArrayBuffer(4));
function float32(bits: number): number {
  float.setInt32(0, bits | 0);
  return float.getFloat32(0);
}
/** The float below: the greatest that is less. */
function below(x: number): number {
  if (x === 0) return -(2 ** -149);
  return float32(word(x) + (x > 0 ? -1 : 1));
}

export const random: Registry = {
  // slot = state, then the counter steps over the ceil(n / 2) blocks drawn
  random_take_i32: one({
    size: [1, 1, 1],
    groups: () => 1,
    body: `
  let low = state[2];
  let high = state[3];
  let next = low + n / 2u + n % 2u;
  slot[0] = state[0];
  slot[1] = state[1];
  slot[2] = low;
  slot[3] = high;
  state[2] = next;
  state[3] = high + u32(next < low);`,
  }),
  // lo + u (hi - lo), below hi. wasm rounds the product and then the sum: `zero`, which no compiler knows, keeps the two
  // from becoming one fma.
  uniform_f32: draw(
    "let even = uniform_(unit_(u.x), lo, span, most, zero); let odd = uniform_(unit_(u.y), lo, span, most, zero);",
    {
      scalars: "lo span most zero:u32",
      head: `
fn uniform_(u: f32, lo: f32, span: f32, most: f32, zero: u32) -> f32 {
  return min(lo + bitcast<f32>(bitcast<u32>(u * span) ^ zero), most);
}`,
      encode: ([low, high]) => {
        const [lo, hi] = [float32(low!), float32(high!)];
        return [low!, word(hi - lo), word(lo < hi ? below(hi) : lo), 0];
      },
    },
  ),
  // Box and Muller: r = std sqrt(-2 log(1 - u0)), angle 2 pi u1; the block's values are mean + r cos, mean + r sin. In
  // quarter turns the quadrant and what is left are exact.
  normal_f32: draw(
    `let r = spread * sqrt(-2.0 * log_(1.0 - unit_(u.x)));
  let t = 4.0 * unit_(u.y);
  let q = round(t);
  let rest = (t - q) * 1.5707963267948966;
  let even = mean + r * sinQuadrant_(rest, u32(q) + 1u);
  let odd = mean + r * sinQuadrant_(rest, u32(q));`,
  ),
  dropout_mask_f32: draw(
    "let even = select(scale, 0.0, unit_(u.x) < p); let odd = select(scale, 0.0, unit_(u.y) < p);",
  ),
  // lo + floor(x (hi - lo) / 2^32)
  randint_i32: draw("let even = lo + i32(wide_(u.x, span).y); let odd = lo + i32(wide_(u.y, span).y);", {
    scalars: "lo:i32 span:u32",
    encode: ([lo, hi]) => [lo!, (hi! - lo!) | 0],
  }),
};
