// Learning-rate schedules: `optim.lrScheduler`.
export {
  CosineAnnealingLR,
  type CosineAnnealingLROptions,
  CosineAnnealingWarmRestarts,
  type CosineAnnealingWarmRestartsOptions,
} from "./cosine.ts";
export { CyclicLR, type CyclicLROptions, type MomentumOptions } from "./cycle.ts";
export {
  ExponentialLR,
  type ExponentialLROptions,
  MultiStepLR,
  type MultiStepLROptions,
  PolynomialLR,
  type PolynomialLROptions,
  StepLR,
  type StepLROptions,
} from "./decay.ts";
export { type Factor, LambdaLR, MultiplicativeLR } from "./lambda.ts";
export { OneCycleLR, type OneCycleLROptions } from "./onecycle.ts";
export { type PlateauState, ReduceLROnPlateau, type ReduceLROnPlateauOptions } from "./plateau.ts";
export { LRScheduler, type Scheduled, type ScheduleOptions, type SchedulerState } from "./schedule.ts";
export { ChainedScheduler, type SchedulersState, SequentialLR, type SequentialLROptions } from "./several.ts";
export { SWALR, type SWALROptions } from "./swalr.ts";
export { ConstantLR, type ConstantLROptions, LinearLR, type LinearLROptions } from "./warm.ts";
