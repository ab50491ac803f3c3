"""Gymnasium's environments that lay their dynamics open, such as FrozenLake-v1, as worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from scipy import sparse

from ilrobot.errors import UserError
from ilrobot.learners.inverse.world import Array, World

#: What ``P[state][action]`` holds: probability, next state, reward, whether the episode ends there.
_Outcomes = Mapping[int, Mapping[int, Sequence[tuple[float, int, float, bool]]]]


@dataclass(frozen=True)
class ToyText:
    """An environment's states, and one more in which an episode is over.

    Attributes:
        world: S + 1 states: those of the environment and, last, the one after an end, which no
            action leaves. A demonstration that ended by itself gets it as its last state.
        reward: (S + 1, A), the environment's own, in expectation over the next state.
        over: The last state.
    """

    world: World
    reward: Array
    over: int


def toy_text(env: gym.Env[Any, Any], horizon: int, discount: float = 1.0) -> ToyText:
    """Read an environment's ``P`` and ``initial_state_distrib``.

    Args:
        env: With discrete observations and actions.
        horizon: T.
        discount: γ.

    Raises:
        UserError: It does not say how its states follow each other.
    """
    core = env.unwrapped
    outcomes: _Outcomes | None = getattr(core, "P", None)
    start = getattr(core, "initial_state_distrib", None)
    name = env.spec.id if env.spec else type(core).__name__
    if outcomes is None or start is None:
        raise UserError(
            f"task '{name}' does not lay its dynamics open (P and initial_state_distrib, as "
            "FrozenLake-v1 does); make a World of its transitions"
        )
    states, actions = len(outcomes), len(outcomes[0])
    ends = np.zeros(states + 1, dtype=bool)
    ends[[after for by in outcomes.values() for o in by.values() for _, after, _, e in o if e]] = 1
    ends[states] = True
    mass = sparse.lil_array((actions * (states + 1), states + 1))
    reward = np.zeros((states + 1, actions))
    for state in range(states + 1):
        for action in range(actions):
            row = action * (states + 1) + state
            if ends[state]:
                mass[row, states] = 1.0
                continue
            for probability, after, brought, _ in outcomes[state][action]:
                mass[row, after] += probability
                reward[state, action] += probability * brought
    begin = np.append(np.asarray(start, dtype=np.float64), 0.0)
    world = World(sparse.csr_array(mass), begin, horizon, discount)
    return ToyText(world, reward, states)
