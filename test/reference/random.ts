// The random generator of the reference: threefry2x32 with 20 rounds in exact 32-bit arithmetic (Random123, JAX).
// State: [key 0, key 1, counter low, counter high] as 32-bit words. Value i comes from block counter + i / 2, word i % 2.
import { f32, i32, type Kernels, type View } from "./view.ts";

export const random: Kernels = {};

const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
];
const rotate = (x: number, r: number) => ((x << r) | (x >>> (32 - r))) >>> 0;

export function threefry(key0: number, key1: number, c0: number, c1: number): [number, number] {
  const keys = [key0 >>> 0, key1 >>> 0, (key0 ^ key1 ^ 0x1bd11bda) >>> 0];
  let x0 = (c0 + keys[0]) >>> 0;
  let x1 = (c1 + keys[1]) >>> 0;
  for (let group = 0; group < 5; group++) {
    for (const r of ROTATIONS[group % 2]) {
      x0 = (x0 + x1) >>> 0;
      x1 = rotate(x1, r) ^ x0;
    }
    x0 = (x0 + keys[(group + 1) % 3]) >>> 0;
    x1 = (x1 + keys[(group + 2) % 3] + group + 1) >>> 0;
  }
  return [x0 >>> 0, x1 >>> 0];
}

/** The counter of a state plus `blocks`, as [low, high] words. */
function advance(state: View, blocks: number): [low: number, high: number] {
  const low = (state.v[2] >>> 0) + blocks;
  return [low >>> 0, ((state.v[3] >>> 0) + Math.floor(low / 2 ** 32)) >>> 0];
}

/** The 32 random bits of value i. */
function bits(slot: View, i: number): number {
  const [low, high] = advance(slot, Math.floor(i / 2));
  return threefry(slot.v[0], slot.v[1], low, high)[i % 2];
}

/** 24 of the bits, in [0, 1). */
const unit = (x: number) => (x >>> 8) * 2 ** -24;

// slot = state; the state moves on by the blocks that n values use.
random.random_take_i32 = ([slot, state], _, [n]) => {
  for (let i = 0; i < 4; i++) slot.set(i, state.v[i]);
  const [low, high] = advance(state, Math.ceil(n / 2));
  state.set(2, i32(low));
  state.set(3, i32(high));
};

function below(x: number): number {
  const word = new DataView(new ArrayBuffer(4));
  word.setFloat32(0, x);
  if (x === 0) return -(2 ** -149);
  word.setInt32(0, word.getInt32(0) + (x > 0 ? -1 : 1));
  return word.getFloat32(0);
}

// lo + u * (hi - lo), rounded as in f32 so that the bits are wasm's, and never hi.
random.uniform_f32 = ([y], [slot], [n], [low, high]) => {
  const lo = f32(low);
  const hi = f32(high);
  const width = Math.fround(hi - lo);
  const most = lo < hi ? below(hi) : lo;
  for (let i = 0; i < n; i++) {
    const u = unit(bits(slot, i));
    y.set(i, Math.min(Math.fround(lo + Math.fround(u * width)), most));
  }
};

// Box-Muller: a block gives r cos(theta) and r sin(theta).
random.normal_f32 = ([y], [slot], [n], [mean, std]) => {
  for (let i = 0; i < n; i++) {
    const even = i - (i % 2);
    const r = Math.sqrt(-2 * Math.log(1 - unit(bits(slot, even))));
    const theta = 2 * Math.PI * unit(bits(slot, even + 1));
    y.set(i, f32(mean) + f32(std) * r * (i % 2 === 0 ? Math.cos(theta) : Math.sin(theta)));
  }
};

random.dropout_mask_f32 = ([y], [slot], [n], [p, scale]) => {
  for (let i = 0; i < n; i++) y.set(i, unit(bits(slot, i)) < f32(p) ? 0 : f32(scale));
};

// lo + (x * (hi - lo) >> 32)
random.randint_i32 = ([y], [slot], [n], [low, high]) => {
  const range = BigInt((high - low) >>> 0);
  for (let i = 0; i < n; i++) {
    y.set(i, i32(i32(low) + Number((BigInt(bits(slot, i)) * range) >> 32n)));
  }
};
