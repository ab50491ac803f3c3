"""The ways in which a verb can fail or be ended, each one clear line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_FOLDER = frozenset(
    {
        *(errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY),
        *(errno.ENAMETOOLONG, errno.ELOOP),
    }
)
#: The disk, or what may be used of it, is full.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class UserError(Exception):
    """Bad input or usage: the person can mend it. The command line exits with code 2.

    The message is one line that says what is wrong, where, and what to do.
    """


class WorkFailed(Exception):
    """The input was fine but the work failed, for example parity after an export. Exit code 1."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: the work ends as it does on Ctrl-C, keeping what there is.

    The exit code is 143 or 129.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.signal = signal.Signals(number)


@contextlib.contextmanager
def explained(where: Path, safe: str, remedy: str) -> Iterator[None]:
    """Turn a full disk, a read-only folder or a path that cannot be into one clear line.

    Args:
        where: What is being written to.
        safe: What is already kept, e.g. ``the 3 sealed episodes``.
        remedy: What to do when there is room again, e.g. ``record again with --resume``.

    Raises:
        WorkFailed: The disk is full or broken.
        UserError: The folder cannot be written, or something else stands where it should be.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            files = (place for place in (where, *where.parents) if place.is_file())
            reason = next((f"{file} is a file" for file in files), reason)
        if error.errno in _READ_ONLY:
            raise UserError(
                f"{where}: cannot be written ({reason}); {safe}; choose a folder that you may "
                f"write to, or make this one writable and {remedy}"
            ) from error
        if error.errno in _NO_FOLDER:
            raise UserError(
                f"{where}: cannot be written ({reason}); {safe}; choose another path"
            ) from error
        cure = "free some space" if error.errno in FULL else "look at the disk"
        raise WorkFailed(f"{where}: {reason}; {safe}; {cure} and {remedy}") from error
