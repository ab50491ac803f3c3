"""Several policies as one, whose disagreement says how much it doubts itself.

Members fitted from other seeds, or to data drawn with replacement, agree where there was data and
part where there was none. They may predict chunks and draw noise: compared are the actions
that they want at this tick.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Actor, Decision, Observation, Source
from ilrobot.errors import UserError
from ilrobot.gates.discrepancy import action_ranges
from ilrobot.spec import Spec


class EnsembleActor(Actor):
    """Acts with the mean of its members' actions.

    `doubt` and `novelty` are about the observation on which it acted last, as under a gate with
    `asks_novice`; about another they are infinite: it is not known.

    Args:
        members: The policies; the paper on ThriftyDAgger takes 5, that on HG-DAgger 10.
        spec: The task's; variances are of actions measured by their ranges.

    Raises:
        UserError: There are fewer than two, or the action is a choice or has no limits.
    """

    def __init__(self, members: Sequence[Actor], spec: Spec) -> None:
        if len(members) < 2:
            raise UserError(
                f"an ensemble of {len(members)} has no variance; give at least two policies that "
                "were trained from different seeds"
            )
        self._ranges = action_ranges(spec)
        self._members = tuple(members)
        self._seen: Observation | None = None
        self._variance: NDArray[np.float64] = np.zeros(0)

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode; each member draws of its own."""
        self._seen = None
        keys = np.random.SeedSequence(0 if seed is None else 1 + seed).generate_state(
            len(self._members)
        )
        for member, key in zip(self._members, keys, strict=True):
            member.reset(int(key))

    def act(self, observation: Observation, now: float) -> Decision:
        """The mean of what the members want."""
        actions = np.stack([member.act(observation, now).action for member in self._members])
        self._seen = observation
        self._variance = np.var(actions / self._ranges, axis=0, dtype=np.float64)
        mean = actions.mean(axis=0, dtype=np.float64).astype(actions.dtype)
        return Decision(mean, Source.POLICY, policy_action=mean)

    def doubt(self, observation: Observation) -> float:
        """‖diag(Cov)‖₂ of the members' actions (Kelly et al. 2019, section III)."""
        return self._known(observation, float(np.linalg.norm(self._variance)))

    def novelty(self, observation: Observation) -> float:
        """Mean of the variances of the action's elements (Hoque et al. 2021, ThriftyDAgger)."""
        if not self._variance.size:
            return math.inf
        return self._known(observation, float(self._variance.mean()))

    def observe(self, observation: Observation) -> None:
        """All see it."""
        for member in self._members:
            member.observe(observation)

    def flush(self) -> None:
        """All forget their plans."""
        for member in self._members:
            member.flush()

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """All see the past as it is now."""
        self._seen = None
        for member in self._members:
            member.rewind(past, executed)

    def _known(self, observation: Observation, value: float) -> float:
        return value if observation is self._seen and math.isfinite(value) else math.inf
