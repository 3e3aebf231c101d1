# Rates of PyTorch's schedules with options that the recorded runs lack, for test/schedules.test.ts:
#   python3 test/schedules/record.py > test/schedules/rates.json
# (recorded with PyTorch 1.13). One case a line: what is made, and the rates of all groups when it is made and behind each of 40 steps.
import json
import math
import warnings

import torch
from torch.optim import lr_scheduler, swa_utils

warnings.simplefilter("ignore")
STEPS = 40
FUNCTIONS = {
    "harmonic": lambda e: 1 / (1 + e),
    "wave": lambda e: 1 + 0.25 * math.cos(e),
    "halves": lambda e: 0.5 ** (e % 4),
}


def make(optimizer, fn, kwargs):
    kwargs = dict(kwargs)
    for key in ("lr_lambda", "scale_fn"):
        if key in kwargs:
            named = kwargs[key]
            kwargs[key] = [FUNCTIONS[n] for n in named] if isinstance(named, list) else FUNCTIONS[named]
    if "schedulers" in kwargs:
        kwargs["schedulers"] = [make(optimizer, inner, own) for inner, own in kwargs["schedulers"]]
    cls = getattr(lr_scheduler, fn, None) or getattr(swa_utils, fn)
    return cls(**kwargs) if fn == "ChainedScheduler" else cls(optimizer, **kwargs)


def plain(v):
    return float(f"{v:.12g}") if math.isfinite(v) else str(v)


def run(fn, kwargs, lr=(0.4,), optimizer="SGD", also=(), epochs=None, metrics=None, initial=None, steps=STEPS):
    params = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": v} for v in lr]
    if initial is not None:
        for group, v in zip(params, initial):
            group["initial_lr"] = v
    opt = torch.optim.SGD(params, lr=1, momentum=0.9) if optimizer == "SGD" else torch.optim.Adam(params)
    schedules = [make(opt, fn, kwargs)] + [make(opt, f, k) for f, k in also]

    def look():
        first = opt.param_groups[0]
        momentum = first["momentum"] if optimizer == "SGD" else first["betas"][0]
        return [plain(g["lr"]) for g in opt.param_groups] + [plain(momentum)]

    seen = [look()]
    for i in range(steps if epochs is None and metrics is None else len(epochs or metrics)):
        for k, s in enumerate(schedules):
            if k == 0 and epochs is not None:
                s.step(epochs[i])
            elif k == 0 and metrics is not None:
                s.step(metrics[i])
            else:
                s.step()
        seen.append(look())
    case = {"fn": fn, "kwargs": kwargs, "lr": lr, "optimizer": optimizer}
    for key, v in (("also", also), ("epochs", epochs), ("initial", initial)):
        if v:
            case[key] = v
    if metrics:
        case["metrics"] = [plain(v) for v in metrics]
    print(("," if CASES else "[") + "\n" + json.dumps({**case, "seen": seen}), end="")
    CASES.append(fn)


CASES = []
TWO = (0.4, 0.03)

