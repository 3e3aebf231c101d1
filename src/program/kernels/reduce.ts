// Sums and extremes of x[outer, n, inner] over n.
export const rows = `
sum_f32: y | x | outer n inner | | lines
sum_i32: y:i32 | x:i32 | outer n inner | | lines
sum_chunk_f32: y | x | outer n inner chunks | chunk
{max,min}_f32: y idx:u32 | x | outer n inner | | lines
{max,min}_i32: y:i32 idx:u32 | x:i32 | outer n inner | | lines
{argmax,argmin}_f32: idx:u32 | x | outer n inner | | lines
{argmax,argmin}_i32: idx:u32 | x:i32 | outer n inner | | lines
max_vjp_f32: gx | g idx:u32 | outer n inner | | lines
`;
