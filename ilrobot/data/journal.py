"""The journal of a running episode: an append-only file that any crash leaves readable.

Layout: one line of JSON (format, `EpisodeInfo`, columns), then a record of fixed size per tick
(mark byte, the columns packed in order, CRC-32) and one of the same size per rewind (another mark
byte, the number of the tick that it went back to, zeros, CRC-32), then, once the episode has ended,
one line of JSON with its outcome. A record is appended by a single `os.write`, so that it outlives
the process as soon as `append` returns. It is not flushed to the disk tick by tick, which would
cost milliseconds: a power cut may lose what the kernel had not written yet, a killed process loses
nothing.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.atomic import write_fully
from ilrobot.data.branches import DISCARDED, discarded
from ilrobot.data.episode import Column, Episode, EpisodeInfo, Frame, Judge, Outcome
from ilrobot.errors import UserError
from ilrobot.gates.log import GateLog

_FORMAT = 1
_TICK, _REWIND = 0x01, 0x02
_CRC = struct.Struct("<I")
_BACK_TO = struct.Struct("<BQ")

#: Bytes kept for a string; `control.source` needs 6.
STRING_BYTES = 16


def record_type(columns: Sequence[Column]) -> np.dtype[Any]:
    """The packed little-endian numpy dtype of one tick."""
    fields: list[Any] = [("mark", "u1")]
    for column in columns:
        kind = f"S{STRING_BYTES}" if column.dtype == "string" else np.dtype(column.dtype)
        fields.append((column.name, np.dtype(kind).newbyteorder("<"), column.shape))
    return np.dtype([*fields, ("crc", "<u4")])


class JournalWriter:
    """Appends the ticks of one episode.

    Args:
        path: A file that must not exist yet.
        info: What is known about the episode at its start.
        columns: What a frame holds; other keys of a frame are ignored.

    Raises:
        OSError: The disk is full, the folder cannot be written.
    """

    def __init__(self, path: Path, info: EpisodeInfo, columns: Sequence[Column]) -> None:
        self.path = path
        self.frames = 0
        self._columns = tuple(columns)
        kind = record_type(columns)
        self._record = bytearray(kind.itemsize)
        self._payload = memoryview(self._record)[: -_CRC.size]
        fields = np.frombuffer(self._record, dtype=kind)
        fields["mark"] = _TICK
        self._views = [(column, fields[column.name]) for column in columns]
        header = {
            "format": _FORMAT,
            "info": info.to_json(),
            "columns": [asdict(column) for column in columns],
        }
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o644)
        try:
            write_fully(self._descriptor, (json.dumps(header) + "\n").encode())
        except OSError:
            self.close()
            raise

    def append(self, frame: Frame) -> None:
        """Keep one tick.

        Raises:
            ValueError: The frame lacks a column, or a value has another shape.
            OSError: The disk is full; the ticks before this one are safe.
        """
        for column, view in self._views:
            try:
                value = frame[column.name]
            except KeyError:
                raise ValueError(f"the frame has no '{column.name}'") from None
            if column.dtype == "string":
                value = value.encode()
                if len(value) > STRING_BYTES:
                    raise ValueError(f"'{column.name}' is longer than {STRING_BYTES} bytes")
            elif np.shape(value) != column.shape:
                raise ValueError(
                    f"'{column.name}' has shape {list(np.shape(value))}, not {list(column.shape)}"
                )
            view[0] = value
        _CRC.pack_into(self._record, len(self._payload), zlib.crc32(self._payload))
        write_fully(self._descriptor, self._record)
        self.frames += 1

    def rewind(self, to_frame: int) -> None:
        """Note that the ticks from `to_frame` on, counted from 0, were undone.

        Raises:
            OSError: The disk is full; what came before is safe.
        """
        payload = _BACK_TO.pack(_REWIND, to_frame).ljust(len(self._payload), b"\0")
        write_fully(self._descriptor, payload + _CRC.pack(zlib.crc32(payload)))

    def finish(self, outcome: Outcome, judge: Judge, control: GateLog | None = None) -> None:
        """Write how the episode ended and flush all of it to the disk.

        Raises:
            OSError: The disk is full; the ticks are safe, the outcome is not.
        """
        write_fully(self._descriptor, _trailer(outcome, judge, control))
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_journal(path: Path) -> Episode | None:
    """Whatever a journal holds: its whole, valid records in order.

    Returns:
        The episode, ``unfinished`` if its end was not written; None if the file was cut off within
        its first line, before any tick.

    Raises:
        UserError: The first line is whole but not ours, which no crash can bring about.
    """
    content = path.read_bytes()
    line, newline, body = content.partition(b"\n")
    if not newline:
        return None
    try:
        header = json.loads(line)
        if header["format"] != _FORMAT:
            raise ValueError(f"format {header['format']}")
        columns = [Column(c["name"], c["dtype"], tuple(c["shape"])) for c in header["columns"]]
        info = EpisodeInfo.from_json(header["info"])
        kind = record_type(columns)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not a journal that this version can read ({error}); move it out of the "
            "dataset's folder to open the sealed episodes"
        ) from error
    count = _valid_records(body, kind.itemsize)
    outcome, judge, control = _read_trailer(body[count * kind.itemsize :])
    records = np.frombuffer(body, dtype=kind, count=count)
    is_tick = records["mark"] == _TICK
    undone = discarded(int(is_tick.sum()), _rewinds(records, is_tick))
    ticks = records[is_tick]
    if DISCARDED not in (kind.names or ()):
        # A dataset from before there were rewinds has no place for what was undone.
        ticks, undone = ticks[~undone], undone[~undone]
    unpacked = {column.name: _unpack(ticks[column.name], column) for column in columns}
    if DISCARDED in unpacked:
        unpacked[DISCARDED] |= undone
    return Episode(replace(info, outcome=outcome, judge=judge, control=control), unpacked)


def _rewinds(records: NDArray[Any], is_tick: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """For each rewind the tick that it went back to, and how many there were by then."""
    ticks = np.cumsum(is_tick)
    for index in np.flatnonzero(~is_tick):
        yield _BACK_TO.unpack_from(records[index].tobytes())[1], int(ticks[index])


def _valid_records(body: bytes, size: int) -> int:
    view = memoryview(body)
    count = 0
    while (count + 1) * size <= len(body):
        record = view[count * size : (count + 1) * size]
        (crc,) = _CRC.unpack_from(record, size - _CRC.size)
        if record[0] not in (_TICK, _REWIND) or zlib.crc32(record[: -_CRC.size]) != crc:
            break
        count += 1
    return count


def _unpack(values: NDArray[Any], column: Column) -> NDArray[Any]:
    if column.dtype == "string":
        return np.array([value.decode() for value in values.tolist()], dtype=object)
    return np.ascontiguousarray(values, dtype=column.dtype)


def _trailer(outcome: Outcome, judge: Judge, control: GateLog | None) -> bytes:
    shared = None if control is None else control.to_json()
    end = json.dumps({"outcome": outcome, "judge": judge, "control": shared})
    return f"{end}#{zlib.crc32(end.encode()):08x}\n".encode()


def _read_trailer(tail: bytes) -> tuple[Outcome, Judge, GateLog | None]:
    end, _, crc = tail.partition(b"#")
    if crc != f"{zlib.crc32(end):08x}\n".encode():
        return Outcome.UNFINISHED, Judge.NOBODY, None
    fields = json.loads(end)
    shared = fields.get("control")
    # Earlier versions counted less than a log says.
    known = shared is not None and "takeovers" in shared
    control = GateLog.from_json(shared) if known else None
    return Outcome(fields["outcome"]), Judge(fields["judge"]), control
