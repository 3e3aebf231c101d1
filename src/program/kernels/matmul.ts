// Products of matrices: nn (a [m, k], b [k, n]), nt (b [n, k]), tn (a [k, m]), and strided in all four forms.
export const rows = `
matmul_{nn,nt,tn}_f32: c | a b | batch m n k | aStride bStride | scratch
matmul_{nn,nt}_bias_f32: c | a b bias | batch m n k | aStride bStride relu | scratch
matmul_{nn,nt,tn}_skipping_f32: c | a b | batch m n k | aStride bStride | scratch passes
matmul_{nn,nt}_skipping_bias_f32: c | a b bias | batch m n k | aStride bStride relu | scratch passes
matmul_{nn,nn_skipping}_relu_vjp_f32: c | a b y | batch m n k | aStride bStride | scratch passes
matmul_strided_f32: c | a b | outer inner m n k | transA transB lda ldb ldc a0 a1 b0 b1 c0 c1 | scratch
matmul_strided_bias_f32: c | a b bias | outer inner m n k | transA transB lda ldb ldc a0 a1 b0 b1 c0 c1 relu | scratch
`;
