"""What is sealed in a dataset of ours: the files below ``meta/``, read and written as a whole."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ilrobot.atomic import write_bytes, write_json
from ilrobot.data import stats
from ilrobot.data.episode import Column, Episode, EpisodeInfo, frame_columns
from ilrobot.data.layout import (
    CHUNK_SIZE,
    CODEBASE_VERSION,
    DATA,
    EPISODES,
    INFO,
    STATS,
    TASKS,
    data_file,
)
from ilrobot.errors import UserError
from ilrobot.spec import Spec

#: Version of what stands under "ilrobot" in info.json.
FORMAT = 1

#: LeRobot's own columns, present in every dataset.
INDEX_COLUMNS = (
    Column("timestamp", "float32"),
    Column("frame_index", "int64"),
    Column("episode_index", "int64"),
    Column("index", "int64"),
    Column("task_index", "int64"),
)

#: What an `EpisodeInfo` adds to LeRobot's table of episodes.
_INFO_COLUMNS = {
    "outcome": pa.string(),
    "judge": pa.string(),
    "seed": pa.int64(),
    "operator": pa.string(),
    "device": pa.string(),
    "mapping_hash": pa.string(),
    "policy_hash": pa.string(),
    "rate": pa.float64(),
}


class Catalogue:
    """The sealed episodes of a dataset, their tasks and statistics.

    Use `create` or `load`; then `seal` adds an episode and its data file, and `write` brings the
    files below ``meta/`` up to date, ``info.json`` last.
    """

    def __init__(
        self, root: Path, spec: Spec, columns: tuple[Column, ...], episodes: Any, tasks: list[str]
    ) -> None:
        self.root, self.spec, self.columns = root, spec, columns
        self.tasks = tasks
        self._episodes = episodes
        self._task_count_on_disk = len(tasks)

    @classmethod
    def create(cls, root: Path, spec: Spec, state_size: int) -> Catalogue:
        """An empty one; nothing is written yet.

        Raises:
            UserError: The task has image observations, which are not recorded yet.
        """
        for feature in spec.observations:
            if len(feature.shape) > 1:
                raise UserError(
                    f"'{feature.name}' of {spec.task or 'the task'} is an image; images are not "
                    "recorded yet, so choose an observation type without them"
                )
        columns = frame_columns(spec, state_size)
        return cls(root, spec, columns, _schema(columns).empty_table(), [])

    @classmethod
    def load(cls, root: Path, info: Mapping[str, Any]) -> Catalogue:
        """What is sealed in a dataset of ours.

        Raises:
            UserError: A file is missing or damaged.
        """
        spec = Spec.from_json(info["ilrobot"]["spec"])
        columns = frame_columns(spec, int(info["ilrobot"]["state_size"]))
        if not (root / EPISODES).exists():
            if int(info.get("total_episodes", 0)) > 0:
                raise UserError(
                    f"{root / EPISODES} is missing, though info.json counts "
                    f"{info['total_episodes']} episodes; restore it from a copy"
                )
            return cls(root, spec, columns, _schema(columns).empty_table(), [])
        return cls(root, spec, columns, read_parquet(root / EPISODES), read_tasks(root))

    @property
    def num_episodes(self) -> int:
        """Number of sealed episodes."""
        return int(self._episodes.num_rows)

    @property
    def num_frames(self) -> int:
        """Number of ticks in them."""
        return sum(self._episodes["length"].to_pylist())

    def seal(self, episode: Episode) -> None:
        """Write the data file of the next episode and add it to the table in memory.

        Raises:
            OSError: The disk is full, the folder cannot be written.
        """
        index, start, length = self.num_episodes, self._next_index(), len(episode)
        if episode.info.task not in self.tasks:
            self.tasks.append(episode.info.task)
        number = np.arange(length)
        values = {
            **episode.columns,
            "timestamp": (number / self._fps()).astype(np.float32),
            "frame_index": number,
            "episode_index": np.full(length, index),
            "index": start + number,
            "task_index": np.full(length, self.tasks.index(episode.info.task)),
        }
        columns = (*self.columns, *INDEX_COLUMNS)
        table = pa.table({c.name: to_arrow(values[c.name], c) for c in columns})
        write_bytes(self.root / data_file(index), parquet_bytes(table))
        row = {
            "episode_index": index,
            "tasks": [episode.info.task],
            "length": length,
            "data/chunk_index": index // CHUNK_SIZE,
            "data/file_index": index % CHUNK_SIZE,
            "dataset_from_index": start,
            "dataset_to_index": start + length,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
            **{name: episode.info.to_json()[name] for name in _INFO_COLUMNS},
        }
        for column in columns:
            if column.dtype != "string":
                for name, value in stats.feature_stats(values[column.name]).items():
                    row[f"stats/{column.name}/{name}"] = value
        added = pa.Table.from_pylist([row], schema=self._episodes.schema)
        self._episodes = pa.concat_tables([self._episodes, added]).combine_chunks()

    def write(self) -> None:
        """Bring the files below ``meta/`` up to date, in the order that a crash forgives.

        Raises:
            OSError: The disk is full, the folder cannot be written.
        """
        if len(self.tasks) > self._task_count_on_disk:
            write_bytes(self.root / TASKS, parquet_bytes(_tasks_table(self.tasks)))
            self._task_count_on_disk = len(self.tasks)
        if self.num_episodes:
            write_bytes(self.root / EPISODES, parquet_bytes(self._episodes))
            write_json(self.root / STATS, self._pooled_stats())
        write_json(self.root / INFO, self._info())

    def is_current(self, info: Mapping[str, Any]) -> bool:
        """Whether this ``info.json`` was written after the last sealed episode."""
        counts = (info.get("total_episodes"), info.get("total_frames"))
        return counts == (self.num_episodes, self.num_frames)

    def _fps(self) -> int:
        """LeRobot's fps is a whole number; the exact rate stands in the spec."""
        return max(1, round(self.spec.rate))

    def _next_index(self) -> int:
        ends = self._episodes["dataset_to_index"]
        return int(ends[-1].as_py()) if len(ends) else 0

    def _pooled_stats(self) -> dict[str, Any]:
        pooled = {}
        for column in (*self.columns, *INDEX_COLUMNS):
            if column.dtype == "string":
                continue
            lists = [
                self._episodes[f"stats/{column.name}/{name}"].to_pylist() for name in stats.NAMES
            ]
            parts = [dict(zip(stats.NAMES, part, strict=True)) for part in zip(*lists, strict=True)]
            if found := stats.pool(parts):
                pooled[column.name] = found
        return pooled

    def _info(self) -> dict[str, Any]:
        names = {f.name: list(f.element_names) for f in (*self.spec.observations, self.spec.action)}
        return {
            "codebase_version": CODEBASE_VERSION,
            "robot_type": self.spec.controller or None,
            "total_episodes": self.num_episodes,
            "total_frames": self.num_frames,
            "total_tasks": len(self.tasks),
            "chunks_size": CHUNK_SIZE,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self._fps(),
            "splits": {"train": f"0:{self.num_episodes}"},
            "data_path": DATA,
            "video_path": None,
            "features": {
                c.name: {
                    "dtype": c.dtype,
                    "shape": list(c.shape) or [1],
                    "names": names.get(c.name),
                }
                for c in (*self.columns, *INDEX_COLUMNS)
            },
            "ilrobot": {
                "format": FORMAT,
                "state_size": next((c.shape[0] for c in self.columns if c.name == "sim.state"), 0),
                "spec": self.spec.to_json(),
            },
        }


