// The room of optimizers: `optim`.
export { Adam, type AdamHyperparameters, type AdamOptions, AdamW } from "./adam.ts";
export * as lrScheduler from "./lr.ts";
export { type Group, Optimizer, type OptimizerState, type ParamGroup, type Params } from "./optimizer.ts";
export { SGD, type SGDHyperparameters, type SGDOptions } from "./sgd.ts";
