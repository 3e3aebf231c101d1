// Elementwise kernels that select: they take one value or the other whole, where a product with 0 and 1 would make NaN of an infinity.
import { extent, first, last, pointer } from "../lib/args";
import { pick, storeLanes } from "../lib/lanes";
import { GRAIN } from "../lib/map";

/** Where the words of c are not 0, a, else b: any words. */
class Where {
  @inline v(c: v128, a: v128, b: v128): v128 {
    return v128.bitselect(b, a, i32x4.eq(c, i32x4.splat(0)));
  }
}

/** The gradient g of max(x, o) for x: whole where x is not less, half where they are equal, 0 where x is less. NaN is not less. */
class MaximumVjp {
  @inline v(g: v128, x: v128, o: v128): v128 {
    const r = v128.andnot(g, f32x4.lt(x, o));
    return v128.bitselect(f32x4.mul(g, f32x4.splat(0.5)), r, f32x4.eq(x, o));
  }
}
class MinimumVjp {
  @inline v(g: v128, x: v128, o: v128): v128 {
    const r = v128.andnot(g, f32x4.gt(x, o));
    return v128.bitselect(f32x4.mul(g, f32x4.splat(0.5)), r, f32x4.eq(x, o));
  }
}

/** y | a b c | n |        y = v(a, b, c), one vector at a time */
// @ts-ignore: decorator
@inline
function ternary<F>(args: usize, ith: u32, nth: u32): void {
  const f = changetype<F>(0);
  const n = extent(args, 4);
  const i = first(n, GRAIN, ith, nth);
  const at = (<usize>i) << 2;
  let y = pointer(args, 0) + at;
  let a = pointer(args, 1) + at;
  let b = pointer(args, 2) + at;
  let c = pointer(args, 3) + at;
  const end = y + ((<usize>(last(args, n, GRAIN, ith, nth) - i)) << 2);
  for (; y + 16 <= end; y += 16, a += 16, b += 16, c += 16) {
    v128.store(y, f.v(v128.load(a), v128.load(b), v128.load(c)));
  }
  if (y < end) {
    const m = <u32>(end - y) >>> 2;
    storeLanes(y, f.v(pick(a, 4, m), pick(b, 4, m), pick(c, 4, m)), m);
  }
}

/** y:u32 | c:u32 a:u32 b:u32 | n | */
export function where_f32(args: usize, ith: u32, nth: u32): void {
  ternary<Where>(args, ith, nth);
}

/** gx | g x o | n | */
export function maximum_vjp_f32(args: usize, ith: u32, nth: u32): void {
  ternary<MaximumVjp>(args, ith, nth);
}

/** gx | g x o | n | */
export function minimum_vjp_f32(args: usize, ith: u32, nth: u32): void {
  ternary<MinimumVjp>(args, ith, nth);
}
