"""How far an episode goes from all others, counted in the ticks that such a way would take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ilrobot.advice.frames import Frames
from ilrobot.advice.neighbours import Neighbours

#: A tick that moves less than this share of the typical one is a pause.
_PAUSE = 0.05


@dataclass(frozen=True)
class Coverage:
    """Each episode held out in turn, its frames compared with those of all others.

    Attributes:
        gap: Median distance to the nearest frame of another episode, divided by the median way
            that a tick makes where something moves: how many ticks off the shown states a new
            episode is at a typical moment.
        gap_95: The same, exceeded at one moment in twenty.
        gap_with_half: `gap` if every second other episode were missing.
        pauses: Share of the ticks at which next to nothing moves, in [0, 1].
    """

    gap: float
    gap_95: float
    gap_with_half: float
    pauses: float

    @classmethod
    def of(cls, frames: Frames, neighbours: Neighbours) -> Coverage | None:
        """Measure it; None with fewer than three episodes, or where nothing moves."""
        before = np.flatnonzero(frames.next_row >= 0)
        if frames.episodes < 3 or not before.size:
            return None
        moved = np.linalg.norm(
            frames.observations[frames.next_row[before]] - frames.observations[before], axis=1
        )
        if not (moved > 0).any():
            return None
        # Of the ticks that move, lest a recording full of pauses count as sparse.
        tick = float(np.median(moved[moved > _PAUSE * moved.mean()]))
        away = neighbours.distances.min(axis=1) / tick
        half = np.array(
            [_every_second(row[np.isfinite(row)]) for row in neighbours.distances], dtype=np.float64
        )
        return cls(
            gap=float(np.median(away)),
            gap_95=float(np.quantile(away, 0.95)),
            gap_with_half=float(np.median(half / tick)),
            pauses=float((moved <= _PAUSE * tick).mean()),
        )


def _every_second(distances: np.ndarray) -> float:
    return float((distances[::2].min() + distances[1::2].min()) / 2)
