"""The learner inside every method: it errs with probability ε, whatever it was taught."""

from __future__ import annotations

import numpy as np

from ilrobot.theory.task import Array


def fit(loss: Array, epsilon: float) -> Array:
    """The policy that a cost-sensitive classifier of error ε learns from a whole distribution.

    Where the data tell actions apart it takes the one of least loss; elsewhere the one that is best
    over all data, as a classifier extends what it knows to what it has not seen. With probability
    ε it takes another action, all others being equally likely.

    Args:
        loss: (S, A), the loss of each action, summed over the data in each state; the number of
            visits times `TabularTask.mistakes` is plain classification.
        epsilon: In [0, 1].

    Returns:
        (S, A), action probabilities.
    """
    taught = loss.max(axis=1) > loss.min(axis=1)
    choice = np.where(taught, loss.argmin(axis=1), loss.sum(axis=0).argmin())
    actions = loss.shape[1]
    chosen = np.eye(actions)[choice]
    return (1 - epsilon) * chosen + epsilon / (actions - 1) * (1 - chosen)
