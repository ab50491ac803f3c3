"""Predictions in the background of simulated time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.inference import Answer, Inference


class DelayedInference:
    """Predictions that come when a simulated clock says so; see `Inference`.

    Args:
        inner: Who predicts, where it is asked.
        now: The clock, in seconds.
        delay: Seconds that the prediction takes which is asked for now.
    """

    thread_id: int | None = None

    def __init__(
        self, inner: Inference, now: Callable[[], float], delay: Callable[[], float]
    ) -> None:
        self._inner, self._now, self._delay = inner, now, delay
        self._took = self._due = 0.0

    def ask(
        self,
        history: Mapping[str, NDArray[Any]],
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
        delay: int,
    ) -> None:
        """See `Inference`."""
        self._inner.ask(history, generator, rest, delay)
        self._took = self._delay()
        self._due = self._now() + self._took

    def answer(self) -> Answer | None:
        """See `Inference`."""
        # Sums of ticks round.
        if self._now() < self._due - 1e-9:
            return None
        answer = self._inner.answer()
        return None if answer is None else replace(answer, seconds=self._took)

    def forget(self) -> None:
        """See `Inference`."""
        self._inner.forget()

    def wait(self, seconds: float, stopped: Callable[[], bool] = lambda: False) -> bool:
        """See `Inference`."""
        if math.isfinite(self._took):
            self._due = min(self._due, self._now())
        return math.isfinite(self._took)
