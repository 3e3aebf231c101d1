// The room of modules: `nn`.
export * from "./activations.ts";
export * as init from "./init.ts";
export * from "./layers.ts";
export * from "./losses.ts";
export * from "./lossmargin.ts";
export * from "./lossregression.ts";
export { type AnyModule, Module, type StateDict } from "./module.ts";
export { Parameter } from "./parameter.ts";
export * from "./pool.ts";
export * from "./rectifiers.ts";
export * from "./smooth.ts";
// What is done with all parameters at once, as torch.nn.utils.
export * as utils from "./utils.ts";
