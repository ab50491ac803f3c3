"""AggreVaTe: DAgger with the expert's cost-to-go in place of its label.

Ross and Bagnell 2014, "Reinforcement and imitation learning via interactive no-regret learning",
arXiv:1406.5979, algorithm AggreVaTe.
"""

from __future__ import annotations

import numpy as np

from ilrobot.theory.classifier import fit
from ilrobot.theory.dagger import shared
from ilrobot.theory.task import Array, TabularTask


def aggrevate(task: TabularTask, epsilon: float, rounds: int = 5) -> Array:
    """The learnt policy (T, S, A) of least expected cost.

    The paper draws a step t, lets the policy drive until then, takes one action at random and lets
    the expert finish. Here the expectation over t and action is taken exactly, so that each round
    adds the expert's Q at all steps, weighted by the visits there.
    """
    data = np.zeros_like(task.cost)
    to_go = task.cost_to_go(task.expert)
    novice = task.expert  # never drives before it has learnt
    learnt = []
    for i in range(1, rounds + 1):
        driver = shared(task.expert, novice, beta=float(i == 1))
        data += np.einsum("ts,tsa->sa", task.occupancy(driver), to_go)
        novice = task.at_every_step(fit(data, epsilon))
        learnt.append(novice)
    return min(learnt, key=lambda policy: task.total(policy, task.cost))
