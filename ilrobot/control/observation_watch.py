"""Whether an observation can be acted on: finite, fresh, and of the kind that was trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Observation
from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.checks import Checks
from ilrobot.control.contract import Contract
from ilrobot.control.contract_guards import FallbackAfter
from ilrobot.control.turns import equal_answers
from ilrobot.spec import Feature


class ObservationWatch:
    """Looks at every observation of a run, in this order; what it finds adds up.

    1. Is every element finite? If not, nothing else is looked at.
    2. Is it fresh? It is `OBSERVATION_REORDERED` if it was measured more than a period before the
       newest one so far (less may be two clocks that are compared anew). It is `OBSERVATION_STALE`
       unless -stale_after < age < stale_after: a measurement of the future is of another clock. It
       is `OBSERVATION_FROZEN` once no bit of its numbers, or of one camera's pictures, has changed
       in so many ticks at which the commanded target moved. Repeating a measurement with its own
       time is no fault: a sensor may be slower than the loop; its age tells.
    3. Is it in the training range, element by element? `OBSERVATION_OUT_OF_RANGE` is a warning
       until it has lasted, and stays one while a person drives or halts: it is the policy's range.
       An angle or a rotation is where one of its equal answers is, which the policy reads alike:
       whole turns apart, and q and -q.

    Of pictures every byte is finite and in range by its type. Each camera is looked at by itself: a
    driver that gives its last picture again goes on while the joints are read afresh.

    Args:
        contract: Ranges, timeout, and how long warnings are borne.
        rate: Ticks per second.

    Attributes:
        watches_bits: Whether frozen measurements are looked for.
        outside: How often each element was outside its training range, for the whole run.
    """

    def __init__(self, contract: Contract, rate: float) -> None:
        self._stale_after = contract.stale_after
        self._period = 1.0 / rate
        self._most_frozen = ticks(contract.fallback_after.frozen, rate)
        self._most_outside = ticks(contract.fallback_after.out_of_range, rate)
        self._checks = [
            _RangeCheck(feature, bounds.low, bounds.high)
            for feature in contract.spec.observations
            if not feature.is_image
            for bounds in (contract.training_range[feature.name],)
        ]
        self._cameras = [f.name for f in contract.spec.observations if f.is_image]
        self.watches_bits = math.isfinite(self._most_frozen) and bool(contract.spec.observations)
        self.reset()

    def reset(self) -> None:
        """Begin an episode: nothing was measured yet."""
        self._newest = -math.inf
        groups = [[check.name for check in self._checks], *([name] for name in self._cameras)]
        self._still = [_Stillness(names) for names in groups if names]
        self._outside = 0

    def look(
        self,
        observation: Observation,
        age: float,
        measured: float | None,
        moved: bool,
        driven: bool = False,
    ) -> tuple[Activation, bool]:
        """Look at the observation of a tick.

        Args:
            observation: Column name to array of its feature's shape.
            age: Seconds since it was measured.
            measured: When that was, on a clock that does not go back (None: not known).
            moved: Whether the commanded target moved at the tick before.
            driven: Whether a person acts or halts, not the policy.

        Returns:
            What was found, and whether whoever it is may act on it.
        """
        in_range = True
        for check in self._checks:
            value = observation[check.name]
            if not check.inside(value):
                if not np.isfinite(value).all():
                    return Activation.OBSERVATION_NOT_FINITE, False
                check.count(value)
                in_range = False
        found, admitted = NOTHING, True
        if measured is not None:
            # Written so that a time of NaN counts as reordered.
            if not measured >= self._newest - self._period:
                found |= Activation.OBSERVATION_REORDERED
                admitted = False
            elif measured > self._newest and age > -self._stale_after:
                # A measurement of the future would make all true ones after it look reordered.
                self._newest = measured
        if not -self._stale_after < age < self._stale_after:
            found |= Activation.OBSERVATION_STALE
            admitted = False
        if self.watches_bits and self._is_frozen(observation, moved):
            found |= Activation.OBSERVATION_FROZEN
            admitted = False
        if not in_range:
            found |= Activation.OBSERVATION_OUT_OF_RANGE
        self._outside = 0 if in_range or driven else self._outside + 1
        admitted &= self._outside < self._most_outside
        return found, admitted

    def _is_frozen(self, observation: Observation, moved: bool) -> bool:
        longest = max([still.look(observation, moved) for still in self._still])
        return longest >= self._most_frozen

    @property
    def outside(self) -> list[Outside]:
        """Every element that was outside at a tick of the run, that of most ticks first."""
        found = [outside for check in self._checks for outside in check.outside()]
        return sorted(found, key=lambda outside: -outside.ticks)


@dataclass(frozen=True)
class Outside:
    """An element of an observation that was outside its training range.

    Attributes:
        element: ``FEATURE 'NAME'``, or ``FEATURE[INDEX]`` where it has no name.
        ticks: At how many ticks.
        least: Least value then.
        greatest: Greatest value then.
        low: Of the training range.
        high: Likewise.
    """

    element: str
    ticks: int
    least: float
    greatest: float
    low: float
    high: float


class LateWatch:
    """Counts missed deadlines in a row.

    Too many are an overrun, until as many deadlines in a row were kept.

    Args:
        after: How many are too many.
    """

    def __init__(self, after: FallbackAfter) -> None:
        self._most = math.inf if after.late is None else after.late
        self.reset()

    def reset(self) -> None:
        """Begin an episode."""
        self._overrun, self._run = False, 0

    def look(self, late: bool) -> bool:
        """Whether there is an overrun, after a tick that was late or not."""
        if late == self._overrun:
            self._run = 0
        else:
            self._run += 1
            if self._run >= self._most:
                self._overrun, self._run = late, 0
        return self._overrun


class _Stillness:
    """Counts how long no bit of some observations has changed.

    Args:
        names: Which are looked at together.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._bits: tuple[bytes, ...] = ()
        self._ticks = 0

    def look(self, observation: Observation, moved: bool) -> int:
        """Ticks at which the target moved since a bit changed, this one among them."""
        bits = tuple([observation[name].tobytes() for name in self._names])
        if bits != self._bits:
            self._bits, self._ticks = bits, 0
        elif moved:
            self._ticks += 1
        return self._ticks


