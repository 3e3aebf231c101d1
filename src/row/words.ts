// Scalars of a row are 32-bit words: floats by their bits.

const buffer = new ArrayBuffer(8);
const f32 = new Float32Array(buffer);
const f64 = new Float64Array(buffer);
const i32 = new Int32Array(buffer);

/** The 32-bit word of a float32 scalar. @internal */
export function word(value: number): number {
  f32[0] = value;
  return i32[0]!;
}

/** The two words (low, high) of a float64 scalar. @internal */
export function words64(value: number): [number, number] {
  f64[0] = value;
  return [i32[0]!, i32[1]!];
}
