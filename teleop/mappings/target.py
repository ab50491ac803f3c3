"""Targets that the stick moves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Observation
from ilrobot.control.turns import between, in_unit, nearest, quaternion, turned
from ilrobot.spec import Spec
from teleop.bindings import PICTURE, Bindings, TeleopCommand
from teleop.clutch import REACH, REACH_OF_RANGE, leashed, nearest_angles
from teleop.mappings.mapping import Intent, Mapping, limits, six
from teleop.mappings.span import Span, share
from teleop.measured import Measured


class TargetMapping(Mapping):
    """Absolute targets: the stick moves the target, which begins where the robot is measured.

    Full stick crosses the whole range in `CROSSING` seconds. Each element of the target stays on
    its leash to what is measured; see `teleop.clutch`. An element that is named a gripper's begins
    at what was executed last, so that what it squeezes is not let go of, on a leash as long as that
    needs. A rotation vector is turned about the axes of its frame, whatever it is already.
    Elements that are velocities are the stick's own. An element that is measured as not finite
    keeps its target, or what was executed last.
    """

    CROSSING = 1.5

    def __init__(self, spec: Spec, bindings: Bindings = PICTURE) -> None:
        super().__init__(spec, bindings)
        self._low, self._high = limits(spec)
        self._step = (self._high - self._low) / (self.CROSSING * spec.rate)
        units = spec.action.units or ("",) * self._low.size
        of_range = REACH_OF_RANGE * (self._high - self._low)
        self._reach = [REACH.get(unit, own) for unit, own in zip(units, of_range, strict=True)]
        self._span, self._moving = Span(spec, self._low, self._high), list(spec.action.velocities)
        for index in self._moving:
            self._reach[index] = math.inf
        turning = (r for r in spec.target_rotations if r.unit == "rotvec")
        self._turning = [rotation.part for rotation in turning]
        self._grippers = [i for i in spec.action.grippers if i not in self._moving]
        self._reach_now = list(self._reach)
        self._target: NDArray[np.float64] | None = None
        self._executed: NDArray[np.float64] | None = None
        self._measured = Measured(spec)

    @property
    def action_step(self) -> NDArray[np.float64]:
        """What full stick moves the target by."""
        return self._step

    def reset(self) -> None:
        """Begin where the robot will be measured."""
        self._target = self._executed = None
        self._reach_now = list(self._reach)
        self.leash, self.unmeasured = 0.0, False

    def action(self, command: TeleopCommand, observation: Observation) -> Action:
        """The target after this tick, within its limits and on its leash."""
        here = self._where(observation)
        moved = self._after(here, self._step * command.twist[: self._step.size], here)
        target = np.clip(self._hold(moved, here, observation), self._low, self._high)
        spanned = self._span.values(np.asarray(command.twist[: self._step.size]))
        target[self._moving] = spanned[self._moving]
        # Where no measurement was finite yet, there is nothing to go on from.
        self._target = target if np.isfinite(target).all() else None
        return self._array(target)

    def follow(self, executed: Action) -> None:
        """Begin again where the robot is: its target may lie far ahead of it, but for a gripper."""
        self._target, self._executed = None, np.asarray(executed, dtype=np.float64)

    def intent(self, action: Action, observation: Observation) -> Intent:
        """The stick towards the wanted target, at most fully."""
        wanted = np.asarray(action, dtype=np.float64)
        ahead = share(self._way(self._where(observation), wanted), self._step)
        ahead[self._moving] = self._span.twist(wanted)[self._moving]
        return Intent(six(ahead / max(1.0, float(np.linalg.norm(ahead)))))

    def _hold(
        self, target: NDArray[np.float64], before: NDArray[np.float64], observation: Observation
    ) -> NDArray[np.float64]:
        achieved = self._measured.target(observation)
        if achieved is None:
            return target
        unknown = self._unknown(achieved)
        self.unmeasured = bool(unknown.any())
        # The robot may have gone a little beyond the end of a turn, where what is measured jumps.
        achieved = nearest_angles(achieved, target, self.spec.action.angles)
        achieved, target = (np.where(unknown, before, at) for at in (achieved, target))
        ahead, here = self._way(achieved, target), np.zeros(1)
        held = [leashed(ahead[i : i + 1], here, reach) for i, reach in enumerate(self._reach_now)]
        self.leash = max(share for _, share in held)
        way = np.concatenate([place for place, _ in held])
        return target if (way == ahead).all() else self._after(achieved, way, target)

    def _unknown(self, measured: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which elements are not measured; of a rotation vector all or none."""
        unknown = ~np.isfinite(measured)
        for part in self._turning:
            unknown[part] = unknown[part].any()
        return unknown

    def _way(self, here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
        """From one target to another; of a rotation vector the turn about the axes of its frame."""
        way = there - here
        for part in self._turning:
            start, end = (quaternion(at[part].tolist(), "rotvec") for at in (here, there))
            # What was never measured as finite is for the guard to find, as of any other element.
            way[part] = math.nan if start is None or end is None else between(start, end)
        return way

    def _after(
        self, here: NDArray[np.float64], way: NDArray[np.float64], to: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Where a way leads, of a rotation by the numbers nearest to those of another target."""
        there = here + way
        for part in self._turning:
            start = quaternion(here[part].tolist(), "rotvec")
            if start is not None and np.isfinite(there[part]).all():
                led = in_unit(turned(start, way[part].tolist()), "rotvec")
                there[part] = nearest(led, to[part].tolist(), "rotvec")
        return there

    def _where(self, observation: Observation) -> NDArray[np.float64]:
        if self._target is not None:
            return self._target
        measured = self._measured.target(observation)
        if measured is None:
            return 0.5 * (self._low + self._high)
        start = np.clip(measured, self._low, self._high)
        if self._executed is not None:
            executed = np.clip(self._executed, self._low, self._high)
            start = np.where(self._unknown(measured), executed, start)
            for i in self._grippers:
                start[i] = executed[i]
                self._reach_now[i] = max(self._reach[i], abs(float(executed[i] - measured[i])))
        return start

    def _scale(self) -> dict[str, Any]:
        return {
            "low": self._low.tolist(),
            "high": self._high.tolist(),
            "step": self._step.tolist(),
            "leash": [float(reach) for reach in self._reach],
        }
