// Data: samples by number, batches of them, and digits.
export {
  type ArraySource,
  type Batch,
  type CopiedArray,
  type Dataset,
  type Field,
  type HostArray,
  type Source,
  TensorDataset,
} from "./dataset.ts";
export { type DigitsOptions, drawDigits } from "./digits.ts";
export { formatIdx, type Idx, type IdxOptions, parseIdx } from "./idx.ts";
export { DataLoader, type LoaderOptions } from "./loader.ts";
export { type Images, MNIST, type MnistOptions, type MnistProgress, UnavailableError } from "./mnist.ts";
