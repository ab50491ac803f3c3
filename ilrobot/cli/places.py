"""Where a verb may write: tried before any work is done for nothing."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from ilrobot.atomic import make_folder
from ilrobot.errors import explained


def claim_folder(path: Path) -> None:
    """Make a folder, and make sure that files can be written into it.

    Raises:
        UserError: It cannot be.
        WorkFailed: The disk is full or broken.
    """
    with explained(path, "nothing was done", "try again"):
        if path.exists() and not path.is_dir():
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        make_folder(path)
        with tempfile.TemporaryFile(dir=path):
            pass


def claim_file(path: Path) -> None:
    """Make sure that a file can be written at this path; its folder is made.

    Raises:
        UserError: It cannot be.
        WorkFailed: The disk is full or broken.
    """
    if path.is_dir():
        with explained(path, "nothing was done", "try again"):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    claim_folder(path.parent)
