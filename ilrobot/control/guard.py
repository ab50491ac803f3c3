"""Between robot and policy: what is checked at every tick, in a fixed order.

1. Is the observation finite?  2. Is it fresh?  3. Does it lie in the training range (a warning)?
4. Is the action finite?  5. Does it keep position, velocity and acceleration limits (clipped)?
6. Was the deadline kept (counted)?  Where 1, 2 or 4 fails, the fallback acts in the policy's place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Observation
from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.contract import Contract
from ilrobot.control.limiter import ChoiceLimiter, CommandLimiter


class _RangeCheck:
    """Compares one feature with its training range without allocating."""

    def __init__(self, name: str, shape: tuple[int, ...], low: Any, high: Any) -> None:
        self.name = name
        self._low = np.asarray(low, dtype=np.float32).reshape(shape)
        self._high = np.asarray(high, dtype=np.float32).reshape(shape)
        self._above = np.zeros(shape, dtype=bool)
        self._below = np.zeros(shape, dtype=bool)

    def inside(self, value: NDArray[Any]) -> bool:
        """Whether every element lies in its range (never, where one is NaN)."""
        np.less_equal(self._low, value, out=self._below)
        np.less_equal(value, self._high, out=self._above)
        np.logical_and(self._below, self._above, out=self._above)
        return bool(np.count_nonzero(self._above) == self._above.size)


class Guard:
    """Stands between robot and policy for a whole run, and counts what it did.

    Per tick: `admit` the observation; if that holds, `limit` the policy's action; where either
    says no, send what `hold` gives. `flags` tells what happened since the last `admit`.

    Args:
        contract: Limits, ranges, timeout and fallback of the policy.
        rate: Control rate in Hz of the loop (None: the contract's).
    """

    def __init__(self, contract: Contract, rate: float | None = None) -> None:
        spec = contract.spec
        self._stale_after = contract.stale_after
        # A picture of uint8 is finite and in range by its type.
        self._checks = [
            _RangeCheck(feature.name, feature.shape, bounds.low, bounds.high)
            for feature in spec.observations
            if feature.dtype != "uint8"
            for bounds in (contract.training_range[feature.name],)
        ]
        self._limiter: CommandLimiter | ChoiceLimiter
        if contract.limits is None:
            self._limiter = ChoiceLimiter(spec.choices or 1)
        else:
            self._limiter = CommandLimiter(contract.limits, rate or spec.rate)
        self._counts = dict.fromkeys(Activation, 0)
        self.flags = NOTHING

    def reset(
        self, present: NDArray[Any] | None = None, velocity: NDArray[Any] | None = None
    ) -> None:
        """Begin an episode; the counts go on.

        Args:
            present: The command that the robot holds now (None: not known).
            velocity: How fast that command moves, in the action's units per second (None: it is at
                rest).
        """
        self._limiter.reset(present, velocity)

    @property
    def counts(self) -> dict[str, int]:
        """How many ticks each kind of activation happened at, by its name in lower case."""
        return {kind.name.lower(): n for kind, n in self._counts.items() if kind.name is not None}

    def admit(self, observation: Observation, age: float, late: bool = False) -> bool:
        """Begin a tick: whether the policy may act on this observation.

        Args:
            observation: Column name to array of its feature's shape.
            age: Seconds since it was measured.
            late: Whether this tick began after its deadline.
        """
        self.flags = NOTHING
        if late:
            self._raise(Activation.DEADLINE_MISSED)
        in_range = True
        for check in self._checks:
            value = observation[check.name]
            if not check.inside(value):
                if not np.isfinite(value).all():
                    self._raise(Activation.OBSERVATION_NOT_FINITE)
                    return False
                in_range = False
        # Written so that an age of NaN counts as stale.
        if not age < self._stale_after:
            self._raise(Activation.OBSERVATION_STALE)
            return False
        if not in_range:
            self._raise(Activation.OBSERVATION_OUT_OF_RANGE)
        return True

    def limit(self, action: NDArray[Any]) -> NDArray[Any] | None:
        """The command for the policy's action: clipped to the limits, or the fallback.

        Returns:
            A buffer that the next call overwrites; None where there is nothing to hold either.
        """
        command, activation = self._limiter.limit(action)
        if activation:
            if Activation.ACTION_NOT_FINITE in activation:
                self._raise(Activation.ACTION_NOT_FINITE)
                return self.hold()
            for kind in activation:
                self._raise(kind)
        return command

    def hold(self, cause: Activation = NOTHING) -> NDArray[Any] | None:
        """The fallback: brake within the limits and stay.

        Args:
            cause: Why, where that is not among the flags yet.

        Returns:
            A buffer that the next call overwrites; None where nothing was commanded yet, so that
            only the robot itself can know what it holds.
        """
        for kind in cause | Activation.FALLBACK:
            self._raise(kind)
        return self._limiter.hold()

    def _raise(self, kind: Activation) -> None:
        if kind not in self.flags:
            self.flags |= kind
            self._counts[kind] += 1
