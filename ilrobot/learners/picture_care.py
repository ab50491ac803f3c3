"""Whether pictures can be learnt from, before any film is read."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ilrobot.data.pictures import require_room, small_shape
from ilrobot.data.recordings import Recordings
from ilrobot.errors import UserError
from ilrobot.spec import Feature

#: Pixels of a picture as policies see it, each way: the first convolution is as wide.
_LEAST_SIDE = 8


def check_films(
    dataset: Recordings, cameras: Sequence[Feature], episodes: Sequence[int], device: torch.device
) -> None:
    """Refuse cameras whose pictures are strips, or do not fit into memory.

    Args:
        dataset: With the films.
        cameras: Whose pictures shall be learnt from.
        episodes: Indexes of all that will be kept, held-out ones among them.
        device: Where they will be kept, beside this machine's memory.

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
    require_room(dataset, cameras, episodes)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        require_room(dataset, cameras, episodes, ("GPU memory", free))
