"""Recordings as what a critic learns from: what was done, what came of it, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.data.recordings import Recordings, lives
from ilrobot.gates.discrepancy import action_ranges, discrepancies

#: Ends after which nothing follows. Whoever runs out of time has failed: success is counted within
#: the time that the task allows, and a robot that is stuck fails in no other way.
_ENDED = frozenset({Outcome.FAILURE, Outcome.TIMEOUT})


@dataclass(frozen=True)
class Transitions:
    """The ticks of some recordings from which it is known what they led to.

    Attributes:
        frames: Index of each tick in the dataset, ascending, (N,).
        following: Index of the tick after it, (N,); of itself where nothing follows.
        success: Whether the task was done by this tick, (N,). Nothing follows.
        ended: Whether nothing follows, success or not, (N,).
        episode: Of each tick, (N,).
    """

    frames: NDArray[np.int64]
    following: NDArray[np.int64]
    success: NDArray[np.bool_]
    ended: NDArray[np.bool_]
    episode: NDArray[np.int64]

    @classmethod
    def of(cls, dataset: Recordings) -> Transitions:
        """Those of all episodes that were not discarded.

        What a rewind undid and where the robot was held are left out, and what was recorded after a
        success. An episode that was cut off, or that nobody judged, says nothing about its end: its
        last tick is left out, too. A demonstration that nobody judged succeeded.
        """
        useful = lives(dataset)
        sources = None
        if dataset.has_column("control.source"):
            sources = dataset.column("control.source")
            useful &= sources != Source.PAUSED.value
        succeeds = np.zeros(dataset.num_frames, dtype=bool)
        if dataset.has_column("next.success"):
            succeeds = dataset.column("next.success").astype(bool).reshape(-1)

        none, never = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
        parts = [cls(none, none, never, never, none)]
        for number, info in enumerate(dataset.infos):
            start, end = dataset.starts[number], dataset.starts[number + 1]
            ticks = start + np.flatnonzero(useful[start:end])
            demonstrated = sources is None or bool((sources[ticks] == Source.DEMO.value).all())
            outcome = _outcome(info, demonstrated)
            if outcome is Outcome.DISCARDED:
                continue
            if outcome is Outcome.SUCCESS and succeeds[ticks].any():
                ticks = ticks[: int(succeeds[ticks].argmax()) + 1]
            after = np.append(ticks[1:], ticks[-1:])
            last = np.zeros(len(ticks), dtype=bool)
            last[-1:] = True
            known = ~last if outcome not in {*_ENDED, Outcome.SUCCESS} else np.ones_like(last)
            success = last & (outcome is Outcome.SUCCESS)
            episode = np.full(len(ticks), number)
            parts.append(cls(ticks, after, success, last, episode).where(known))
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS))

    def __len__(self) -> int:
        return len(self.frames)

    def agreement(self, dataset: Recordings, actions: NDArray[np.float32]) -> NDArray[np.float64]:
        """ε of what was executed at each tick and what the novice would have done, (N,).

        Args:
            dataset: The recordings.
            actions: Of the novice, at each tick of the dataset.
        """
        return discrepancies(
            dataset.column("action")[self.frames],
            actions[self.frames],
            action_ranges(dataset.spec),
            dataset.spec.target_rotations,
            dataset.spec.action.angles,
        )

    def alone(
        self, dataset: Recordings, gamma: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """What became of each tick, where the policy alone acted after it and the end is known.

        Returns:
            Whether that is so, (N,), and γ^k · success where it is, (N,), k ticks before the end.
        """
        alone, became = np.zeros(len(self), dtype=bool), np.zeros(len(self))
        if not dataset.has_column("control.source"):
            return alone, became
        acts = dataset.column("control.source")[self.frames] == Source.POLICY.value
        lasts = np.append(self.episode[1:] != self.episode[:-1], True)
        so, value = False, 0.0
        for row in reversed(range(len(self))):
            if lasts[row]:
                so, value = bool(self.ended[row]), float(self.success[row])
            else:
                so, value = so and bool(acts[row + 1]), gamma * value
            alone[row], became[row] = so, value
        return alone, became

    def of_episodes(self, episodes: NDArray[np.int64]) -> Transitions:
        """Those of some episodes."""
        return self.where(np.isin(self.episode, episodes))

    def helped(self, dataset: Recordings) -> NDArray[np.bool_]:
        """Whether an expert drove, demonstrating or correcting, (N,)."""
        if not dataset.has_column("control.source"):
            return np.ones(len(self), dtype=bool)
        return np.isin(dataset.column("control.source")[self.frames], (Source.DEMO, Source.HUMAN))

    def where(self, chosen: NDArray[np.bool_]) -> Transitions:
        """Those chosen of them, shape (N,)."""
        return Transitions(*(getattr(self, name)[chosen] for name in _COLUMNS))


_COLUMNS = ("frames", "following", "success", "ended", "episode")


def _outcome(info: EpisodeInfo, demonstrated: bool) -> Outcome:
    if info.outcome is Outcome.UNKNOWN and demonstrated:
        return Outcome.SUCCESS
    return info.outcome
