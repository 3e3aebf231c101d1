// The room of modules: `nn`.
export * from "./activations.ts";
export * as init from "./init.ts";
export * from "./layers.ts";
export * from "./losses.ts";
export { type AnyModule, Module, type StateDict } from "./module.ts";
export { Parameter } from "./parameter.ts";
export * from "./pool.ts";
