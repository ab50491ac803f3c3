"""Pictures that are there already become a film, as those of a running recording do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.video.film import write_film
from ilrobot.data.video.parts import Part
from ilrobot.errors import UserError
from ilrobot.spec import Feature


def film_pictures(
    what: str,
    pictures: Iterable[NDArray[np.uint8]],
    camera: Feature,
    ticks: int,
    part: Path,
    target: Path,
    fps: int,
) -> None:
    """Write a film of what a camera saw in an episode, one picture in memory at a time.

    Args:
        what: The film in words, for messages.
        pictures: In order.
        camera: Its feature.
        ticks: How many pictures there must be.
        part: Where it lies until it is whole; removed then.
        target: The mp4.
        fps: Pictures per second.

    Raises:
        UserError: There are more or fewer pictures, or one is of another shape or type.
        OSError: The disk is full.
    """
    from ilrobot.data.video.encoder import Film

    film, count = Film(part, camera.shape, fps), 0
    try:
        for count, picture in enumerate(pictures, 1):
            if picture.shape != camera.shape or picture.dtype != np.uint8:
                raise UserError(
                    f"{what}: picture {count - 1} is {picture.dtype} of shape "
                    f"{list(picture.shape)}, not uint8 of {list(camera.shape)}; mend or drop that "
                    "episode in the source"
                )
            film.add(count - 1, np.ascontiguousarray(picture))
    finally:
        film.end(count)
    if count != ticks:
        raise UserError(
            f"{what}: has {count} pictures for {ticks} ticks; mend or drop that episode in the "
            "source"
        )
    write_film(Part(part), target, fps)
    part.unlink()
