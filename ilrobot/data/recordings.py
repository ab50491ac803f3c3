"""Recordings as a learner reads them, on disk or in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.branches import DISCARDED, surviving
from ilrobot.data.episode import EpisodeInfo
from ilrobot.spec import Spec


class Recordings(Protocol):
    """What learning needs of a `ilrobot.data.dataset.Dataset`; see there for what each part is."""

    path: Path
    spec: Spec
    infos: tuple[EpisodeInfo, ...]
    lengths: NDArray[np.int64]
    starts: NDArray[np.int64]
    besides: int

    @property
    def num_episodes(self) -> int: ...  # noqa: D102

    @property
    def num_frames(self) -> int: ...  # noqa: D102

    @property
    def content_hash(self) -> str: ...  # noqa: D102

    def has_column(self, name: str) -> bool: ...  # noqa: D102

    def column(self, name: str) -> NDArray[Any]: ...  # noqa: D102

    def video(self, episode: int, key: str) -> Iterator[NDArray[np.uint8]]: ...  # noqa: D102


def lives(dataset: Recordings) -> NDArray[np.bool_]:
    """Which ticks no rewind undid, shape (num_frames,)."""
    if not dataset.has_column(DISCARDED):
        return np.ones(dataset.num_frames, dtype=bool)
    return surviving({DISCARDED: dataset.column(DISCARDED)})
