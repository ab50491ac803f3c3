"""``meta/episodes``: a row per sealed episode, some rows to a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ilrobot.atomic import write_bytes
from ilrobot.data import stats
from ilrobot.data.episode import EpisodeInfo
from ilrobot.data.layout import EPISODES, place
from ilrobot.data.parquet import parquet_bytes, read_footer, read_parquet
from ilrobot.errors import UserError
from ilrobot.gates.log import COUNTS, GateLog

#: Adding an episode rewrites its file, some 16 kB a row; opening a dataset reads every file, 4 ms
#: each. LeRobot wants the rows in the order of the sorted names, however many files there are.
ROWS_PER_FILE = 50

#: What LeRobot looks up, in its order.
_PLACES = {
    "episode_index": pa.int64(),
    "tasks": pa.list_(pa.string()),
    "length": pa.int64(),
    "data/chunk_index": pa.int64(),
    "data/file_index": pa.int64(),
    "dataset_from_index": pa.int64(),
    "dataset_to_index": pa.int64(),
    "meta/episodes/chunk_index": pa.int64(),
    "meta/episodes/file_index": pa.int64(),
}

#: Where the film of each camera lies.
_FILM = {
    "chunk_index": pa.int64(),
    "file_index": pa.int64(),
    "from_timestamp": pa.float64(),
    "to_timestamp": pa.float64(),
}

#: What an `EpisodeInfo` adds.
_INFO = {
    "outcome": pa.string(),
    "judge": pa.string(),
    "seed": pa.int64(),
    "operator": pa.string(),
    "device": pa.string(),
    "mapping_hash": pa.string(),
    "policy_hash": pa.string(),
    "rate": pa.float64(),
}

#: Its `GateLog`; null where control was not shared.
_CONTROL = {
    **{f"control.{name}": pa.int64() for name in COUNTS},
    "control.context_time": pa.float64(),
    "control.thresholds": pa.string(),
    "control.budget": pa.float64(),
    "control.doubts": pa.list_(pa.float64()),
}

#: What earlier versions called its queries.
_OLD_QUERIES = "control.expert_queries"


class EpisodeTable:
    """The rows of a dataset of ours; only the last file is kept in memory and ever rewritten.

    So adding an episode costs the same however many there are already.

    Args:
        root: The dataset's folder.
        sizes: Feature → number of elements, for the columns of statistics.
        cameras: Those of them that are kept as film.
    """

    def __init__(self, root: Path, sizes: Mapping[str, int], cameras: Sequence[str] = ()) -> None:
        self._root, self._cameras = root, tuple(cameras)
        self._schema = _schema(sizes, self._cameras)
        self._last = self._schema.empty_table()
        self._file = 0
        self._is_written = True
        self.num_episodes = 0
        self.num_frames = 0
        self.pooled = stats.PooledStats(sizes)
        """Statistics over all rows."""

    @classmethod
    def load(
        cls, root: Path, sizes: Mapping[str, int], cameras: Sequence[str] = ()
    ) -> EpisodeTable:
        """What is on disk.

        Raises:
            UserError: A file is damaged, its statistics are not of these features, or the episodes
                are not numbered from 0 on.
        """
        table = cls(root, sizes, cameras)
        files = episode_files(root)
        for number, file in enumerate(files):
            rows = read_parquet(file)
            first = table.num_episodes
            table.num_episodes += rows.num_rows
            if _whole(file, rows, "episode_index") != list(range(first, table.num_episodes)):
                raise UserError(
                    f"{file}: does not hold the episodes from {first} on; copy the dataset again "
                    "from its source"
                )
            table.num_frames += sum(_whole(file, rows, "length"))
            table.pooled.add_table(file, rows)
            table._last, table._file = rows, number
        if files:
            # LeRobot insists on the same columns in every file, so the first version's stay.
            table._schema = table._last.schema
        return table

    def add(
        self,
        info: EpisodeInfo,
        length: int,
        statistics: Mapping[str, stats.FeatureStats],
        seconds: float = 0.0,
    ) -> None:
        """Add a row; `write` brings the file up to date.

        Args:
            info: What the episode knows about itself.
            length: Its ticks.
            statistics: Feature → its statistics.
            seconds: How long its films are.

        Raises:
            OSError: The file is full and cannot be written.
        """
        if self._last.num_rows >= ROWS_PER_FILE:
            self.write()
            self._last, self._file = self._schema.empty_table(), self._file + 1
        index, start = self.num_episodes, self.num_frames
        row = {
            "episode_index": index,
            "tasks": [info.task],
            "length": length,
            **{f"data/{name}": value for name, value in place(index).items()},
            "dataset_from_index": start,
            "dataset_to_index": start + length,
            **{f"meta/episodes/{name}": value for name, value in place(self._file).items()},
            **_row_of(info),
        }
        for camera in self._cameras:
            film = {**place(index), "from_timestamp": 0.0, "to_timestamp": seconds}
            row |= {f"videos/{camera}/{name}": value for name, value in film.items()}
        for feature, found in statistics.items():
            kept = stats.per_channel(found) if feature in self._cameras else found
            row |= {f"stats/{feature}/{name}": value for name, value in kept.items()}
        added = pa.Table.from_pylist([row], schema=self._schema)
        self._last = pa.concat_tables([self._last, added]).combine_chunks()
        self._is_written = False
        self.num_episodes += 1
        self.num_frames += length
        self.pooled.add(statistics)

    def write(self) -> None:
        """Replace the last file, if a row was added.

        Raises:
            OSError: The disk is full, the folder cannot be written.
        """
        if not self._is_written:
            path = self._root / EPISODES.format(**place(self._file))
            write_bytes(path, parquet_bytes(self._last))
            self._is_written = True


def episode_files(root: Path) -> list[Path]:
    """The files of a dataset, ours or another's, in the order of their rows."""
    return sorted((root / "meta/episodes").glob("*/*.parquet"))


