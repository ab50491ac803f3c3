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
    are named a gripper's. Where a policy commands targets far away, the command may not run there
    at once: it goes on by at most `most` per tick until it has met the policy's.

    Args:
        spec: The task.
        seconds: How long it takes at least; n is that many periods, at least one.
        most: Most that successive commands differ, per element of the action (None: as they may).
    """

    def __init__(
        self,
        spec: Spec,
        seconds: float = BLEND_TIME,
        *,
        most: NDArray[np.float64] | None = None,
    ) -> None:
        feature = spec.action
        self.ticks = 0 if spec.choices is not None else max(1, round(seconds * spec.rate))
        """How many ticks are blended at least."""
        names = feature.names or ("",) * feature.size
        self._switches = np.array(["gripper" in name.lower() for name in names], dtype=bool)
        self._angles = np.isin(np.arange(feature.size), feature.angles)
        self._most = np.full(feature.size, np.inf) if most is None else most
        self._shape = feature.shape
        self.reset()

    def reset(self) -> None:
        """Nothing to blend."""
        self._from: NDArray[np.float64] | None = None
        self._last: NDArray[np.float64] | None = None
        self._tick = 0

    def begin(self, last: Action) -> None:
        """The person hands back; `last` was executed at the tick before."""
        self.reset()
        if self.ticks:
            self._from = self._last = np.asarray(last, dtype=np.float64).reshape(-1)

    def mix(self, policy: Action) -> Action | None:
        """What to execute at this tick (None: the policy's own action, blending is over)."""
        if self._from is None or self._last is None:
            return None
        wanted: NDArray[Any] = np.asarray(policy, dtype=np.float64).reshape(-1)
        if self._tick >= self.ticks and (self._apart(wanted, self._last) <= self._most).all():
            self.reset()
            return None
        self._tick += 1
        share = min(self._tick / (self.ticks + 1), 1.0)
        goal = self._from + share * self._ahead(wanted, self._from)
        moved = self._last + np.clip(self._ahead(goal, self._last), -self._most, self._most)
        self._last = np.where(self._switches, wanted, moved)
        return self._last.astype(policy.dtype).reshape(self._shape)

    def _ahead(self, wanted: NDArray[Any], at: NDArray[Any]) -> NDArray[Any]:
        ahead = wanted - at
        return np.where(self._angles, np.remainder(ahead + math.pi, 2 * math.pi) - math.pi, ahead)

    def _apart(self, wanted: NDArray[Any], at: NDArray[Any]) -> NDArray[Any]:
        return np.where(self._switches, 0.0, np.abs(self._ahead(wanted, at)))
