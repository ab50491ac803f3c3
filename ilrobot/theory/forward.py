"""Forward training: a policy of its own for every step, each learnt where those before it lead.

Ross and Bagnell 2010; described in Ross, Gordon and Bagnell 2011, section 2.2. Regret ≤ uεT:
theorem 2.2 there.
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
