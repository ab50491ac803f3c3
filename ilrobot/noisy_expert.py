"""An expert that is disturbed while it acts, so that recovering from mistakes is seen.

    executed = π*(o) + N(0, σ²)        label = π*(o)

LazyDAgger (Hoque et al. 2021, arXiv:2104.00053) disturbs the supervisor so during interventions,
after DART (Laskey et al. 2017, arXiv:1703.09327).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ilrobot.actors import Action, Actor, ControlSummary, Decision, Observation
from ilrobot.errors import UserError
from ilrobot.spec import Spec


class NoisyExpert(Actor):
    """Executes the expert's action with noise, within limits; the label stays what was meant.

    Args:
        expert: A scripted one, or a policy.
        spec: The task's; its action is no choice.
        std: σ of each element of the action, in its units.
        seed: Seed of the draws where an episode gives none.

    Raises:
        UserError: σ is negative or not finite, or the action is one of several choices.
    """

    def __init__(self, expert: Actor, spec: Spec, std: float, seed: int = 0) -> None:
        if spec.choices is not None:
            raise UserError("noise cannot be added to this task's actions, which are choices")
        if not 0.0 <= std < np.inf:
            raise UserError(f"the noise on the expert must be 0 or more, not {std}")
        self._expert, self._std, self._seed = expert, std, seed
        self._low, self._high = spec.action.low, spec.action.high
        self.rewinds = expert.rewinds
        self._generator = np.random.default_rng(seed)

    def reset(self, seed: int | None = None) -> None:
        """Draw anew; the same seed gives the same draws."""
        self._expert.reset(seed)
        self._generator = np.random.default_rng([self._seed, 0 if seed is None else 1 + seed, 3])

    def act(self, observation: Observation, now: float) -> Decision:
        """What the expert means, and what becomes of it."""
        meant = self._expert.act(observation, now)
        noise = self._std * self._generator.standard_normal(meant.action.shape)
        disturbed = (meant.action + noise).astype(meant.action.dtype)
        # Clip only where there are limits; an unbounded side is infinite or not stated.
        if self._low is not None or self._high is not None:
            disturbed = np.clip(disturbed, self._low, self._high).astype(meant.action.dtype)
        label = meant.action if meant.human_action is None else meant.human_action
        return replace(meant, action=disturbed, human_action=label)

    def observe(self, observation: Observation) -> None:
        """The expert sees it."""
        self._expert.observe(observation)

    def flush(self) -> None:
        """The expert forgets its plan."""
        self._expert.flush()

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """The expert sees the past as it is now."""
        self._expert.rewind(past, executed)

    def control_summary(self) -> ControlSummary | None:
        """The expert's."""
        return self._expert.control_summary()
