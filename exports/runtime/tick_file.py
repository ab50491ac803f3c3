"""Ticks on their way into one .npz file, in constant memory."""

from __future__ import annotations

import errno
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.atomic import make_folder, replacing
from ilrobot.errors import explained

_CHUNK = 65_536


class TickFile:
    """Collects rows in a nameless file beside `path`, and turns them into an .npz file at the end.

    Made before the robot moves, so that a place that cannot be written to is known by then. A disk
    that fills up meanwhile does not disturb the robot: it is told by `save`.

    Args:
        path: The .npz file to write; one that is there is replaced.
        row: Type of a row, whose fields become the arrays.

    Raises:
        UserError: The place cannot be written to.
    """

    def __init__(self, path: Path, row: np.dtype[Any]) -> None:
        self.path = path
        self._type = row
        self._problem: OSError | None = None
        with explained(path, "nothing has moved", "deploy again"):
            if path.is_dir():
                raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
            make_folder(path.parent)
            self._rows: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 (closed by __exit__)

    def __enter__(self) -> TickFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()

    def write(self, rows: NDArray[Any]) -> None:
        """Add some rows."""
        if self._problem is None:
            try:
                self._rows.write(rows.tobytes())
            except OSError as error:
                self._problem = error

    def save(self, **attributes: Any) -> None:
        """Write one array per column, and these attributes.

        Raises:
            WorkFailed: The disk is full or broken; no file is left.
            UserError: The place cannot be written to any more.
        """
        with explained(self.path, "the robot has stopped and no log was kept", "deploy again"):
            if self._problem is not None:
                raise self._problem
            self._rows.flush()
            with (
                replacing(self.path) as part,
                zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as z,
            ):
                for name in self._type.names or ():
                    with z.open(f"{name}.npy", "w", force_zip64=True) as member:
                        self._write_column(member, name)
                for name, value in attributes.items():
                    with z.open(f"{name}.npy", "w") as member:
                        np.lib.format.write_array(member, np.asanyarray(value))

    def _write_column(self, member: IO[bytes], name: str) -> None:
        count = self._rows.seek(0, os.SEEK_END) // self._type.itemsize
        header = np.lib.format.header_data_from_array_1_0(np.zeros(0, self._type)[name])
        header["shape"] = (count, *header["shape"][1:])
        np.lib.format.write_array_header_1_0(member, header)
        for rows in self._chunks():
            member.write(np.ascontiguousarray(rows[name]).tobytes())

    def _chunks(self) -> Iterator[NDArray[Any]]:
        self._rows.seek(0)
        while content := self._rows.read(_CHUNK * self._type.itemsize):
            yield np.frombuffer(content, self._type)
