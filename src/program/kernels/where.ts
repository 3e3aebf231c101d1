// Elementwise kernels that select.
export const rows = `
where_f32: y:u32 | c:u32 a:u32 b:u32 | n | | each
{maximum,minimum}_vjp_f32: gx | g x o | n | | each
`;
