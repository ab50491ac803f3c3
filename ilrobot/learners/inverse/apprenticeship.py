"""Apprenticeship learning by matching feature expectations.

Abbeel and Ng 2004, "Apprenticeship learning via inverse reinforcement learning". Each round plans
for a reward w·φ(s) by which the expert would beat all policies so far, until some mixture of them
has the expert's feature expectations μ_E:

    projection    w = μ_E - μ̄, with μ̄ the nearest mixture on the line to the newest policy
                  (section 3.1)
    max-margin    max_{t, ‖w‖ ≤ 1} t   so that   w·μ_E ≥ w·μ_j + t   for all j   (equation 11)
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from ilrobot.learners.inverse.demonstrations import Features, check_features, feature_expectations
from ilrobot.learners.inverse.planning import occupancies, plan
from ilrobot.learners.inverse.recovered import Recovered
from ilrobot.learners.inverse.world import Array, World

Choices = NDArray[np.int64]


def apprenticeship(
    world: World,
    expert: Array,
    features: Features,
    *,
    method: Literal["projection", "max-margin"] = "projection",
    tolerance: float = 1e-2,
    iterations: int = 200,
) -> Recovered:
    """A policy whose feature expectations are the expert's, and the last reward on the way there.

    The paper's answer is a mixture: one of the planned policies is drawn at the start of an
    episode. Returned is the one policy that visits every state and action at every step as often.
    The reward is that by which the expert was last told apart from the mixtures; it explains the
    expert less well the closer they come, and is not what `maxent_irl` recovers.

    Args:
        world: Where, without its reward.
        expert: μ_E, (K,), of `feature_expectations`.
        features: φ, (S, K).
        method: How the next reward is chosen; `max-margin` takes fewer rounds and solves a
            quadratic programme in each.
        tolerance: It ends when ‖μ_E - μ‖₂ of the mixture is no more.
        iterations: Policies planned, at most.

    Raises:
        ValueError: The shapes do not fit, or there is to be no iteration.
    """
    check_features(world, expert, features)
    if iterations < 1:
        raise ValueError(f"{iterations} iterations; at least 1")
    weights = np.zeros(len(expert))
    shares = np.ones(1)
    planned: list[Choices] = []
    reached: list[Array] = []
    history: list[float] = []
    while len(planned) < iterations:
        policy = plan(world, np.asarray(features @ weights), temperature=0).policy
        planned.append(policy.argmax(axis=2))
        reached.append(feature_expectations(world, occupancies(world, policy), features))
        if method == "projection":
            shares = _projected(expert, np.array(reached), shares)
        else:
            shares = _nearest(expert, np.array(reached), history[-1] if history else 1.0)
        missing = expert - shares @ np.array(reached)
        history.append(float(np.linalg.norm(missing)))
        if history[-1] <= tolerance:
            break
        weights = missing / history[-1]
    policy, visits = _mixture(world, planned, shares)
    return Recovered(
        weights=weights,
        reward=np.asarray(features @ weights),
        policy=policy,
        occupancies=visits,
        history=tuple(history),
        gap=history[-1],
        converged=history[-1] <= tolerance,
    )


def _projected(expert: Array, reached: Array, shares: Array) -> Array:
    """Shares (n,) of the policies: μ̄ moves towards the newest, as near to μ_E as the way leads."""
    if len(reached) == 1:
        return np.ones(1)
    before = shares @ reached[:-1]
    way = reached[-1] - before
    length = way @ way
    moved = float(np.clip(way @ (expert - before) / length, 0, 1)) if length else 0.0
    return np.append((1 - moved) * shares, moved)


def _nearest(expert: Array, reached: Array, scale: float) -> Array:
    """Shares (n,) of the mixture nearest to μ_E, from which the max-margin w points to μ_E.

    Of d_j = μ_E - μ_j the programme seeks the shortest w with w·d_j ≥ 1. Its multipliers u minimise
    ‖Σ u_j d_j‖² + (Σ u_j - 1)² over u ≥ 0 (Lawson and Hanson 1974, chapter 23), which has an answer
    even where a mixture matches the expert and no w is left; scaled to one, they are the shares.

    Args:
        expert: μ_E, (K,).
        reached: μ_j, (n, K).
        scale: About as far as the nearest mixture is away, so that the sum is well conditioned.
    """
    apart = (expert - reached) / scale
    rows = np.vstack([apart.T, np.ones(len(apart))])
    multipliers, _ = optimize.nnls(rows, np.eye(1, len(rows), len(rows) - 1)[0])
    return np.asarray(multipliers / multipliers.sum())


def _mixture(world: World, planned: list[Choices], shares: Array) -> tuple[Array, Array]:
    """One policy (T, S, A) with the mixture's occupancies, and these (T, S).

    π_t(a|s) ∝ Σ_j λ_j D_j,t(s) π_j,t(a|s); where the mixture never is, its likeliest part decides.
    """
    joint = np.zeros((world.horizon, world.states, world.actions))
    for choices, share in zip(planned, shares, strict=True):
        if share > 0:
            policy = np.eye(world.actions)[choices]
            joint += share * occupancies(world, policy)[:, :, None] * policy
    visits = joint.sum(axis=2)
    likeliest = np.eye(world.actions)[planned[int(shares.argmax())]]
    seen = visits[:, :, None] > 0
    policy = np.where(seen, joint / np.where(seen, visits[:, :, None], 1), likeliest)
    return policy, visits
