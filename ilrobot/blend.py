"""From the person's last command to the policy's, over a few ticks after a handback."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action
from ilrobot.spec import Spec

#: How long a handback takes, s.
BLEND_TIME = 0.2


class Blend:
    """With a the person's last action and p the policy's present one, tick k of n executes
    a + k / (n + 1) (p - a).

    Angles that wrap go the shorter way round; turns by rotation vectors are small and are averaged
    as they are. What has no middle switches to the policy's at once: choices, and elements that
    are named a gripper's.

    Args:
        spec: The task.
        seconds: How long it takes; n is that many periods, at least one.
    """

    def __init__(self, spec: Spec, seconds: float = BLEND_TIME) -> None:
        feature = spec.action
        self._ticks = 0 if spec.choices is not None else max(1, round(seconds * spec.rate))
        names = feature.names or ("",) * feature.size
        self._switches = np.array(["gripper" in name.lower() for name in names], dtype=bool)
        self._angles = np.isin(np.arange(feature.size), feature.angles)
        self._shape = feature.shape
        self._from: NDArray[np.float64] | None = None
        self._tick = 0

    def reset(self) -> None:
        """Nothing to blend."""
        self._from = None

    def begin(self, last: Action) -> None:
        """The person hands back; `last` was executed at the tick before."""
        self._from = np.asarray(last, dtype=np.float64).reshape(-1) if self._ticks else None
        self._tick = 0

    def mix(self, policy: Action) -> Action | None:
        """What to execute at this tick (None: the policy's own action, blending is over)."""
        if self._from is None:
            return None
        self._tick += 1
        share = self._tick / (self._ticks + 1)
        wanted: NDArray[Any] = np.asarray(policy, dtype=np.float64).reshape(-1)
        apart = wanted - self._from
        wrapped = np.remainder(apart + math.pi, 2.0 * math.pi) - math.pi
        apart = np.where(self._angles, wrapped, apart)
        mixed = np.where(self._switches, wanted, self._from + share * apart)
        if self._tick >= self._ticks:
            self._from = None
        return mixed.astype(policy.dtype).reshape(self._shape)