def episode_info(row: Mapping[str, Any], tasks: list[str], rate: float) -> EpisodeInfo:
    """What a row of the table of episodes says; LeRobot's own rows know only their task."""
    known = {name: row[name] for name in _INFO_COLUMNS if row.get(name) is not None}
    task = (row.get("tasks") or tasks or [""])[0]
    return EpisodeInfo.from_json({"rate": rate, "outcome": "unknown", **known, "task": task})


def to_arrow(values: NDArray[Any], column: Column) -> Any:
    """A column as LeRobot keeps it: plain for a scalar and for shape [1], else lists of fixed size.

    Raises:
        ValueError: The values have another shape.
    """
    if column.dtype == "string":
        return pa.array(values.tolist(), pa.string())
    expected = (len(values), *column.shape)
    if values.shape != expected:
        raise ValueError(f"'{column.name}' has shape {values.shape}, not {expected}")
    flat = pa.array(np.ascontiguousarray(values, dtype=column.dtype).reshape(-1))
    width = int(np.prod(column.shape, dtype=int))
    return flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width)


def parquet_bytes(table: Any) -> bytes:
    """A table as the content of a parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def read_parquet(path: Path, columns: list[str] | None = None) -> Any:
    """The table in a file.

    Raises:
        UserError: It is missing or damaged.
    """
    try:
        return pq.read_table(path, columns=columns)
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: missing; the dataset is incomplete, so copy it again from its source"
        ) from error
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{path}: damaged ({_first_line(error)}); copy it again from its source"
        ) from error


def read_tasks(root: Path) -> list[str]:
    """Task strings in the order of their `task_index`."""
    table = read_parquet(root / TASKS)
    text = next((n for n in table.column_names if n != "task_index"), None)
    if text is None or "task_index" not in table.column_names:
        raise UserError(f"{root / TASKS}: has no task strings; copy it again from its source")
    pairs = zip(table["task_index"].to_pylist(), table[text].to_pylist(), strict=True)
    return [task for _, task in sorted(pairs)]


def _tasks_table(tasks: list[str]) -> Any:
    """What pandas writes for a frame whose index is the task string."""
    table = pa.table(
        {
            "task_index": pa.array(range(len(tasks)), pa.int64()),
            "__index_level_0__": pa.array(tasks, pa.string()),
        }
    )
    described = {
        "index_columns": ["__index_level_0__"],
        "column_indexes": [],
        "columns": [
            _pandas_column("task_index", "task_index", "int64"),
            _pandas_column(None, "__index_level_0__", "unicode"),
        ],
        "pandas_version": "2.0.0",
    }
    return table.replace_schema_metadata({"pandas": json.dumps(described)})


def _pandas_column(name: str | None, field: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "field_name": field,
        "pandas_type": kind,
        "numpy_type": "object" if kind == "unicode" else kind,
        "metadata": None,
    }


def _schema(columns: tuple[Column, ...]) -> Any:
    fields = {
        "episode_index": pa.int64(),
        "tasks": pa.list_(pa.string()),
        "length": pa.int64(),
        "data/chunk_index": pa.int64(),
        "data/file_index": pa.int64(),
        "dataset_from_index": pa.int64(),
        "dataset_to_index": pa.int64(),
        "meta/episodes/chunk_index": pa.int64(),
        "meta/episodes/file_index": pa.int64(),
        **_INFO_COLUMNS,
    }
    for column in (*columns, *INDEX_COLUMNS):
        if column.dtype != "string":
            for name in stats.NAMES:
                kind = pa.int64() if name == "count" else pa.float64()
                fields[f"stats/{column.name}/{name}"] = pa.list_(kind)
    return pa.schema(list(fields.items()))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
