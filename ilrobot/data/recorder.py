"""Recording to disk: a journal while an episode runs, a sealed parquet file when it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from ilrobot.atomic import make_folder
from ilrobot.data.agreement import difference
from ilrobot.data.catalogue import Catalogue
from ilrobot.data.editing.swap import settle
from ilrobot.data.episode import (
    REPEATED,
    Column,
    EpisodeInfo,
    Frame,
    Judge,
    Outcome,
)
from ilrobot.data.info import read_ours
from ilrobot.data.journal import JournalWriter
from ilrobot.data.layout import (
    ENCODER_LOCK,
    INFO,
    JOURNALS,
    data_file,
    film_part,
    journal_file,
    video_file,
)
from ilrobot.data.repair import repair, seal_journal
from ilrobot.data.video.queue import EncoderLost, VideoQueue
from ilrobot.errors import UserError, WorkFailed, explained
from ilrobot.gates.log import GateLog
from ilrobot.lock import LOCK_FILE, WriteLock
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
        remedy: What to do where the disk is full, once there is room again.

    Raises:
        UserError: There is something already, another process is recording there, the dataset there
            is of another task, the folder cannot be written, or pictures cannot be kept as film.
        WorkFailed: The disk is full, or the video encoder cannot start.
    """

    def __init__(
        self,
        path: Path | str,
        spec: Spec,
        *,
        state_size: int = 0,
        resume: bool = False,
        remedy: str = "record again with --resume",
    ) -> None:
        self.path, self._remedy = Path(path), remedy
        catalogue = Catalogue.create(self.path, spec, state_size)
        self._journal: JournalWriter | None = None
        self._failed = self._may_wait = False
        with explained(self.path, "nothing has been recorded yet", "start again"):
            settle(self.path)
            _check_place(self.path, resume)
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
                    info = read_ours(self.path)
                    _check_same(self.path, info["ilrobot"], spec, state_size)
                    catalogue = repair(self.path, info)
                    catalogue.learn_frame(spec)
                    _check_next(self.path / data_file(catalogue.num_episodes))
                    for camera in catalogue.spec.cameras:
                        film = video_file(camera.name, catalogue.num_episodes)
                        _check_next(self.path / film)
                else:
                    catalogue.write()
                self._catalogue = catalogue
                self._cameras = catalogue.spec.cameras
                self._videos = self._start_encoder() if self._cameras else None
            except BaseException:
                lock.release()
                raise

    @property
    def num_episodes(self) -> int:
        """Number of sealed episodes."""
        return self._catalogue.num_episodes

    @property
    def columns(self) -> tuple[Column, ...]:
        """What a frame holds, beside what the cameras see."""
        return self._catalogue.columns

    @property
    def encoder_pid(self) -> int | None:
        """The process that encodes what the cameras see (None: there are no cameras)."""
        return None if self._videos is None else self._videos.pid

    @property
    def pictures_written(self) -> int:
        """Leading ticks of the open episode whose pictures are on disk, as far as was heard."""
        return 0 if self._videos is None else self._videos.written

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
            self._may_wait = not info.real_time
            if self._videos is not None:
                parts = {c.name: film_part(c.name, self.num_episodes) for c in self._cameras}
                self._videos.begin({name: self.path / part for name, part in parts.items()})

    def append(self, frame: Frame) -> None:
        """Keep one tick: once this returns, killing the process does not lose it.

        Pictures go to the encoder, which outlives this process until it has written them. Where
        it cannot keep up, a tick's pictures are dropped and those of the tick before repeated.

        Raises:
            WorkFailed: The disk is full, or the encoder was killed; what is safe is told.
            ValueError: The frame lacks a column or has values of another shape.
        """
        if self._journal is None:
            raise RuntimeError("append() without begin()")
        try:
            if self._videos is not None:
                kept = self._videos.put(self._journal.frames, frame, wait=self._may_wait)
                frame = {**frame, REPEATED: not kept}
            self._journal.append(frame)
        except (OSError, EncoderLost) as error:
            with self._explained():
                raise error

    def rewind(self, to_frame: int) -> None:
        """Discard the ticks from this one on; killing the process does not bring them back.

        Raises:
            WorkFailed: The disk is full.
        """
        if self._journal is None:
            raise RuntimeError("rewind() without begin()")
        try:
            self._journal.rewind(to_frame)
        except OSError as error:
            with self._explained():
                raise error

    def end(self, outcome: Outcome, judge: Judge, control: GateLog | None = None) -> None:
        """Seal the episode; one without ticks is dropped.

        Raises:
            WorkFailed: The disk is full; all ticks are safe in the journal.
        """
        if self._journal is None:
            raise RuntimeError("end() without begin()")
        with self._explained():
            if self._videos is not None:
                # Before the verdict: where that is written, the films are whole.
                self._videos.end(self._journal.frames)
        with self._explained():
            self._journal.finish(outcome, judge, control)
            self._journal.close()
            seal_journal(self._catalogue, self._journal.path)
        self._journal = None

    def adopt(self, journal: Path) -> None:
        """Seal an episode that an `AttemptRecorder` recorded; its journal is moved away.

        Whenever the process is killed, the episode is in the dataset or not, never half of it.

        Raises:
            UserError: The journal has not the `columns` of this dataset.
            WorkFailed: The disk is full.
        """
        if self._journal is not None:
            raise RuntimeError("adopt() before end() of the last episode")
        with self._explained():
            make_folder(self.path / JOURNALS)
            place = self.path / journal_file(self.num_episodes)
            journal.rename(place)
            seal_journal(self._catalogue, place)

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
            if self._videos is not None:
                self._videos.close()
                (self.path / ENCODER_LOCK).unlink(missing_ok=True)
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

    def _start_encoder(self) -> VideoQueue:
        make_folder(self.path / JOURNALS)
        shapes = {camera.name: camera.shape for camera in self._cameras}
        rate, fps = self._catalogue.spec.rate, self._catalogue.fps
        try:
            return VideoQueue(shapes, rate, fps, self.path / ENCODER_LOCK)
        except EncoderLost as error:
            raise WorkFailed(f"{self.path}: {error}, so that cameras cannot be recorded") from error

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        ticks = self._journal.frames if self._journal is not None else 0
        if self._videos is not None:
            ticks = min(ticks, self._videos.written)
        safe = f"the {self.num_episodes} sealed episodes and {ticks} ticks of the open one are safe"
        try:
            with explained(self.path, safe, self._remedy):
                yield
        except EncoderLost as error:
            self._failed = True
            raise WorkFailed(f"{self.path}: {error}; {safe}; {self._remedy}") from error
        except BaseException:  # Ctrl-C in the middle of sealing leaves it to `repair` too
            self._failed = True
            raise


def _check_place(path: Path, resume: bool) -> None:
    if path.exists() and not path.is_dir():
        raise UserError(f"{path}: is a file; choose a folder for the recording")
    there = sorted(path.iterdir()) if path.is_dir() else []
    # A recording that was killed as it began leaves its lock, and a part of its first file.
    others = [inner.name for inner in there if inner.name not in (LOCK_FILE, Path(INFO).parts[0])]
    if others and not (path / INFO).exists():
        raise UserError(
            f"{path}: holds no recording but {', '.join(others[:3])}; choose another folder"
        )
    if there and not resume:
        raise UserError(
            f"{path}: is not empty; choose another folder, or add to the recording that is there "
            "with --resume"
        )


def _check_next(path: Path) -> None:
    if path.exists():
        raise UserError(
            f"{path}: stands where the next episode belongs, though meta/episodes does not list "
            "it; move it out of the dataset's folder"
        )


def _check_same(path: Path, ours: dict[str, Any], spec: Spec, state_size: int) -> None:
    """Refuse to mix two tasks in one dataset."""
    differs = difference(Spec.from_json(ours["spec"]), ours["state_size"], spec, state_size)
    if differs is not None:
        raise UserError(f"{path}: was recorded with another {differs}; record into another folder")
