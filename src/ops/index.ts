// The room of ops: what is public of each family.
export * from "./binary.ts";
export * from "./conv.ts";
export * from "./create.ts";
export * from "./inplace.ts";
export * from "./loss.ts";
export * from "./matmul.ts";
export * from "./norm.ts";
export * from "./pool.ts";
export * from "./random.ts";
export * from "./reduce.ts";
export * from "./shape.ts";
export * from "./softmax.ts";
export * from "./unary.ts";
export * from "./where.ts";
