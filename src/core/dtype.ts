// Element types. Every element is one 32-bit word, but for float16, which some WebGPU devices have: kernels see its elements
// as float32. bool is 0 or 1 in an int32.

/**
 * Type of a tensor's elements. `bool` is stored as 0 or 1 in an int32; `float16` takes a WebGPU device with `shader-f16`, and
 * kernels compute with float32 there too. There is no float64 and no int64.
 */
export type DType = "float32" | "float16" | "int32" | "bool";

/** @internal */
export const isFloat = (dtype: DType): dtype is "float32" | "float16" => dtype === "float32" || dtype === "float16";

/** Suffix of kernel names. @internal */
export const suffix = (dtype: DType): "f32" | "i32" => (isFloat(dtype) ? "f32" : "i32");
