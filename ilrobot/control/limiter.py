"""Commands kept inside position, velocity, acceleration and jerk limits, tick by tick.

The commanded target of element i moves by d_t per tick: d_t = a_t - a_{t-1} for an absolute
command, d_t = a_t for a delta. With v = velocity·Δt, α = acceleration·Δt² and j = jerk·Δt³,

    low ≤ a_t ≤ high,    |d_t| ≤ v,    |c_t| ≤ α,    |c_t - c_{t-1}| ≤ j,    c_t = d_t - d_{t-1},

and, where there is a workspace, its low ≤ p_t ≤ high for the target's position p_t: the command
itself of an absolute element, the sum of the commands of a delta. Zero is always allowed of a
delta, whatever its range. A commanded velocity is d_t as well, with v = velocity, α =
acceleration·Δt and j = jerk·Δt², and is at no place. `ilrobot.control.element` says how one element
keeps all of these at once, `ilrobot.control.braking` why it always can.

Commands are doubles. As computed from those that left, they keep the limits up to the rounding of
those subtractions: some units in the last place of p, whatever comes in. Position limits are kept
exactly, and so that rounding a command to float32 does not pass them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.braking import brake_change
from ilrobot.control.checks import Checks
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits
from ilrobot.control.element import Motion, approach, damp, follow
from ilrobot.control.element_limits import Ease, ElementLimits, element_limits

#: Infinity keeps no limit, also where there is none.
_FINITE = float(np.finfo(np.float64).max)
#: Seconds in which damping takes a velocity to 1/e.
DAMPING_TIME = 0.25


class CommandLimiter:
    """Limits continuous commands; remembers what was commanded before.

    A tick at which every element is at ease (see `Ease`) costs a few vector operations; each
    element that is not is looked at by itself.

    Args:
        limits: Per element, from the contract.
        rate: Control rate in Hz that the loop really runs at.
        workspace: Where the commanded target may be (None: anywhere).
    """

    def __init__(self, limits: Limits, rate: float, workspace: Workspace | None = None) -> None:
        size = len(limits.mode)
        self._rate = rate
        self._delta = np.array([mode != "absolute" for mode in limits.mode])
        self._velocities = np.array([mode == "velocity" for mode in limits.mode])
        self._any_delta = bool(self._delta.any())
        self._keeps = np.where(self._delta, 0.0, 1.0)
        self._anywhere = [element_limits(limits, i, rate, None) for i in range(size)]
        self._bounded = [element_limits(limits, i, rate, workspace) for i in range(size)]
        self._elements: list[ElementLimits] = []
        self._motions = [Motion(0.0, 0.0, 0.0, 0.0, 0.0, False) for _ in range(size)]
        self._kept_by_damping = math.exp(-1.0 / (rate * DAMPING_TIME))

        # Rows: value, step, its change, the change's change; the state is that of the last tick.
        # Views are made once: making one costs half as much as what is done with it.
        self._rows, self._state = np.zeros((4, size)), np.zeros((3, size))
        self._values, self._steps, self._changes, self._jerks = self._rows
        self._base, self._last_step, self._last_change = self._state
        self._motion, self._new_state = self._state[1:], self._rows[:3]
        self._lower, self._upper = np.zeros((4, size)), np.zeros((4, size))
        self._kept = Checks((2, 4, size))
        self._above, self._below = self._kept.array
        self._places = np.zeros(size)
        self._place_low, self._place_high = np.zeros(size), np.zeros(size)
        self._known = np.zeros(size, dtype=bool)
        self._started = self._behind = self._located = False
        self.reset()

    def reset(
        self,
        present: NDArray[Any] | None = None,
        velocity: NDArray[Any] | None = None,
        pose: NDArray[Any] | None = None,
    ) -> None:
        """Begin from what the robot does now, so that its first command neither jumps nor jerks.

        Args:
            present: The command that the robot holds now, in the action's units. Without it the
                first absolute command is limited in position alone, for want of a start.
            velocity: How fast that command moves now, in units/s; of a delta element its
                displacement per second (None: at rest), of a commanded velocity how fast it
                changes.
            pose: Where the target of each delta element is, in the coordinates of the workspace;
                NaN, or None for all: not known, and the workspace does not bound them.

        Raises:
            ValueError: What it holds, or how fast that moves, is no finite number.
        """
        held = np.where(self._delta & ~self._velocities, 0.0, 0.0 if present is None else present)
        moved = np.asarray(0.0 if velocity is None else velocity) / self._rate
        if not (np.isfinite(held).all() and np.isfinite(moved).all()):
            raise ValueError("what the robot holds, or its velocity, is not a finite number")
        self._started = present is not None or bool(self._delta.all())
        self._base[:] = np.where(self._velocities, 0.0, held)
        self._last_step[:] = np.where(self._velocities, held, moved)
        self._last_change[:] = np.where(self._velocities, moved, 0.0)
        self.locate(np.full(len(self._delta), math.nan) if pose is None else pose)
        self._settle()

    def locate(self, pose: NDArray[Any]) -> None:
        """Correct where the target of each delta element is, which else is summed up; see `reset`.

        Their velocities go on as they were commanded.
        """
        known = np.isfinite(pose) & self._delta
        if (known != self._known).any() or not self._elements:
            self._known, self._located = known, bool(known.any())
            each = zip(self._bounded, self._anywhere, known, strict=True)
            self._elements = [
                anywhere if bounded.delta and not place else bounded
                for bounded, anywhere, place in each
            ]
            self._ease()
        self._places[:] = np.where(known, pose, 0.0)

    @property
    def moving(self) -> bool:
        """Whether the commanded target moved at the last tick, or began or ceased to."""
        return bool(np.count_nonzero(self._motion))

    @property
    def workspace_unknown(self) -> bool:
        """Whether a workspace cannot be kept, because nobody said where the target is."""
        return any(
            bounded.delta and not known and math.isfinite(min(-bounded.low, bounded.high))
            for bounded, known in zip(self._bounded, self._known, strict=True)
        )

    def limit(self, action: NDArray[Any]) -> tuple[NDArray[np.float64], Activation]:
        """The nearest command that keeps the limits.

        Args:
            action: Shape (size,), in the action's units.

        Returns:
            The command, a buffer that the next call overwrites, and what was limited. Where the
            action is not finite the command is meaningless and the state unchanged.
        """
        values = self._values
        values[...] = action
        if not self._started:
            return self._first(values)
        self._derive()
        np.less_equal(self._lower, self._rows, self._above)
        np.less_equal(self._rows, self._upper, self._below)
        if self._located:
            ahead = self._places + values
            self._above[0] &= (self._place_low <= ahead) & (ahead <= self._place_high)
        activation = NOTHING
        if self._behind or self._kept.any_fails:
            if not np.isfinite(values).all():
                return values, Activation.ACTION_NOT_FINITE
            activation = self._follow(values)
            self._derive()
        return self._send(values), activation

    def hold(self) -> NDArray[np.float64] | None:
        """Come to rest as fast as the limits allow, and stay: zero deltas, the last target.

        Returns:
            The command for this tick; None where no absolute target was ever commanded.
        """
        return self._move(_brake)

    def damp(self) -> NDArray[np.float64] | None:
        """Let the velocity fall to 1/e in each `DAMPING_TIME`, faster where a limit wants it.

        Returns:
            As `hold` does.
        """
        kept = self._kept_by_damping
        return self._move(lambda limits, now, _: damp(limits, now, kept))

    def retreat(self, pose: NDArray[Any]) -> NDArray[np.float64] | None:
        """Go to a pose within the limits, and come to rest there.

        Args:
            pose: Position of each element's target. An element where it is NaN holds, and so does a
                delta element that nobody located.

        Returns:
            As `hold` does.
        """

        def towards(limits: ElementLimits, now: Motion, i: int) -> float:
            if math.isnan(pose[i]) or (limits.delta and not self._known[i]):
                return _brake(limits, now, i)
            return approach(limits, now, float(pose[i]))

        return self._move(towards)

    def _first(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], Activation]:
        """Begin at the first command, for want of another start."""
        if not np.isfinite(values).all():
            return values, Activation.ACTION_NOT_FINITE
        activation, wanted = NOTHING, values.copy()
        for i, limits in enumerate(self._elements):
            if not limits.delta:
                wanted[i] = min(max(float(values[i]), limits.low), limits.high)
                if wanted[i] != values[i]:
                    activation |= limits.at_low if values[i] < limits.low else limits.at_high
        np.multiply(wanted, self._keeps, out=self._base)
        self._started = True
        command, limited = self.limit(wanted)
        return command, activation | limited

    def _derive(self) -> None:
        """Steps, changes and their changes, from the values."""
        np.subtract(self._values, self._base, self._steps)
        np.subtract(self._steps, self._last_step, self._changes)
        np.subtract(self._changes, self._last_change, self._jerks)

    def _send(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Make the values the command and the new state."""
        self._state[...] = self._new_state
        if self._any_delta:
            self._base *= self._keeps
        if self._located:
            self._places += values
        return values

    def _follow(self, values: NDArray[np.float64]) -> Activation:
        """Put each element's command in the place of what it wants."""
        activation = NOTHING
        at_ease = np.logical_and(self._above, self._below).all(axis=0).tolist()
        self._behind = False
        for i, (limits, now) in enumerate(zip(self._elements, self._motions, strict=True)):
            if at_ease[i] and not now.behind:
                continue
            self._look(i, now)
            change, limited = follow(limits, now, float(values[i]))
            values[i] = _command(limits, now, change) if now.behind else now.wanted
            self._behind |= now.behind
            activation |= limited
        return activation

    def _move(
        self, choose: Callable[[ElementLimits, Motion, int], float]
    ) -> NDArray[np.float64] | None:
        """Command the change that is chosen for each element, whatever was wanted."""
        if not self._started:
            return None
        values = self._values
        for i, (limits, now) in enumerate(zip(self._elements, self._motions, strict=True)):
            self._look(i, now)
            values[i] = _command(limits, now, choose(limits, now, i))
        self._derive()
        self._settle()
        return self._send(values)

    def _look(self, i: int, now: Motion) -> None:
        """Bring an element's motion up to date."""
        base, step, change = self._state[:, i].tolist()
        now.position = base if self._keeps[i] else float(self._places[i])
        now.step, now.change = step, change
        if not now.behind:
            now.wanted, now.slope = (step, change) if self._delta[i] else (base, step)

    def _settle(self) -> None:
        """Let every element be on what is wanted."""
        self._behind = False
        for now in self._motions:
            now.behind = False

    def _ease(self) -> None:
        """Bounds of a state that is safe without looking ahead."""
        for i, limits in enumerate(self._elements):
            ease = Ease.of(limits)
            delta = limits.delta
            self._place_low[i] = limits.low + ease.margin if delta else -math.inf
            self._place_high[i] = limits.high - ease.margin if delta else math.inf
            low = limits.least if delta else limits.low + ease.margin
            high = limits.greatest if delta else limits.high - ease.margin
            self._lower[:, i] = max(low, -_FINITE), ease.slowest, -ease.change, -limits.jerk
            self._upper[:, i] = min(high, _FINITE), ease.fastest, ease.change, limits.jerk


def _brake(limits: ElementLimits, now: Motion, _: int) -> float:
    return brake_change(now.step, now.change, limits.change, limits.jerk)


def _command(limits: ElementLimits, now: Motion, change: float) -> float:
    """The command of a change; rounding never takes it out of its range, once it is inside."""
    step = now.step + change
    if limits.delta:
        if limits.least <= now.step <= limits.greatest:
            return min(max(step, limits.least), limits.greatest)
        return step
    position = now.position + step
    if limits.low <= now.position <= limits.high:
        return min(max(position, limits.low), limits.high)
    return position
