"""The forward problem: from a reward to a policy, and from a policy to where it goes.

Ziebart, Bagnell and Dey 2010, "Modeling interaction via the principle of maximum causal entropy",
with a temperature α in front of the entropy:

    Q_t(s, a) = r(s, a) + γ Σ P(s'|s, a) V_{t+1}(s')      V_T = 0
    V_t(s)    = α log Σ_a exp(Q_t(s, a) / α)              α = 0: max_a Q_t(s, a)
    π_t(a|s)  = exp((Q_t(s, a) - V_t(s)) / α)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ilrobot.learners.inverse.world import Array, World


@dataclass(frozen=True)
class Plan:
    """What is best to do, and what it is worth.

    Attributes:
        policy: (T, S, A).
        value: (T, S), V; its entropy bonus included.
    """

    policy: Array
    value: Array


def plan(world: World, reward: Array, temperature: float = 1.0) -> Plan:
    """Plan backward from the last step.

    Args:
        world: Where.
        reward: (S,) or (S, A).
        temperature: α ≥ 0. At 0 it is value iteration, and the first of equally good actions is
            taken.

    Raises:
        ValueError: The reward has another shape, or the temperature is negative.
    """
    states, actions = world.states, world.actions
    if reward.shape not in ((states,), (states, actions)):
        raise ValueError(f"a reward of shape {reward.shape}, not ({states},) or (…, {actions})")
    if temperature < 0:
        raise ValueError(f"a temperature of {temperature}; at least 0")
    # Actions first: sums over a few actions are fast along the outer axis.
    by_action = np.ascontiguousarray(reward.T)
    policy = np.empty((world.horizon, actions, states))
    value = np.empty((world.horizon, states))
    following = np.zeros(states)
    for t in reversed(range(world.horizon)):
        q = by_action + world.discount * world.expected_next(following)
        best = q.max(axis=0)
        if temperature == 0:
            policy[t] = np.arange(actions)[:, None] == q.argmax(axis=0)
            following = best
        else:
            likelihood = np.exp((q - best) / temperature)
            total = likelihood.sum(axis=0)
            np.divide(likelihood, total, out=policy[t])
            following = best + temperature * np.log(total)
        value[t] = following
    return Plan(policy.transpose(0, 2, 1), value)


def occupancies(world: World, policy: Array) -> Array:
    """(T, S): where a policy (T, S, A) is at each step; each row sums to one."""
    visits = np.empty((world.horizon, world.states))
    visits[0] = world.start
    for t in range(1, world.horizon):
        flow = policy[t - 1].T * visits[t - 1]
        visits[t] = world.predecessors @ flow.ravel()
    return visits


def sample(world: World, policy: Array, episodes: int, seed: int) -> NDArray[np.int64]:
    """The states of sampled episodes, (episodes, T)."""
    generator = np.random.default_rng(seed)
    mass = np.cumsum(world.transitions.data)  # grows by one per row
    first, last = world.transitions.indptr[:-1], world.transitions.indptr[1:] - 1
    visited = np.empty((episodes, world.horizon), dtype=np.int64)
    state = generator.choice(world.states, size=episodes, p=world.start)
    for t in range(world.horizon):
        visited[:, t] = state
        drawn = generator.random((2, episodes))
        below = np.cumsum(policy[t, state], axis=1) <= drawn[0, :, None]
        action = np.minimum(below.sum(axis=1), world.actions - 1)
        row = action * world.states + state
        entry = np.searchsorted(mass, row + drawn[1], side="right")
        state = world.transitions.indices[np.clip(entry, first[row], last[row])].astype(np.int64)
    return visited