def count_sealed(root: Path) -> tuple[int, int]:
    """How many episodes and ticks are sealed, from one column of the files.

    Raises:
        UserError: A file is damaged.
    """
    lengths: list[int] = []
    for file in episode_files(root):
        lengths += _whole(file, read_parquet(file, ["length"]), "length")
    return len(lengths), sum(lengths)


def read_episodes(root: Path) -> list[dict[str, Any]]:
    """All rows of a dataset, ours or another's, in order, without their statistics.

    Raises:
        UserError: A file is damaged, or does not say how long an episode is and where it lies.
    """
    rows: list[dict[str, Any]] = []
    for file in episode_files(root):
        names = read_footer(file).schema.to_arrow_schema().names
        table = read_parquet(file, [name for name in names if not name.startswith("stats/")])
        for name in ("episode_index", "length", "data/chunk_index", "data/file_index"):
            _whole(file, table, name)
        rows += table.to_pylist()
    return sorted(rows, key=lambda row: row["episode_index"])


def episode_info(row: Mapping[str, Any], task: str, rate: float) -> EpisodeInfo:
    """What a row says; LeRobot's own rows know only their task.

    Args:
        row: From `read_episodes`.
        task: The instruction where the row names none.
        rate: The dataset's.

    Raises:
        ValueError: An outcome or a judge is none that there is.
    """
    known = {name: row[name] for name in _INFO if row.get(name) is not None}
    known["control"] = _log_of(row, rate)
    named = {"task": (row.get("tasks") or [task])[0]}
    return EpisodeInfo.from_json({"rate": rate, "outcome": "unknown", **known, **named})


def control_columns(log: GateLog | None) -> dict[str, Any]:
    """What a row says of a log, in all the columns of this version and of earlier ones."""
    if log is None:
        return dict.fromkeys((*_CONTROL, _OLD_QUERIES))
    said = {f"control.{name}": value for name, value in log.to_json().items()}
    said["control.thresholds"] = json.dumps(dict(log.thresholds))
    return {**{name: said[name] for name in _CONTROL}, _OLD_QUERIES: log.queries}


def _log_of(row: Mapping[str, Any], rate: float) -> dict[str, Any] | None:
    if row.get("control.switches") is None:
        return None
    if row.get("control.takeovers") is None:
        # Earlier versions counted three things, and the novice has control at the beginning.
        switches, acted = row["control.switches"], row["control.expert_steps"]
        return GateLog(
            steps=row["length"],
            expert_steps=acted,
            takeovers=(switches + 1) // 2,
            switches=switches,
            queries=row[_OLD_QUERIES],
            context_time=acted / rate,
        ).to_json()
    said = {name.removeprefix("control."): row[name] for name in _CONTROL}
    return {**said, "thresholds": json.loads(said["thresholds"])}


def _row_of(info: EpisodeInfo) -> dict[str, Any]:
    said = info.to_json()
    return {**{name: said[name] for name in _INFO}, **control_columns(info.control)}


def _whole(file: Path, table: Any, name: str) -> list[int]:
    """A column of whole numbers without gaps."""
    if name not in table.column_names or table[name].null_count:
        raise UserError(
            f"{file}: does not say the '{name}' of each episode; copy the dataset again from its "
            "source"
        )
    values = table[name]
    if not pa.types.is_integer(values.type):
        raise UserError(f"{file}: '{name}' is {values.type}, not whole numbers; copy it again")
    numbers: list[int] = values.to_pylist()
    return numbers


def _schema(sizes: Mapping[str, int], cameras: Sequence[str]) -> Any:
    columns: dict[str, Any] = {**_PLACES, **_INFO, **_CONTROL}
    for camera in cameras:
        columns |= {f"videos/{camera}/{name}": kind for name, kind in _FILM.items()}
    for feature in sizes:
        number = pa.list_(pa.list_(pa.float64())) if feature in cameras else pa.float64()
        for name in stats.NAMES:
            kind = pa.int64() if name == "count" else number
            columns[f"stats/{feature}/{name}"] = pa.list_(kind)
    return pa.schema(list(columns.items()))
