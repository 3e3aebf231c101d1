// Vector helpers. `madd` is the one place where the builds simd and relaxed differ; the build wide is relaxed with tiles
// that V8 can turn into 256-bit code (../matmul/tile256.ts).

/** The build wide: its target in asconfig.json defines the constant. */
// @ts-ignore: decorator
@inline
export const BITS256: bool = isDefined(ASC_WIDE);

/** a * b + c: fused in the relaxed build, two roundings in the other. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** Sum of the four lanes, pairwise: (0 + 2) + (1 + 3). */
// @ts-ignore: decorator
@inline
export function hsum(v: v128): f32 {
  const pair = f32x4.add(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
}

/** a where the mask is set, else b. */
// @ts-ignore: decorator
@inline
export function choose(a: v128, b: v128, mask: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i32x4.relaxed_laneselect(a, b, mask) : v128.bitselect(a, b, mask);
}
