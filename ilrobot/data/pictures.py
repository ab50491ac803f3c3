"""Pictures as policies see them: made smaller by averaging whole pixels."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ilrobot.data.film_files import film
from ilrobot.data.recordings import Recordings
from ilrobot.errors import UserError
from ilrobot.spec import Feature

#: Greatest length of a side after that, in pixels. Diffusion Policy and robomimic see as much.
LONGEST_SIDE = 128
_MEMORY = Path("/proc/meminfo")


def shrinking(camera: Feature) -> int:
    """How many pixels of the camera, along each side, become one."""
    return -(-max(camera.shape[:2]) // LONGEST_SIDE)


def small_shape(camera: Feature) -> tuple[int, int, int]:
    """Height, width and channels of what is left; pixels that fill no whole one are cut off."""
    height, width, channels = camera.shape
    factor = shrinking(camera)
    return height // factor, width // factor, channels


def shrink(pictures: Tensor, camera: Feature) -> Tensor:
    """Pictures (N, H, W, C) as the camera takes them, or small ones, as small ones (N, C, h, w).

    Both hold whole numbers from 0 to 255, so that a picture and its small one that was kept are the
    same to the last bit. A film is not what the camera took: it loses some of it, see
    `ilrobot.data.video.film`.

    Returns:
        float32.
    """
    channels_first = pictures.movedim(-1, 1).float()
    if pictures.shape[1:] == small_shape(camera):
        return channels_first
    return functional.avg_pool2d(channels_first, shrinking(camera)).round()


def require_room(
    dataset: Recordings,
    cameras: Sequence[Feature],
    episodes: Sequence[int],
    place: tuple[str, int] | None = None,
) -> None:
    """Refuse small pictures that do not fit into memory, before any film is opened.

    Args:
        dataset: With the cameras' films.
        cameras: Which are to be held.
        episodes: Indexes of those of which they are.
        place: What holds them and how many bytes of it are free (None: this machine's memory).

    Raises:
        UserError: They need more than is free.
    """
    ticks = int(dataset.lengths[list(episodes)].sum())
    needed = ticks * sum(math.prod(small_shape(camera)) for camera in cameras)
    what, free = place or ("memory", free_memory())
    if needed > free:
        raise UserError(
            f"{dataset.path}: the pictures of {ticks:,} ticks need {needed / 1e9:,.1f} GB of "
            f"{what}, and {free / 1e9:,.1f} are free; learn from fewer episodes or --cameras"
        )


def free_memory() -> int:
    """Bytes that can be had without paging; all of the machine's, where the system does not say."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if _MEMORY.exists():
        for line in _MEMORY.read_text().splitlines():
            name, _, amount = line.partition(":")
            if name == "MemAvailable":
                return min(there, int(amount.split()[0]) * 1024)
    return there


def small_pictures(dataset: Recordings, camera: Feature, episodes: Sequence[int]) -> Tensor:
    """What a camera saw in some episodes, one after the other, made small, in memory.

    Args:
        dataset: With the camera's films.
        camera: Which.
        episodes: Their indexes.

    Returns:
        uint8 of shape (their ticks, h, w, 3).

    Raises:
        UserError: There are no films, one is missing, damaged or of another size, or they do not
            fit into memory.
    """
    require_room(dataset, [camera], episodes)
    ticks = int(dataset.lengths[list(episodes)].sum())
    kept = torch.empty((ticks, *small_shape(camera)), dtype=torch.uint8)
    done = 0
    for episode in episodes:
        # Each at once: of a large camera a few hundred would be gigabytes.
        for picture in film(dataset, camera, int(episode)):
            small = shrink(torch.from_numpy(picture)[None], camera)
            kept[done] = small[0].movedim(0, -1).to(torch.uint8)
            done += 1
    return kept
