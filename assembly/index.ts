// The export list is the kernel registry: the loader puts these functions into the table in the order of the exports.
export * from "./unary";
export * from "./binary";
export * from "./copy";
export * from "./where";
export * from "./walk";
export * from "./reduce";
export * from "./softmax";
export * from "./norm";
export * from "./loss";
export * from "./optim";
export * from "./random";
export { conv2d_bias_f32, conv2d_f32 } from "./conv";
export { conv2d_vjp_w_f32, conv2d_vjp_x_f32 } from "./convgrad";
export { conv2d_pool_f32 } from "./convpool";
export { conv2d_winograd_f32, winograd_weight_f32 } from "./winograd";
export { conv2d_winograd_vjp_w_f32 } from "./winogradgrad";
export { conv2d_pool_vjp_w_f32, conv2d_pool_vjp_x_f32 } from "./convsparse";
export {
  matmul_nn_bias_f32,
  matmul_nn_f32,
  matmul_nn_relu_vjp_f32,
  matmul_nn_sparse_bias_f32,
  matmul_nn_sparse_f32,
  matmul_nn_sparse_relu_vjp_f32,
  matmul_nt_bias_f32,
  matmul_nt_f32,
  matmul_nt_sparse_bias_f32,
  matmul_nt_sparse_f32,
  matmul_strided_bias_f32,
  matmul_strided_f32,
  matmul_tn_f32,
  matmul_tn_sparse_f32,
} from "./matmul";
export { avg_pool2d_f32, avg_pool2d_vjp_f32, max_pool2d_f32, max_pool2d_vjp_f32 } from "./pool";
export { fill_f32 as fill_i32 } from "./copy";
export { serve, start, trapped, walk } from "./replay";
