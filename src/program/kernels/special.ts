// The gamma function's logarithm, its derivatives, the inverse of erf.
export const rows = `
{lgamma,digamma,trigamma,erfinv}_f32: y | x | n | | each
`;
