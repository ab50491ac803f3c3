"""An episode recorded apart from its dataset, by whichever process ran it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ilrobot.data.episode import Column, EpisodeInfo, Frame, Judge, Outcome
from ilrobot.data.journal import JournalWriter
from ilrobot.gates.log import GateLog


class AttemptRecorder:
    """Records one episode into a journal of its own, which `DatasetRecorder.adopt` seals; no films.

    A kill leaves a journal without an end, of an attempt that is to be made again.

    Args:
        journal: A file that must not exist yet, on the dataset's file system.
        columns: The dataset's, see `DatasetRecorder.columns`.

    Raises:
        OSError: From each method: the disk is full, the folder cannot be written.
    """

    def __init__(self, journal: Path, columns: Sequence[Column]) -> None:
        self._path, self._columns = journal, columns
        self._writer: JournalWriter | None = None

    def begin(self, info: EpisodeInfo) -> None:
        """Open the episode."""
        self._writer = JournalWriter(self._path, info, self._columns)

    def append(self, frame: Frame) -> None:
        """Keep one tick."""
        self._journal.append(frame)

    def rewind(self, to_frame: int) -> None:
        """Discard the ticks from this one on."""
        self._journal.rewind(to_frame)

    def end(self, outcome: Outcome, judge: Judge, control: GateLog | None = None) -> None:
        """Write how it ended."""
        self._journal.finish(outcome, judge, control)
        self.close()

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        if self._writer is not None:
            self._writer.close()

    @property
    def _journal(self) -> JournalWriter:
        if self._writer is None:
            raise RuntimeError("no episode was begun")
        return self._writer
