// The room of optimizers: `optim`.
export { Adam, type AdamHyperparameters, type AdamOptions, AdamW } from "./adam.ts";
// Learning-rate schedules, as torch.optim.lr_scheduler.
export * as lrScheduler from "./lr.ts";
export {
  type Group,
  type GroupSpec,
  Optimizer,
  type OptimizerState,
  type ParamGroup,
  type ParamState,
  type Params,
} from "./optimizer.ts";
export { SGD, type SGDHyperparameters, type SGDOptions } from "./sgd.ts";
