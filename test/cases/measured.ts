// What is measured, too: plain data that needs no library, from which the bench (bench/cases.ts) and its peers build their work.
// The families make cases of it, with fewer rows or images where naive loops would take too long for all.

/** Madds that loops can do for a case. */
const LOOPS = 1e6;

/** Some of `n` rows or images of so much work each: as many as loops can do; null where one is too much. */
const some = (n: number, each: number): number | null => (each > LOOPS ? null : Math.min(n, Math.floor(LOOPS / each)));

/** c [m, n] = a b: b is stored [n, k] in nt, a is stored [k, m] in tn. */
export interface Product {
  readonly form: "nn" | "nt" | "tn";
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** W1. */
export const products: readonly Product[] = [
  ...[64, 128, 256, 512, 1024, 2048].flatMap((n) =>
    (["nn", "nt", "tn"] as const).map((form) => ({ form, m: n, n, k: n })),
  ),
  { form: "nn", m: 64, n: 10, k: 784 },
  { form: "nn", m: 785, n: 17, k: 333 },
  { form: "nn", m: 10, n: 25, k: 36864 },
  { form: "nt", m: 64, n: 520, k: 784 },
  { form: "tn", m: 520, n: 784, k: 64 },
  { form: "nn", m: 1, n: 1024, k: 1024 },
];

/** Those that loops can do, with fewer rows. */
export const fewerRows = (): Product[] =>
  products.flatMap((p) => {
    const m = some(p.m, p.n * p.k);
    return m === null ? [] : [{ ...p, m }];
  });

export interface Conv {
  readonly n: number;
  readonly ci: number;
  readonly co: number;
  /** Height and width of the input, of the kernel, and zeros around the input. */
  readonly size: number;
  readonly kernel: number;
  readonly padding: number;
}

/** W7, and the two convolutions of the MNIST CNN. */
export const convs = {
  W7: { n: 32, ci: 64, co: 64, size: 28, kernel: 3, padding: 1 },
  conv1: { n: 64, ci: 1, co: 10, size: 28, kernel: 5, padding: 0 },
  conv2: { n: 64, ci: 10, co: 20, size: 12, kernel: 5, padding: 0 },
} satisfies Record<string, Conv>;

/** Operations of a convolution, a multiplication and an addition each. */
export const convFlops = (c: Conv): number =>
  2 * c.n * c.co * c.ci * c.kernel ** 2 * (c.size + 2 * c.padding - c.kernel + 1) ** 2;

/** Those that loops can do, with fewer images. */
export const fewerImages = (): Conv[] =>
  Object.values(convs).flatMap((c) => {
    const n = some(c.n, convFlops({ ...c, n: 1 }) / 2);
    return n === null ? [] : [{ ...c, n }];
  });

/** W6: what is made of rows of ROW floats, and of how many rows. */
export const ROW = 1024;
/** Rows of a map that a case is made of. */
export const FEW_ROWS = 3;
export const maps = ["add", "relu", "exp", "sigmoid", "softmax", "sum", "layernorm"] as const;
export const mapRows = [ROW, 16 * ROW] as const;
export type MapOp = (typeof maps)[number];
