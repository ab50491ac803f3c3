"""DAgger: learn from all states that the learner ever led to, labelled by the expert.

Ross, Gordon and Bagnell 2011, algorithm 3.1. Regret ≤ uεT + O(1): theorem 3.2.
"""

from __future__ import annotations

import numpy as np

from ilrobot.theory.classifier import fit
from ilrobot.theory.task import Array, TabularTask


def dagger(task: TabularTask, epsilon: float, rounds: int = 5) -> Array:
    """The best of the learnt policies (T, S, A): the one least often wrong in its own states.

    β is the paper's indicator: the expert drives in the first round, the learner after it.
    """
    data = np.zeros_like(task.cost)
    novice = task.expert  # never drives before it has learnt
    learnt = []
    for i in range(1, rounds + 1):
        driver = shared(task.expert, novice, beta=float(i == 1))
        data += task.occupancy(driver).sum(axis=0)[:, None] * task.mistakes
        novice = task.at_every_step(fit(data, epsilon))
        learnt.append(novice)
    return min(learnt, key=lambda policy: task.total(policy, task.mistakes))


def shared(expert: Array, novice: Array, beta: float) -> Array:
    """β π* + (1-β) π̂: who drives is drawn anew at every step."""
    return beta * expert + (1 - beta) * novice