class _RangeCheck:
    """Compares one feature with its training range, without allocating where it is inside as given.

    Args:
        feature: Which.
        low: Least value of each element.
        high: Greatest.
    """

    def __init__(self, feature: Feature, low: Any, high: Any) -> None:
        self.name, shape = feature.name, feature.shape
        self._elements = [
            f"{feature.name} '{feature.names[i]}'" if feature.names else f"{feature.name}[{i}]"
            for i in range(feature.size)
        ]
        self._ticks = np.zeros(shape, np.int64)
        self._least, self._greatest = np.full(shape, np.inf), np.full(shape, -np.inf)
        self._low = np.asarray(low, dtype=np.float32).reshape(shape)
        self._high = np.asarray(high, dtype=np.float32).reshape(shape)
        self._kept = Checks((2, *shape))
        self._above, self._below = self._kept.array[0, ...], self._kept.array[1, ...]
        self._angles, self._rotations = feature.angles, feature.rotations

    def inside(self, value: NDArray[Any]) -> bool:
        """Whether every element lies in its range (never, where one is NaN)."""
        if self._compare(value):
            return True
        turns = self._angles or self._rotations
        return bool(turns and np.isfinite(value).all() and self._compare(self._told(value)))

    def _compare(self, value: NDArray[Any]) -> bool:
        np.less_equal(self._low, value, self._above)
        np.less_equal(value, self._high, self._below)
        return not self._kept.any_fails

    def _told(self, value: NDArray[Any]) -> NDArray[np.float32]:
        """The same with what turns by its equal answer within the range, if there is one."""
        given: list[float] = value.reshape(-1).tolist()
        told, low, high = np.array(given, np.float32), self._low.ravel(), self._high.ravel()
        for index in self._angles:
            middle = 0.5 * (float(low[index]) + float(high[index]))
            turns = math.floor((given[index] - middle) / (2.0 * math.pi) + 0.5)
            told[index] = given[index] - 2.0 * math.pi * turns
        for rotation in self._rotations:
            part = rotation.part
            for answer in equal_answers(given[part], rotation.unit):
                within = np.array(answer, np.float32)
                if ((low[part] <= within) & (within <= high[part])).all():
                    told[part] = within
                    break
        return told.reshape(value.shape)

    def count(self, value: NDArray[Any]) -> None:
        """Note which elements were not, right after `inside`."""
        outside = ~(self._above & self._below)
        self._ticks += outside
        np.minimum(self._least, value, out=self._least, where=outside)
        np.maximum(self._greatest, value, out=self._greatest, where=outside)

    def outside(self) -> list[Outside]:
        """The elements that were noted."""
        arrays = (self._ticks, self._least, self._greatest, self._low, self._high)
        each = zip(self._elements, *(array.reshape(-1).tolist() for array in arrays), strict=True)
        return [Outside(*element) for element in each if element[1]]


def ticks(seconds: float | None, rate: float) -> float:
    """How many ticks of a rate these seconds are, rounded up; at least one, inf for None."""
    count = math.inf if seconds is None else seconds * rate - 1e-9
    return max(1.0, math.ceil(count)) if math.isfinite(count) else math.inf
