// Element types: one table, which everyone asks who must know more of a type than its name.

/**
 * Type of a tensor's elements. `bool` is stored as 0 or 1 in an int32; `float16` takes a WebGPU device with `shader-f16`, and
 * kernels compute with float32 there too. There is no float64 and no int64.
 */
export type DType = "float32" | "float16" | "int32" | "bool";

/** Values on the host, where a dataset writes its samples too: a Float32Array for float32 and float16, an Int32Array for int32 and bool. */
export type HostArray = Float32Array | Int32Array;

/** What there is to know of a type. @internal */
export interface ElementType {
  /** Bytes of an element where it is stored on a device. */
  readonly bytes: number;
  /** What holds its values on the host. */
  readonly array: new (
    of: number | ArrayLike<number> | ArrayBufferLike,
    byteOffset?: number,
    length?: number,
  ) => HostArray;
  readonly float: boolean;
  /** In names of kernels, by what they see: float16 as float32, bool as int32. */
  readonly suffix: "f32" | "i32";
  /** Of integers, in words: others are refused. Missing where any number becomes one of the type. */
  readonly range?: string;
}

/** @internal */
export const TYPES: Readonly<Record<DType, ElementType>> = {
  float32: { bytes: 4, array: Float32Array, float: true, suffix: "f32" },
  float16: { bytes: 2, array: Float32Array, float: true, suffix: "f32" },
  int32: { bytes: 4, array: Int32Array, float: false, suffix: "i32", range: "-2^31 to 2^31 - 1" },
  bool: { bytes: 4, array: Int32Array, float: false, suffix: "i32" },
};

/** @internal */
export const DTYPES = Object.keys(TYPES) as readonly DType[];

// What every op asks is answered for float32 without a look into the table, which takes a tenth of a small op's time.

/** @internal */
export const isFloat = (dtype: DType): boolean => dtype === "float32" || TYPES[dtype].float;

/** @internal */
export const bytesOf = (dtype: DType): number => (dtype === "float32" ? 4 : TYPES[dtype].bytes);

/** Suffix of kernel names. @internal */
export const suffix = (dtype: DType): ElementType["suffix"] => (dtype === "float32" ? "f32" : TYPES[dtype].suffix);
