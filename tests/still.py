"""An actor that commands nothing."""

from __future__ import annotations

import numpy as np

from ilrobot.actors import Actor, Decision, Observation, Source


class Still(Actor):
    """Zeros of a size, as a policy."""

    def __init__(self, size: int = 1) -> None:
        self._size = size

    def act(self, observation: Observation, now: float) -> Decision:
        """See `Actor`."""
        return Decision(np.zeros(self._size, np.float32), Source.POLICY)
