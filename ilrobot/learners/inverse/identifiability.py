"""Can the reward be told from the behaviour? AIRL on random MDPs, then with other dynamics.

After Fu, Luo and Levine 2018, sections 5 and 7.1: 16 states and 4 actions. A reward of the state
alone is determined to a constant, and its optimum stays the expert's where the dynamics change; a
reward of state and action can hide a potential, which is only harmless in the dynamics it was
learnt in (Ng, Harada and Russell 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ilrobot.learners.inverse.tabular_airl import (
    RewardInputs,
    discounted_visits,
    stationary,
    tabular_airl,
    unidentified,
)
from ilrobot.learners.inverse.world import Array, World

#: How a state follows: from a flat Dirichlet distribution of its own for each state and action, or
#: always the same one, drawn uniformly.
Dynamics = Literal["random", "deterministic"]

STATES, ACTIONS, DISCOUNT = 16, 4, 0.9
#: γ^T is 4e-12.
_HORIZON = 250
_ELSEWHERE = 1_000_000


@dataclass(frozen=True)
class Identified:
    """One MDP.

    Attributes:
        true: (S,), the reward that the expert maximises, mean zero.
        recovered: (S,), the learnt one, averaged over actions, mean zero.
        residual: Standard deviation of learnt minus true reward over states and actions, as a share
            of that of the true one: 0 where they differ by a constant only.
        correlation: Of the two over states and actions.
        distance: Total variation between the visits of learnt policy and expert.
        here: Return of the optimal policy for the learnt reward, by the true one: 1 is the best
            that can be, 0 what random actions get.
        elsewhere: The same in other dynamics.
        reused: The return there of the learnt policy, left as it is.
        unidentified: Directions in which the state-only reward is free; 1 is the constant.
    """

    true: Array
    recovered: Array
    residual: float
    correlation: float
    distance: float
    here: float
    elsewhere: float
    reused: float
    unidentified: int


def random_world(dynamics: Dynamics, seed: int) -> World:
    """Random transitions; every state is as likely to be the first."""
    generator = np.random.default_rng(seed)
    if dynamics == "random":
        transitions = generator.dirichlet(np.ones(STATES), size=(STATES, ACTIONS))
    else:
        transitions = np.eye(STATES)[generator.integers(STATES, size=(STATES, ACTIONS))]
    return World.of(transitions, np.full(STATES, 1 / STATES), _HORIZON, DISCOUNT)


def identify(dynamics: Dynamics, inputs: RewardInputs, seed: int) -> Identified:
    """Draw an MDP with a reward, learn from its soft expert, and judge what was learnt."""
    world = random_world(dynamics, seed)
    other = random_world(dynamics, seed + _ELSEWHERE)
    true = np.random.default_rng([seed, 1]).normal(size=STATES)
    true -= true.mean()
    found = tabular_airl(world, stationary(world, true), inputs, seed=seed)
    by_state = found.reward if inputs == "state-action" else found.reward[:, None]
    learnt, repeated = (
        np.broadcast_to(reward, (STATES, ACTIONS))
        for reward in (by_state - by_state.mean(), true[:, None])
    )
    return Identified(
        true=true,
        recovered=learnt.mean(axis=1),
        residual=float((learnt - repeated).std() / true.std()),
        correlation=float(np.corrcoef(learnt.ravel(), repeated.ravel())[0, 1]),
        distance=found.distance,
        here=_scored(world, true, stationary(world, found.reward, temperature=0)),
        elsewhere=_scored(other, true, stationary(other, found.reward, temperature=0)),
        reused=_scored(other, true, found.policy),
        unidentified=unidentified(world),
    )


def _scored(world: World, true: Array, policy: Array) -> float:
    """The return of a policy, 0 being that of random actions and 1 the best."""

    def collected(policy: Array) -> float:
        return float(discounted_visits(world, policy).sum(axis=1) @ true)

    lowest = collected(np.full((STATES, ACTIONS), 1 / ACTIONS))
    best = collected(stationary(world, true, temperature=0))
    return (collected(policy) - lowest) / (best - lowest)
