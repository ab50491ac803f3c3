"""What is sealed in a dataset of ours: its data files, and the files below ``meta/``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ilrobot.atomic import write_json, write_new_bytes, write_text
from ilrobot.data import stats
from ilrobot.data.episode import Column, Episode, frame_columns
from ilrobot.data.episode_table import EpisodeTable, count_sealed
from ilrobot.data.info import FORMAT
from ilrobot.data.layout import (
    CHUNK_SIZE,
    CODEBASE_VERSION,
    DATA,
    INFO,
    STATS,
    TASKS,
    VIDEO,
    data_file,
    video_file,
)
from ilrobot.data.parquet import parquet_bytes, read_parquet, to_arrow
from ilrobot.data.tasks import read_tasks, write_tasks
from ilrobot.data.video.film import VideoPlace, describe_film, film_stats, is_filmable
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec

#: LeRobot's own columns, present in every dataset.
INDEX_COLUMNS = (
    Column("timestamp", "float32"),
    Column("frame_index", "int64"),
    Column("episode_index", "int64"),
    Column("index", "int64"),
    Column("task_index", "int64"),
)


class Catalogue:
    """The sealed episodes of a dataset, their tasks and statistics.

    Use `create` or `load`; then `seal` adds an episode and its data file, and `write` brings the
    files below ``meta/`` up to date, ``info.json`` last. Both cost the same however many episodes
    there are.
    """

    def __init__(
        self,
        root: Path,
        spec: Spec,
        columns: tuple[Column, ...],
        episodes: EpisodeTable,
        tasks: list[str],
    ) -> None:
        self.root, self.spec, self.columns = root, spec, columns
        self._episodes = episodes
        self._tasks = tasks
        self._task_count_on_disk = len(tasks)

    @classmethod
    def create(cls, root: Path, spec: Spec, state_size: int) -> Catalogue:
        """An empty one; nothing is written yet.

        Raises:
            UserError: A camera's pictures cannot be kept as film.
        """
        for feature in spec.observations:
            if len(feature.shape) > 1:
                _check_filmable(feature, spec.task)
        columns = frame_columns(spec, state_size)
        table = EpisodeTable(root, _all_sizes(columns, spec), _names(spec.cameras))
        return cls(root, spec, columns, table, [])

    @classmethod
    def load(cls, root: Path, info: Mapping[str, Any]) -> Catalogue:
        """What is sealed in a dataset of ours.

        Args:
            root: Its folder.
            info: From `ilrobot.data.info.read_info`.

        Raises:
            UserError: A file is missing or damaged.
        """
        spec = Spec.from_json(info["ilrobot"]["spec"])
        every = frame_columns(spec, info["ilrobot"]["state_size"])
        columns = tuple(column for column in every if column.name in info["features"])
        episodes = EpisodeTable.load(root, _all_sizes(columns, spec), _names(spec.cameras))
        if episodes.num_episodes < info["total_episodes"]:
            raise UserError(
                f"{root / 'meta/episodes'}: lists {episodes.num_episodes} episodes, but info.json "
                f"counts {info['total_episodes']}; restore the missing ones from a copy"
            )
        tasks = read_tasks(root) if episodes.num_episodes or (root / TASKS).exists() else []
        return cls(root, spec, columns, episodes, tasks)

    @property
    def num_episodes(self) -> int:
        """Number of sealed episodes."""
        return self._episodes.num_episodes

    @property
    def num_frames(self) -> int:
        """Number of ticks in them."""
        return self._episodes.num_frames

    def learn_frame(self, spec: Spec) -> None:
        """Take the frame of the task from it, where it states one and the dataset does not yet."""
        if spec.task_frame and not self.spec.task_frame and spec.task == self.spec.task:
            self.spec = replace(self.spec, task_frame=spec.task_frame)

    def seal(self, episode: Episode) -> None:
        """Write the data file of the next episode and add it to the table in memory.

        The films of its cameras stand at their `layout.video_file` already.

        Raises:
            OSError: The disk is full, the folder cannot be written.
            UserError: Another episode's data file stands there; it is left alone. Or a film is
                missing or damaged.
        """
        if episode.info.task not in self._tasks:
            self._tasks.append(episode.info.task)
        number = np.arange(len(episode))
        values = {
            **episode.columns,
            "timestamp": (number / self.fps).astype(np.float32),
            "frame_index": number,
            "episode_index": np.full(len(episode), self.num_episodes),
            "index": self.num_frames + number,
            "task_index": np.full(len(episode), self._tasks.index(episode.info.task)),
        }
        columns = (*self.columns, *INDEX_COLUMNS)
        table = pa.table({c.name: to_arrow(values[c.name], c) for c in columns})
        _keep(self.root / data_file(self.num_episodes), table)
        statistics = {name: stats.feature_stats(values[name]) for name in _sizes(self.columns)}
        seconds = len(episode) / self.fps
        for camera in self.spec.cameras:
            file = self.root / video_file(camera.name, self.num_episodes)
            statistics[camera.name] = film_stats(VideoPlace(file, 0.0, seconds))
        self._episodes.add(episode.info, len(episode), statistics, seconds)

    def write(self) -> None:
        """Bring the files below ``meta/`` up to date, in the order that a crash forgives.

        Raises:
            OSError: The disk is full, the folder cannot be written.
        """
        if len(self._tasks) > self._task_count_on_disk:
            write_tasks(self.root, self._tasks)
            self._task_count_on_disk = len(self._tasks)
        if self.num_episodes:
            self._episodes.write()
            pooled: dict[str, Any] = dict(self._episodes.pooled.to_json())
            for camera in _names(self.spec.cameras):
                pooled[camera] = stats.per_channel(pooled[camera])
            # On one line: broken into many, it takes Python's own encoder, 5 ms.
            write_text(self.root / STATS, json.dumps(pooled, allow_nan=False))
        write_json(self.root / INFO, self._info())

    def is_current(self, info: Mapping[str, Any]) -> bool:
        """Whether this ``info.json`` was written after the last sealed episode."""
        return _counts(info) == (self.num_episodes, self.num_frames)

    @property
    def fps(self) -> int:
        """LeRobot's fps is a whole number; the exact rate stands in the spec."""
        return max(1, round(self.spec.rate))

    def _info(self) -> dict[str, Any]:
        vectors = [f for f in self.spec.observations if not f.is_image]
        names = {f.name: list(f.element_names) for f in (*vectors, self.spec.action)}
        return {
            "codebase_version": CODEBASE_VERSION,
            "robot_type": self.spec.controller or None,
            "total_episodes": self.num_episodes,
            "total_frames": self.num_frames,
            "total_tasks": len(self._tasks),
            "chunks_size": CHUNK_SIZE,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self.fps,
            "splits": {"train": f"0:{self.num_episodes}"},
            "data_path": DATA,
            "video_path": VIDEO if self.spec.cameras else None,
            "features": {
                **{c.name: describe_film(c, self.fps) for c in self.spec.cameras},
                **{
                    c.name: {
                        "dtype": c.dtype,
                        "shape": list(c.shape) or [1],
                        "names": names.get(c.name),
                    }
                    for c in (*self.columns, *INDEX_COLUMNS)
                },
            },
            "ilrobot": {
                "format": FORMAT,
                "state_size": next((c.shape[0] for c in self.columns if c.name == "sim.state"), 0),
                "spec": self.spec.to_json(),
            },
        }


