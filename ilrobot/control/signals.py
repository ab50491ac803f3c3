"""What a policy says beside its actions: signals, a number about each action of a chunk.

``doubt``, ``novelty``
    Of an ensemble: how far its members are apart, see `ilrobot.ensemble`.
``risk``
    1 - Q(o, a): how likely the task fails if the policy goes on, by ThriftyDAgger's critic
    (`ilrobot.learners.interactive.success_critic`).
``unsafe``
    c(o): how likely the policy strays from the expert, by SafeDAgger's classifier
    (`ilrobot.learners.interactive.safety_classifier`).

The two critics read the newest observation, and `risk` the action for it. What they say of a
chunk's first action stands for all of it: until the next prediction nobody asks them again.

A signal above its threshold is a call for help, and so is one that is not a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

DOUBT, NOVELTY, RISK, UNSAFE = "doubt", "novelty", "risk", "unsafe"
#: Of an ensemble, in the order of the graph's outputs; then those of critics.
OF_ENSEMBLE, OF_CRITICS = (DOUBT, NOVELTY), (RISK, UNSAFE)

#: By rounding alone they differ by no more than this: variances of actions, each measured by its
#: range, and probabilities, which magnify how the action was rounded.
ROUNDING: Mapping[str, float] = {DOUBT: 1e-5, NOVELTY: 1e-5, RISK: 1e-4, UNSAFE: 1e-4}

#: Name of a signal to its value about each action of a chunk, shape (horizon,).
Signals = Mapping[str, NDArray[np.floating[Any]]]


def calls_for_help(signals: Signals, executed: int, thresholds: Mapping[str, float]) -> bool:
    """Whether one of an action's signals is above its threshold.

    Args:
        signals: About a chunk.
        executed: Which of its actions.
        thresholds: Of the signals that call; one that is not there calls.
    """
    return not all(
        name in signals and float(signals[name][executed]) <= threshold  # as doubles, as in C++
        for name, threshold in thresholds.items()
    )


def greatest_difference(mine: Signals, theirs: Signals) -> float:
    """How far two are apart beyond `ROUNDING`: 0 where they are not."""
    apart = 0.0
    for name in theirs:
        error = float(np.max(np.abs(mine[name] - theirs[name])))
        if not error <= ROUNDING[name]:
            apart = float(np.maximum(apart, error))
    return apart
