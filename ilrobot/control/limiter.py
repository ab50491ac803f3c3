"""Commands kept inside position, velocity and acceleration limits, tick by tick.

The commanded target of element i moves by d_t per tick: d_t = a_t - a_{t-1} for an absolute
command, d_t = a_t for a delta. With v = velocity·Δt and α = acceleration·Δt² the limits are

    low ≤ a_t ≤ high,    |d_t| ≤ v,    |d_t - d_{t-1}| ≤ α.

An absolute target must also be able to stop before it reaches its position limit, else two limits
would contradict each other there: the step towards a limit at distance D is at most
`greatest_step` (D, α), from which braking by α per tick ends within D.
"""

from __future__ import annotations

import math
from enum import IntFlag, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.contract_parts import Limits

#: Fraction of a limit by which rounding may pass it without counting as a violation.
ROUNDING = 1e-6


class Activation(IntFlag):
    """What a guard did or noticed at one tick; a bit each."""

    OBSERVATION_NOT_FINITE = auto()
    OBSERVATION_STALE = auto()
    OBSERVATION_OUT_OF_RANGE = auto()
    ACTION_NOT_FINITE = auto()
    POSITION_LIMITED = auto()
    VELOCITY_LIMITED = auto()
    ACCELERATION_LIMITED = auto()
    DEADLINE_MISSED = auto()
    FALLBACK = auto()
    PLAN_RUN_OUT = auto()


def greatest_step(distance: float, braking: float) -> float:
    """The greatest first step from which one can stop within a distance.

    Steps d, d - α, d - 2α, … down to zero cover m·d - α·m(m-1)/2 with m = ⌈d/α⌉ steps. The answer
    solves that for d, with the least m whose own greatest cover α·m(m+1)/2 reaches the distance.

    Args:
        distance: How far it may move altogether (may be inf); nothing if it is not positive.
        braking: By how much a step may be shorter than the one before it, α (may be inf).
    """
    if distance <= 0 or braking <= 0:
        return 0.0
    if distance <= braking or math.isinf(distance):
        return distance
    steps = math.ceil((math.sqrt(1.0 + 8.0 * distance / braking) - 1.0) / 2.0)
    return distance / steps + braking * (steps - 1) / 2.0


#: Made once: making an IntFlag costs as much as a vector operation.
NOTHING = Activation(0)


