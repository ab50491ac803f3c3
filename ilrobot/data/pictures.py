"""Pictures as policies see them: made smaller by averaging whole pixels."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ilrobot.data.memory import Recordings
from ilrobot.errors import UserError
from ilrobot.spec import Feature

#: Greatest length of a side after that, in pixels. Diffusion Policy and robomimic see as much.
LONGEST_SIDE = 128
#: Pictures that are made smaller at once.
_AT_ONCE = 256


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

    Both hold whole numbers from 0 to 255, so that training on small ones that were kept and acting
    on what a camera takes are the same to the last bit.

    Returns:
        float32.
    """
    channels_first = pictures.movedim(-1, 1).float()
    if pictures.shape[1:] == small_shape(camera):
        return channels_first
    return functional.avg_pool2d(channels_first, shrinking(camera)).round()


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
    ticks = int(dataset.lengths[list(episodes)].sum())
    needed = ticks * math.prod(small_shape(camera))
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise UserError(
            f"{dataset.path}: {ticks:,} pictures of {camera.name} need {needed / 1e9:,.0f} GB, and "
            f"this machine has {there / 1e9:,.0f}; train on fewer episodes"
        )
    kept = torch.empty((ticks, *small_shape(camera)), dtype=torch.uint8)
    done = 0
    waiting: list[Tensor] = []

    def keep() -> None:
        nonlocal done
        if waiting:
            small = shrink(torch.stack(waiting), camera).movedim(1, -1)
            kept[done : done + len(waiting)] = small.to(torch.uint8)
            done += len(waiting)
            waiting.clear()

    for episode in episodes:
        for picture in dataset.video(int(episode), camera.name):
            if picture.shape != camera.shape:
                raise UserError(
                    f"{dataset.path}: '{camera.name}' shows {list(picture.shape)} in episode "
                    f"{episode}, not {list(camera.shape)}; copy the dataset again from its source"
                )
            waiting.append(torch.from_numpy(picture))
            if len(waiting) == _AT_ONCE:
                keep()
    keep()
    return kept
