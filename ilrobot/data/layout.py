"""Where things lie in a dataset's folder, and how a file gets there whole or not at all.

The layout is LeRobotDataset v3.0: ``meta/info.json``, ``meta/stats.json``, ``meta/tasks.parquet``,
``meta/episodes/chunk-000/file-000.parquet`` and ``data/chunk-CCC/file-FFF.parquet``. Ours hold one
episode per data file, which v3.0 allows and which makes sealing an episode one rename.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from ilrobot.errors import UserError, WorkFailed

CODEBASE_VERSION = "v3.0"
INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
JOURNALS = "journal"

#: Data files per chunk folder.
CHUNK_SIZE = 1000

_TEMPORARY = ".tmp"
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def data_file(index: int) -> str:
    """Where episode `index` of a dataset of ours lies, relative to its folder."""
    return DATA.format(chunk_index=index // CHUNK_SIZE, file_index=index % CHUNK_SIZE)


def journal_file(index: int) -> str:
    """Where the journal of episode `index` lies, relative to the dataset's folder."""
    return f"{JOURNALS}/episode-{index:06d}.journal"


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in place so that a crash at any point leaves the old one or the new one.

    Written beside its place, flushed to the disk, renamed, and the rename flushed too.

    Raises:
        OSError: The disk is full, the folder cannot be written; nothing is left behind.
    """
    make_folder(path.parent)
    temporary = path.with_name(path.name + _TEMPORARY)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            write_fully(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


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
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def leftovers(root: Path) -> list[Path]:
    """Half-written files that a crash left behind."""
    folders = ("meta", "meta/episodes/chunk-*", "data/chunk-*")
    return [path for folder in folders for path in root.glob(f"{folder}/*{_TEMPORARY}")]


def journals(root: Path) -> list[Path]:
    """The journals of episodes that are running or were cut off, in order."""
    return sorted((root / JOURNALS).glob("episode-*.journal"))


@contextlib.contextmanager
def explained(where: Path, safe: str, remedy: str) -> Iterator[None]:
    """Turn a full disk or a read-only folder into one clear line.

    Args:
        where: What is being written to.
        safe: What is already kept, e.g. ``the 3 sealed episodes``.
        remedy: What to do when there is room again, e.g. ``record again with --resume``.

    Raises:
        WorkFailed: The disk is full or broken.
        UserError: The folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in _READ_ONLY:
            raise UserError(
                f"{where}: cannot be written ({reason}); {safe}; choose a folder that you may "
                f"write to, or make this one writable and {remedy}"
            ) from error
        cure = "free some space" if error.errno in _FULL else "look at the disk"
        raise WorkFailed(f"{where}: {reason}; {safe}; {cure} and {remedy}") from error
