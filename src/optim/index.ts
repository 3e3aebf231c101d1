// The room of optimizers: `optim`.
export { Adadelta, type AdadeltaHyperparameters, type AdadeltaOptions } from "./adadelta.ts";
export { Adagrad, type AdagradHyperparameters, type AdagradOptions } from "./adagrad.ts";
export { Adam, type AdamHyperparameters, type AdamOptions, AdamW } from "./adam.ts";
export { Adamax, type AdamaxHyperparameters, type AdamaxOptions } from "./adamax.ts";
export { ASGD, type ASGDHyperparameters, type ASGDOptions } from "./asgd.ts";
export { LBFGS, type LBFGSHyperparameters, type LBFGSOptions, type LBFGSState } from "./lbfgs.ts";
// Learning-rate schedules, as torch.optim.lr_scheduler.
export * as lrScheduler from "./lr/index.ts";
export { Muon, type MuonHyperparameters, type MuonOptions } from "./muon.ts";
export { NAdam, type NAdamHyperparameters, type NAdamOptions } from "./nadam.ts";
export {
  type Group,
  type GroupSpec,
  Optimizer,
  type OptimizerState,
  type ParamGroup,
  type ParamState,
  type Params,
} from "./optimizer.ts";
export { RAdam, type RAdamHyperparameters, type RAdamOptions } from "./radam.ts";
export { RMSprop, type RMSpropHyperparameters, type RMSpropOptions } from "./rmsprop.ts";
export { Rprop, type RpropHyperparameters, type RpropOptions } from "./rprop.ts";
export { SGD, type SGDHyperparameters, type SGDOptions } from "./sgd.ts";
export { SparseAdam, type SparseAdamHyperparameters, type SparseAdamOptions } from "./sparseadam.ts";
// Averages of weights, as torch.optim.swa_utils.
export * as swaUtils from "./swa.ts";
