"""Forward training: a policy of its own for every step, each learnt where those before it lead.

Ross and Bagnell 2010, algorithm 3.1. Regret ≤ uεT.
"""

from __future__ import annotations

import numpy as np

from ilrobot.theory.classifier import fit
from ilrobot.theory.task import Array, TabularTask


def forward_training(task: TabularTask, epsilon: float) -> Array:
    """The T policies as one, (T, S, A)."""
    policy = np.empty((task.horizon, *task.cost.shape))
    visits = task.start
    for t in range(task.horizon):
        policy[t] = fit(visits[:, None] * task.mistakes, epsilon)
        visits = np.einsum("s,sa,sak->k", visits, policy[t], task.transitions)
    return policy
