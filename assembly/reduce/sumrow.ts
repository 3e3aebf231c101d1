// The sum of one row, for reduce.ts and loss.ts: chains of at most eight f32 additions, joined in f64.
import { CHAIN, join, joined, pickOver } from "../lib/lanes";

/** Sum of n consecutive floats. */
export function sumLine(x: usize, n: u32): f64 {
  let total = f64x2.splat(0);
  let left = n >>> 4;
  for (; left >= CHAIN; left -= CHAIN) {
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    // Four rounds written out: half of the time was the loop's.
    for (const stop = x + 512; x < stop; x += 256) {
      a0 = f32x4.add(f32x4.add(a0, v128.load(x)), v128.load(x, 64));
      a1 = f32x4.add(f32x4.add(a1, v128.load(x, 16)), v128.load(x, 80));
      a2 = f32x4.add(f32x4.add(a2, v128.load(x, 32)), v128.load(x, 96));
      a3 = f32x4.add(f32x4.add(a3, v128.load(x, 48)), v128.load(x, 112));
      a0 = f32x4.add(f32x4.add(a0, v128.load(x, 128)), v128.load(x, 192));
      a1 = f32x4.add(f32x4.add(a1, v128.load(x, 144)), v128.load(x, 208));
      a2 = f32x4.add(f32x4.add(a2, v128.load(x, 160)), v128.load(x, 224));
      a3 = f32x4.add(f32x4.add(a3, v128.load(x, 176)), v128.load(x, 240));
    }
    total = join(total, f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3)));
  }
  if (left > 0) {
    let a0 = v128.load(x);
    let a1 = v128.load(x, 16);
    let a2 = v128.load(x, 32);
    let a3 = v128.load(x, 48);
    const stop = x + ((<usize>left) << 6);
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
