"""A learner that errs: the ε of the theory, put into the real loop.

    executed = a wrong action with probability ε, else π̂(o)

What a bound calls the error per step is a probability there; a network's own error is none, and is
different in every state. An injected one is known.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Actor, Decision, Observation, WrappedActor
from ilrobot.errors import UserError
from ilrobot.spec import Spec


def action_limits(spec: Spec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest value of each element of the action, in its shape and units.

    Raises:
        UserError: An element has none.
    """
    low, high = (
        np.array(side or np.inf, np.float64) for side in (spec.action.low, spec.action.high)
    )
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise UserError(
            f"the action of {spec.task} has no limits between which one could be drawn; take a "
            "task whose action space is bounded"
        )
    return low.reshape(spec.action.shape), high.reshape(spec.action.shape)


class ErringActor(WrappedActor):
    """Does what another actor wants, but for a step drawn with probability ε.

    A wrong action has each element at one of its two limits, drawn by a coin; of choices it is
    another one.

    Args:
        actor: Who wants.
        spec: The task's.
        epsilon: Probability of a wrong action, in [0, 1].
        seed: Seed of the draws where an episode gives none.

    Raises:
        UserError: ε is no probability, or the action has no limits.
    """

    def __init__(self, actor: Actor, spec: Spec, epsilon: float, seed: int = 0) -> None:
        if not 0.0 <= epsilon <= 1.0:
            raise UserError(f"the error of a learner must be in [0, 1], not {epsilon}")
        super().__init__(actor)
        self._epsilon, self._seed = epsilon, seed
        self._choices = spec.choices
        if spec.choices is None:
            self._low, self._high = action_limits(spec)
        self._generator = np.random.default_rng(seed)

    def reset(self, seed: int | None = None) -> None:
        """Draw anew; the same seed gives the same draws."""
        super().reset(seed)
        self._generator = self._draws(seed)

    def errs_within(self, steps: int, seed: int | None) -> bool:
        """Whether any of the first steps of an episode of this seed goes wrong."""
        return bool((self._draws(seed).random(steps) < self._epsilon).any())

    def act(self, observation: Observation, now: float) -> Decision:
        """What the actor wants, or a wrong action in its place."""
        decision = self._actor.act(observation, now)
        if self._generator.random() >= self._epsilon:
            return decision
        return replace(decision, action=self._wrong(decision.action))

    def _draws(self, seed: int | None) -> np.random.Generator:
        return np.random.default_rng([self._seed, 0 if seed is None else 1 + seed, 6])

    def _wrong(self, action: Action) -> Action:
        if self._choices is not None:
            other = (int(action) + self._generator.integers(1, self._choices)) % self._choices
            return np.asarray(other, dtype=action.dtype)
        coin = self._generator.random(action.shape) < 0.5
        return np.where(coin, self._low, self._high).astype(action.dtype)
