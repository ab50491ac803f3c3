"""How much a novice doubts itself, as gates see it."""

from __future__ import annotations

from typing import Protocol

from ilrobot.actors import Observation


class Doubt(Protocol):
    """Doubt about what to do, such as `ilrobot.ensemble.EnsembleActor.doubt`."""

    def __call__(self, observation: Observation) -> float:
        """At this tick's observation: 0 where there is none, infinity where it is not known."""
