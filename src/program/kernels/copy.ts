// Moving elements of any dtype, and making them of numbers.
export const rows = `
copy_{b32,b16}: y:u32 | x:u32 | n | | each
fill_{f32,i32}: y:u32 | | n | word | each
arange_f32: y | | n | start:f32 step:f32 | indexed
arange_i32: y:i32 | | n | start:i32 step:i32 | indexed
permute_{b32,b16}: y:u32 | x:u32 | d*6 | s*6:i32
scatter_{b32,b16}: y:u32 | x:u32 | d*6 | s*6:i32
scatter_add_f32: y | before x | d*6 | s*6:i32
transpose_{b32,b16}: y:u32 | x:u32 | batch m n |
`;
