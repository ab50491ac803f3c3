"""Which action of which chunk is executed now, and when the next chunk is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.rotation_means import RotationMeans
from ilrobot.rotation_units import Rotation


class Execution(ABC):
    """From chunks to one action per tick.

    At each tick: `take` where `takes` and the chunk is there; where `asks`, begin a prediction from
    the present observation and say so by `asked`, then `take` likewise; `next`. Its buffers are
    made once: between predictions it allocates nothing.

    A chunk begins at the tick it was asked for. When it is taken, as many of its actions are passed
    over as others were executed meanwhile: not the time that went by, for where the plan ran out
    the robot has not moved on, unless somebody else drove it on, which `passed` says.

    Attributes:
        executed: Which action of the newest chunk taken `next` was about, counted from 0.
        waited: Ticks since a chunk was last asked for.
        ahead: Ticks that a prediction is expected to take; the next is asked for so early that the
            plan lasts meanwhile.
    """

    executed = 0
    waited = 0
    ahead = 0

    @abstractmethod
    def forget(self) -> None:
        """Drop what was planned, what was asked for, too."""

    @property
    @abstractmethod
    def asks(self) -> bool:
        """Whether a prediction begins at this tick."""

    @abstractmethod
    def asked(self) -> None:
        """A prediction from the present observation was begun."""

    @property
    @abstractmethod
    def takes(self) -> bool:
        """Whether the chunk asked for is due at this tick."""

    @abstractmethod
    def take(self, chunk: NDArray[Any]) -> None:
        """Take in the chunk asked for, (horizon, *action shape); the caller leaves it alone."""

    @abstractmethod
    def drop(self) -> None:
        """The chunk asked for is not to be taken any more; another may be asked for."""

    @abstractmethod
    def next(self) -> NDArray[Any] | None:
        """The action of this tick, whose shape it has; after it the next tick is the present.

        Returns:
            None where the plan has run out.
        """

    @abstractmethod
    def passed(self) -> None:
        """After a `next` that had no action: somebody else drove the robot on at that tick."""

    @property
    def rest(self) -> NDArray[Any] | None:
        """What is planned from this tick on, (at least 1, *action shape); None: nothing."""
        return None


class Receding(Execution):
    """Execute the first actions of a chunk, then those of the next.

    Chi et al. 2023, "Diffusion Policy", section IV-C. With a delay d the next chunk is not taken
    before d ticks have passed, as if it took as long to predict: meanwhile the actions of the last
    one go on, and of the new one the first d are never executed. Black et al. 2025, "Real-time
    execution of action chunking flow policies". Where there is nothing to go on with, a chunk
    is taken at once.

    A prediction that comes later than that is taken when it comes. It is asked for s ticks after
    the last one, or as soon as the rest of the plan lasts no longer than it is expected to take.

    Args:
        execute: Ticks from one prediction to the next, s.
        delay: Least ticks from asking to having, d ≤ s; of a chunk s + d actions are used.
    """

    def __init__(self, execute: int, delay: int = 0) -> None:
        if not 0 <= delay <= execute:
            raise ValueError(f"delay {delay} is not within 0 and execute {execute}")
        self._execute, self._delay = execute, delay
        self.ahead = delay
        self.forget()

    def forget(self) -> None:
        """See `Execution`."""
        self._chunk: NDArray[Any] | None = None
        self._awaited = False
        self._element = self._left = 0
        self._executed_meanwhile = 0
        self.waited = 0

    @property
    def asks(self) -> bool:
        """See `Execution`."""
        if self._awaited:
            return False
        return self._executed_meanwhile >= self._execute or self._left <= self.ahead

    def asked(self) -> None:
        """See `Execution`."""
        self._awaited, self._executed_meanwhile, self.waited = True, 0, 0

    @property
    def takes(self) -> bool:
        """See `Execution`."""
        return self._awaited and (self.waited >= self._delay or self._left <= 0)

    def take(self, chunk: NDArray[Any]) -> None:
        """See `Execution`."""
        self._chunk, self._element, self._awaited = chunk, self._executed_meanwhile, False
        self._left = len(chunk) - self._element

    def drop(self) -> None:
        """See `Execution`."""
        self._awaited, self._executed_meanwhile = False, self._execute

    def next(self) -> NDArray[Any] | None:
        """See `Execution`."""
        self.waited += 1
        if self._chunk is None or self._left <= 0:
            return None
        self.executed = self._element
        self._element += 1
        self._left -= 1
        self._executed_meanwhile += 1
        action: NDArray[Any] = self._chunk[self.executed]
        return action

    def passed(self) -> None:
        """See `Execution`."""
        self._executed_meanwhile += 1

    @property
    def rest(self) -> NDArray[Any] | None:
        """See `Execution`."""
        if self._chunk is None or self._left <= 0:
            return None
        return self._chunk[self._element :]


class TemporalEnsemble(Execution):
    """Predict at every tick, and execute the weighted mean of all that was predicted for it.

    Of the n chunks that reach the present tick, oldest first, with actions a_0 to a_(n-1) for it:

        a = Σ w_i a_i / Σ w_i,    w_i = exp(-m i)

    Zhao et al. 2023, "Learning fine-grained bimanual manipulation with low-cost hardware",
    algorithm 2. Choices are voted for with these weights; of several with equal votes the least
    wins. How many chunks reach a tick is counted, so that an action of zeros counts as any other.
    Elements are averaged each by itself, which an angle that wraps does not bear; of rotations, see
    `ilrobot.control.rotation_means`.

    A prediction that takes longer than a tick is taken when it comes, and the next one asked for.

    Args:
        horizon: Actions in a chunk.
        shape: Of an action.
        decay: m ≥ 0; 0 weighs all alike, and the greater it is the more the oldest counts.
        choices: How many there are, where actions are choices.
        rotations: Of an action that is a target.
    """

    def __init__(
        self,
        horizon: int,
        shape: tuple[int, ...],
        decay: float,
        choices: int | None = None,
        rotations: Sequence[Rotation] = (),
    ) -> None:
        width = int(np.prod(shape)) if choices is None else choices
        self._means = RotationMeans(width, rotations) if rotations else None
        width = width if self._means is None else self._means.width
        self._shape = shape
        self._choices = None if choices is None else np.arange(choices)
        # The i-th prediction of a tick has the weight i, whichever tick it is: sums suffice.
        self._weights = np.exp(-decay * np.arange(horizon))
        self._counts = np.zeros(horizon, np.intp)
        self._totals = np.zeros(horizon)
        self._sums = np.zeros((horizon, width))
        self._now = np.zeros((horizon, 1))
        self._weighted = np.zeros((horizon, width))
        self._repeated = np.zeros((horizon, width))
        self._mean = np.zeros(width)
        self._votes = np.zeros((horizon, width), np.bool_)
        self._awaited = False
        self._element = self._executed_meanwhile = 0
        # One-dimensional, because numpy moves nothing else within itself without a copy.
        flat = self._sums.reshape(-1)
        self._moves = [
            (self._counts[:-1], self._counts[1:]),
            (self._totals[:-1], self._totals[1:]),
            (flat[:-width], flat[width:]),
        ]
        self._last = (self._counts[-1:], self._totals[-1:], flat[-width:])

    def forget(self) -> None:
        """See `Execution`."""
        self._awaited = False
        self.executed = self.waited = self._executed_meanwhile = 0
        for buffer in (self._counts, self._totals, self._sums):
            buffer.fill(0)

    @property
    def asks(self) -> bool:
        """At every tick at which none is awaited."""
        return not self._awaited

    def asked(self) -> None:
        """See `Execution`."""
        self._awaited = True
        self.waited = self._executed_meanwhile = 0

    @property
    def takes(self) -> bool:
        """See `Execution`."""
        return self._awaited

    def take(self, chunk: NDArray[Any]) -> None:
        """See `Execution`."""
        now, passed = self._now[:, 0], self._executed_meanwhile
        reached = len(now) - passed
        np.take(self._weights, self._counts, out=now, mode="clip")
        now[reached:] = 0.0
        self._weighted[reached:] = 0.0
        if self._means is not None:
            ahead = chunk.reshape(len(now), -1)[passed:]
            np.copyto(self._weighted[:reached], self._means.encode(ahead, self._sums[:reached]))
        elif self._choices is None:
            np.copyto(self._weighted[:reached], chunk.reshape(self._sums.shape)[passed:])
        else:
            np.equal(chunk[passed:, None], self._choices, out=self._votes[:reached])
            np.copyto(self._weighted[:reached], self._votes[:reached])
        # Of one type and one shape: where it must convert or repeat, numpy allocates.
        np.copyto(self._repeated, self._now)
        self._weighted *= self._repeated
        self._sums += self._weighted
        self._totals += now
        self._counts[:reached] += 1
        self._element, self._awaited = passed, False

    def drop(self) -> None:
        """See `Execution`."""
        self._awaited = False

    def next(self) -> NDArray[Any] | None:
        """See `Execution`."""
        self.waited += 1
        if not self._counts[0]:
            return None
        self._executed_meanwhile += 1
        self.executed = self._element
        self._element += 1
        action: Any
        if self._choices is None:
            np.divide(self._sums[0], self._totals[0], out=self._mean)
            mean = self._mean if self._means is None else self._means.decode(self._mean)
            action = mean.astype(np.float32).reshape(self._shape)  # whoever acts may keep it
        else:
            action = self._sums[0].argmax()
        for earlier, later in self._moves:
            np.copyto(earlier, later)
        for last in self._last:
            last.fill(0)
        chosen: NDArray[Any] = action
        return chosen

    def passed(self) -> None:
        """See `Execution`."""
        self._executed_meanwhile += 1
