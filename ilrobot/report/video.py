"""Film: frames into an mp4 that every browser plays."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ilrobot.atomic import replacing


def write_video(path: Path, frames: Iterable[NDArray[Any]], fps: float) -> int:
    """Write an h264 mp4 (yuv420p, constant rate, index at the front so that it streams).

    The file appears under its name only when it is whole. An odd last row or column is cut off,
    because the format stores colour at half resolution.

    Args:
        path: Where to; its folder is made.
        frames: Pictures H×W×3 uint8, all of one size, at least 2×2 pixels.
        fps: Frames per second.

    Returns:
        The number of frames.

    Raises:
        ValueError: There is no frame, one is no H×W×3 uint8 picture or differs in size, or `fps`
            is not positive.
    """
    if not fps > 0:
        raise ValueError(f"a video needs a positive rate, not {fps} frames per second")
    with replacing(path) as part:
        return _encode(part, frames, fps)


def _encode(path: Path, frames: Iterable[NDArray[Any]], fps: float) -> int:
    count, shape = 0, None
    # The size of the stream must be known before its first frame, so the first opens it.
    container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
    with container:
        for index, picture in enumerate(frames):
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
                raise ValueError(
                    f"frame {index} is {picture.dtype} of shape {picture.shape}; a video is made "
                    "of H×W×3 uint8 pictures"
                )
            if shape is None:
                shape = picture.shape
                stream: Any = container.add_stream("libx264", rate=_fraction(fps))
                stream.height, stream.width = shape[0] // 2 * 2, shape[1] // 2 * 2
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": "23", "preset": "veryfast"}
                stream.gop_size = max(1, round(fps))  # a second, so that seeking is quick
            elif picture.shape != shape:
                raise ValueError(
                    f"frame {index} has shape {picture.shape}, the first one has {shape}"
                )
            cut = np.ascontiguousarray(picture[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
            count += 1
        if count == 0:
            raise ValueError("a video needs at least one frame")
        container.mux(stream.encode())
    return count


def _fraction(fps: float) -> Fraction:
    return Fraction(fps).limit_denominator(1001)
