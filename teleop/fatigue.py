"""How a hand tires while it steers and recovers while it rests."""

from __future__ import annotations

import math

#: What a wholly tired hand does, against a fresh one; between them it goes in proportion.
SLOWER_REACTION = 1.5
MORE_TREMOR = 3.0
MORE_WANDER = 1.5
SLOWER_THUMB = 0.7


class Fatigue:
    """A level of the first order: it rises towards 1 at work and falls towards 0 at rest.

    dF/dt = (1 - F) / τ_work while the hand steers, dF/dt = -F / τ_rest while it does not; sampled
    exactly. The simplest form of a muscle with rested, active and tired fibres (Xia and Frey Law
    2008, "A theoretical approach for modeling peripheral muscle fatigue and recovery"), whose
    active share is small.

    Args:
        strength: Share of the whole effect, 0 (never tires) … 1.
        work_time: τ_work in seconds.
        rest_time: τ_rest in seconds.
    """

    def __init__(self, strength: float, work_time: float, rest_time: float) -> None:
        self._strength, self._work_time, self._rest_time = strength, work_time, rest_time
        self.level = 0.0
        """F, 0 (fresh) … 1 (spent)."""

    def work(self, seconds: float) -> None:
        """Steer for so long."""
        self.level = 1.0 - (1.0 - self.level) * math.exp(-seconds / self._work_time)

    def rest(self, seconds: float) -> None:
        """Do nothing for so long."""
        self.level *= math.exp(-seconds / self._rest_time)

    def times(self, tired: float) -> float:
        """What a trait is multiplied with now, when a spent hand multiplies it with `tired`."""
        return 1.0 + self._strength * self.level * (tired - 1.0)
