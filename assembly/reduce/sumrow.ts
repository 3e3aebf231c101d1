// The sum of one row, for reduce.ts and loss.ts: chains of at most eight f32 additions, joined in f64.
import { CHAIN, join, joined, pickOver } from "../lib/lanes";

/** Sum of n consecutive floats. */
export function sumLine(x: usize, n: u32): f64 {
  let total = f64x2.splat(0);
  for (let left = n >>> 4; left > 0; ) {
    let a0 = v128.load(x);
    let a1 = v128.load(x, 16);
    let a2 = v128.load(x, 32);
    let a3 = v128.load(x, 48);
    const chain = min(left, CHAIN);
    left -= chain;
    const stop = x + ((<usize>chain) << 6);
    for (x += 64; x < stop; x += 64) {
      a0 = f32x4.add(a0, v128.load(x));
      a1 = f32x4.add(a1, v128.load(x, 16));
      a2 = f32x4.add(a2, v128.load(x, 32));
      a3 = f32x4.add(a3, v128.load(x, 48));
    }
    total = join(total, f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3)));
  }
  n &= 15;
  if (n == 0) return joined(total);
  let a = f32x4.splat(0);
  for (; n >= 4; n -= 4, x += 16) a = f32x4.add(a, v128.load(x));
  if (n > 0) a = f32x4.add(a, pickOver(f32x4.splat(0), x, n));
  return joined(join(total, a));
}
