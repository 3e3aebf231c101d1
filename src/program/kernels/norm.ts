// Layer normalisation of x[rows, n].
export const rows = `
layer_norm_f32: y mean rstd | x | rows n | eps:f64 | lines
layer_norm_affine_f32: y mean rstd | x weight bias | rows n | eps:f64 | lines
layer_norm_vjp_f32: gx | g x mean rstd | rows n | | lines
layer_norm_affine_vjp_f32: gx | g x mean rstd weight | rows n | | lines
layer_norm_vjp_weight_f32: gw gb | g x mean rstd | rows n | chunk
`;
