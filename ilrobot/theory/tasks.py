"""The two tasks of the study."""

from __future__ import annotations

import numpy as np

from ilrobot.theory.task import TabularTask

ROAD, LEDGE = 0, 1


def cliff(horizon: int) -> TabularTask:
    """A road along a cliff, from which one falls to a ledge, from which one can climb back.

    States: road, ledge. Actions: 0 walks along, 1 turns towards the other level. The expert walks
    along the road and would climb back from the ledge, where it never is. Each step on the ledge
    costs 1. One deviation costs the expert one step (u = 1), so that nothing but not knowing the
    ledge makes errors add up.
    """
    along, turn = np.eye(2), np.eye(2)[::-1]
    return TabularTask(
        transitions=np.stack([along, turn], axis=1),
        cost=np.array([[0.0, 0.0], [1.0, 1.0]]),
        start=np.array([1.0, 0.0]),
        labels=np.array([0, 1]),
        horizon=horizon,
    )


def fork(horizon: int) -> TabularTask:
    """The three states on which the bound of behavioural cloning is met with equality.

    The idea of the tight example of Ross and Bagnell 2010 (its regret is quoted by Ross, Gordon and
    Bagnell 2011, section 2.1): everything is decided at the first step. State 0 is the fork, 1 the
    good branch, 2 the bad one; nobody comes back. The wrong turn and each step on the bad branch
    cost 1.
    """
    transitions = np.zeros((3, 2, 3))
    transitions[0, 0, 1] = transitions[0, 1, 2] = 1
    transitions[1, :, 1] = transitions[2, :, 2] = 1
    return TabularTask(
        transitions=transitions,
        cost=np.array([[0.0, 1.0], [0.0, 0.0], [1.0, 1.0]]),
        start=np.array([1.0, 0.0, 0.0]),
        labels=np.array([0, 0, 0]),
        horizon=horizon,
    )
