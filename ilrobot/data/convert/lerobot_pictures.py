"""What LeRobot's datasets show: which of it is kept, and the films of v2.1, one per episode."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ilrobot.data.convert import pictures
from ilrobot.data.parquet import read_parquet
from ilrobot.data.video.film import VideoPlace, describe_stream, read_film
from ilrobot.errors import UserError
from ilrobot.spec import Feature

#: Greatest deviation of a film's rate from the dataset's, as a fraction of it.
_RATE = 0.05
_COPY = "copy the dataset again from its source"


def cameras(features: Mapping[str, Any]) -> tuple[dict[str, Feature], tuple[str, ...]]:
    """The cameras among the features, by name, and a remark on what else shows something.

    Args:
        features: From ``info.json``.
    """
    found = {}
    for key, described in features.items():
        if described["dtype"] in ("video", "image"):
            told = described.get("info") or described.get("video_info") or {}
            kind = "uint8" if key.startswith("observation.") else "no observation"
            depth = isinstance(told, Mapping) and told.get("video.is_depth_map")
            found[key] = Feature(key, _shape(described), "depth" if depth else kind)
    return pictures.filmable(found)


def old_film(file: Path, camera: Feature, length: int, fps: float) -> Iterator[NDArray[np.uint8]]:
    """What a camera saw in an episode of v2.1, whose film is a file of its own.

    Raises:
        UserError: It is missing or damaged, or of another length, size or rate.
    """
    stream = describe_stream(file)
    if stream.shape != camera.shape:
        raise UserError(
            f"{file}: its pictures are {_size(stream.shape)}, and info.json states "
            f"{_size(camera.shape)}; {_COPY}"
        )
    if stream.frames not in (0, length):
        raise UserError(
            f"{file}: holds {stream.frames} pictures, and its episode has {length} ticks; {_COPY}"
        )
    if length > 1 and stream.rate and abs(stream.rate / fps - 1) > _RATE:
        raise UserError(
            f"{file}: shows {stream.rate:g} pictures a second, and info.json states {fps:g}; "
            f"{_COPY}"
        )
    yield from read_film(VideoPlace(file, stream.start, stream.start + length / fps), length)


class EncodedPictures:
    """Pictures within data files, each encoded by itself; of a camera one file's are in memory."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Path, Any]] = {}

    def read(
        self, file: Path, camera: Feature, first: int, length: int
    ) -> Iterator[NDArray[np.uint8]]:
        """What a camera saw in an episode.

        Args:
            file: The data file, maybe of other episodes too.
            camera: Which.
            first: Row of its first tick.
            length: How many ticks it has.

        Raises:
            UserError: They are missing or damaged.
        """
        import av

        for tick, found in enumerate(self._column(file, camera.name).slice(first, length)):
            try:
                with av.open(io.BytesIO(found["bytes"].as_py()), "r") as opened:
                    frame = next(opened.decode(video=0))
            except (av.FFmpegError, KeyError, TypeError, StopIteration) as error:
                raise UserError(
                    f"{file}: '{camera.name}' of row {first + tick} is no picture ({error}); "
                    f"{_COPY}"
                ) from error
            yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)

    def _column(self, file: Path, name: str) -> Any:
        if self._last.get(name, (None, None))[0] != file:
            table = read_parquet(file, [name])
            if name not in table.column_names or not pa.types.is_struct(table.schema[0].type):
                raise UserError(f"{file}: holds no pictures of '{name}'; {_COPY}")
            self._last[name] = file, table[name]
        return self._last[name][1]


def _shape(described: Mapping[str, Any]) -> tuple[int, ...]:
    """Height, width and channels, in whichever order they are stated."""
    shape = tuple(int(side) for side in described["shape"])
    names = described.get("names")
    first = str(names[0]) if isinstance(names, list) and names else ""
    channels_first = first.startswith("channel") or (shape[:1] == (3,) and shape[-1] != 3)
    return (*shape[1:], shape[0]) if channels_first else shape


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} × {shape[0]}"
