// Mixed precision: gradients unscaled, the scale moved on, and the word that skips rows that last. WebGPU alone has these.
export const rows = `
amp_unscale_f32: found:i32 g.. | scale | count n.. |
amp_update_f32: scale tracker:i32 | found:i32 | one | growth:f32 backoff:f32 interval:i32
amp_skip_i32: found:i32 | | one | on
`;
