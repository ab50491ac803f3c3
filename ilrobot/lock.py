"""One writer at a time: a lock that the operating system drops when its owner dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

#: In the folder that is written to; it means nothing by itself, a killed process leaves it behind.
LOCK_FILE = ".writing.lock"


class WriteLock:
    """The exclusive right to write to the folder of a dataset or a run; use `WriteLock.take`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor

    @classmethod
    def take(cls, root: Path) -> WriteLock | None:
        """The lock, or None if another process, or this one, holds it already.

        Raises:
            OSError: The folder cannot be written.
        """
        path = root / LOCK_FILE
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            # Whoever held it before may have removed the file between our two calls.
            try:
                if path.stat().st_ino == os.fstat(descriptor).st_ino:
                    return cls(path, descriptor)
            except FileNotFoundError:
                pass
            os.close(descriptor)

    @staticmethod
    def is_held(root: Path) -> bool:
        """Whether some process, or this one, holds the lock; nothing is written."""
        try:
            descriptor = os.open(root / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # whoever wants to write there will be told why it cannot
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def moved(self, root: Path) -> None:
        """The folder has been renamed: its lock went with it."""
        self._path = root / LOCK_FILE

    def release(self) -> None:
        """Give it back; a second call does nothing."""
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> WriteLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
