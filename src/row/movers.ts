// Kernels that move elements as they are, whatever they mean, by the bytes of one; and those that give floats another width.

/** Names are made once: one put together at each launch would be hashed at each launch. */
const byWidth = (move: string): Readonly<Record<number, string>> => ({ 4: `${move}_b32`, 2: `${move}_b16` });

/** y | x | n, both dense @internal */
export const COPY = byWidth("copy");
/** y | x | six loops | strides of x, y dense @internal */
export const PERMUTE = byWidth("permute");
/** y | x | six loops | strides of y, x dense @internal */
export const SCATTER = byWidth("scatter");
/** y | x | matrices, their rows and columns @internal */
export const TRANSPOSE = byWidth("transpose");

/** y | x | n, by the width that they get @internal */
export const FLOATS: Readonly<Record<number, string>> = { 4: "cast_f32_f16", 2: "cast_f16_f32" };
