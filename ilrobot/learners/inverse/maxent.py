"""Maximum (causal) entropy inverse reinforcement learning.

Ziebart, Maas, Bagnell and Dey 2008, "Maximum entropy inverse reinforcement learning"; for random
dynamics Ziebart, Bagnell and Dey 2010 (MCE-IRL), which is the same where dynamics are
deterministic. Of all policies that match the expert's feature expectations μ_E it is the least
committed. The weights maximise the concave dual

    L(θ) = θ·μ_E - Σ_s p_0(s) V_0(s; θ)          ∇L = μ_E - μ(θ)

with the soft value V of a backward pass and μ of a forward pass, both exact.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from ilrobot.learners.inverse.demonstrations import Features, check_features, feature_expectations
from ilrobot.learners.inverse.planning import occupancies, plan
from ilrobot.learners.inverse.recovered import Recovered
from ilrobot.learners.inverse.world import Array, World

#: Visits below which a feature counts as rare in the scaling of the optimiser.
_RARE = 1e-2


def maxent_irl(
    world: World,
    expert: Array,
    features: Features,
    *,
    tolerance: float = 1e-3,
    iterations: int = 1_000,
    l2: float = 0.0,
) -> Recovered:
    """The reward θ·φ(s) under which acting softly (α = 1) is what the expert did.

    Args:
        world: Where, without its reward.
        expert: μ_E, (K,), of `feature_expectations`.
        features: φ, (S, K); `one_hot` for a free reward in each state.
        tolerance: It ends when no feature's expectation differs by more (L∞).
        iterations: At most so many, of L-BFGS.
        l2: λ of a penalty λ/2 ‖θ‖². Without one, rewards of what was never demonstrated, or of what
            the dynamics do not allow, go on falling; with one the gap that remains is λ|θ|.

    Raises:
        ValueError: The shapes do not fit.
    """
    check_features(world, expert, features)
    history: list[float] = []
    gap = slope = np.inf
    # Counts of rare features vary like Poisson's: in these units the dual is nearly round.
    unit = 1 / np.sqrt(np.abs(expert) + _RARE)

    def negated(scaled: Array) -> tuple[float, Array]:
        nonlocal gap, slope
        weights = scaled * unit
        value, gradient = dual(world, weights, expert, features)
        uphill = gradient - l2 * weights
        gap, slope = (float(np.abs(change).max()) for change in (gradient, uphill))
        return float(l2 / 2 * weights @ weights) - value, -uphill * unit

    def after_iteration(_: Array) -> None:
        # Nothing was evaluated since the point from which L-BFGS goes on.
        history.append(gap)
        if slope <= tolerance:
            raise StopIteration

    found = optimize.minimize(
        negated,
        np.zeros(len(expert)),
        jac=True,
        method="L-BFGS-B",
        callback=after_iteration,
        options={"gtol": 0.0, "ftol": 0.0, "maxcor": 20, "maxiter": iterations},
    )
    weights = found.x * unit
    reward = np.asarray(features @ weights)
    policy = plan(world, reward).policy
    visits = occupancies(world, policy)
    return Recovered(
        weights=weights,
        reward=reward,
        policy=policy,
        occupancies=visits,
        history=tuple(history),
        gap=float(np.abs(feature_expectations(world, visits, features) - expert).max()),
        converged=slope <= tolerance,
    )


def dual(world: World, weights: Array, expert: Array, features: Features) -> tuple[float, Array]:
    """L(θ) and its gradient (K,)."""
    planned = plan(world, np.asarray(features @ weights))
    visits = occupancies(world, planned.policy)
    value = weights @ expert - world.start @ planned.value[0]
    return float(value), expert - feature_expectations(world, visits, features)
