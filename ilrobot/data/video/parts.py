"""The film of a running episode: an append-only file per camera that any crash leaves readable.

Layout: one line of JSON (format, codec), then a record per frame: size and CRC-32 of the encoded
frame, then the frame itself, one access unit of the codec's raw stream. A record is appended by a
single `os.write`, so that it outlives the encoder as soon as that call returns. No frame refers to
a later one, so any number of leading records is a film.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from ilrobot.atomic import write_fully
from ilrobot.errors import UserError

_FORMAT = 1
_RECORD = struct.Struct("<II")


class PartWriter:
    """Appends the encoded frames of one camera.

    Args:
        path: A file that must not exist yet.
        codec: FFmpeg's name of the raw stream, e.g. ``h264``.

    Raises:
        OSError: The disk is full, the folder cannot be written.
    """

    def __init__(self, path: Path, codec: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o644)
        header = json.dumps({"format": _FORMAT, "codec": codec})
        write_fully(self._descriptor, f"{header}\n".encode())

    def append(self, frame: bytes) -> None:
        """Keep one frame.

        Raises:
            OSError: The disk is full; the frames before this one are safe.
        """
        write_fully(self._descriptor, _RECORD.pack(len(frame), zlib.crc32(frame)) + frame)

    def close(self) -> None:
        """Flush all of it to the disk."""
        os.fsync(self._descriptor)
        os.close(self._descriptor)


class Part(io.RawIOBase):
    """The leading frames of such a file, as the codec's raw stream.

    Args:
        path: The file; one that is missing or was cut off in its first line holds no frame.
        frames: How many to give (None: all that are whole).

    Raises:
        UserError: The first line is whole but not ours, which no crash can bring about.
    """

    def __init__(self, path: Path, frames: int | None = None) -> None:
        self._path, self._limit = path, frames
        self.codec = ""
        line = path.open("rb").readline() if path.exists() else b""
        if line.endswith(b"\n"):
            try:
                header = json.loads(line)
                if header["format"] != _FORMAT:
                    raise ValueError(f"format {header['format']}")
                self.codec = str(header["codec"])
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{path}: not a film that this version can read ({error}); move it out of the "
                    "dataset's folder to open the sealed episodes"
                ) from error
        self._rest = b""
        self._packets = self.packets()

    def packets(self) -> Iterator[bytes]:
        """One encoded frame after the other."""
        if not self.codec:
            return
        with self._path.open("rb") as file:
            file.readline()
            count = 0
            while count != self._limit:
                head = file.read(_RECORD.size)
                if len(head) < _RECORD.size:
                    return
                size, crc = _RECORD.unpack(head)
                frame = file.read(size)
                if len(frame) < size or zlib.crc32(frame) != crc:
                    return
                yield frame
                count += 1

    def count(self) -> int:
        """How many frames it gives."""
        return sum(1 for _ in self.packets())

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """The next bytes of the stream; 0 at its end."""
        if not self._rest:
            self._rest = next(self._packets, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
