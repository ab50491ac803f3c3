"""The films of a dataset: all are there, or a line says how to do without."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.data_files import or_without
from ilrobot.data.foreign import check_videos
from ilrobot.data.recordings import Recordings
from ilrobot.data.video.film import VideoPlace, read_film
from ilrobot.errors import UserError
from ilrobot.spec import Feature


class FilmFiles:
    """Where the film of each episode lies, by camera.

    Attributes:
        keys: The cameras.

    Args:
        path: The dataset's folder.
        info: From `ilrobot.data.info.read_info`.
        rows: From `ilrobot.data.episode_table.read_episodes`.
        episodes: Those whose films must be there (None: all).

    Raises:
        UserError: One of these is missing, or nothing says where it lies.
    """

    def __init__(
        self,
        path: Path,
        info: dict[str, Any],
        rows: Sequence[dict[str, Any]],
        episodes: Collection[int] | None = None,
    ) -> None:
        self._path, self._lengths = path, [int(row["length"]) for row in rows]
        features = info["features"].items()
        self.keys = tuple(key for key, value in features if value["dtype"] == "video")
        self._places = {key: _places(path, info, rows, key) for key in self.keys}
        wanted = range(len(rows)) if episodes is None else episodes
        try:
            check_videos(self._places[key][index].file for key in self.keys for index in wanted)
        except UserError as error:
            lost = [i for i in range(len(rows)) if i not in wanted or not self._has_all(i)]
            raise or_without(error, path, lost, len(rows)) from error

    def read(self, episode: int, key: str) -> Iterator[NDArray[np.uint8]]:
        """What a camera saw in an episode: H×W×3 uint8 for each tick, decoded one by one.

        Raises:
            UserError: The film is missing, damaged or cut off.
        """
        try:
            yield from read_film(self._places[key][episode], self._lengths[episode])
        except UserError as error:
            raise or_without(error, self._path, [episode], len(self._lengths)) from error

    def _has_all(self, episode: int) -> bool:
        return all(places[episode].file.exists() for places in self._places.values())


def film(dataset: Recordings, camera: Feature, episode: int) -> Iterator[NDArray[np.uint8]]:
    """What a camera saw in an episode, decoded one by one, each of the camera's shape.

    Raises:
        UserError: There is no film, or it is missing, damaged or of another size.
    """
    for picture in dataset.video(episode, camera.name):
        if picture.shape != camera.shape:
            raise UserError(
                f"{dataset.path}: '{camera.name}' shows {list(picture.shape)} in episode "
                f"{episode}, not {list(camera.shape)}; copy the dataset again from its source"
            )
        yield picture


def _places(
    path: Path, info: dict[str, Any], rows: Sequence[dict[str, Any]], key: str
) -> list[VideoPlace]:
    """Where the film of each episode lies."""
    names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    places = []
    for row in rows:
        try:
            chunk, file, start, end = (row[f"videos/{key}/{name}"] for name in names)
            film = path / info["video_path"].format(
                video_key=key, chunk_index=chunk, file_index=file
            )
            places.append(VideoPlace(film, float(start), float(end)))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}: meta/episodes does not say where the video of '{key}' lies; copy "
                "the dataset again from its source"
            ) from error
    return places