def is_current(root: Path, info: Mapping[str, Any]) -> bool:
    """Whether ``info.json`` was written after the last sealed episode; reads only their lengths.

    Raises:
        UserError: The table of episodes is damaged.
    """
    return _counts(info) == count_sealed(root)


def _counts(info: Mapping[str, Any]) -> tuple[int, int]:
    return info["total_episodes"], info["total_frames"]


def _sizes(columns: tuple[Column, ...]) -> dict[str, int]:
    """Elements of each column that has statistics."""
    return {
        column.name: int(np.prod(column.shape, dtype=int))
        for column in (*columns, *INDEX_COLUMNS)
        if column.dtype != "string"
    }


def _all_sizes(columns: tuple[Column, ...], spec: Spec) -> dict[str, int]:
    """The same, with the colour channels of what the cameras see."""
    return {**_sizes(columns), **{camera.name: camera.shape[2] for camera in spec.cameras}}


def _names(features: tuple[Feature, ...]) -> tuple[str, ...]:
    return tuple(feature.name for feature in features)


def _check_filmable(feature: Feature, task: str) -> None:
    if not is_filmable(feature.shape, feature.dtype):
        raise UserError(
            f"'{feature.name}' of {task or 'the task'} is {feature.dtype} of shape "
            f"{list(feature.shape)}; films are made of uint8 pictures, height × width × 3, with "
            "even sides; choose another size, or an observation type without it"
        )


def _keep(path: Path, table: Any) -> None:
    """Put a data file where none stands; one of the same ticks is what a crash left there."""
    try:
        write_new_bytes(path, parquet_bytes(table))
    except FileExistsError as error:
        if not _are_same(read_parquet(path), table):
            raise UserError(
                f"{path}: stands where the next episode belongs, though meta/episodes does not "
                "list it; move it out of the dataset's folder and record again with --resume"
            ) from error


def _are_same(one: Any, other: Any) -> bool:
    """Bit for bit, NaN included, which tables do not take for equal."""
    try:
        return parquet_bytes(one.cast(other.schema)) == parquet_bytes(other)
    except (ValueError, pa.ArrowException):  # other columns
        return False
