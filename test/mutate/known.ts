// Mutations that change nothing that anyone could see, each with the reason. They are found by file, operator and text, not by line.
import type { Site } from "./sites.ts";

export interface Known extends Pick<Site, "file" | "operator" | "before" | "after"> {
  readonly reason: string;
}

export const KNOWN: readonly Known[] = [
  {
    file: "src/core/entry.ts",
    operator: "bound",
    before: "sorted &&= edge.serial < order[order.length - 1]!.serial;",
    after: "sorted &&= edge.serial <= order[order.length - 1]!.serial;",
    reason: "no two entries have one serial number, and each is met once",
  },
  {
    file: "src/core/op.ts",
    operator: "bound",
    before:
      "for (let i = 0; i < xs.length; i++) if (xs[i] !== given[i] && !xs[i]!.kept) xs[i]!.releaseUnread(op.name);",
    after:
      "for (let i = 0; i <= xs.length; i++) if (xs[i] !== given[i] && !xs[i]!.kept) xs[i]!.releaseUnread(op.name);",
    reason: "autocast gives as many inputs as it takes: behind the last both lists have undefined",
  },
  {
    file: "src/optim/numbers.ts",
    operator: "bound",
    before: "for (let i = 0; i < keys.length; i++) {",
    after: "for (let i = 0; i <= keys.length; i++) {",
    reason: "one further there is neither a value nor a group's option of the name undefined: the same on both sides",
  },
  {
    file: "src/capture.ts",
    operator: "bound",
    before: "return astray.length > 0 && !t.storage.virtual ? denseCopy(alias(t)) : valuesOf(t);",
    after: "return astray.length >= 0 && !t.storage.virtual ? denseCopy(alias(t)) : valuesOf(t);",
    reason: "results are copied to fresh storage anyway: what lasts is copied twice",
  },
  {
    file: "src/program/plan.ts",
    operator: "off by one",
    before: "for (let i = count - 2; i >= 0; i--) if (!meets[i + 1]) last[i] = last[i + 1]!;",
    after: "for (let i = count - 2; i >= 0; i--) if (!meets[i + 1]) last[i] = last[i]!;",
    reason: "a life that begins in the same segment begins at its first row: the two overlap already",
  },
  {
    file: "src/program/passes/order.ts",
    operator: "bound",
    before: "if (pooled > elements || [a, b].some((x) => x.storage === y.storage)) return;",
    after: "if (pooled >= elements || [a, b].some((x) => x.storage === y.storage)) return;",
    reason:
      "where the pool leaves as many elements as there were, either order gives the same values for the same work",
  },
  {
    file: "src/program/passes/order.ts",
    operator: "bound",
    before: "pooled <= elementsOf(g.storage);",
    after: "pooled < elementsOf(g.storage);",
    reason:
      "where the pool leaves as many elements as there were, either order gives the same values for the same work",
  },
  {
    file: "src/program/passes/zeros.ts",
    operator: "bound",
    before: "if (n < LEAST_COLUMNS || m * n * k < LEAST_WORK) return row;",
    after: "if (n <= LEAST_COLUMNS || m * n * k < LEAST_WORK) return row;",
    reason: "both kernels give the same bits, and at the bound are as fast as each other",
  },
  {
    file: "src/program/winograd.ts",
    operator: "bound",
    before: "if (kw !== 5 || !plain(row) || w < 4 || pw >= kw) return false;",
    after: "if (kw !== 5 || !plain(row) || w <= 4 || pw >= kw) return false;",
    reason: "at a width of 4 both algorithms serve, with the same bound of their errors",
  },
  {
    file: "src/program/winograd.ts",
    operator: "bound",
    before: "if (terms < FEW_TERMS || co * terms > MOST_ROWS || n * oh * across < FEW_VECTORS) return false;",
    after: "if (terms < FEW_TERMS || co * terms > MOST_ROWS || n * oh * across <= FEW_VECTORS) return false;",
    reason:
      "both algorithms serve there, with the same bound of their errors: which of them is faster turns at about so many",
  },
  {
    file: "assembly/optim.ts",
    operator: "bound",
    before: "for (; from + 16 <= to; from += 16) {",
    after: "for (; from + 16 < to; from += 16) {",
    reason: "the last whole vector is then what is left, by the same step over four elements",
  },
  {
    file: "assembly/reduce/softmaxrow.ts",
    operator: "bound",
    before: "if (n > 0) {",
    after: "if (n >= 0) {",
    reason: "the loop makes no turn, and 0 is added to a sum of exponentials, which is never -0",
  },
  {
    file: "assembly/matmul/fewcolumns.ts",
    operator: "bound",
    before: "for (; a0 + 16 <= end; a0 += 16) {",
    after: "for (; a0 + 16 < end; a0 += 16) {",
    reason: "what is left is taken word by word behind it, by the same sums",
  },
  {
    file: "assembly/matmul/fewcolumns.ts",
    operator: "kernel tail",
    before: "for (; a0 + 16 <= end; a0 += 16) {",
    after: "for (; false; a0 += 16) {",
    reason: "all is taken word by word behind it, by the same sums",
  },
];
