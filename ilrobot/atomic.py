"""Files that appear under their name whole or not at all, whatever crashes and whenever.

Written beside its place, flushed to the disk, renamed, and the rename flushed too. What a kill
leaves behind ends in `PART` and holds nothing that anybody was told is kept.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: How the name of a file that is still being written ends.
PART = ".part"

#: What file systems without hard links answer, e.g. exFAT.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what shall stand at `path` when the block ends well.

    If the block raises, the old file stays and what was written is removed. The name is the
    process's own, so that two of them never write into one file.

    Args:
        path: Where to; its folder is made.

    Raises:
        OSError: The disk is full, the folder cannot be written, `path` is a folder.
    """
    make_folder(path.parent)
    part = _part(path)
    try:
        yield part
        _sync(part, os.O_RDWR)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Replace a file by these bytes; see `replacing`."""
    with replacing(path) as part:
        _write(part, content)


def write_new_bytes(path: Path, content: bytes) -> None:
    """Put a file of these bytes where none stands yet, whole or not at all.

    Raises:
        FileExistsError: Something stands there; it stays as it is.
        OSError: The disk is full, the folder cannot be written.
    """
    make_folder(path.parent)
    part = _part(path)
    try:
        _write(part, content)
        _sync(part, os.O_RDWR)
        try:
            os.link(part, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from error
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replace a file by this text in UTF-8; see `replacing`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Replace a file by a value as JSON; see `replacing`.

    Raises:
        ValueError: It holds NaN or an infinity, which JSON does not have.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False))


def write_fully(descriptor: int, content: bytes | bytearray | memoryview) -> None:
    """`os.write` until all is written: a disk that fills up may take a part first."""
    written = os.write(descriptor, content)
    while written < len(content):
        written += os.write(descriptor, memoryview(content)[written:])


def make_folder(path: Path) -> None:
    """Make a folder and those above it, and flush their names to the disk."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Flush the names in a folder to the disk, so that a rename outlives a power cut."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.{os.getpid()}{PART}")


def _write(path: Path, content: bytes | memoryview) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_fully(descriptor, content)
    finally:
        os.close(descriptor)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
