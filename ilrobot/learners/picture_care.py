"""Whether pictures can be learnt from, before any film is read."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from ilrobot.data.memory import Recordings
from ilrobot.data.pictures import small_shape
from ilrobot.errors import UserError
from ilrobot.spec import Feature

#: Pixels of a picture as policies see it, each way: the first convolution is as wide.
_LEAST_SIDE = 8
_MEMORY = Path("/proc/meminfo")


def check_films(dataset: Recordings, cameras: Sequence[Feature], episodes: Sequence[int]) -> None:
    """Refuse cameras whose pictures are strips, or do not fit into memory.

    Args:
        dataset: With the films.
        cameras: Whose pictures shall be learnt from.
        episodes: Indexes of all that will be kept, held-out ones among them.

    Raises:
        UserError: They are.
    """
    for camera in cameras:
        height, width, _ = small_shape(camera)
        if min(height, width) < _LEAST_SIDE:
            raise UserError(
                f"'{camera.name}' of {camera.shape[1]}×{camera.shape[0]} pixels is seen as {width}"
                f"×{height}, and {_LEAST_SIDE} each way are needed; leave it out of --cameras"
            )
    ticks = int(dataset.lengths[list(episodes)].sum())
    needed = ticks * sum(math.prod(small_shape(camera)) for camera in cameras)
    there = available_memory()
    if needed > there:
        raise UserError(
            f"{dataset.path}: the pictures of {ticks:,} ticks need {needed / 1e9:,.1f} GB, and "
            f"{there / 1e9:,.1f} are free; learn from fewer episodes or --cameras"
        )


def available_memory() -> int:
    """Bytes that can be had without paging; all of the machine's, where the system does not say."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if _MEMORY.exists():
        for line in _MEMORY.read_text().splitlines():
            name, _, amount = line.partition(":")
            if name == "MemAvailable":
                return min(there, int(amount.split()[0]) * 1024)
    return there