run("StepLR", {"step_size": 7, "gamma": 1.3})
run("StepLR", {"step_size": 1, "gamma": 0.0}, steps=3)
run("StepLR", {"step_size": 3, "gamma": 0.5, "last_epoch": 5}, lr=(0.2, 0.1), initial=(0.4, 0.2), steps=8)
run("MultiStepLR", {"milestones": [11, 3, 39, 3, 0], "gamma": 0.5}, lr=TWO)
run("MultiStepLR", {"milestones": []}, steps=2)
run("ConstantLR", {"factor": 0.3, "total_iters": 1}, lr=TWO, steps=4)
run("ConstantLR", {"last_epoch": 2}, initial=(0.6,), steps=4)
run("LinearLR", {"start_factor": 0.25, "end_factor": 0.75, "total_iters": 33}, lr=TWO)
run("LinearLR", {"start_factor": 1.0, "end_factor": 0.25, "total_iters": 1}, steps=3)
run("LinearLR", {"start_factor": 0.5, "total_iters": 8, "last_epoch": 3}, initial=(0.6,), steps=7)
run("ExponentialLR", {"gamma": 1.0}, steps=2)
run("ExponentialLR", {"gamma": 0.8, "last_epoch": 4}, initial=(0.6,), steps=4)
run("PolynomialLR", {"total_iters": 40, "power": 3.0}, lr=TWO)
run("PolynomialLR", {"total_iters": 3, "power": 0.0}, steps=5)
run("PolynomialLR", {"total_iters": 1}, steps=3)
run("LambdaLR", {"lr_lambda": ["harmonic", "wave"]}, lr=TWO, steps=10)
run("LambdaLR", {"lr_lambda": "wave", "last_epoch": 6}, initial=(0.9,), steps=5)
run("MultiplicativeLR", {"lr_lambda": ["halves", "wave"]}, lr=TWO, steps=10)
run("MultiplicativeLR", {"lr_lambda": "wave", "last_epoch": 6}, initial=(0.9,), steps=5)
run("CosineAnnealingLR", {"T_max": 1}, steps=6)
run("CosineAnnealingLR", {"T_max": 3, "eta_min": 0.05}, lr=TWO)
run("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.05, "last_epoch": 6}, lr=TWO, initial=(0.9, 0.1), steps=20)
run("CosineAnnealingWarmRestarts", {"T_0": 1}, steps=4)
run("CosineAnnealingWarmRestarts", {"T_0": 1, "T_mult": 2, "eta_min": 0.5}, lr=TWO)
run("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 3}, lr=TWO)
run("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 2}, epochs=[0.25, 3.75, 4, 5.5, None, None, 12, 11.5, 30.25, None, 0, None])
run("CosineAnnealingWarmRestarts", {"T_0": 4}, epochs=[2.5, 4, 9.75, None, None, None, 3, None, None])
run("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 2, "last_epoch": 2}, initial=(0.6,), steps=14)
run("OneCycleLR", {"max_lr": 0.7, "total_steps": 40})
run("OneCycleLR", {"max_lr": 0.7, "total_steps": 41, "pct_start": 0.0, "anneal_strategy": "linear"})
run("OneCycleLR", {"max_lr": 0.7, "total_steps": 41, "pct_start": 1.0, "div_factor": 2, "final_div_factor": 3})
run("OneCycleLR", {"max_lr": 0.7, "total_steps": 40, "pct_start": 0.5, "three_phase": True, "cycle_momentum": False})
run("OneCycleLR", {"max_lr": [0.7, 2.0], "epochs": 5, "steps_per_epoch": 9, "base_momentum": [0.3, 0.4], "max_momentum": [0.6, 0.5]}, lr=TWO)
run("OneCycleLR", {"max_lr": 0.7, "total_steps": 50, "anneal_strategy": "linear", "three_phase": True, "base_momentum": 0.1}, lr=TWO, optimizer="Adam")
run("CyclicLR", {"base_lr": 0.1, "max_lr": 0.9, "step_size_up": 7, "step_size_down": 1})
run("CyclicLR", {"base_lr": 0.1, "max_lr": 0.1, "step_size_up": 1}, steps=4)
run("CyclicLR", {"base_lr": [0.1, 0.01], "max_lr": [0.9, 0.5], "step_size_up": 4, "mode": "triangular2", "base_momentum": [0.2, 0.3], "max_momentum": [0.8, 0.7]}, lr=TWO)
run("CyclicLR", {"base_lr": 0.1, "max_lr": 0.9, "step_size_up": 5, "step_size_down": 6, "mode": "exp_range", "gamma": 1.01, "cycle_momentum": False})
run("CyclicLR", {"base_lr": 0.1, "max_lr": 0.9, "step_size_up": 5, "scale_fn": "harmonic"})
run("CyclicLR", {"base_lr": 0.1, "max_lr": 0.9, "step_size_up": 5, "scale_fn": "halves", "scale_mode": "iterations", "cycle_momentum": False}, optimizer="Adam")
run("SWALR", {"swa_lr": 0.05, "anneal_epochs": 0}, steps=3)
run("SWALR", {"swa_lr": 0.05, "anneal_epochs": 1}, steps=3)
run("SWALR", {"swa_lr": [0.05, 0.9], "anneal_epochs": 33}, lr=TWO)
WAYS = [5.0, 4.0, 4.0, 3.9996, 3.9, float("nan"), float("inf"), 3.95, 3.8, 3.8, 3.8, 3.8, 3.8, 3.8, 3.0, 3.1, 3.1, 3.1, 3.1, 3.1, -1.0, -0.9, -1.0001, -1.2, -1.1, -1.1, -1.1, -1.1]
run("ReduceLROnPlateau", {"patience": 1, "factor": 0.5}, lr=TWO, metrics=WAYS)
run("ReduceLROnPlateau", {"patience": 0, "factor": 0.5, "cooldown": 3, "threshold": 0.5, "threshold_mode": "abs"}, metrics=WAYS)
run("ReduceLROnPlateau", {"mode": "max", "patience": 2, "factor": 0.0, "min_lr": [0.1, 0.02], "threshold": 0.0}, lr=TWO, metrics=WAYS)
run("ReduceLROnPlateau", {"mode": "max", "patience": 0, "factor": 0.7, "eps": 0.05}, lr=TWO, metrics=[-v for v in WAYS])
run("ReduceLROnPlateau", {"patience": 0, "factor": 0.5, "eps": 0.2, "threshold": 0.5}, metrics=[1.0, 0.5, 0.5, 0.5])
run("ReduceLROnPlateau", {"patience": 1, "factor": 0.5, "threshold": 0.5, "threshold_mode": "abs"}, lr=TWO, metrics=[1.0, 0.5, 0.5, 0.25, 0.0, -0.25, -0.5])
run("SequentialLR", {"schedulers": [("PolynomialLR", {"total_iters": 6}), ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}), ("MultiplicativeLR", {"lr_lambda": "wave"}), ("LambdaLR", {"lr_lambda": "harmonic"})], "milestones": [4, 20, 30]}, lr=TWO)
run("SequentialLR", {"schedulers": [("ExponentialLR", {"gamma": 0.9}), ("MultiStepLR", {"milestones": [0, 2]}), ("SWALR", {"swa_lr": 0.3, "anneal_epochs": 5}), ("PolynomialLR", {"power": 2.0})], "milestones": [3, 9, 20]}, lr=TWO)
run("SequentialLR", {"schedulers": [("SWALR", {"swa_lr": 0.1, "anneal_epochs": 4}), ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01})], "milestones": [12]})
run("SequentialLR", {"schedulers": [("ConstantLR", {"factor": 0.5}), ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.9, "step_size_up": 3})], "milestones": [8]})
run("SequentialLR", {"schedulers": [("LinearLR", {}), ("OneCycleLR", {"max_lr": 0.9, "total_steps": 36})], "milestones": [5]})
run("SequentialLR", {"schedulers": [("StepLR", {"step_size": 5})], "milestones": []}, steps=12)
run("ChainedScheduler", {"schedulers": [("LinearLR", {"total_iters": 6}), ("CosineAnnealingLR", {"T_max": 9}), ("MultiplicativeLR", {"lr_lambda": "wave"})]}, lr=TWO)
run("ChainedScheduler", {"schedulers": [("PolynomialLR", {"total_iters": 60}), ("ChainedScheduler", {"schedulers": [("ExponentialLR", {"gamma": 0.97}), ("StepLR", {"step_size": 9})]})]})
run("ChainedScheduler", {"schedulers": [("SequentialLR", {"schedulers": [("ConstantLR", {}), ("ExponentialLR", {"gamma": 0.9})], "milestones": [6]}), ("StepLR", {"step_size": 9})]})
run("ReduceLROnPlateau", {"patience": 1, "factor": 0.5}, also=[("ExponentialLR", {"gamma": 0.95})], metrics=WAYS)
print("\n]")
