// The elementwise loops, written once. A family is a class with an inlined method `v`, from vectors to a vector, and
// passed as a type argument (an arrow function would be called indirectly). The last one to three elements go through
// the same method in the lanes of one vector: bits do not depend on where an element stands.
import { extent, first, last, pointer } from "./args";
import { pick, read, storeLanes, write } from "./lanes";

export const GRAIN: u32 = 64;
/** Dims of a loop nest, a word each; the last two, d4 and d5, stand 16 and 20 bytes behind the first. */
export const DIMS: usize = 6;

/** y = v(x) for n elements, one vector at a time. */
// @ts-ignore: decorator
@inline
export function each<F>(y: usize, x: usize, n: u32): void {
  const f = changetype<F>(0);
  for (const stop = y + ((<usize>n) << 2); y < stop; y += 16, x += 16) {
    const m = <u32>(stop - y) >>> 2;
    const r = f.v(m >= 4 ? v128.load(x) : pick(x, 4, m));
    if (m >= 4) v128.store(y, r);
    else storeLanes(y, r, m);
  }
}

/** y | x | n | */
// @ts-ignore: decorator
@inline
export function unary<F>(args: usize, ith: u32, nth: u32): void {
  const n = extent(args, 2);
  const i = first(n, GRAIN, ith, nth);
  const count = last(args, n, GRAIN, ith, nth) - i;
  each<F>(pointer(args, 0) + ((<usize>i) << 2), pointer(args, 1) + ((<usize>i) << 2), count);
}

/** The same for cheap arithmetic: four vectors at a time. */
// @ts-ignore: decorator
@inline
export function unary4<F>(args: usize, ith: u32, nth: u32): void {
  const f = changetype<F>(0);
  const n = extent(args, 2);
  const i = first(n, GRAIN, ith, nth);
  const count = last(args, n, GRAIN, ith, nth) - i;
  let y = pointer(args, 0) + ((<usize>i) << 2);
  let x = pointer(args, 1) + ((<usize>i) << 2);
  for (const stop = y + ((<usize>(count & ~15)) << 2); y < stop; y += 64, x += 64) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const x2 = v128.load(x, 32);
    const x3 = v128.load(x, 48);
    v128.store(y, f.v(x0));
    v128.store(y, f.v(x1), 16);
    v128.store(y, f.v(x2), 32);
    v128.store(y, f.v(x3), 48);
  }
  each<F>(y, x, count & 15);
}

/** y = v(a, b) for n elements; a and b step by their strides (in elements; 0 repeats one element). */
export function line<F>(y: usize, a: usize, sa: i32, b: usize, sb: i32, n: u32): void {
  const f = changetype<F>(0);
  const end = y + ((<usize>n) << 2);
  const stop = y + ((<usize>(n & ~15)) << 2);
  if (sa == 1 && sb == 1) {
    for (; y < stop; y += 64, a += 64, b += 64) {
      const r0 = f.v(v128.load(a), v128.load(b));
      const r1 = f.v(v128.load(a, 16), v128.load(b, 16));
      const r2 = f.v(v128.load(a, 32), v128.load(b, 32));
      const r3 = f.v(v128.load(a, 48), v128.load(b, 48));
      v128.store(y, r0);
      v128.store(y, r1, 16);
      v128.store(y, r2, 32);
      v128.store(y, r3, 48);
    }
  } else if (sa == 1 && sb == 0) {
    const c = v128.load32_splat(b);
    for (; y < stop; y += 64, a += 64) {
      const r0 = f.v(v128.load(a), c);
      const r1 = f.v(v128.load(a, 16), c);
      const r2 = f.v(v128.load(a, 32), c);
      const r3 = f.v(v128.load(a, 48), c);
      v128.store(y, r0);
      v128.store(y, r1, 16);
      v128.store(y, r2, 32);
      v128.store(y, r3, 48);
    }
  } else if (sa == 0 && sb == 1) {
    const c = v128.load32_splat(a);
    for (; y < stop; y += 32, b += 32) {
      const r0 = f.v(c, v128.load(b));
      const r1 = f.v(c, v128.load(b, 16));
      v128.store(y, r0);
      v128.store(y, r1, 16);
    }
  }
  sa <<= 2;
  sb <<= 2;
  while (y < end) {
    const m = <u32>(end - y) >>> 2;
    const r = f.v(sa == 4 && m >= 4 ? v128.load(a) : pick(a, sa, m), sb == 4 && m >= 4 ? v128.load(b) : pick(b, sb, m));
    if (m < 4) return storeLanes(y, r, m);
    v128.store(y, r);
    y += 16;
    a += sa << 2;
    b += sb << 2;
  }
}

/** y | a b | n | */
// @ts-ignore: decorator
@inline
export function binary<F>(args: usize, ith: u32, nth: u32): void {
  const n = extent(args, 3);
  const i = first(n, GRAIN, ith, nth);
  const count = last(args, n, GRAIN, ith, nth) - i;
  const at = (<usize>i) << 2;
  line<F>(pointer(args, 0) + at, pointer(args, 1) + at, 1, pointer(args, 2) + at, 1, count);
}

/** The same for what is no cheap arithmetic: one vector at a time, which takes less code. */
// @ts-ignore: decorator
@inline
export function pairs<F>(args: usize, ith: u32, nth: u32): void {
  const f = changetype<F>(0);
  const n = extent(args, 3);
  const i = first(n, GRAIN, ith, nth);
  const at = (<usize>i) << 2;
  let y = pointer(args, 0) + at;
  let a = pointer(args, 1) + at;
  let b = pointer(args, 2) + at;
  const stop = y + ((<usize>(last(args, n, GRAIN, ith, nth) - i)) << 2);
  for (; y < stop; y += 16, a += 16, b += 16) {
    const m = <u32>(stop - y) >>> 2;
    write(y, f.v(read(a, m), read(b, m)), m);
  }
}

/** y | x | n | scalar        y = v(x, scalar), or v(scalar, x) */
// @ts-ignore: decorator
@inline
export function withScalar<F>(args: usize, ith: u32, nth: u32, reversed: bool = false): void {
  const n = extent(args, 2);
  const i = first(n, GRAIN, ith, nth);
  const count = last(args, n, GRAIN, ith, nth) - i;
  const at = (<usize>i) << 2;
  const y = pointer(args, 0) + at;
  const x = pointer(args, 1) + at;
  if (reversed) line<F>(y, args + 12, 0, x, 1, count);
  else line<F>(y, x, 1, args + 12, 0, count);
}

/** The offset in elements of item i of the dense extents at `dims` (of which the first `rank` count). */
export function offset(i: u32, dims: usize, strides: usize, rank: i32): i32 {
  let at = 0;
  for (let d = rank - 1; d >= 0 && i != 0; d--) {
    const extent = load<u32>(dims + ((<usize>d) << 2));
    at += <i32>(i % extent) * load<i32>(strides + ((<usize>d) << 2));
    i /= extent;
  }
  return at;
}

