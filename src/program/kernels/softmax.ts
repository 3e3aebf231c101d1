// softmax and log-softmax of x[outer, n, inner] over n.
export const rows = `
{softmax,log_softmax}_f32: y | x | outer n inner | | lines scratch
{softmax,log_softmax}_vjp_f32: gx | g y | outer n inner | | lines
`;
