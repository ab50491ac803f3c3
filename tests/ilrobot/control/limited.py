"""Limiters of one element at 10 Hz, and targets that they are driven by."""

import numpy as np

from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits
from ilrobot.control.limiter import CommandLimiter

RATE = 10.0


def limiter(mode="absolute", velocity=5.0, acceleration=20.0, low=-1.0, high=1.0):
    """One element; at 10 Hz a step is at most velocity / 10, its change acceleration / 100."""
    made = CommandLimiter(Limits((mode,), (low,), (high,), (velocity,), (acceleration,)), RATE)
    made.reset(np.zeros(1))
    return made


def drive(made, targets):
    """The commands for some targets, as plain numbers."""
    return [float(made.limit(np.array([t], np.float32))[0][0]) for t in targets]


def delta_in_a_box(pose):
    made = CommandLimiter(
        Limits(("delta",), (-0.2,), (0.2,), (10.0,), (10.0,), (50.0,)),
        RATE,
        Workspace((-0.5,), (0.5,)),
    )
    made.reset(np.zeros(1), None, pose)
    return made
