// The export list is the kernel registry: the loader puts these functions into the table in the order of the exports.
export * from "./elementwise/unary";
export * from "./elementwise/binary";
export * from "./elementwise/logs";
export * from "./elementwise/math";
export * from "./elementwise/whole";
export * from "./elementwise/special";
export * from "./elementwise/gelu";
export * from "./copy";
export * from "./elementwise/where";
export * from "./elementwise/walk";
export { chain_f32 } from "./elementwise/chain";
export * from "./reduce/reduce";
export * from "./reduce/softmax";
export * from "./reduce/norm";
export * from "./reduce/loss";
export * from "./optim";
export * from "./random";
export { conv2d_bias_f32, conv2d_f32 } from "./conv/conv";
export { conv2d_vjp_w_f32, conv2d_vjp_x_f32 } from "./conv/grad";
export { conv2d_pool_f32 } from "./conv/pool";
export { conv2d_winograd_f32, winograd_weight_f32 } from "./conv/winograd";
export { conv2d_winograd_vjp_w_f32 } from "./conv/winogradgrad";
export { conv2d_pool_vjp_w_f32, conv2d_pool_vjp_x_f32 } from "./conv/poolgrad";
export {
  matmul_nn_bias_f32,
  matmul_nn_f32,
  matmul_nn_relu_vjp_f32,
  matmul_nn_skipping_bias_f32,
  matmul_nn_skipping_f32,
  matmul_nn_skipping_relu_vjp_f32,
  matmul_nt_bias_f32,
  matmul_nt_f32,
  matmul_nt_skipping_bias_f32,
  matmul_nt_skipping_f32,
  matmul_strided_bias_f32,
  matmul_strided_f32,
  matmul_tn_f32,
  matmul_tn_skipping_f32,
} from "./matmul/matmul";
export { avg_pool2d_f32, avg_pool2d_vjp_f32, max_pool2d_f32, max_pool2d_vjp_f32 } from "./pool";
export { fill_f32 as fill_i32 } from "./copy";
export { serve, start, trapped, walk } from "./replay";
