"""An expert that is disturbed while it acts, so that recovering from mistakes is seen.

    executed = π*(o) + N(0, Σ)        label = π*(o)

DART (Laskey et al. 2017, arXiv:1703.09327) disturbs the supervisor so in whole demonstrations, by
a Σ like the policy's own errors (`ilrobot.learners.interactive.dart`); LazyDAgger (Hoque et al.
2021, arXiv:2104.00053) in its interventions, by Σ = σ² I.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Actor, Decision, Observation, WrappedActor
from ilrobot.errors import UserError
from ilrobot.spec import Spec

#: Rounding may leave a covariance so far from symmetric and positive, beside its greatest element.
_ROUNDING = 1e-6


class NoisyExpert(WrappedActor):
    """Executes the expert's action with noise, within limits; the label stays what was meant.

    Args:
        expert: A scripted one, or a policy.
        spec: The task's; its action is no choice.
        covariance: Σ of the action's elements, shape (A, A), in products of their units; it may be
            singular.
        seed: Seed of the draws where an episode gives none.

    Raises:
        UserError: The expert is a person, Σ is no covariance of this action, or the action is one
            of several choices.
    """

    def __init__(
        self, expert: Actor, spec: Spec, covariance: NDArray[np.float64], seed: int = 0
    ) -> None:
        if expert.attends:
            raise UserError(
                "a person's hand is not disturbed; take a scripted expert or a stronger policy"
            )
        if spec.choices is not None:
            raise UserError("noise cannot be added to this task's actions, which are choices")
        super().__init__(expert)
        self._seed = seed
        self._root = _root(covariance, spec.action.size)
        self._low, self._high = spec.action.low, spec.action.high
        self._generator = np.random.default_rng(seed)

    @classmethod
    def isotropic(cls, expert: Actor, spec: Spec, std: float, seed: int = 0) -> NoisyExpert:
        """With σ = `std` for each element by itself, in its unit.

        Raises:
            UserError: σ is negative or not finite, or the action is one of several choices.
        """
        if not 0.0 <= std < np.inf:
            raise UserError(f"the noise on the expert must be 0 or more, not {std}")
        return cls(expert, spec, std**2 * np.eye(spec.action.size), seed)

    def reset(self, seed: int | None = None) -> None:
        """Draw anew; the same seed gives the same draws."""
        self._actor.reset(seed)
        self._generator = np.random.default_rng([self._seed, 0 if seed is None else 1 + seed, 3])

    def act(self, observation: Observation, now: float) -> Decision:
        """What the expert means, and what becomes of it."""
        meant = self._actor.act(observation, now)
        noise = self._root @ self._generator.standard_normal(len(self._root))
        disturbed = meant.action + noise.reshape(meant.action.shape)
        disturbed = disturbed.astype(meant.action.dtype)
        # Clip only where there are limits; an unbounded side is infinite or not stated.
        if self._low is not None or self._high is not None:
            disturbed = np.clip(disturbed, self._low, self._high).astype(meant.action.dtype)
        label = meant.action if meant.human_action is None else meant.human_action
        return replace(meant, action=disturbed, human_action=label)


def _root(covariance: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The symmetric R with R R = Σ; unlike Cholesky's it is there for a singular Σ, too."""
    matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.shape != (size, size):
        raise UserError(
            f"the noise's covariance is of shape {matrix.shape}; this action has {size} elements, "
            f"so it must be ({size}, {size})"
        )
    if not np.isfinite(matrix).all():
        raise UserError("the noise's covariance must be finite")
    slack = _ROUNDING * float(np.abs(matrix).max(initial=0.0))
    if np.abs(matrix - matrix.T).max(initial=0.0) > slack:
        raise UserError("the noise's covariance must be symmetric")
    values, vectors = np.linalg.eigh(matrix)
    if values.min(initial=0.0) < -slack:
        raise UserError(f"the noise's covariance has a negative variance, {values.min():.3g}")
    root: NDArray[np.float64] = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    return root
