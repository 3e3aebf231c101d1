// Element types. Every element is one 32-bit word; bool is 0 or 1 in an int32.

export type DType = "float32" | "int32" | "bool";

export const BYTES = 4;

/** Suffix of kernel names. */
export const suffix = (dtype: DType): "f32" | "i32" => (dtype === "float32" ? "f32" : "i32");

const buffer = new ArrayBuffer(8);
const f32 = new Float32Array(buffer);
const f64 = new Float64Array(buffer);
const i32 = new Int32Array(buffer);

/** The 32-bit word of a float32 scalar. */
export function word(value: number): number {
  f32[0] = value;
  return i32[0]!;
}

/** The two words (low, high) of a float64 scalar. */
export function words64(value: number): [number, number] {
  f64[0] = value;
  return [i32[0]!, i32[1]!];
}
