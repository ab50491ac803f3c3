"""Recording to disk: a journal while an episode runs, a sealed parquet file when it ends.

Sealing goes journal → data file → tasks → table of episodes → statistics → ``info.json`` → journal
removed, each file by a rename. The table of episodes is what makes an episode count as sealed; the
files before it can be written again from the journal, those after it from the table. `repair` does
so after a crash at any point, and doing it twice changes nothing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ilrobot.atomic import make_folder, sync_folder
from ilrobot.data.catalogue import Catalogue
from ilrobot.data.episode import EpisodeInfo, Frame, Judge, Outcome
from ilrobot.data.journal import JournalWriter, read_journal
from ilrobot.data.layout import (
    INFO,
    JOURNALS,
    journal_file,
    journals,
    leftovers,
)
from ilrobot.errors import UserError, explained
from ilrobot.lock import WriteLock
from ilrobot.spec import Spec


class DatasetRecorder:
    """Records episodes into a dataset's folder; a `Recorder` and a context manager.

    An episode still open when it is closed is sealed with the outcome ``unfinished``, just as
    after a crash.

    Args:
        path: The dataset's folder; made if it does not exist.
        spec: The task's observations, action and rate.
        state_size: Length of the simulator's state vector (0: it is not recorded).
        resume: Add to a dataset that is there already, mending what a crash left behind.

    Raises:
        UserError: There is something already, another process is recording there, the dataset there
            is of another task, the folder cannot be written, or the task observes images.
        WorkFailed: The disk is full.
    """

    def __init__(
        self, path: Path | str, spec: Spec, *, state_size: int = 0, resume: bool = False
    ) -> None:
        self.path = Path(path)
        catalogue = Catalogue.create(self.path, spec, state_size)
        self._journal: JournalWriter | None = None
        self._failed = False
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path}: is a file; choose a folder for the recording")
        if not resume and self.path.is_dir() and any(self.path.iterdir()):
            raise UserError(
                f"{self.path}: is not empty; choose another folder, or add to the recording that "
                "is there with --resume"
            )
        with explained(self.path, "nothing has been recorded yet", "start again"):
            make_folder(self.path)
            lock = WriteLock.take(self.path)
            if lock is None:
                raise UserError(
                    f"{self.path}: another process is recording there; wait for it, or choose "
                    "another folder"
                )
            self._lock = lock
            try:
                if (self.path / INFO).exists():
                    existing = repair(self.path, read_info(self.path))
                    _check_same(existing, catalogue)
                    catalogue = existing
                else:
                    catalogue.write()
            except BaseException:
                lock.release()
                raise
        self._catalogue = catalogue

    @property
    def num_episodes(self) -> int:
        """Number of sealed episodes."""
        return self._catalogue.num_episodes

    def begin(self, info: EpisodeInfo) -> None:
        """Open an episode.

        Raises:
            UserError: Its rate is not the dataset's, or the folder cannot be written.
            WorkFailed: The disk is full.
        """
        if self._journal is not None:
            raise RuntimeError("begin() before end() of the last episode")
        rate = self._catalogue.spec.rate
        if info.rate != rate:
            raise UserError(
                f"{self.path}: is recorded at {rate:g} Hz, the episode at {info.rate:g} Hz; "
                "record other rates into another folder"
            )
        with self._explained():
            make_folder(self.path / JOURNALS)
            journal = self.path / journal_file(self.num_episodes)
            self._journal = JournalWriter(journal, info, self._catalogue.columns)

    def append(self, frame: Frame) -> None:
        """Keep one tick: once this returns, killing the process does not lose it.

        Raises:
            WorkFailed: The disk is full; the ticks before this one are safe.
            ValueError: The frame lacks a column or has values of another shape.
        """
        if self._journal is None:
            raise RuntimeError("append() without begin()")
        try:
            self._journal.append(frame)
        except OSError as error:
            with self._explained():
                raise error

    def end(self, outcome: Outcome, judge: Judge) -> None:
        """Seal the episode; one without ticks is dropped.

        Raises:
            WorkFailed: The disk is full; all ticks are safe in the journal.
        """
        if self._journal is None:
            raise RuntimeError("end() without begin()")
        with self._explained():
            self._journal.finish(outcome, judge)
            self._journal.close()
            _seal(self._catalogue, self._journal.path)
        self._journal = None

    def close(self) -> None:
        """Seal an open episode as ``unfinished`` and let others write; a second call does nothing.

        After a failed write it only lets go: the journal stays for `repair`.
        """
        try:
            if self._journal is not None and not self._failed:
                self.end(Outcome.UNFINISHED, Judge.NOBODY)
        finally:
            if self._journal is not None:
                self._journal.close()
                self._journal = None
            with contextlib.suppress(OSError):  # it stays while it holds a journal
                (self.path / JOURNALS).rmdir()
            self._lock.release()

    def __enter__(self) -> DatasetRecorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        ticks = self._journal.frames if self._journal is not None else 0
        safe = f"the {self.num_episodes} sealed episodes and {ticks} ticks of the open one are safe"
        try:
            with explained(self.path, safe, "record again with --resume"):
                yield
        except BaseException:  # Ctrl-C in the middle of sealing leaves it to `repair` too
            self._failed = True
            raise


def read_info(root: Path) -> dict[str, Any]:
    """``meta/info.json`` of a dataset.

    Raises:
        UserError: The folder is missing, empty or not a dataset, or the file is damaged.
    """
    if not root.exists():
        raise UserError(f"{root}: does not exist; check the path")
    if not root.is_dir():
        raise UserError(f"{root}: is a file, not a dataset's folder; `ilrobot import` may read it")
    if not any(root.iterdir()):
        raise UserError(f"{root}: is empty; record or import a dataset into it first")
    path = root / INFO
    try:
        info = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(
            f"{root}: has no {INFO}, so it is no dataset or only half of one; check the path, or "
            "copy it again from its source"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: is not JSON ({error}); copy it again from its source") from error
    if not isinstance(info, dict) or "features" not in info or "fps" not in info:
        raise UserError(f"{path}: lacks 'features' or 'fps'; copy it again from its source")
    return info


def needs_repair(root: Path, info: Mapping[str, Any]) -> bool:
    """Whether a crash left something behind, or a recording is running."""
    if journals(root) or leftovers(root):
        return True
    return not Catalogue.load(root, info).is_current(info)


def repair(root: Path, info: Mapping[str, Any]) -> Catalogue:
    """Mend whatever a crash left behind; the caller holds the `WriteLock`.

    The journal of a sealed episode is removed; an unsealed one is sealed with what it holds, or
    removed if it holds no tick. Half-written files are removed, statistics and totals renewed.

    Returns:
        What is sealed then.

    Raises:
        UserError: A file is damaged in a way that no crash brings about.
        OSError: The disk is full, the folder cannot be written.
    """
    for path in leftovers(root):
        path.unlink()
    catalogue = Catalogue.load(root, info)
    if not catalogue.is_current(info):
        catalogue.write()
    for path in journals(root):
        index = int(path.stem.rpartition("-")[2])
        if index > catalogue.num_episodes:
            raise UserError(
                f"{path}: comes after an episode that is missing; rename it to "
                f"{journal_file(catalogue.num_episodes)} to recover it"
            )
        if index < catalogue.num_episodes:
            path.unlink()
        else:
            _seal(catalogue, path)
    return catalogue


def _seal(catalogue: Catalogue, journal: Path) -> None:
    found = read_journal(journal)
    if found is not None and len(found):
        catalogue.seal(found)
        catalogue.write()
    journal.unlink()
    sync_folder(journal.parent)


def _check_same(existing: Catalogue, wanted: Catalogue) -> None:
    place = existing.root
    if existing.spec.rate != wanted.spec.rate:
        raise UserError(
            f"{place}: is recorded at {existing.spec.rate:g} Hz, not {wanted.spec.rate:g} Hz; "
            "record other rates into another folder"
        )
    if existing.spec.choices != wanted.spec.choices or existing.columns != wanted.columns:
        pairs = zip(existing.columns, wanted.columns, strict=False)
        one, other = next(
            ((a, b) for a, b in pairs if a != b), (existing.columns[-1], wanted.columns[-1])
        )
        raise UserError(
            f"{place}: was recorded with '{one.name}' {one.dtype}{list(one.shape)}, now it "
            f"would be '{other.name}' {other.dtype}{list(other.shape)}; record other tasks into "
            "another folder"
        )
