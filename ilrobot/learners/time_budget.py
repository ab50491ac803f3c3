"""How many steps fit into a time, measured on the machine that trains."""

from __future__ import annotations

import copy
import math
import time

import torch

from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.distillation import Teacher
from ilrobot.learners.training import Training
from ilrobot.policies.policy import Policy

#: Share of the time that measuring takes, and as much again to warm up, and its most in seconds.
_SHARE = 0.03
_MOST_SECONDS = 15.0
#: With fewer steps there is no schedule to speak of.
LEAST_STEPS = 10


def within_budget(
    policy: Policy,
    windows: Windows,
    held_out: Windows | None,
    config: TrainConfig,
    teacher: Teacher | None = None,
    *,
    spent: float = 0.0,
) -> TrainConfig:
    """The same with as many steps as its time budget has room for.

    A copy of the policy is trained for a moment, so that the training that follows is the one that
    `TrainConfig.steps` of this number would be. What measuring took is part of the time.

    Args:
        policy: With its normalisation set, on its device; left as it is.
        windows: To train on, on that device.
        held_out: To validate on (None: there is no validation).
        config: With a time budget.
        teacher: See `Training`.
        spent: Seconds of the time that are gone already.

    Raises:
        UserError: The time is too short for any training.
    """
    budget, began = config.time_budget, time.perf_counter()
    if budget is None:
        raise ValueError("there is no time budget to keep within")
    share = min(_SHARE * budget, _MOST_SECONDS)
    with torch.random.fork_rng([windows.device] if windows.device.type == "cuda" else []):
        trial = Training(copy.deepcopy(policy), windows, held_out, config, teacher)
        trial.measure_step(share)
        trial.measure_validation()  # what comes first is slower
        step, validation = trial.measure_step(share), trial.measure_validation()
    left = budget - spent - (time.perf_counter() - began)
    steps = fitting_steps(left, step, validation, config.validate_every)
    if steps < LEAST_STEPS:
        usual = config.for_windows(len(windows)).steps
        raise UserError(
            f"--time-budget of {budget:g} s has room for {max(steps, 0)} steps of {step:.2g} s "
            f"and ten validations of {validation:.2g} s; give more time (its usual {usual:,} steps "
            f"take some {math.ceil(usual * step / 60)} min), or take a smaller network"
        )
    return config.with_steps(steps)


def fitting_steps(left: float, step: float, validation: float, validate_every: int) -> int:
    """Steps within `left` seconds, the validations of `TrainConfig.with_steps` among them.

    Args:
        left: Seconds.
        step: Seconds of a step.
        validation: Seconds of a validation.
        validate_every: Steps between two, in a training that is long enough for ten of them.
    """
    often = left / (step + validation / validate_every)
    ten = (left - 10 * validation) / step
    return int(min(often, ten))
