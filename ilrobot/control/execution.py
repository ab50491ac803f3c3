"""Which action of which chunk is executed now, and when the next chunk is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Execution(ABC):
    """From chunks to one action per tick.

    At each tick: `take` where `takes`; where `asks`, begin a prediction from the present
    observation and say so by `asked`, then `take` where that is due at once; `next`. Its buffers
    are made once: between predictions it allocates nothing.

    Attributes:
        executed: Which action of the newest chunk taken `next` was about, counted from 0.
    """

    executed = 0

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
        """Whether the chunk asked for is needed at this tick."""

    @abstractmethod
    def take(self, chunk: NDArray[Any]) -> None:
        """Take in the chunk asked for, (horizon, *action shape); the caller leaves it alone."""

    @abstractmethod
    def next(self) -> NDArray[Any]:
        """The action of this tick, whose shape it has; after it the next tick is the present."""

    @property
    def rest(self) -> NDArray[Any] | None:
        """What is planned from this tick on, (at least 1, *action shape); None: nothing."""
        return None


class Receding(Execution):
    """Execute the first actions of a chunk, then those of the next.

    Chi et al. 2023, "Diffusion Policy", section IV-C. With a delay d the next chunk is asked for d
    ticks before it is needed, as if it took as long to predict: meanwhile the actions of the last
    one go on, and of the new one the first d are never executed. Black et al. 2025, "Real-time
    execution of action chunking flow policies". After `forget` there is nothing to go on
    with: that chunk is needed at once.

    Args:
        execute: Ticks from one prediction to the next, s.
        delay: Ticks from asking to having, d ≤ s; of a chunk s + d actions are used.
    """

    def __init__(self, execute: int, delay: int = 0) -> None:
        if not 0 <= delay <= execute:
            raise ValueError(f"delay {delay} is not within 0 and execute {execute}")
        self._execute, self._delay = execute, delay
        self.forget()

    def forget(self) -> None:
        """See `Execution`."""
        self._chunk: NDArray[Any] | None = None
        self._awaited = False
        self._element = 0
        self._since_asked = 0

    @property
    def asks(self) -> bool:
        """See `Execution`."""
        return not self._awaited and (self._chunk is None or self._since_asked >= self._execute)

    def asked(self) -> None:
        """See `Execution`."""
        self._awaited, self._since_asked = True, 0

    @property
    def takes(self) -> bool:
        """See `Execution`."""
        return self._awaited and (self._chunk is None or self._since_asked >= self._delay)

    def take(self, chunk: NDArray[Any]) -> None:
        """See `Execution`."""
        self._chunk, self._element, self._awaited = chunk, self._since_asked, False

    def next(self) -> NDArray[Any]:
        """See `Execution`."""
        if self._chunk is None:
            raise ValueError("no chunk was taken")
        self.executed = self._element
        self._element += 1
        self._since_asked += 1
        action: NDArray[Any] = self._chunk[self.executed]
        return action

    @property
    def rest(self) -> NDArray[Any] | None:
        """See `Execution`."""
        if self._chunk is None or self._element >= len(self._chunk):
            return None
        return self._chunk[self._element :]


class TemporalEnsemble(Execution):
    """Predict at every tick, and execute the weighted mean of all that was predicted for it.

    Of the n chunks that reach the present tick, oldest first, with actions a_0 to a_(n-1) for it:

        a = Σ w_i a_i / Σ w_i,    w_i = exp(-m i)

    Zhao et al. 2023, "Learning fine-grained bimanual manipulation with low-cost hardware",
    algorithm 2. Choices are voted for with these weights; of several with equal votes the least
    wins. How many chunks reach a tick is counted, so that an action of zeros counts as any other.
    Elements are averaged each by itself, which an angle that wraps or a quaternion does not bear.

    `executed` is always 0: the newest chunk begins at the present tick.

    Args:
        horizon: Actions in a chunk.
        shape: Of an action.
        decay: m ≥ 0; 0 weighs all alike, and the greater it is the more the oldest counts.
        choices: How many there are, where actions are choices.
    """

    def __init__(
        self, horizon: int, shape: tuple[int, ...], decay: float, choices: int | None = None
    ) -> None:
        width = int(np.prod(shape)) if choices is None else choices
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
        for buffer in (self._counts, self._totals, self._sums):
            buffer.fill(0)

    @property
    def asks(self) -> bool:
        """At every tick."""
        return not self._awaited

    def asked(self) -> None:
        """See `Execution`."""
        self._awaited = True

    @property
    def takes(self) -> bool:
        """See `Execution`."""
        return self._awaited

    def take(self, chunk: NDArray[Any]) -> None:
        """See `Execution`."""
        now = self._now[:, 0]
        np.take(self._weights, self._counts, out=now, mode="clip")
        if self._choices is None:
            np.copyto(self._weighted, chunk.reshape(self._sums.shape))
        else:
            np.equal(chunk[:, None], self._choices, out=self._votes)
            np.copyto(self._weighted, self._votes)
        # Of one type and one shape: where it must convert or repeat, numpy allocates.
        np.copyto(self._repeated, self._now)
        self._weighted *= self._repeated
        self._sums += self._weighted
        self._totals += now
        self._counts += 1

    def next(self) -> NDArray[Any]:
        """See `Execution`."""
        if not self._counts[0]:
            raise ValueError("no chunk was taken")
        action: Any
        if self._choices is None:
            np.divide(self._sums[0], self._totals[0], out=self._mean)
            action = self._mean.astype(np.float32).reshape(self._shape)  # whoever acts may keep it
        else:
            action = self._sums[0].argmax()
        for earlier, later in self._moves:
            np.copyto(earlier, later)
        for last in self._last:
            last.fill(0)
        self._awaited = False
        chosen: NDArray[Any] = action
        return chosen
