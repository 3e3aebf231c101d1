// @ts-nocheck: AssemblyScript
// Kernels by hand, each one loop, for what chains and pieces put together: `npm run bench -- chains` compiles it and measures them beside.
// n is a multiple of 32 floats. Numbers come from a table: written in line, V8 rebuilds a constant vector at each use.
import { join, joined } from "../../assembly/lib/lanes";
import { tanh } from "../../assembly/lib/math";
import { madd } from "../../assembly/lib/simd";

// sqrt(2 / pi), 0.044715 of it, 3 times that, 0.5, 1; RMSprop's 0.99, 0.01, 1e-8 and rate 0.01
const NUMBERS = memory.data<f32>([0.7978845608, 0.0356774081, 0.1070322244, 0.5, 1, 0.99, 0.01, 1e-8, 0.01], 16);

@inline
function number(i: usize): v128 {
  return v128.load32_splat(NUMBERS + (i << 2));
}

/** y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. */
export function gelu(y: usize, x: usize, n: u32): void {
  const rate = number(0);
  const cube = number(1);
  const half = number(3);
  for (const end = y + ((<usize>n) << 2); y < end; y += 16, x += 16) {
    const v = v128.load(x);
    const inner = f32x4.mul(v, madd(f32x4.mul(v, v), cube, rate));
    const h = f32x4.mul(v, half);
    v128.store(y, madd(h, tanh(inner), h));
  }
}

/** gx = g (1 + t + x (1 - t^2) inner') / 2 for t = tanh(inner). */
export function gelu_vjp(gx: usize, g: usize, x: usize, n: u32): void {
  const rate = number(0);
  const cube = number(1);
  const cube3 = number(2);
  const half = number(3);
  const one = number(4);
  for (const end = gx + ((<usize>n) << 2); gx < end; gx += 16, g += 16, x += 16) {
    const v = v128.load(x);
    const square = f32x4.mul(v, v);
    const t = tanh(f32x4.mul(v, madd(square, cube, rate)));
    const bent = f32x4.mul(f32x4.mul(v, madd(square, cube3, rate)), f32x4.sub(one, f32x4.mul(t, t)));
    const slope = f32x4.add(f32x4.add(t, one), bent);
    v128.store(gx, f32x4.mul(f32x4.mul(v128.load(g), half), slope));
  }
}

/** q (a - q / 2) for a = |x - t| and q = min(a, 1): a^2 / 2 up to 1, a - 1 / 2 above. */
@inline
function huber(x: usize, t: usize, half: v128, one: v128): v128 {
  const a = f32x4.abs(f32x4.sub(v128.load(x), v128.load(t)));
  const q = f32x4.pmin(a, one);
  return f32x4.mul(q, f32x4.sub(a, f32x4.mul(q, half)));
}

/** The mean of Huber's loss; as in sums elsewhere at most eight additions in f32, joined in f64. */
export function huber_mean(y: usize, x: usize, t: usize, n: u32): void {
  const half = number(3);
  const one = number(4);
  let total = f64x2.splat(0);
  for (const end = x + ((<usize>n) << 2); x < end; ) {
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    for (const stop = min(x + 512, end); x < stop; x += 64, t += 64) {
      a0 = f32x4.add(a0, huber(x, t, half, one));
      a1 = f32x4.add(a1, huber(x + 16, t + 16, half, one));
      a2 = f32x4.add(a2, huber(x + 32, t + 32, half, one));
      a3 = f32x4.add(a3, huber(x + 48, t + 48, half, one));
    }
    total = join(total, f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3)));
  }
  store<f32>(y, <f32>(joined(total) / <f64>n));
}

/** v = 0.99 v + 0.01 g^2, p -= 0.01 g / (sqrt(v) + 1e-8). */
export function rmsprop(p: usize, v: usize, g: usize, n: u32): void {
  const keep = number(5);
  const take = number(6);
  const eps = number(7);
  const rate = number(8);
  for (const end = p + ((<usize>n) << 2); p < end; p += 16, v += 16, g += 16) {
    const d = v128.load(g);
    const square = madd(f32x4.mul(d, d), take, f32x4.mul(v128.load(v), keep));
    v128.store(v, square);
    const by = f32x4.div(d, f32x4.add(f32x4.sqrt(square), eps));
    v128.store(p, f32x4.sub(v128.load(p), f32x4.mul(by, rate)));
  }
}
