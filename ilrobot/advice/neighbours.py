"""The nearest frame of every other episode: what both coverage and modes are measured by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ilrobot.advice.frames import Frames

#: Frames that are asked for their neighbours, and pairs of frames that are compared, at most.
_MOST_QUERIES = 1_500
_MOST_PAIRS = 60_000_000
_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Neighbours:
    """For some frames, evenly spread over all, the nearest one of each other episode.

    Attributes:
        queries: Rows of these frames, (Q,).
        rows: Nearest row of each episode, (Q, E).
        distances: Euclidean, over normalised observations, (Q, E); infinite to its own episode.
    """

    queries: NDArray[np.int64]
    rows: NDArray[np.int64]
    distances: NDArray[np.float64]

    @classmethod
    def of(cls, frames: Frames) -> Neighbours:
        """Look them up, one comparison of every query with every frame."""
        count = min(len(frames), _MOST_QUERIES, max(50, _MOST_PAIRS // max(len(frames), 1)))
        queries = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(np.int64))
        seen = frames.observations
        squares = (seen**2).sum(axis=1)
        firsts = np.searchsorted(frames.episode, np.arange(frames.episodes + 1))
        rows = np.zeros((len(queries), frames.episodes), dtype=np.int64)
        found = np.full((len(queries), frames.episodes), np.inf)
        step = max(1, _AT_ONCE // max(len(frames), 1))
        for begin in range(0, len(queries), step):
            part = queries[begin : begin + step]
            away = squares[part, None] + squares - 2 * seen[part] @ seen.T
            for one in range(frames.episodes):
                inside = away[:, firsts[one] : firsts[one + 1]]
                nearest = inside.argmin(axis=1)
                rows[begin : begin + step, one] = firsts[one] + nearest
                found[begin : begin + step, one] = inside[np.arange(len(part)), nearest]
        distances = np.sqrt(np.maximum(found, 0.0))
        distances[np.arange(len(queries)), frames.episode[queries]] = np.inf
        return cls(queries, rows, distances)
