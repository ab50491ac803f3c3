"""Clips of a dataset as pictures: from its cameras' films, else drawn from recorded states."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ilrobot.data.comparisons import Clip
    from ilrobot.data.dataset import Dataset

#: Pictures a second, and their width and height in pixels, at most.
_RATE, _SIZE = 15.0, 400
_KEPT = 6


class Films:
    """The clips that were shown last are kept in memory.

    Attributes:
        rate: Pictures per second at which they run as fast as they were recorded.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._stride = max(1, math.ceil(dataset.fps / _RATE))
        self.rate = dataset.fps / self._stride
        self._kept: OrderedDict[Clip, list[NDArray[np.uint8]]] = OrderedDict()

    def of(self, clip: Clip) -> list[NDArray[np.uint8]]:
        """The pictures of a clip, at least one, (height, width, 3) uint8 each.

        Raises:
            UserError: There are neither films nor states, or the task cannot be drawn here.
        """
        if clip not in self._kept:
            pictures = islice(self._frames(clip.episode), clip.begin, clip.end, self._stride)
            self._kept[clip] = [_small(picture) for picture in pictures]
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(clip)
        return self._kept[clip]

    def _frames(self, episode: int) -> Iterator[NDArray[np.uint8]]:
        import sims  # noqa: F401 (registers our tasks)
        from ilrobot.report.recording import simulated_frames

        cameras = self._dataset.camera_keys
        if cameras:
            return self._dataset.video(episode, cameras[0])
        return simulated_frames(self._dataset, episode)


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    step = max(1, math.ceil(max(picture.shape[:2]) / _SIZE))
    return np.ascontiguousarray(picture[::step, ::step])
