// Recorded cases of the second set whose function is here and answers otherwise than PyTorch, by reason. A case must leave
// the list when it passes: the tests see to that.
const c = (names: string): string[] => names.split(" ").map((name) => `conv2: ${name}`);

export const KNOWN: Readonly<Record<string, readonly string[]>> = {
  "conv2d has no padding by name": c("conv2d_5 conv2d_6"),
  "conv2d takes no single image without a batch": c("conv_unbatched_1"),
  "maxPool2d gives no indices": c("max_pool2d_3 max_pool2d_4"),
};
