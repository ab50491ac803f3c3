"""What an edited dataset is made of: pieces of the episodes of the datasets that it came from."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ilrobot.data.branches import BRANCH, DISCARDED, surviving
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.data.episode_table import episode_files
from ilrobot.data.info import read_info
from ilrobot.data.layout import INFO, STATS, TASKS
from ilrobot.data.parquet import read_parquet
from ilrobot.data.tasks import read_tasks
from ilrobot.data.video.film import VideoPlace


class Original:
    """A dataset on disk with all that its files say, ours or another's.

    What ``meta/`` says is known from the beginning, data and films once `use` has named the
    episodes: so what is damaged can be left out.

    Attributes:
        dataset: The same, opened and checked.
        path: Its folder.
        info: ``meta/info.json`` as it stands.
        rows: ``meta/episodes`` with all its columns, statistics too, in order.
        tasks: The instructions by `task_index`.
        is_ours: Whether ilrobot records into it, so that each episode has a data file of its own.
        fps: What its nominal time stamps count in.

    Raises:
        UserError: It is empty, incomplete or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dataset = Dataset.open(path, ())
        self.info: dict[str, Any] = json.loads((path / INFO).read_bytes())
        tables = [read_parquet(file) for file in episode_files(path)]
        rows = pa.concat_tables(tables, promote_options="permissive")
        self.rows = rows.sort_by("episode_index").combine_chunks()
        self.tasks = read_tasks(path)
        self.is_ours = "ilrobot" in self.info
        self.fps = float(self.info["fps"])
        self._paths = read_info(path)
        self._places = self._find_frames()
        self._last: tuple[Path, Any] | None = None

    def use(self, episodes: Collection[int]) -> None:
        """From these episodes pieces are taken; the files of others are not opened.

        Raises:
            UserError: One of theirs is missing or damaged.
        """
        self.dataset = Dataset.open(self.path, episodes)
        self.dataset.column("episode_index")  # checked against meta/episodes as it is read

    @property
    def features(self) -> dict[str, Any]:
        """LeRobot's description of every column."""
        return self.dataset.features

    @property
    def video_keys(self) -> list[str]:
        """Features that lie in films."""
        return [name for name, feature in self.features.items() if feature["dtype"] == "video"]

    def row(self, episode: int) -> dict[str, Any]:
        """All that ``meta/episodes`` says of an episode."""
        found: dict[str, Any] = self.rows.slice(episode, 1).to_pylist()[0]
        return found

    def data_file(self, episode: int) -> Path:
        """Where its frames lie, maybe among those of other episodes."""
        return self._places[episode][0]

    def episodes_in(self, file: Path) -> list[int]:
        """The episodes that a data file holds, in order."""
        return [index for index, (place, _) in enumerate(self._places) if place == file]

    def frames(self, episode: int, start: int, end: int) -> Any:
        """Its ticks `start` … `end` - 1 as they stand in the data file."""
        file, first = self._places[episode]
        if self._last is None or self._last[0] != file:
            self._last = file, read_parquet(file)
        return self._last[1].slice(first + start, end - start)

    def video_place(self, episode: int, key: str) -> VideoPlace:
        """Where its film of one camera lies, maybe among those of other episodes."""
        chunk, number, start, end = (
            self.rows[f"videos/{key}/{name}"][episode].as_py()
            for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
        )
        template: str = self._paths["video_path"]
        file = self.path / template.format(video_key=key, chunk_index=chunk, file_index=number)
        return VideoPlace(file, start, end)

    def listed_files(self) -> set[Path]:
        """All that the dataset itself consists of."""
        episodes = range(self.dataset.num_episodes)
        return {
            *(self.path / name for name in (INFO, STATS, TASKS)),
            *episode_files(self.path),
            *(file for file, _ in self._places),
            *(self.video_place(i, key).file for key in self.video_keys for i in episodes),
        }

    def place(self, number: int) -> dict[str, int]:
        """Chunk and number in it of a file, as LeRobot counts them."""
        size = self._paths["chunks_size"]
        return {"chunk_index": number // size, "file_index": number % size}

    def data_path(self, number: int) -> str:
        """Where a data file belongs, relative to the folder."""
        template: str = self._paths["data_path"]
        return template.format(**self.place(number))

    def video_path(self, key: str, number: int) -> str:
        """Where a film belongs, relative to the folder."""
        template: str = self._paths["video_path"]
        return template.format(video_key=key, **self.place(number))

    def _find_frames(self) -> list[tuple[Path, int]]:
        """Of each episode its data file and its first row there."""
        template, places = self._paths["data_path"], []
        used: dict[Path, int] = {}
        chunks, numbers = (self.rows[f"data/{n}_index"].to_pylist() for n in ("chunk", "file"))
        for chunk, number, length in zip(chunks, numbers, self.dataset.lengths, strict=True):
            file = self.path / template.format(chunk_index=chunk, file_index=number)
            places.append((file, used.get(file, 0)))
            used[file] = used.get(file, 0) + int(length)
        return places


@dataclass(frozen=True)
class Piece:
    """Some ticks of an episode, which become an episode of the new dataset.

    Attributes:
        original: The dataset that it comes from.
        episode: Which episode of it.
        start: The first tick.
        end: The tick after the last one.
        task: The new instruction (None: it stays).
        outcome: How a person says that it ended (None: it stays).
    """

    original: Original
    episode: int
    start: int
    end: int
    task: str | None = None
    outcome: Outcome | None = None

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def lacks_end(self) -> bool:
        """Whether ticks were cut off behind it."""
        return self.end < int(self.original.dataset.lengths[self.episode])

    @property
    def is_whole(self) -> bool:
        """Whether it has all ticks of its episode."""
        return self.start == 0 and not self.lacks_end

    @property
    def tasks(self) -> list[str]:
        """Its instructions; one by one over its ticks they may change in datasets of others."""
        if self.task is not None:
            return [self.task]
        names = self.original.tasks
        indexes = self.column("task_index")
        return [names[index] for index in dict.fromkeys(indexes.tolist())]

    def column(self, name: str) -> Any:
        """One column over its ticks, (length, *shape), as it was."""
        first = int(self.original.dataset.starts[self.episode])
        return self.original.dataset.column(name)[first + self.start : first + self.end]

    @property
    def surviving(self) -> NDArray[np.bool_]:
        """Which of its ticks no rewind undid, (length,)."""
        if not self.has(DISCARDED):
            return np.ones(len(self), dtype=bool)
        return surviving({DISCARDED: self.column(DISCARDED)})

    def video_place(self, key: str) -> VideoPlace:
        """Where its film of one camera lies, within that of its episode."""
        film = self.original.video_place(self.episode, key)
        start = film.start + self.start / self.original.fps
        end = film.start + self.end / self.original.fps if self.lacks_end else film.end
        return VideoPlace(film.file, start, end)

    def has(self, name: str) -> bool:
        """Whether there is such a column of numbers or words."""
        return self.original.dataset.has_column(name)


def whole(original: Original, episode: int) -> Piece:
    """An episode as it is."""
    return Piece(original, episode, 0, int(original.dataset.lengths[episode]))


def renewed(piece: Piece, index: int, first: int, task_numbers: dict[str, int]) -> dict[str, Any]:
    """The columns of a piece that differ from what they were, as arrays over its ticks.

    Args:
        piece: The piece.
        index: Its number among the new episodes.
        first: The number of its first tick among all new ones.
        task_numbers: New `task_index` of each instruction.
    """
    ticks = np.arange(len(piece))
    names = piece.original.tasks
    if piece.task is not None:
        tasks = np.full(len(piece), task_numbers[piece.task])
    else:
        tasks = np.array([task_numbers[names[i]] for i in piece.column("task_index").tolist()])
    columns = {
        "episode_index": np.full(len(piece), index),
        "index": first + ticks,
        "task_index": tasks,
    }
    if piece.start:
        columns["frame_index"] = ticks
        columns["timestamp"] = (ticks / piece.original.fps).astype(np.float32)
        if piece.has("control.intervention_id"):
            numbers = piece.column("control.intervention_id")
            least = min(numbers[numbers >= 0], default=0)
            columns["control.intervention_id"] = np.where(numbers >= 0, numbers - least, numbers)
        if piece.has(BRANCH):
            columns[BRANCH] = piece.column(BRANCH) - piece.column(BRANCH)[0]
    if piece.lacks_end and piece.has("next.done"):
        columns["next.done"] = piece.column("next.done") | (ticks == len(piece) - 1)
    return {
        name: values
        for name, values in columns.items()
        if piece.has(name) and not np.array_equal(values, piece.column(name))
    }


def begun_again(pieces: Sequence[Piece]) -> int:
    """How many episodes have the seed of one of a dataset before theirs."""
    seeds: dict[int, set[int]] = {}
    again = 0
    for piece in pieces:
        seed = piece.original.dataset.infos[piece.episode].seed
        if seed is None:
            continue
        first = seeds.setdefault(seed, {id(piece.original)})
        again += id(piece.original) not in first
    return again
