"""Adversarial inverse reinforcement learning where every expectation is a sum.

Fu, Luo and Levine 2018, "Learning robust rewards with adversarial inverse reinforcement learning":

    D = exp f / (exp f + π(a|s))      f(s, a) = g + γ E[h(s')|s, a] - h(s)      (equation 4)

with g of the state or of state and action. Given π, the discriminator minimises its loss over all
state-action pairs, weighted by how often expert and policy are there, which is a convex problem;
given f, π is the soft optimum for f, since log D - log(1 - D) = f - log π. At the optimum π is the
expert's and f its advantage. The expectation over s' makes that hold for random dynamics, too: the
paper's f of one sampled s' can be the advantage in deterministic ones only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize

from ilrobot.learners.inverse.planning import occupancies, plan
from ilrobot.learners.inverse.world import Array, World

#: What the reward is a function of: r(s) or r(s, a).
RewardInputs = Literal["state", "state-action"]

#: How far the weights go towards the discriminator's optimum in a round. All the way, policy and
#: discriminator of deterministic worlds chase each other for ever.
_STEP = 0.3


@dataclass(frozen=True)
class TabularAirl:
    """What adversarial training ended with.

    Attributes:
        reward: g, (S,) or (S, A).
        potential: h, (S,).
        policy: (S, A).
        distance: Total variation between the discounted visits of policy and expert, in [0, 1].
        rounds: Rounds that it took.
    """

    reward: Array
    potential: Array
    policy: Array
    distance: float
    rounds: int


def tabular_airl(
    world: World,
    expert: Array,
    inputs: RewardInputs,
    *,
    seed: int = 0,
    tolerance: float = 1e-6,
    rounds: int = 200,
) -> TabularAirl:
    """Train policy against discriminator until the policy visits what the expert does.

    Args:
        world: Where; its horizon must be so long that γ^T is nothing, as policies are stationary.
        expert: (S, A), soft optimal for its reward at the temperature 1.
        inputs: Of the reward.
        seed: Of the weights that training begins with, standard normal.
        tolerance: Of the distance, at which it ends.
        rounds: At most so many.
    """
    terms = _design(world, inputs)
    weights: Array = np.random.default_rng(seed).normal(size=(terms.shape[1],))
    of_expert = discounted_visits(world, expert)
    for done in range(1, rounds + 1):
        policy = stationary(world, (terms @ weights).reshape(world.states, world.actions))
        of_policy = discounted_visits(world, policy)
        distance = float(np.abs(of_expert - of_policy).sum() / 2)
        if distance <= tolerance or done == rounds:
            break
        best = _discriminate(terms, weights, policy, of_expert, of_policy)
        weights = weights + _STEP * (best - weights)
    # Any potential leaves the policy as it is: only the discriminator's optimum determines h.
    weights = _discriminate(terms, weights, policy, of_expert, of_policy)
    reward, potential = np.split(weights, [-world.states])
    if inputs == "state-action":
        reward = reward.reshape(world.states, world.actions)
    return TabularAirl(reward, potential, policy, distance, done)


def stationary(world: World, reward: Array, temperature: float = 1.0) -> Array:
    """The policy (S, A) of the first of many steps."""
    return plan(world, reward, temperature).policy[0]


def discounted_visits(world: World, policy: Array) -> Array:
    """ρ(s, a) = (1 - γ) Σ_t γ^t P(s_t = s) π(a|s), (S, A), for a policy (S, A); its sum is one."""
    everywhere = np.broadcast_to(policy, (world.horizon, *policy.shape))
    states = world.discounts @ occupancies(world, everywhere) / world.discounts.sum()
    return states[:, None] * policy


def unidentified(world: World) -> int:
    """Directions in which a state-only reward and its potential can move and f stays as it is.

    One is the constant, g + c(1 - γ) with h + c. Where there are more, the dynamics are not
    decomposable (Fu et al. 2018, definition B.1) and the reward is not determined to a constant.
    """
    terms = _design(world, "state")
    return int(terms.shape[1] - np.linalg.matrix_rank(terms))


def _design(world: World, inputs: RewardInputs) -> Array:
    """(S·A, G + S): f is this times the weights g and h."""
    states, actions = world.states, world.actions
    after = world.transitions.toarray().reshape(actions, states, states).transpose(1, 0, 2)
    here = np.repeat(np.eye(states), actions, axis=0)
    reward = here if inputs == "state" else np.eye(states * actions)
    return np.hstack([reward, world.discount * after.reshape(-1, states) - here])


def _discriminate(
    terms: Array, weights: Array, policy: Array, of_expert: Array, of_policy: Array
) -> Array:
    """The weights of least cross-entropy, the expert being label 1; logit D = f - log π."""
    expert, learner, log_density = of_expert.ravel(), of_policy.ravel(), np.log(policy).ravel()

    def loss(weights: Array) -> tuple[float, Array]:
        logit = terms @ weights - log_density
        judged = 0.5 * (1 + np.tanh(logit / 2))  # D
        entropy = expert @ np.logaddexp(0, -logit) + learner @ np.logaddexp(0, logit)
        return float(entropy), terms.T @ (learner * judged - expert * (1 - judged))

    options = {"maxiter": 100, "gtol": 1e-12, "ftol": 0.0}
    found = optimize.minimize(loss, weights, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x)
