"""Trying something else than a policy would do, so that there is something to choose from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Actor, Decision, Observation, WrappedActor
from ilrobot.errors import UserError
from ilrobot.spec import Spec

#: Seconds over which the noise forgets itself: steps that are drawn apart cancel out at the rate of
#: a robot's control before they lead anywhere.
_MEMORY = 0.5


class ExploringActor(WrappedActor):
    """Adds noise to an actor's actions that wanders as the actions do, within their limits.

        n_0 ~ N(0, σ²)    n_t = ρ n_{t-1} + √(1 - ρ²) N(0, σ²)    ρ = exp(-1 / (rate · 0.5 s))

    The Ornstein-Uhlenbeck process of Lillicrap et al. 2016 (DDPG), which has σ at every tick.

    Args:
        actor: Whose.
        spec: The task's.
        std: σ of each element of the action, shape (A,), in its unit.

    Raises:
        UserError: The actions are choices.
    """

    def __init__(self, actor: Actor, spec: Spec, std: NDArray[np.float64]) -> None:
        if spec.choices is not None:
            raise UserError("noise cannot be added to this task's actions, which are choices")
        super().__init__(actor)
        self._std = np.asarray(std, dtype=np.float64)
        self._keep = float(np.exp(-1 / (spec.rate * _MEMORY)))
        size = spec.action.size
        self._low = np.array(spec.action.low or (-np.inf,) * size)
        self._high = np.array(spec.action.high or (np.inf,) * size)
        self._attempt = 0
        self.reset()

    def of_attempt(self, number: int) -> ExploringActor:
        """It, for another attempt from the same beginning: all that is drawn is drawn anew."""
        self._attempt = number
        return self

    def reset(self, seed: int | None = None) -> None:
        """Draw anew; the same seed and attempt give the same draws."""
        drawn = np.random.default_rng([0 if seed is None else 1 + seed, self._attempt])
        self._actor.reset(int(drawn.integers(2**31)))
        self._generator = drawn
        self._noise = self._std * drawn.standard_normal(len(self._std))

    def act(self, observation: Observation, now: float) -> Decision:
        """What the actor wants, disturbed."""
        meant = self._actor.act(observation, now)
        disturbed = meant.action + self._noise.reshape(meant.action.shape)
        disturbed = np.clip(disturbed.reshape(-1), self._low, self._high)
        fresh = self._std * self._generator.standard_normal(len(self._std))
        self._noise = self._keep * self._noise + np.sqrt(1 - self._keep**2) * fresh
        action = disturbed.reshape(meant.action.shape).astype(meant.action.dtype)
        return replace(meant, action=action)
