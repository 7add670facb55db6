"""Writes the learning rate factor of every step of a run of 57, by the library that defines each schedule.

Usage: python make_schedules.py SCHEDULERS
where SCHEDULERS is src/axolotl/utils/schedulers.py of Axolotl at 067b021c8b87a9e5e380b9173c704cf7340e30f5.
"""

import importlib.util
import json
import sys
from pathlib import Path

import torch
from transformers import get_scheduler

HERE = Path(__file__).parent
TOTAL, RATE = 57, 3e-4

spec = importlib.util.spec_from_file_location("schedulers", sys.argv[1])
axolotl = importlib.util.module_from_spec(spec)
spec.loader.exec_module(axolotl)


def transformers(name):
    return lambda optimizer, warmup, kwargs: get_scheduler(
        name, optimizer, num_warmup_steps=warmup, num_training_steps=TOTAL, scheduler_specific_kwargs=kwargs
    )


def one_cycle(optimizer, warmup, kwargs):
    settings = {"pct_start": warmup / TOTAL, "anneal_strategy": "cos", **kwargs}
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=TOTAL, **settings)


def rex(least):
    return lambda optimizer, warmup, _: axolotl.RexLR(
        optimizer, max_lr=RATE, min_lr=RATE * least, total_steps=TOTAL, num_warmup_steps=warmup
    )


def quadratic(optimizer, warmup, _):
    return axolotl.get_cosine_schedule_with_quadratic_warmup(optimizer, warmup, TOTAL)


def min_ratio(optimizer, warmup, _):
    return axolotl.get_cosine_schedule_with_min_lr(optimizer, warmup, TOTAL, min_lr_ratio=0.1)


def constant_ratio(optimizer, warmup, _):
    return axolotl.get_cosine_schedule_with_warmup_decay_constant(
        optimizer, warmup, TOTAL, constant_lr_ratio=0.8, min_lr_ratio=0.1
    )


CASES = [
    # (name, keys of Eft, kwargs, maker)
    *[
        (name, {}, kwargs, transformers(name))
        for name, kwargs in [
            ("linear", {}),
            ("cosine", {}),
            ("cosine", {"num_cycles": 1.25}),
            ("cosine_with_restarts", {}),
            ("cosine_with_restarts", {"num_cycles": 3}),
            ("polynomial", {}),
            ("polynomial", {"power": 2.5, "lr_end": 1e-5}),
            ("constant", {}),
            ("constant_with_warmup", {}),
            ("inverse_sqrt", {}),
            ("inverse_sqrt", {"timescale": 20}),
            ("cosine_with_min_lr", {"min_lr": 3e-5}),
            ("cosine_with_min_lr", {"min_lr_rate": 0.2, "num_cycles": 0.75}),
            ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.2}),
            ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.2, "warmup_lr_rate": 0.1}),
            ("warmup_stable_decay", {"num_decay_steps": 20}),
            (
                "warmup_stable_decay",
                {"num_decay_steps": 15, "num_stable_steps": 10, "warmup_type": "cosine", "decay_type": "linear"},
            ),
            (
                "warmup_stable_decay",
                {"num_decay_steps": 20, "warmup_type": "1-sqrt", "decay_type": "1-sqrt", "min_lr_ratio": 0.1},
            ),
        ]
    ],
    ("one_cycle", {}, {}, one_cycle),
    ("one_cycle", {}, {"pct_start": 0.25, "three_phase": True, "anneal_strategy": "linear"}, one_cycle),
    ("one_cycle", {}, {"pct_start": 0.4, "div_factor": 10, "final_div_factor": 100}, one_cycle),
    ("rex", {}, {}, rex(0)),
    ("rex", {"minRatio": 0.1}, {}, rex(0.1)),
    ("cosine", {"quadraticWarmup": True}, {}, quadratic),
    ("cosine", {"minRatio": 0.1}, {}, min_ratio),
    ("cosine", {"minRatio": 0.1, "constantRatio": 0.8}, {}, constant_ratio),
]


def factors(make, warmup, kwargs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule = make(optimizer, warmup, kwargs)
    values = []
    for _ in range(TOTAL):
        values.append(schedule.get_last_lr()[0] / RATE)
        optimizer.step()
        if len(values) < TOTAL:
            schedule.step()
    return values


def plateau(kwargs):
    """Factors after each evaluation of a loss that falls, stalls and falls again."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **kwargs)
    losses = [2.0, 1.5, 1.4, 1.39995, 1.41, 1.42, 1.3999, 1.4, 1.43, 1.2, 1.21, 1.22, 1.2, 1.3, 1.25, 1.1, 1.2, 1.3]
    values = []
    for loss in losses:
        schedule.step(loss)
        values.append(optimizer.param_groups[0]["lr"] / RATE)
    return {"kwargs": kwargs, "losses": losses, "factors": values}


if __name__ == "__main__":
    cases = [
        {"name": name, "warmup": warmup, "settings": keys, "kwargs": kwargs, "factors": factors(make, warmup, kwargs)}
        for name, keys, kwargs, make in CASES
        for warmup in (7, 0)
        # A cycle that rises in no step divides by nothing in PyTorch too.
        if not (name == "one_cycle" and warmup == 0 and "pct_start" not in kwargs)
    ]
    plateaus = [
        plateau({"patience": 1}),
        plateau({"patience": 1, "factor": 0.5, "cooldown": 2, "min_lr": 1e-4, "threshold": 0.01, "threshold_mode": "abs"}),
    ]
    contents = {"total": TOTAL, "learning_rate": RATE, "cases": cases, "plateaus": plateaus}
    (HERE / "schedules.json").write_text(json.dumps(contents) + "\n")
