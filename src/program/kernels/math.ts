// Elementwise functions of one tensor that are more than a few instructions, and of two that broadcast.
export const rows = `
{expm1,log1p,log2,log10,erf,erfc,tan,sinh,cosh,asin,acos,atan,asinh,acosh,atanh}_f32: y | x | n | | each
{atan2,pow,fmod,remainder,floor_divide,hypot}_f32: y | a b | n | | each
{and,or,xor,pow,trunc_divide,floor_divide}_i32: y:i32 | a:i32 b:i32 | n | | each
`;