class CommandLimiter:
    """Limits continuous commands; remembers what was commanded before.

    A command within all limits costs a few vector operations; each element of one that is not is
    clipped by itself.

    Args:
        limits: Per element, from the contract.
        rate: Control rate in Hz that the loop really runs at.
    """

    def __init__(self, limits: Limits, rate: float) -> None:
        self._rate = rate
        self._absolute = np.array([mode == "absolute" for mode in limits.mode])
        self._absolute_mask = self._absolute.astype(np.float64)
        self._low, self._high = _inward(limits.low, -1), _inward(limits.high, 1)
        self._step = np.asarray(limits.velocity) / rate
        self._step_change = np.asarray(limits.acceleration) / rate**2
        size = len(limits.mode)
        # An absolute step that braking can undo within one tick needs no look-ahead.
        simple_step = np.where(
            self._absolute, np.minimum(self._step, self._step_change), self._step
        )
        self._upper = np.stack([self._high.astype(np.float64), simple_step, self._step_change])
        self._lower = np.stack([self._low.astype(np.float64), -simple_step, -self._step_change])
        self._rows = np.zeros((3, size))
        self._above = np.zeros((3, size), dtype=bool)
        self._below = np.zeros((3, size), dtype=bool)
        self._base = np.zeros(size)
        self._last_step = np.zeros(size)
        self._command = np.zeros(size, dtype=np.float32)
        self._started = False

    def reset(
        self, present: NDArray[Any] | None = None, velocity: NDArray[Any] | None = None
    ) -> None:
        """Begin from what the robot does now, so that its first command neither jumps nor jerks.

        Args:
            present: The command that the robot holds now, in the action's units. Without it the
                first absolute command is limited in position alone, for want of a start.
            velocity: How fast that command moves now, in units/s; of a delta element its
                displacement per second (None: at rest).
        """
        self._base[:] = 0.0
        self._last_step[:] = 0.0 if velocity is None else np.asarray(velocity) / self._rate
        self._started = present is not None or not self._absolute.any()
        if present is not None:
            np.multiply(present, self._absolute, out=self._base)

    def limit(self, action: NDArray[Any]) -> tuple[NDArray[np.float32], Activation]:
        """The nearest command that keeps the limits.

        Args:
            action: Shape (size,), in the action's units.

        Returns:
            The command, a buffer that the next call overwrites, and what was limited. Where the
            action is not finite the command is meaningless and the state unchanged.
        """
        values, steps, changes = self._rows
        values[:] = action
        if not self._started:
            return self._first(values)
        np.subtract(values, self._base, out=steps)
        np.subtract(steps, self._last_step, out=changes)
        np.less_equal(self._lower, self._rows, out=self._below)
        np.less_equal(self._rows, self._upper, out=self._above)
        np.logical_and(self._below, self._above, out=self._above)
        if np.count_nonzero(self._above) == self._above.size:
            self._command[:] = values
            activation = NOTHING
        elif not np.isfinite(values).all():
            return self._command, Activation.ACTION_NOT_FINITE
        else:
            activation = NOTHING
            for index in range(len(values)):
                values[index], limited = self._limit_element(index, float(values[index]))
                activation |= limited
            self._command[:] = values
            np.clip(self._command, self._low, self._high, out=self._command)
            values[:] = self._command
            np.subtract(values, self._base, out=steps)
        self._last_step[:] = steps
        np.multiply(values, self._absolute_mask, out=self._base)
        return self._command, activation

    def hold(self) -> NDArray[np.float32] | None:
        """Brake to a standstill within the limits and stay: zero deltas, the last absolute target.

        Returns:
            The command for this tick; None where no absolute target was ever commanded.
        """
        if not self._started:
            return None
        command, _ = self.limit(self._base)
        return command

    def _first(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float32], Activation]:
        if not np.isfinite(values).all():
            return self._command, Activation.ACTION_NOT_FINITE
        np.multiply(np.clip(values, self._low, self._high), self._absolute, out=self._base)
        self._started = True
        outside = ((values < self._low) | (values > self._high)) & self._absolute
        command, activation = self.limit(
            np.where(self._absolute, np.clip(values, self._low, self._high), values)
        )
        return command, activation | (Activation.POSITION_LIMITED if outside.any() else NOTHING)

    def _limit_element(self, i: int, wanted: float) -> tuple[float, Activation]:
        activation = NOTHING
        low, high = float(self._low[i]), float(self._high[i])
        base, last = float(self._base[i]), float(self._last_step[i])
        value = min(max(wanted, low), high)
        if value != wanted:
            activation |= Activation.POSITION_LIMITED

        fastest = float(self._step[i])
        step = min(max(value - base, -fastest), fastest)
        if abs(value - base) > fastest * (1 + ROUNDING):
            activation |= Activation.VELOCITY_LIMITED

        change = float(self._step_change[i])
        wanted_step, step = step, min(max(step, last - change), last + change)
        if abs(wanted_step - last) > change * (1 + ROUNDING):
            activation |= Activation.ACCELERATION_LIMITED

        if self._absolute[i]:
            up = greatest_step(high - base, change)
            down = greatest_step(base - low, change)
            stoppable = min(max(step, -down), up)
            if abs(step - stoppable) > ROUNDING * (high - low):
                activation |= Activation.POSITION_LIMITED
            step = stoppable
        return base + step, activation


class ChoiceLimiter:
    """The same for one of `choices` discrete actions: there is nothing but the range."""

    def __init__(self, choices: int) -> None:
        self._choices = choices
        self._command = np.zeros((), dtype=np.int64)

    def reset(
        self, present: NDArray[Any] | None = None, velocity: NDArray[Any] | None = None
    ) -> None:
        """Begin; before the first action, hold means `present`, or action 0."""
        self._command[()] = 0 if present is None else present

    def limit(self, action: NDArray[Any]) -> tuple[NDArray[np.int64], Activation]:
        """The action, or the nearest that exists."""
        value = action.item()
        if not math.isfinite(value):
            return self._command, Activation.ACTION_NOT_FINITE
        allowed = min(max(int(value), 0), self._choices - 1)
        self._command[()] = allowed
        return self._command, Activation.POSITION_LIMITED if allowed != value else NOTHING

    def hold(self) -> NDArray[np.int64]:
        """The last action."""
        return self._command


def _inward(limits: tuple[float, ...], side: int) -> NDArray[np.float32]:
    """Limits as float32, rounded so that they lie within the true ones."""
    exact = np.asarray(limits, dtype=np.float64)
    rounded = exact.astype(np.float32)
    outside = rounded.astype(np.float64) * side > exact * side
    return np.where(outside, np.nextafter(rounded, np.float32(-side * np.inf)), rounded)
