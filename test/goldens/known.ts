// Recorded cases of the second set whose function is here and answers otherwise than PyTorch, by reason. A case must leave
// the list when it passes: the tests see to that.
const e = (names: string): string[] => names.split(" ").map((name) => `elementwise2: ${name}`);
const l = (names: string): string[] => names.split(" ").map((name) => `loss2: cross_entropy_${name}`);
const c = (names: string): string[] => names.split(" ").map((name) => `conv2: ${name}`);

export const KNOWN: Readonly<Record<string, readonly string[]>> = {
  "div has no roundingMode, and does not refuse it": e("div_1 div_2"),
  "two tensors of different dtypes are not promoted": e(
    "promote_add_0 promote_add_1 promote_add_3 promote_add_4 promote_sub_0 promote_sub_1 promote_mul_0 promote_mul_1 " +
      "promote_mul_3 promote_mul_4 promote_div_1 promote_maximum_0 promote_maximum_1 promote_lt_0 promote_lt_1 " +
      "promote_lt_3 promote_lt_4 promote_eq_0 promote_eq_1",
  ),
  "int32 and a number with a fraction give no float": e("scalar_add_i32_1 scalar_mul_i32_2"),
  "bool and a number are not promoted": e("scalar_mul_bool_3 scalar_mul_bool_4"),
  "a boolean is not taken for a number": e("scalar_add_f32_20"),
  "arithmetic on bool is refused": e("boolean_add_bool boolean_mul_bool"),
  "conv2d has no padding by name": c("conv2d_5 conv2d_6"),
  "conv2d takes no single image without a batch": c("conv_unbatched_1"),
  "maxPool2d gives no indices": c("max_pool2d_3 max_pool2d_4"),
  "crossEntropy takes no probabilities as target": l(
    "mean_5 mean_6 mean_7 sum_5 sum_6 sum_7 none_5 none_6 none_7 unbatched_1",
  ),
};
