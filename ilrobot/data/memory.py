"""Recordings in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.episode import Episode
from ilrobot.data.recordings import Recordings
from ilrobot.errors import UserError
from ilrobot.spec import Spec


class MemoryRecordings:
    """Episodes in memory as `Recordings`, for studies that need no files.

    Args:
        spec: Their observations and action.
        episodes: All with the same columns.
        name: Stands for the path in messages.
        films: Where the film of each episode is, if anywhere: recordings and its number there.
        besides: How many of the last episodes are not in what lies at that path.
        content_hash: Of what lies there, which is known (None: over these episodes).
    """

    def __init__(
        self,
        spec: Spec,
        episodes: Sequence[Episode],
        name: str = "memory",
        *,
        films: Sequence[tuple[Recordings, int]] = (),
        besides: int = 0,
        content_hash: str | None = None,
    ) -> None:
        self.path, self.spec, self.besides = Path(name), spec, besides
        self._known_hash, self._films = content_hash, tuple(films)
        self.infos = tuple(episode.info for episode in episodes)
        self.lengths = np.array([len(episode) for episode in episodes], dtype=np.int64)
        self.starts = np.concatenate(([0], np.cumsum(self.lengths)))
        names = episodes[0].columns if episodes else ()
        self._columns = {n: np.concatenate([e.columns[n] for e in episodes]) for n in names}

    @property
    def num_episodes(self) -> int:
        """Number of episodes."""
        return len(self.infos)

    @property
    def num_frames(self) -> int:
        """Number of ticks in all."""
        return int(self.starts[-1])

    @property
    def content_hash(self) -> str:
        """16 hex digits over lengths, outcomes and values, if it was not given."""
        if self._known_hash is not None:
            return self._known_hash
        digest = hashlib.sha256(self.lengths.tobytes())
        digest.update("\0".join(info.outcome for info in self.infos).encode())
        for name, values in sorted(self._columns.items()):
            text = values.dtype == object
            digest.update(name.encode())
            digest.update("\0".join(values).encode() if text else values.tobytes())
        return digest.hexdigest()[:16]

    def has_column(self, name: str) -> bool:
        """Whether `column(name)` would give something."""
        return name in self._columns

    def column(self, name: str) -> NDArray[Any]:
        """One column over all ticks, shape (num_frames, *shape).

        Raises:
            UserError: There is none of that name.
        """
        if name not in self._columns:
            raise UserError(f"{self.path}: has no column '{name}' (it has {list(self._columns)})")
        return self._columns[name]

    def video(self, episode: int, key: str) -> Iterator[NDArray[np.uint8]]:
        """What a camera saw in an episode, from where its film is; see `Dataset.video`.

        Raises:
            UserError: There is no film of it.
        """
        if not self._films:
            raise UserError(
                f"{self.path}: what '{key}' saw in episode {episode} is not kept; pictures are "
                "learnt from a recorded dataset alone"
            )
        source, number = self._films[episode]
        return source.video(number, key)
