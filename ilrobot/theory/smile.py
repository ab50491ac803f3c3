"""SMILe: a mixture that moves from the expert to what was learnt in the mixture's own states.

Ross and Bagnell 2010; described in Ross, Gordon and Bagnell 2011, section 2.3:
    π_n = π_{n-1} + α(1-α)^{n-1} (π̂_n - π_0),   π_0 the expert, π̂_n learnt on the states of π_{n-1}.
"""

from __future__ import annotations

import numpy as np

from ilrobot.theory.classifier import fit
from ilrobot.theory.task import Array, TabularTask


def smile(task: TabularTask, epsilon: float, alpha: float = 0.1, rounds: int = 50) -> Array:
    """The mixture (T, S, A) after `rounds`, the expert taken out of it.

    Args:
        task: What to learn.
        epsilon: The classifier's error.
        alpha: In (0, 1). The paper's near-linear regret is for an α of order 1/T² and of order
            T² log T rounds; for any other α it is what it is found to be.
        rounds: N; the expert's share falls to (1-α)^N before it is taken out.
    """
    expert = mixture = task.expert
    for n in range(1, rounds + 1):
        visits = task.occupancy(mixture).sum(axis=0)
        novice = task.at_every_step(fit(visits[:, None] * task.mistakes, epsilon))
        mixture = mixed(mixture, novice, expert, n, alpha)
    return without_expert(mixture, expert, rounds, alpha)


def mixed(mixture: Array, novice: Array, expert: Array, n: int, alpha: float) -> Array:
    """π_n from π_{n-1} and π̂_n: the newcomer takes its share from the expert alone."""
    return mixture + alpha * (1 - alpha) ** (n - 1) * (novice - expert)


def without_expert(mixture: Array, expert: Array, n: int, alpha: float) -> Array:
    """π̃_n = (π_n - (1-α)^n π_0) / (1 - (1-α)^n): the learnt policies alone, scaled to one."""
    left = (1 - alpha) ** n
    return (mixture - left * expert) / (1 - left)


def shares(rounds: int, alpha: float) -> list[float]:
    """The weights of π̂_1 … π̂_N in the mixture without its expert; they sum to one."""
    names = np.eye(rounds + 1)  # the expert, then each learnt policy, as unit vectors
    mixture = names[0]
    for n in range(1, rounds + 1):
        mixture = mixed(mixture, names[n], names[0], n, alpha)
    return [float(share) for share in without_expert(mixture, names[0], rounds, alpha)[1:]]
