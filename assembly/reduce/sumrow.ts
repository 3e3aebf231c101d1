// The sum of one row, for reduce.ts and loss.ts: chains of at most eight f32 additions, joined in f64.
import { CHAIN, join, joined, pickOver } from "../lib/lanes";

/** Sum of n consecutive floats. */
export function sumLine(x: usize, n: u32): f64 {
  let total = f64x2.splat(0);
  let left = n >>> 4;
  for (; left >= CHAIN; left -= CHAIN, x += 512) {
    // Written out: half of the time was the loop's.
    let a0 = f32x4.add(v128.load(x), v128.load(x, 64));
    let a1 = f32x4.add(v128.load(x, 16), v128.load(x, 80));
    let a2 = f32x4.add(v128.load(x, 32), v128.load(x, 96));
    let a3 = f32x4.add(v128.load(x, 48), v128.load(x, 112));
    a0 = f32x4.add(f32x4.add(a0, v128.load(x, 128)), v128.load(x, 192));
    a1 = f32x4.add(f32x4.add(a1, v128.load(x, 144)), v128.load(x, 208));
    a2 = f32x4.add(f32x4.add(a2, v128.load(x, 160)), v128.load(x, 224));
    a3 = f32x4.add(f32x4.add(a3, v128.load(x, 176)), v128.load(x, 240));
    a0 = f32x4.add(f32x4.add(a0, v128.load(x, 256)), v128.load(x, 320));
    a1 = f32x4.add(f32x4.add(a1, v128.load(x, 272)), v128.load(x, 336));
    a2 = f32x4.add(f32x4.add(a2, v128.load(x, 288)), v128.load(x, 352));
    a3 = f32x4.add(f32x4.add(a3, v128.load(x, 304)), v128.load(x, 368));
    a0 = f32x4.add(f32x4.add(a0, v128.load(x, 384)), v128.load(x, 448));
    a1 = f32x4.add(f32x4.add(a1, v128.load(x, 400)), v128.load(x, 464));
    a2 = f32x4.add(f32x4.add(a2, v128.load(x, 416)), v128.load(x, 480));
    a3 = f32x4.add(f32x4.add(a3, v128.load(x, 432)), v128.load(x, 496));
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
