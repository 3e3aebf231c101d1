// Losses: cross-entropy on logits[rows, classes], negative log-likelihood, and binary cross-entropy of probabilities.
export const rows = `
cross_entropy_f32: loss probs | logits labels:i32 | rows classes | ignore:i32 smoothing:f32 | lines scratch
cross_entropy_vjp_f32: gx | g probs labels:i32 count | rows classes | ignore:i32 perRow:i32 smoothing:f32 | lines
nll_f32: loss | logp labels:i32 | rows classes | ignore:i32 | lines
nll_vjp_f32: gx | g labels:i32 count | rows classes | ignore:i32 perRow:i32 | lines
nll_mean_f32: y count | loss labels:i32 | rows | ignore:i32
bce_f32: y | p t | n | | each
bce_vjp_f32: gp | g p t | n | | each
`;
