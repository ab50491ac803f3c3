"""A dataset on disk: opened, mended if a crash left something behind, read into memory."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.catalogue import INDEX_COLUMNS
from ilrobot.data.columns import check_spacing, column_values
from ilrobot.data.data_files import DataFiles
from ilrobot.data.editing.swap import Version, settle, version_at
from ilrobot.data.episode import Episode, EpisodeInfo
from ilrobot.data.episode_table import episode_info, read_episodes
from ilrobot.data.film_files import FilmFiles
from ilrobot.data.foreign import derive_spec
from ilrobot.data.info import check_episodes, read_info
from ilrobot.data.layout import CODEBASE_VERSION
from ilrobot.data.recorder import DatasetRecorder
from ilrobot.data.repair import needs_repair, repair
from ilrobot.data.tasks import read_tasks
from ilrobot.errors import UserError, explained
from ilrobot.lock import WriteLock
from ilrobot.spec import Spec

__all__ = ["Dataset", "DatasetRecorder"]

_log = logging.getLogger(__name__)


class Dataset:
    """The sealed episodes of a LeRobot v3.0 dataset, ours or another's; use `Dataset.open`.

    Attributes:
        path: Its folder.
        spec: Its observations, action and rate; derived from the features where another program
            wrote it.
        fps: Control rate in Hz, exact (``info.json`` holds it as a whole number).
        features: LeRobot's description of every column.
        infos: What each episode knows about itself.
        lengths: Ticks of each episode, (E,).
        starts: First tick of each episode, then the total, (E + 1,).
    """

    #: See `ilrobot.data.memory.MemoryRecordings`.
    besides = 0

    def __init__(
        self,
        path: Path,
        info: dict[str, Any],
        spec: Spec,
        rows: list[dict[str, Any]],
        episodes: Collection[int] | None = None,
        version: Version | None = None,
    ) -> None:
        self.path = path
        self.spec = spec
        self.fps = spec.rate
        self._stated_fps = float(info["fps"])
        self.features: dict[str, Any] = info["features"]
        self.infos: tuple[EpisodeInfo, ...] = _infos(path, rows, spec.rate)
        self.lengths: NDArray[np.int64] = np.array([row["length"] for row in rows], dtype=np.int64)
        self.starts: NDArray[np.int64] = np.concatenate(([0], np.cumsum(self.lengths)))
        self._version = version
        self._files = DataFiles(path, info, rows, episodes)
        self._films = FilmFiles(path, info, rows, episodes)
        self._columns: dict[str, NDArray[Any]] = {}

    @classmethod
    def open(cls, path: Path | str, episodes: Collection[int] | None = None) -> Dataset:
        """Open a dataset; whatever a crash left behind is mended first.

        A recording that is still running is left alone: its sealed episodes are seen.

        Args:
            path: Its folder.
            episodes: Only their data and films are looked at, and all ticks of others are zeros:
                for what needs no others, though these are damaged (None: all).

        Raises:
            UserError: There is no dataset, or it is empty, incomplete or damaged.
            WorkFailed: The disk is full, so that a crashed recording cannot be mended.
        """
        path = Path(path)
        settle(path)
        while True:
            version = version_at(path)
            try:
                dataset = cls._open(path, episodes, version)
            except UserError:
                if version_at(path) == version:
                    raise
            else:
                if version_at(path) == version:
                    return dataset

    @classmethod
    def _open(
        cls, path: Path, episodes: Collection[int] | None, version: Version | None
    ) -> Dataset:
        info = read_info(path)
        codebase = info["codebase_version"]
        if codebase != CODEBASE_VERSION:
            raise UserError(
                f"{path}: is a LeRobot dataset {codebase or 'of no version'}, not "
                f"{CODEBASE_VERSION}; turn it into one with `ilrobot import {path} --output DIR`"
            )
        if "ilrobot" in info:
            _mend(path, info)
            spec = Spec.from_json(info["ilrobot"]["spec"])
        else:
            spec = derive_spec(path, info)
        rows = read_episodes(path)
        if not rows:
            raise UserError(f"{path}: holds no episodes yet; record or import some first")
        if "ilrobot" not in info:  # of ours the catalogue sees to it
            check_episodes(path / "meta/episodes", rows, info)
        rates = {row["rate"] for row in rows if row.get("rate")}
        if len(rates) > 1:
            raise UserError(
                f"{path}: mixes control rates ({', '.join(f'{r:g}' for r in sorted(rates))} Hz); "
                "keep each rate in a dataset of its own"
            )
        return cls(path, info, spec, rows, episodes, version)

    @property
    def num_episodes(self) -> int:
        """Number of episodes."""
        return len(self.infos)

    @property
    def num_frames(self) -> int:
        """Number of ticks in all."""
        return int(self.starts[-1])

    def has_column(self, name: str) -> bool:
        """Whether `column(name)` would give something."""
        return name in self.features and self.features[name]["dtype"] not in ("video", "image")

    def column(self, name: str) -> NDArray[Any]:
        """One column over all ticks, (num_frames, *shape), contiguous and kept in memory.

        Strings come as an object array.

        Raises:
            UserError: There is no such column; the line names those that there are. A file is
                damaged, or an edit has replaced the dataset.
        """
        if not self.has_column(name):
            known = ", ".join(key for key in self.features if self.has_column(key))
            raise UserError(f"{self.path}: has no column '{name}' (it has {known})")
        self._load([name])
        return self._columns[name]

    @property
    def camera_keys(self) -> tuple[str, ...]:
        """The features that are kept as film."""
        return self._films.keys

    def video(self, episode: int, key: str) -> Iterator[NDArray[np.uint8]]:
        """What a camera saw in an episode: H×W×3 uint8 for each tick, decoded one by one.

        Raises:
            IndexError: There is no such episode.
            UserError: There is no such camera; the film is missing, damaged or cut off; an edit has
                replaced the dataset.
        """
        if not 0 <= episode < self.num_episodes:
            raise IndexError(f"episode {episode} of {self.num_episodes}")
        if key not in self.camera_keys:
            known = ", ".join(self.camera_keys) or "none"
            raise UserError(f"{self.path}: has no film of '{key}' (it has {known})")
        return self._film(episode, key)

    def episode(self, index: int) -> Episode:
        """One episode with all its columns but LeRobot's own counters.

        Raises:
            IndexError: There is no such episode.
        """
        if not 0 <= index < self.num_episodes:
            raise IndexError(f"episode {index} of {self.num_episodes}")
        counters = {column.name for column in INDEX_COLUMNS}
        part = slice(self.starts[index], self.starts[index + 1])
        names = [name for name in self.features if self.has_column(name) and name not in counters]
        self._load(names)
        return Episode(self.infos[index], {name: self.column(name)[part] for name in names})

    @cached_property
    def content_hash(self) -> str:
        """16 hex digits over all values, lengths and outcomes; the same data give the same hash."""
        return self.hash_of_first(self.num_episodes)

    def hash_of_first(self, episodes: int) -> str:
        """`content_hash` as it was when there were so many episodes."""
        digest = hashlib.sha256(self.lengths[:episodes].tobytes())
        for info in self.infos[:episodes]:
            digest.update(f"{info.task}\0{info.outcome}\0{info.rate}\0".encode())
        names = sorted(name for name in self.features if self.has_column(name))
        self._load(names)
        for name in names:
            values = self.column(name)[: self.starts[episodes]]
            digest.update(f"{name}\0{values.dtype}\0{values.shape}\0".encode())
            text = values.dtype == object
            digest.update("\0".join(values).encode() if text else values.tobytes())
        return digest.hexdigest()[:16]

    def _load(self, names: Sequence[str]) -> None:
        """Read and decode these columns in one pass, as far as they are not in memory."""
        missing = [name for name in names if name not in self._columns]
        if not missing:
            return
        first = not self._columns
        with self._one_version():
            wanted = [*missing, "episode_index", "timestamp"] if first else missing
            table = self._files.read(wanted)
            if first:
                self._check_ticks(table)
        for name in missing:
            shape = self._shape(name)
            values = column_values(self.path, table, name, shape, self.features[name]["dtype"])
            if len(values) < self.num_frames:
                read, values = values, np.zeros((self.num_frames, *shape), values.dtype)
                values[self._files.holds] = read
            self._columns[name] = values

    def _film(self, episode: int, key: str) -> Iterator[NDArray[np.uint8]]:
        pictures = self._films.read(episode, key)
        with self._one_version():
            first = list(islice(pictures, 1))  # the file is open from here on
        yield from first
        yield from pictures

    @contextmanager
    def _one_version(self) -> Iterator[None]:
        """Say that an edit has replaced the dataset, where what is read is of the new version."""
        error: UserError | None = None
        try:
            yield
        except UserError as raised:
            error = raised
        if version_at(self.path) not in (self._version, None):
            raise UserError(
                f"{self.path}: was edited while it was being read; nothing is damaged, begin again"
            ) from error
        if error is not None:
            raise error

    def _check_ticks(self, table: Any) -> None:
        """Refuse ticks of other episodes than those listed, and at another rate."""
        indexes = column_values(self.path, table, "episode_index", (), "int64")
        listed = np.repeat(np.arange(self.num_episodes), self.lengths)[self._files.holds]
        if not np.array_equal(indexes, listed):
            raise UserError(
                f"{self.path}: the ticks in its data files are not those that meta/episodes "
                "lists; copy it again from its source"
            )
        stamps = column_values(self.path, table, "timestamp", (), "float32")
        begins = np.flatnonzero(np.diff(listed, prepend=-1))
        for episode, part in zip(listed[begins], np.split(stamps, begins[1:]), strict=True):
            check_spacing(self.path, episode, part, self._stated_fps)

    def _shape(self, name: str) -> tuple[int, ...]:
        """Its shape at one tick; LeRobot cannot tell a scalar from a vector of one, we can."""
        for feature in (*self.spec.observations, self.spec.action):
            if feature.name == name:
                return feature.shape
        copies = ("control.policy_action", "control.human_action")
        if name in copies:
            return self.spec.action.shape
        shape = tuple(self.features[name]["shape"])
        return () if shape == (1,) and name != "sim.state" else shape


def _mend(path: Path, info: dict[str, Any]) -> None:
    if not needs_repair(path, info):
        return
    try:
        lock = WriteLock.take(path)
    except OSError as error:
        _log.warning("%s: left unrepaired (%s); only sealed episodes are seen", path, error)
        return
    if lock is None:
        return
    with lock, explained(path, "all that was recorded is safe", "open it again"):
        repair(path, read_info(path))


def _infos(path: Path, rows: list[dict[str, Any]], rate: float) -> tuple[EpisodeInfo, ...]:
    task = next(iter(read_tasks(path)), "")
    try:
        return tuple(episode_info(row, task, rate) for row in rows)
    except ValueError as error:
        raise UserError(
            f"{path}: meta/episodes is damaged ({error}); copy it again from its source"
        ) from error
