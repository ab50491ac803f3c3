"""From the person's last command to the policy's, over a few ticks after a handback."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action
from ilrobot.control.turns import between, in_unit, nearest, quaternion, turned
from ilrobot.rotation_units import Rotation
from ilrobot.spec import Spec

#: How long a handback takes, s.
BLEND_TIME = 0.2


class Blend:
    """With a the person's last action and p the policy's present one, tick k of n executes
    a + k / (n + 1) (p - a).

    Angles that wrap and commanded rotations go the shorter way round, these by a turn at constant
    speed; steps by rotation vectors are small and are averaged as they are. What has no middle
    switches to the policy's at once: choices, and elements that are named a gripper's. Where a
    policy commands targets far away, the command may not run there at once: it goes on by at most
    `most` per tick until it has met the policy's.

    Args:
        spec: The task.
        seconds: How long it takes at least; n is that many periods, at least one.
        most: Most that successive commands differ, per element of the action (None: as they may);
            of rotations about x, y and z, see `ilrobot.rotation_units.Rotation.axes`.
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
        self._switches = np.isin(np.arange(feature.size), feature.grippers)
        self._angles = np.isin(np.arange(feature.size), feature.angles)
        self._most = np.full(feature.size, np.inf) if most is None else most
        self._shape = feature.shape
        self._turns = [_TurnBlend(rotation, self._most) for rotation in spec.target_rotations]
        for turn in self._turns:
            self._switches[turn.part] = False
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
            for turn in self._turns:
                turn.begin(self._from[turn.part].tolist())

    def mix(self, policy: Action) -> Action | None:
        """What to execute at this tick (None: the policy's own action)."""
        if self._from is None or self._last is None:
            return None
        wanted: NDArray[Any] = np.asarray(policy, dtype=np.float64).reshape(-1)
        if not np.isfinite(wanted).all():
            return None  # for the guard to find; what comes after it is blended as before
        if self._tick >= self.ticks and self._meets(wanted, self._last):
            self.reset()
            return None
        self._tick += 1
        share = min(self._tick / (self.ticks + 1), 1.0)
        goal = self._from + share * self._ahead(wanted, self._from)
        moved = self._last + np.clip(self._ahead(goal, self._last), -self._most, self._most)
        self._last = np.where(self._switches, wanted, moved)
        for turn in self._turns:
            self._last[turn.part] = turn.mix(wanted[turn.part].tolist(), share)
        return self._last.astype(policy.dtype).reshape(self._shape)

    def _ahead(self, wanted: NDArray[Any], at: NDArray[Any]) -> NDArray[Any]:
        ahead = wanted - at
        return np.where(self._angles, np.remainder(ahead + math.pi, 2 * math.pi) - math.pi, ahead)

    def _meets(self, wanted: NDArray[Any], at: NDArray[Any]) -> bool:
        apart = np.where(self._switches, 0.0, np.abs(self._ahead(wanted, at)))
        for turn in self._turns:
            apart[turn.part] = 0.0
            if not turn.meets(wanted[turn.part].tolist()):
                return False
        return bool((apart <= self._most).all())


class _TurnBlend:
    """The same for one commanded rotation R: a to p is the turn log(R_p R_a^T).

    Args:
        rotation: Which elements it is.
        most: See `Blend`.
    """

    def __init__(self, rotation: Rotation, most: NDArray[np.float64]) -> None:
        self.part = rotation.part
        """Its elements."""
        self._unit = rotation.unit
        # A quaternion's numbers change half as fast as the angle.
        self._most = most[rotation.axes] * (1.0 if rotation.unit == "rotvec" else 2.0)

    def begin(self, values: list[float]) -> None:
        """The person's last command."""
        self._from = self._at = quaternion(values, self._unit)
        self._values = values
        self._whole: Sequence[float] = (0.0, 0.0, 0.0)

    def meets(self, wanted: list[float]) -> bool:
        """Whether the policy's is near enough; what is no rotation is nobody's to judge here."""
        goal = quaternion(wanted, self._unit)
        if goal is None or self._at is None:
            return True
        return bool((np.abs(between(self._at, goal)) <= self._most).all())

    def mix(self, wanted: list[float], share: float) -> list[float]:
        """What to execute of it."""
        goal = quaternion(wanted, self._unit)
        if goal is None or self._from is None or self._at is None:
            return wanted
        # Where the policy's passes the opposite of the person's, the turn goes on the same way.
        self._whole = nearest(between(self._from, goal), self._whole, "rotvec")
        here = turned(self._from, [share * part for part in self._whole])
        step = np.clip(between(self._at, here), -self._most, self._most)
        self._at = turned(self._at, step.tolist())
        self._values = nearest(in_unit(self._at, self._unit), self._values, self._unit)
        return self._values
