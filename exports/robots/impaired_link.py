"""A bad network, for tests on a good one: messages come late, out of order, or never."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from exports.robots.links import Link

#: Messages under way in one direction; a flood beyond that is lost.
_MOST_UNDER_WAY = 10_000
#: Messages taken from the good link before the next one is handed on.
_AT_ONCE = 64


@dataclass(frozen=True)
class Impairments:
    """How bad it is, in each direction.

    Attributes:
        latency: Seconds that every message travels longer.
        jitter: Each travels up to this many seconds longer still, drawn evenly, so that messages
            overtake each other.
        loss: Share of messages that never arrive, 0 to 1.
        seed: Of the draws.
    """

    latency: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    seed: int = 0

    def __bool__(self) -> bool:
        return self.latency > 0 or self.jitter > 0 or self.loss > 0


class ImpairedLink:
    """See `Link`; both what arrives and what is sent is delayed and lost.

    Args:
        link: The good one; closed with this one.
        impairments: How bad it is to be.
        clock: Monotonic, in seconds.
    """

    def __init__(
        self,
        link: Link,
        impairments: Impairments,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.address, self.most_bytes = link.address, link.most_bytes
        self._link, self._how, self._clock = link, impairments, clock
        self._generator = np.random.default_rng(impairments.seed)
        self._count = itertools.count()  # of two that are due at once, the first sent goes first
        self._arriving: list[tuple[float, int, Any, bytes]] = []
        self._leaving: list[tuple[float, int, Any, bytes]] = []

    def receive(self) -> tuple[Any, bytes] | None:
        """See `Link`."""
        now = self._clock()
        for _ in range(_AT_ONCE):
            arrived = self._link.receive()
            if arrived is None:
                break
            self._delay(self._arriving, now, *arrived)
        self._let_leave(now)
        if self._arriving and self._arriving[0][0] <= now:
            _, _, peer, data = heapq.heappop(self._arriving)
            return peer, data
        return None

    def send(self, peer: Any, data: bytes) -> None:
        """See `Link`."""
        now = self._clock()
        self._delay(self._leaving, now, peer, data)
        self._let_leave(now)

    def wait(self, seconds: float) -> None:
        """See `Link`."""
        due = [queue[0][0] for queue in (self._arriving, self._leaving) if queue]
        self._link.wait(min([seconds, *(time - self._clock() for time in due)]))
        self._let_leave(self._clock())

    def close(self) -> None:
        """See `Link`; what has not left is lost."""
        self._link.close()

    def _delay(self, queue: list[Any], now: float, peer: Any, data: bytes) -> None:
        if self._generator.random() >= self._how.loss and len(queue) < _MOST_UNDER_WAY:
            due = now + self._how.latency + self._how.jitter * self._generator.random()
            heapq.heappush(queue, (due, next(self._count), peer, data))

    def _let_leave(self, now: float) -> None:
        while self._leaving and self._leaving[0][0] <= now:
            _, _, peer, data = heapq.heappop(self._leaving)
            self._link.send(peer, data)
