"""Pictures in the arrays of other programs: which can become films, and their ticks in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.video.film import is_filmable
from ilrobot.errors import UserError
from ilrobot.observed import IMAGES
from ilrobot.spec import Feature

_UNREADABLE = (OSError, ValueError, RuntimeError)


def camera(short: str, array: Any, *, floats: bool = False) -> Feature:
    """The camera whose pictures an array (N, H, W, 3) holds.

    Args:
        short: The camera's name, e.g. ``wrist``.
        array: Of h5py, zarr or numpy; not read.
        floats: Whether it may hold the numbers from 0 to 255 as floats.
    """
    dtype = np.dtype(array.dtype)
    kept = "uint8" if floats and dtype.kind == "f" else dtype.name
    return Feature(IMAGES + short, tuple(int(side) for side in array.shape[1:]), kept)


def filmable(found: Mapping[str, Feature]) -> tuple[dict[str, Feature], tuple[str, ...]]:
    """Those of which films can be made, and a remark on the others.

    Args:
        found: By their names in the source.
    """
    cameras = {name: each for name, each in found.items() if is_filmable(each.shape, each.dtype)}
    others = ", ".join(
        f"{name} ({each.dtype}, {' × '.join(map(str, each.shape))})"
        for name, each in found.items()
        if name not in cameras
    )
    remark = f"left out, films are made of uint8 pictures, even × even × 3: {others}"
    return cameras, (remark,) if others else ()


def check(where: object, found: Any, camera: Feature, length: int) -> None:
    """Refuse an episode's pictures that are not like those of the first one.

    Raises:
        UserError: They are missing, or of another type, number or size.
    """
    shape, dtype = getattr(found, "shape", None), getattr(found, "dtype", None)
    if (shape, dtype) != ((length, *camera.shape), np.uint8):
        is_now = f"{dtype} of shape {list(shape)}" if shape else "missing"
        raise UserError(
            f"{where}: must be uint8 of shape {[length, *camera.shape]}, as in the first episode, "
            f"and is {is_now}; mend or drop that episode"
        )


def ticks(where: object, array: Any, start: int, end: int) -> Iterator[NDArray[np.uint8]]:
    """The pictures of the ticks `start` … `end` - 1, in memory as many as a chunk on disk holds.

    Raises:
        UserError: The array is damaged, or holds floats that are no bytes.
    """
    step = (getattr(array, "chunks", None) or (1,))[0]
    for begin in range(start, end, step):
        try:
            block = np.asarray(array[begin : min(begin + step, end)])
        except _UNREADABLE as error:
            raise UserError(f"{where}: damaged ({error}); copy it again") from error
        yield from _bytes(where, block)


def _bytes(where: object, block: NDArray[Any]) -> NDArray[np.uint8]:
    if block.dtype == np.uint8:
        return block
    if not ((block >= 0) & (block <= 255)).all():
        raise UserError(f"{where}: holds a number that is not from 0 to 255; save it as uint8")
    whole = np.rint(block)
    if block.max() <= 1 and (whole != block).any():
        raise UserError(
            f"{where}: holds pictures from 0 to 1, not to 255; save 255 times as much, as uint8"
        )
    return whole.astype(np.uint8)
