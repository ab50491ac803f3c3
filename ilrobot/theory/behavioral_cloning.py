"""Behavioural cloning: learn on the expert's states, act on one's own.

Pomerleau 1989. Regret ≤ εT²: Ross and Bagnell 2010, quoted by Ross, Gordon and Bagnell 2011 as
theorem 2.1.
"""

from __future__ import annotations

import numpy as np

from ilrobot.theory.classifier import fit
from ilrobot.theory.task import Array, TabularTask


def behavioral_cloning(task: TabularTask, epsilon: float) -> Array:
    """The policy (T, S, A) learnt from the expert's own distribution of states."""
    visits = task.occupancy(task.expert).sum(axis=0)
    return task.at_every_step(fit(visits[:, None] * task.mistakes, epsilon))


def worst_case(task: TabularTask, epsilon: float) -> Array:
    """A policy (T, S, A) of error ε on the expert's states that makes all its errors at the start.

    It errs at the first step with probability εT (at most 1) and never again: ε on average over the
    T steps of the expert, and the most that the bound allows.
    """
    policy = np.array(task.expert)
    wrong = task.mistakes / task.mistakes.sum(axis=1, keepdims=True)
    early = min(1.0, epsilon * task.horizon)
    policy[0] = (1 - early) * policy[0] + early * wrong
    return policy
