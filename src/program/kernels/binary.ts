// Elementwise kernels of two tensors, dense or broadcast by strides.
export const rows = `
{add,sub,mul,div,maximum,minimum}_f32: y | a b | n | | each
{add,sub,mul,div,maximum,minimum}_broadcast_f32: y | a b | d*6 | s*6:i32 t*6:i32 | broadcast
{eq,ne,lt,le,gt,ge}_f32: y:i32 | a b | n | | each
{eq,ne,lt,le,gt,ge}_broadcast_f32: y:i32 | a b | d*6 | s*6:i32 t*6:i32 | broadcast
{add,sub,mul,maximum,minimum,eq,ne,lt,le,gt,ge}_i32: y:i32 | a:i32 b:i32 | n | | each
{add,sub,mul,maximum,minimum,eq,ne,lt,le,gt,ge}_broadcast_i32: y:i32 | a:i32 b:i32 | d*6 | s*6:i32 t*6:i32 | broadcast
`;
