// Elementwise kernels of one tensor, of a tensor and a number, and the gradients that need only g and y.
export const rows = `
{neg,sqrt,relu,abs,floor,ceil,round,trunc,exp,log,tanh,sigmoid,sin,cos}_f32: y | x | n | | each
{tanh,sigmoid,relu,sqrt}_vjp_f32: gx | g y | n | | each
{add,mul,div,rsub,rdiv,atleast,atmost}_scalar_f32: y | x | n | s:f32 | each
{eq,ne,lt,le,gt,ge}_scalar_f32: y:i32 | x | n | s:f32 | each
{eq,ne,lt,le,gt,ge}_scalar_i32: y:i32 | x:i32 | n | s:i32 | each
cast_{f32_f16,f16_f32}: y | x | n | | each
cast_f32_i32: y | x:i32 | n | | each
cast_{i32,bool}_f32: y:i32 | x | n | | each
cast_bool_i32: y:i32 | x:i32 | n | | each
`;
