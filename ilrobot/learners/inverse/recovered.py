"""What every method of inverse reinforcement learning leaves."""

from __future__ import annotations

from dataclasses import dataclass

from ilrobot.learners.inverse.world import Array


@dataclass(frozen=True)
class Recovered:
    """A reward, and the policy that matches the expert by it.

    Attributes:
        weights: (K,), θ of r(s) = θ·φ(s).
        reward: (S,), r. Demonstrations determine it up to a constant at the most.
        policy: (T, S, A), the learner's.
        occupancies: (T, S), where that policy is at each step.
        history: The feature gap after each iteration, in the norm by which the method stops.
        gap: How far the learner's feature expectations are from the expert's in the end.
        converged: Whether the method came as close as it was asked to.
    """

    weights: Array
    reward: Array
    policy: Array
    occupancies: Array
    history: tuple[float, ...]
    gap: float
    converged: bool
