// The gamma function's logarithm, its derivatives, the inverse of erf; gelu.
export const rows = `
{lgamma,digamma,trigamma,erfinv}_f32: y | x | n | | each
gelu_f32: y | x | n | | each
gelu_vjp_f32: gx | g x | n | | each
`;
