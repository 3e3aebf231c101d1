// The public names of ops, and nothing else. A file that the engine, too, takes something from is listed name by name.
export * from "./activation.ts";
export { type AlphaOptions, add, type DivOptions, div, maximum, minimum, mul, neg, sub } from "./binary.ts";
export * from "./blend.ts";
export { type ClampOptions, clamp } from "./clamp.ts";
export { eq, ge, gt, le, lt, ne } from "./compare.ts";
export { type ConvOptions, conv2d, type Pair } from "./conv.ts";
export { clone, detach } from "./copy.ts";
export {
  arange,
  empty,
  emptyLike,
  full,
  fullLike,
  ones,
  onesLike,
  type TensorOptions,
  zeros,
  zerosLike,
} from "./create.ts";
export * from "./ctc.ts";
export * from "./extremes.ts";
export * from "./inplace.ts";
export * from "./kinds.ts";
export { type ClassLossOptions, type CrossEntropyOptions, crossEntropy, nllLoss } from "./loss.ts";
export * from "./lossbinary.ts";
export * from "./lossdistance.ts";
export * from "./lossmargin.ts";
export * from "./lossregression.ts";
export * from "./math.ts";
export * from "./matmul.ts";
export * from "./mean.ts";
export * from "./modulo.ts";
export * from "./norm.ts";
export * from "./pairs.ts";
export * from "./pool.ts";
export * from "./pow.ts";
export type { Operand } from "./promote.ts";
export {
  dropout,
  manualSeed,
  normal_,
  rand,
  randint,
  randintLike,
  randLike,
  randn,
  randnLike,
  uniform_,
} from "./random.ts";
export { expand, type Over, type ReduceOptions, sum } from "./reduce.ts";
export type { Divergence, LossOptions, Reduction } from "./reduction.ts";
export { ceil, floor, floorDivide, round, trunc } from "./rounding.ts";
export { flatten, movedim, permute, reshape, squeeze, t, transpose, unsqueeze, view } from "./shape.ts";
export * from "./slice.ts";
export {
  celu,
  elu,
  type GeluOptions,
  gelu,
  logsigmoid,
  mish,
  selu,
  silu,
  softmin,
  softplus,
  softsign,
  tanhshrink,
} from "./smooth.ts";
export { logSoftmax, softmax } from "./softmax.ts";
export { getSparseGrad, type SparseGrad, setSparseGrad } from "./sparse.ts";
export * from "./special.ts";
export * from "./tensor.ts";
export {
  abs,
  cos,
  exp,
  log,
  reciprocal,
  relu,
  rsqrt,
  sigmoid,
  sign,
  sin,
  sqrt,
  tanh,
  tanh_,
} from "./unary.ts";
export { heaviside, maskedFill, where } from "./where.ts";
export { copy_, fill_, zero_ } from "./write.ts";
export * from "./written.ts";
