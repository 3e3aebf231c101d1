// Messages of learning-rate schedules and of averages of weights: as messages.ts, which has the others.
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import type { Cases } from "./messages.ts";
import { ReferenceDevice } from "./reference.ts";

// biome-ignore lint/suspicious/noExplicitAny: wrong programs
type Any = any;
const { lrScheduler: lr, swaUtils: swa } = optim;
const leaf = (): w.Tensor => w.ones([2], { requiresGrad: true });
const sgd = (momentum = 0.9): optim.SGD => new optim.SGD([leaf()], { lr: 0.1, momentum });
const two = (): optim.SGD => new optim.SGD([{ params: leaf() }, { params: leaf() }], { lr: 0.1 });
const cyclic = (o: object, optimizer: Any = sgd()) => new lr.CyclicLR(optimizer, { baseLr: 0.1, maxLr: 1, ...o });
const cycle = (o: object, optimizer: Any = sgd()) => new lr.OneCycleLR(optimizer, { maxLr: 1, totalSteps: 3, ...o });
const linear = (): optim.lrScheduler.LinearLR => new lr.LinearLR(sgd());
const sequential = (milestones: Any, optimizer: Any = sgd()) =>
  new lr.SequentialLR(optimizer, [new lr.ConstantLR(optimizer), new lr.LinearLR(optimizer)], milestones);
const steps = (schedule: { step(): void }, n: number): void => {
  for (let i = 0; i < n; i++) schedule.step();
};
/** A schedule that takes its own state, of which something is another. */
const loaded = (schedule: Any, change: object): void => schedule.loadStateDict({ ...schedule.stateDict(), ...change });
const inCapture = async (f: () => unknown): Promise<unknown> => {
  const step = w.capture(() => {
    f();
    return w.ones([1]);
  });
  return step();
};
const model = (): nn.Linear => new nn.Linear(2, 3);

class Bound extends nn.Module {
  override forward = (x: w.Tensor): w.Tensor => x;
}

