"""A lower bound for everybody: who goes the wrong way where nobody can catch up stays behind.

The expert walks one to the right at every step; the learner goes left instead with probability ε.
It then lies two behind for good, since to walk right is the best that anybody can do. After t
steps it is 2εt behind in expectation, and the sum over T steps is εT(T+1): of order εT² for any
learner of error ε, in its own states too. Such errors no correction mends (u grows with T).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Walk:
    """What many walkers did, beside what is predicted.

    Attributes:
        displacement: Mean distance behind the expert after T steps.
        displacement_error: Standard error of that mean.
        displacement_predicted: 2εT.
        cumulative: Mean of the distance summed over the T steps.
        cumulative_error: Standard error of that mean.
        cumulative_predicted: εT(T+1).
    """

    displacement: float
    displacement_error: float
    displacement_predicted: float
    cumulative: float
    cumulative_error: float
    cumulative_predicted: float


def walk_right(epsilon: float, horizon: int, walkers: int = 20_000, seed: int = 0) -> Walk:
    """Let walkers go, each for T steps.

    Args:
        epsilon: Probability of a step to the left, in (0, 1).
        horizon: T.
        walkers: How many; at least 2.
        seed: Of their errors.
    """
    wrong = np.random.default_rng(seed).random((walkers, horizon)) < epsilon
    behind = 2 * wrong.cumsum(axis=1)
    last, summed = behind[:, -1], behind.sum(axis=1)
    return Walk(
        displacement=float(last.mean()),
        displacement_error=float(last.std(ddof=1) / np.sqrt(walkers)),
        displacement_predicted=2 * epsilon * horizon,
        cumulative=float(summed.mean()),
        cumulative_error=float(summed.std(ddof=1) / np.sqrt(walkers)),
        cumulative_predicted=epsilon * horizon * (horizon + 1),
    )
