"""A finite-horizon MDP with an expert, small enough that nothing has to be sampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TabularTask:
    """A Markov decision process of S states and A actions over T steps, and its expert.

    A policy is an array (T, S, A) of action probabilities. Everything below is exact.

    Attributes:
        transitions: (S, A, S), the distribution of the next state.
        cost: (S, A), in [0, 1], paid at each step.
        start: (S,), the distribution of the first state.
        labels: (S,), integers: the action that the expert takes in each state.
        horizon: T, the number of steps.

    Raises:
        ValueError: The shapes do not fit, a distribution does not sum to one, T is below 1.
    """

    transitions: Array
    cost: Array
    start: Array
    labels: NDArray[np.int64]
    horizon: int

    def __post_init__(self) -> None:
        states, actions = self.cost.shape
        if self.transitions.shape != (states, actions, states):
            raise ValueError(f"transitions are {self.transitions.shape}, not (S, A, S)")
        if self.start.shape != (states,) or self.labels.shape != (states,):
            raise ValueError(f"start and labels need one entry for each of {states} states")
        for name in ("transitions", "start"):
            mass = getattr(self, name)
            if (mass < 0).any() or not np.allclose(mass.sum(axis=-1), 1):
                raise ValueError(f"{name}: not a distribution")
        if self.horizon < 1:
            raise ValueError(f"a horizon of {self.horizon} steps; at least 1")

    @property
    def expert(self) -> Array:
        """The expert as a policy (T, S, A)."""
        return self.at_every_step(np.eye(self.cost.shape[1])[self.labels])

    @property
    def mistakes(self) -> Array:
        """(S, A): 1 where an action is not the expert's, else 0."""
        return 1 - np.eye(self.cost.shape[1])[self.labels]

    def at_every_step(self, stationary: Array) -> Array:
        """A policy (T, S, A) that does the same at every step, from probabilities (S, A)."""
        return np.broadcast_to(stationary, (self.horizon, *stationary.shape))

    def occupancy(self, policy: Array) -> Array:
        """(T, S): where the policy is at each step; each row sums to one."""
        steps = np.einsum("tsa,sak->tsk", policy, self.transitions)
        visits = np.empty((self.horizon, len(self.start)))
        visits[0] = self.start
        for t in range(1, self.horizon):
            visits[t] = visits[t - 1] @ steps[t - 1]
        return visits

    def total(self, policy: Array, per_step: Array) -> float:
        """What the policy collects over T steps, in expectation.

        Args:
            policy: (T, S, A).
            per_step: (S, A), e.g. `cost` or `mistakes`.
        """
        return float(np.einsum("ts,tsa,sa->", self.occupancy(policy), policy, per_step))

    def regret(self, policy: Array) -> float:
        """J(policy) - J(expert): the expected cost over T steps beyond the expert's."""
        return self.total(policy, self.cost) - self.total(self.expert, self.cost)

    def cost_to_go(self, policy: Array) -> Array:
        """Q, (T, S, A): the cost of an action at a step and of the policy from there to T."""
        to_go = np.empty((self.horizon, *self.cost.shape))
        value = np.zeros(len(self.start))
        for t in reversed(range(self.horizon)):
            to_go[t] = self.cost + self.transitions @ value
            value = (policy[t] * to_go[t]).sum(axis=1)
        return to_go

    def recovery_cost(self) -> float:
        """u: the most that one deviation costs an expert who takes over after it.

        The maximum over steps, states and actions of Q*(t, s, a) - V*(t, s); Ross, Gordon and
        Bagnell 2011, theorem 2.2.
        """
        to_go = self.cost_to_go(self.expert)
        value = np.take_along_axis(to_go, self.labels[None, :, None], axis=2)
        return float((to_go - value).max())