export const schedules: Cases = {
  "StepLR: no options": () => new lr.StepLR(sgd(), undefined as Any),
  "StepLR: a number": () => new lr.StepLR(sgd(), 30 as Any),
  "StepLR: stepSize": () => new lr.StepLR(sgd(), { stepSize: 0 }),
  "StepLR: gamma": () => new lr.StepLR(sgd(), { stepSize: 1, gamma: "0.1" as Any }),
  "StepLR: lastEpoch": () => new lr.StepLR(sgd(), { stepSize: 1, lastEpoch: 0.5 }),
  "StepLR: lastEpoch without a run": () => new lr.StepLR(sgd(), { stepSize: 1, lastEpoch: 3 }),
  "StepLR: a rate without bounds": () => {
    const schedule = new lr.StepLR(sgd(), { stepSize: 1, gamma: 1e200 });
    steps(schedule, 2);
  },
  "StepLR: inside capture": () => inCapture(() => new lr.StepLR(sgd(), { stepSize: 1 })),
  "StepLR.step: inside capture": () => {
    const schedule = new lr.StepLR(sgd(), { stepSize: 1 });
    return inCapture(() => schedule.step());
  },
  "StepLR.loadStateDict: lastEpoch": () => loaded(new lr.StepLR(sgd(), { stepSize: 1 }), { lastEpoch: 0.5 }),
  "StepLR.loadStateDict: gamma": () => loaded(new lr.StepLR(sgd(), { stepSize: 1 }), { gamma: "a" }),
  "StepLR.loadStateDict: stepSize": () => loaded(new lr.StepLR(sgd(), { stepSize: 1 }), { stepSize: 0.5 }),
  "StepLR.loadStateDict: _lastLr": () => loaded(new lr.StepLR(sgd(), { stepSize: 1 }), { _lastLr: 1 }),
  "StepLR.loadStateDict: _stepCount": () => loaded(new lr.StepLR(sgd(), { stepSize: 1 }), { _stepCount: -1 }),
  "MultiStepLR: milestones": () => new lr.MultiStepLR(sgd(), { milestones: [1, 2.5] }),
  "MultiStepLR: no list": () => new lr.MultiStepLR(sgd(), { milestones: 30 as Any }),
  "MultiStepLR.loadStateDict: milestones": () =>
    loaded(new lr.MultiStepLR(sgd(), { milestones: [1] }), { milestones: { 1: 1 } }),
  "ExponentialLR: gamma": () => new lr.ExponentialLR(sgd(), {} as Any),
  "PolynomialLR: totalIters": () => new lr.PolynomialLR(sgd(), { totalIters: 0 }),
  "PolynomialLR: power": () => new lr.PolynomialLR(sgd(), { power: Number.NaN }),
  "ConstantLR: factor": () => new lr.ConstantLR(sgd(), { factor: 2 }),
  "ConstantLR: totalIters": () => new lr.ConstantLR(sgd(), { totalIters: -1 }),
  "LambdaLR: no number": () => new lr.LambdaLR(sgd(), () => Number.NaN),
  "LambdaLR: a promise": () => new lr.LambdaLR(sgd(), (async () => 1) as Any),
  "MultiplicativeLR: functions": () => new lr.MultiplicativeLR(sgd(), 0.9 as Any),
  "CosineAnnealingLR: TMax": () => new lr.CosineAnnealingLR(sgd(), { TMax: 0 }),
  "CosineAnnealingLR: tMax": () => new lr.CosineAnnealingLR(sgd(), { tMax: 9 } as Any),
  "CosineAnnealingLR: etaMin": () => new lr.CosineAnnealingLR(sgd(), { TMax: 1, etaMin: -1 }),
  "CosineAnnealingWarmRestarts: T0": () => new lr.CosineAnnealingWarmRestarts(sgd(), { T0: 1.5 }),
  "CosineAnnealingWarmRestarts: TMult": () => new lr.CosineAnnealingWarmRestarts(sgd(), { T0: 1, TMult: 0 }),
  "CosineAnnealingWarmRestarts: epoch": () => new lr.CosineAnnealingWarmRestarts(sgd(), { T0: 1 }).step(-1),
  "CosineAnnealingWarmRestarts.loadStateDict: TI": () =>
    loaded(new lr.CosineAnnealingWarmRestarts(sgd(), { T0: 1 }), { TI: 0 }),
  "OneCycleLR: no steps": () => cycle({ totalSteps: undefined, epochs: 3 }),
  "OneCycleLR: totalSteps": () => cycle({ totalSteps: 0 }),
  "OneCycleLR: epochs": () => cycle({ totalSteps: null, epochs: 0, stepsPerEpoch: 3 }),
  "OneCycleLR: maxLr": () => cycle({ maxLr: undefined }),
  "OneCycleLR: pctStart": () => cycle({ pctStart: 30 }),
  "OneCycleLR: annealStrategy": () => cycle({ annealStrategy: "cosine" }),
  "OneCycleLR: divFactor": () => cycle({ divFactor: 0 }),
  "OneCycleLR: finalDivFactor": () => cycle({ finalDivFactor: Number.POSITIVE_INFINITY }),
  "OneCycleLR: a step too many": () => steps(cycle({}), 4),
  "OneCycleLR: no momentum": () => cycle({}, new optim.Adagrad([leaf()])),
  "OneCycleLR: a beta": () => cycle({ maxMomentum: 1 }, new optim.Adam([leaf()])),
  "OneCycleLR.loadStateDict: maxLrs": () => loaded(cycle({}), { maxLrs: [1, 2] }),
  "CyclicLR: baseLr above maxLr": () => cyclic({ baseLr: 2 }),
  "CyclicLR: maxLr of other groups": () => cyclic({ maxLr: [1, 2, 3] }, two()),
  "CyclicLR: stepSizeUp": () => cyclic({ stepSizeUp: 0 }),
  "CyclicLR: stepSizeDown": () => cyclic({ stepSizeDown: -3 }),
  "CyclicLR: mode": () => cyclic({ mode: "square" }),
  "CyclicLR: scaleFn": () => cyclic({ scaleFn: 2 }),
  "CyclicLR: scaleMode": () => cyclic({ scaleMode: "epochs" }),
  "CyclicLR: a momentum without bounds": () => steps(cyclic({ stepSizeUp: 1, scaleFn: () => Number.NaN }), 1),
  "SWALR: swaLr": () => new lr.SWALR(sgd(), { swaLr: -1 }),
  "SWALR: annealEpochs": () => new lr.SWALR(sgd(), { swaLr: 1, annealEpochs: 0.5 }),
  "SWALR: annealStrategy": () => new lr.SWALR(sgd(), { swaLr: 1, annealStrategy: "exp" as Any }),
  "ReduceLROnPlateau: mode": () => new lr.ReduceLROnPlateau(sgd(), { mode: "less" as Any }),
  "ReduceLROnPlateau: factor": () => new lr.ReduceLROnPlateau(sgd(), { factor: 1 }),
  "ReduceLROnPlateau: patience": () => new lr.ReduceLROnPlateau(sgd(), { patience: 1.5 }),
  "ReduceLROnPlateau: thresholdMode": () => new lr.ReduceLROnPlateau(sgd(), { thresholdMode: "less" as Any }),
  "ReduceLROnPlateau: minLr": () => new lr.ReduceLROnPlateau(sgd(), { minLr: [0, 0] }),
  "ReduceLROnPlateau: a tensor": () => new lr.ReduceLROnPlateau(sgd()).step(w.ones([]) as Any),
  "ReduceLROnPlateau: no metric": () => new lr.ReduceLROnPlateau(sgd()).step(undefined as Any),
  "ReduceLROnPlateau.step: inside capture": () => {
    const schedule = new lr.ReduceLROnPlateau(sgd());
    return inCapture(() => schedule.step(1));
  },
  "ReduceLROnPlateau.loadStateDict: nothing": () => new lr.ReduceLROnPlateau(sgd()).loadStateDict({} as Any),
  "SequentialLR: no schedulers": () => new lr.SequentialLR(sgd(), [], []),
  "SequentialLR: no schedule": () => new lr.SequentialLR(sgd(), [5 as Any], []),
  "SequentialLR: a plateau": () => {
    const optimizer = sgd();
    return new lr.SequentialLR(optimizer, [new lr.ReduceLROnPlateau(optimizer) as Any], []);
  },
  "SequentialLR: of another optimizer": () => new lr.SequentialLR(sgd(), [linear(), linear()], [1]),
  "SequentialLR: milestones": () => sequential([0.5]),
  "SequentialLR: milestones that fall": () => {
    const optimizer = sgd();
    const list = [1, 2, 3].map(() => new lr.ConstantLR(optimizer));
    return new lr.SequentialLR(optimizer, list, [5, 3]);
  },
  "SequentialLR: too many milestones": () => sequential({ milestones: [3, 5] }),
  "SequentialLR: no milestones": () => sequential(undefined),
  "SequentialLR.loadStateDict: _schedulers": () => loaded(sequential([3]), { _schedulers: [{}] }),
  "SequentialLR.loadStateDict: of one": () => loaded(sequential([3]), { _schedulers: [{}, {}] }),
  "ChainedScheduler: of another optimizer": () => new lr.ChainedScheduler([linear(), linear()]),
  "AveragedModel: no module": () => new swa.AveragedModel(w.ones([2]) as Any),
  "AveragedModel: unknown option": () => new swa.AveragedModel(model(), { avg_fn: swa.getEmaAvgFn() } as Any),
  "AveragedModel: avgFn": () => new swa.AveragedModel(model(), { avgFn: 0.9 as Any }),
  "AveragedModel: two functions": () =>
    new swa.AveragedModel(model(), { avgFn: swa.getEmaAvgFn(), multiAvgFn: swa.getEmaMultiAvgFn() }),
  "AveragedModel: the model itself": () => {
    const own = model();
    return new swa.AveragedModel(own, { module: own });
  },
  "AveragedModel: another module": () => new swa.AveragedModel(model(), { module: new nn.ReLU() }),
  "AveragedModel: a bound forward": () => new swa.AveragedModel(new Bound()),
  "AveragedModel: inside capture": () => {
    const own = model();
    return inCapture(() => new swa.AveragedModel(own));
  },
  "AveragedModel: a decay": () => swa.getEmaMultiAvgFn(1.5),
  "AveragedModel.updateParameters: no module": () => new swa.AveragedModel(model()).updateParameters(3 as Any),
  "AveragedModel.updateParameters: other parameters": () =>
    new swa.AveragedModel(model()).updateParameters(new nn.Linear(2, 3, { bias: false })),
  "AveragedModel.updateParameters: other shapes": () =>
    new swa.AveragedModel(model()).updateParameters(new nn.Linear(3, 3)),
  "AveragedModel.updateParameters: another device": () =>
    new swa.AveragedModel(model()).updateParameters(new nn.Linear(2, 3, { device: new ReferenceDevice() })),
  "AveragedModel.updateParameters: a parameter that was released": () => {
    const own = model();
    const averaged = new swa.AveragedModel(own);
    own.weight.dispose();
    averaged.updateParameters(own);
  },
  "AveragedModel.updateParameters: an average that was released": () => {
    const averaged = new swa.AveragedModel(model());
    averaged.parameters()[1]!.dispose();
    averaged.updateParameters(model());
  },
  "AveragedModel.updateParameters: what avgFn gives": () =>
    new swa.AveragedModel(model(), { avgFn: () => 3 as Any }).updateParameters(model()),
};
