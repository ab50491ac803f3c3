"""Every tick of the control loop, in a ring on the disk that outlives the process."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.runtime.tick_layout import (
    CLOSED_AT,
    FALLBACK_SOURCE,
    MAGIC,
    SCALAR_STRUCT,
    SOURCES,
    Layout,
)
from ilrobot.actors import Action, Observation, Source
from ilrobot.atomic import make_folder, write_fully
from ilrobot.errors import UserError, explained

#: A log takes no more than this on the disk; the oldest ticks make room.
MOST_BYTES = 256 * 2**20
_CODES = {source: code for code, source in enumerate(SOURCES)} | {None: FALLBACK_SOURCE}


def room_for(ticks: int, row: np.dtype[Any]) -> int:
    """How many rows to make room for, where there may be so many ticks."""
    return max(1, min(ticks, MOST_BYTES // row.itemsize))


class TickLog:
    """Writes rows into a file that is mapped into memory.

    The kernel keeps what was written whatever becomes of the process, SIGKILL included; only a
    machine that loses its power loses the last seconds. All its room is taken before the robot
    moves: a tick neither allocates nor waits for the disk, and a disk that fills up later does no
    harm. When the room is used up the oldest ticks are overwritten.

    Args:
        path: The file; an earlier log that is there is replaced once there is room for this one.
        layout: What it holds.
        capacity: Room in rows, see `room_for`.
        signals: Asked at each tick, by the names that the layout has for them.

    Raises:
        UserError: The place cannot be written to, another process is writing there, or something
            else than such a log is there.
        WorkFailed: The disk is full.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        capacity: int,
        signals: Mapping[str, Callable[[], float]] = MappingProxyType({}),
    ) -> None:
        self.path, self.layout = path, layout
        header = layout.header(capacity)
        size = len(header) + capacity * layout.row.itemsize
        with explained(path, "nothing has moved", "deploy again"):
            if path.is_dir():
                raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
            make_folder(path.parent)
            _check_replaceable(path)
            begun = path.with_name(f".{path.name}.{os.getpid()}")
            self._file = os.open(begun, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                write_fully(self._file, header)
                _take_room(self._file, len(header), size)
                self._map = mmap.mmap(self._file, size)
                begun.replace(path)
            except BaseException:
                os.close(self._file)
                begun.unlink(missing_ok=True)
                raise
        self._offset = len(header)
        self.ticks = 0
        """How many were appended."""
        rows: NDArray[Any] = np.frombuffer(self._map, layout.row, capacity, len(header))
        self._commands, self._wanted = rows["command"], rows["wanted"]
        self._observed = [
            (name, rows[name])
            for name in layout.elements
            if name not in ("command", "wanted", *signals)
        ]
        self._signals = [(rows[name], signal) for name, signal in signals.items()]
        # The numbers stand together behind the arrays.
        self._scalars = len(header) + layout.row.itemsize - SCALAR_STRUCT.size
        self._stride, self._capacity = layout.row.itemsize, capacity

    def __enter__(self) -> TickLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(
        self,
        observation: Observation | None,
        command: Action | None,
        wanted: Action | None,
        source: Source | None,
        *numbers: float,
    ) -> None:
        """Keep a tick.

        Args:
            observation: What was read (None: nothing was).
            command: What was sent (None: nothing was).
            wanted: What the policy wanted (None: it was not asked, or had no answer).
            source: Who chose the command (None: the guard's fallback).
            numbers: ``start``, ``episode``, ``activations``, ``age``, ``read_time``,
                ``act_time``, ``write_time``, ``late``, see `exports.runtime.tick_layout`.
        """
        place = self.ticks % self._capacity
        for name, column in self._observed:
            column[place] = np.nan if observation is None else observation[name]
        self._commands[place] = np.nan if command is None else command
        self._wanted[place] = np.nan if wanted is None else wanted
        for column, signal in self._signals:
            column[place] = np.nan if wanted is None else signal()
        self.ticks += 1
        SCALAR_STRUCT.pack_into(
            self._map,
            self._scalars + place * self._stride,
            *numbers[:-1],
            _CODES[source],
            numbers[-1],
            self.ticks,
        )

    def close(self) -> None:
        """Give back the room that was not needed, and put all on the disk."""
        if self._map.closed:
            return
        del self._commands, self._wanted, self._observed, self._signals
        struct.pack_into("<I", self._map, CLOSED_AT, 1)
        with explained(self.path, "the robot has stopped", "deploy again"):
            try:
                self._map.flush()
                self._map.close()
                os.ftruncate(
                    self._file, self._offset + min(self.ticks, self._capacity) * self._stride
                )
                os.fsync(self._file)
            finally:
                os.close(self._file)


def _check_replaceable(path: Path) -> None:
    """Leave alone what is no log, and a log that another process is writing."""
    if not path.exists():
        return
    old = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(old, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there = os.fstat(old)
        ours = stat.S_ISREG(there.st_mode) and os.pread(old, len(MAGIC), 0) in (b"", MAGIC)
    except BlockingIOError as error:
        raise UserError(
            f"{path}: another process is writing its log there; choose another --log"
        ) from error
    finally:
        os.close(old)
    if not ours:
        raise UserError(f"{path} is no log of ticks, and would be lost; give --log another name")


def _take_room(file: int, begin: int, end: int) -> None:
    """Take a file's room on the disk, all of it and now.

    A page that cannot be found room for when it is written to ends the process.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, end)
        return
    zeros = bytes(2**20)
    for at in range(begin, end, len(zeros)):
        write_fully(file, zeros[: end - at])
