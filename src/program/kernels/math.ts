// Elementwise functions of one tensor that are more than a few instructions, and of two that broadcast.
export const rows = `
{expm1,log1p,log2,log10,erf,erfc,tan,sinh,cosh,asin,acos,atan,asinh,acosh,atanh}_f32: y | x | n | | each
{atan2,pow}_f32: y | a b | n | | each
`;
