"""A Markov decision process without a reward: what inverse reinforcement learning starts from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """S states and A actions over T steps, with sparse dynamics.

    The sparse sibling of `ilrobot.theory.task.TabularTask`, which has a cost and an expert besides.
    A reward is an array (S,) paid in each of the T states of an episode, or (S, A); a policy is an
    array (T, S, A) of action probabilities.

    Attributes:
        transitions: (A·S, S), the distribution of the next state; row a·S + s is action a in
            state s. `World.of` makes it from a dense (S, A, S).
        start: (S,), the distribution of the first state.
        horizon: T, the number of states and of actions in an episode.
        discount: γ in (0, 1]; what step t collects counts γ^t.

    Raises:
        ValueError: The shapes do not fit, a distribution does not sum to one, T is below 1 or γ
            is out of range.
    """

    transitions: sparse.csr_array
    start: Array
    horizon: int
    discount: float = 1.0

    def __post_init__(self) -> None:
        rows, states = self.transitions.shape
        if self.start.shape != (states,):
            raise ValueError(f"start is {self.start.shape}; it needs one entry per state: {states}")
        if not rows or rows % states:
            raise ValueError(f"transitions are {self.transitions.shape}, not (A·S, S)")
        for name, smallest, mass in (
            ("transitions", self.transitions.min(), self.transitions.sum(axis=1)),
            ("start", self.start.min(), self.start.sum()),
        ):
            if smallest < 0 or not np.allclose(mass, 1):
                raise ValueError(f"{name}: not a distribution")
        if self.horizon < 1:
            raise ValueError(f"a horizon of {self.horizon} steps; at least 1")
        if not 0 < self.discount <= 1:
            raise ValueError(f"a discount of {self.discount}; it must be in (0, 1]")

    @classmethod
    def of(cls, transitions: Array, start: Array, horizon: int, discount: float = 1.0) -> World:
        """A world from dense transitions (S, A, S)."""
        states = transitions.shape[0]
        rows = transitions.transpose(1, 0, 2).reshape(-1, states)
        return cls(sparse.csr_array(rows), start, horizon, discount)

    @property
    def states(self) -> int:
        """S."""
        return len(self.start)

    @property
    def actions(self) -> int:
        """A."""
        return int(self.transitions.shape[0]) // self.states

    @cached_property
    def predecessors(self) -> sparse.csr_array:
        """(S, A·S): the transitions transposed, for sums over where a state is entered from."""
        return sparse.csr_array(self.transitions.T)

    @cached_property
    def discounts(self) -> Array:
        """(T,): γ^t."""
        return self.discount ** np.arange(self.horizon, dtype=np.float64)

    def expected_next(self, value: Array) -> Array:
        """(A, S): the expectation of `value` (S,) after each action in each state."""
        return (self.transitions @ value).reshape(self.actions, self.states)

    def can_follow(self, before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether some action leads from each state of `before` to that of `after`, both (N,)."""
        found = np.zeros(len(before), dtype=bool)
        for action in range(self.actions):
            found |= self.transitions[action * self.states + before, after] > 0
        return found
