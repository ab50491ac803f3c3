"""A new version of a dataset's folder, put in the place of the old one whole or not at all.

It is written beside the old one as ``.NAME.edit-PID``, flushed, and exchanged with it by one system
call (``renameat2`` with ``RENAME_EXCHANGE``; Linux, most file systems), so that whoever looks sees
one or the other. Where there is no such call the old folder is renamed to ``.NAME.before-PID`` and
the new one to ``NAME``; between the two `settle` finds the old one and puts it back. Whoever writes
holds the `WriteLock` of each of these folders, so that `settle` knows what a crash left behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from ilrobot.atomic import sync_folder
from ilrobot.errors import UserError
from ilrobot.lock import WriteLock

_log = logging.getLogger(__name__)

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_NO_EXCHANGE = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM})

#: What tells one version of a folder from the one that takes its place: device and inode.
Version = tuple[int, int]


@contextlib.contextmanager
def new_version(path: Path, held: WriteLock | None = None) -> Iterator[Path]:
    """Where to write what shall stand at `path` when the block ends well.

    If the block raises, what stands there stays, and what was written is removed. Whoever could not
    read the old folder cannot read the new one, not even while it is written.

    Args:
        path: A folder, absolute and without links; it need not exist.
        held: The caller's lock on it, if it exists; it goes with the old folder.

    Raises:
        OSError: The disk is full, the folder or the one above cannot be written.
    """
    beside = path.with_name(f".{path.name}.edit-{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=0o700 if path.exists() else 0o777)
    lock = WriteLock.take(beside)
    if lock is None:
        raise UserError(f"{beside}: another process writes there; try again")
    with lock:
        try:
            yield beside
            if path.exists():
                _take_over_rights(path, beside)
            _flush(beside)
            old = _swap(path, beside, lock, held)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        sync_folder(path.parent)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)


def version_at(path: Path) -> Version | None:
    """Which version of a folder stands there; only an edit changes it (None: nothing is there)."""
    try:
        found = path.stat()
    except OSError:  # whoever opens it will say why
        return None
    return found.st_dev, found.st_ino


def settle(path: Path) -> None:
    """Finish or undo what a crash left of an edit of the folder at `path`, whole again then.

    What a running edit writes is left alone. A folder above that cannot be written only gives a
    warning: the dataset is whole as it is, unless it is missing.
    """
    path = path.resolve()
    try:
        beside = list(path.parent.iterdir())
    except OSError:  # whoever opens the path itself will say why
        return
    form = re.compile(rf"\.{re.escape(path.name)}\.(edit|before)-\d+")
    for left in beside:
        if form.fullmatch(left.name):
            try:
                _settle_one(path, left)
            except OSError as error:
                _log.warning("%s: left by an edit that was cut off (%s)", left, error)


def exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in one step; False where the system cannot.

    Raises:
        OSError: It can, but may not, or one of them is a mount point.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(one))


def _swap(path: Path, beside: Path, lock: WriteLock, held: WriteLock | None) -> Path | None:
    """Put `beside` in its place; where the old folder is then, if there was one."""
    if held is None:
        beside.rename(path)
        lock.moved(path)
        return None
    if exchange(path, beside):
        held.moved(beside)
        lock.moved(path)
        return beside
    before = path.with_name(f".{path.name}.before-{os.getpid()}")
    path.rename(before)
    try:
        beside.rename(path)
    except BaseException:
        if not path.exists():
            before.rename(path)
        raise
    held.moved(before)
    lock.moved(path)
    return before


def _settle_one(path: Path, left: Path) -> None:
    try:
        lock = WriteLock.take(left)
    except FileNotFoundError:  # its edit has just ended
        return
    if lock is None:
        return
    with lock:
        if ".before-" in left.name and not path.exists():
            left.rename(path)
            lock.moved(path)
        else:
            shutil.rmtree(left)
        sync_folder(path.parent)


def _take_over_rights(old: Path, new: Path) -> None:
    """Owner, group and mode of all in a new version, as they are in the old one.

    What the old one lacks gets those of the folder that it is in. Links share theirs already. The
    outermost folder comes last: until then it hides the others.
    """
    for place, _, names in os.walk(new, topdown=False):
        model = old / Path(place).relative_to(new)
        while not model.is_dir():
            model = model.parent
        for name in names:
            file = Path(place, name)
            if file.is_symlink() or file.stat().st_nlink > 1:
                continue
            if (model / name).is_file():
                _set_rights(file, (model / name).stat(), 0o7777)
            else:
                _set_rights(file, model.stat(), 0o666)
        _set_rights(Path(place), model.stat(), 0o7777)


def _set_rights(path: Path, like: os.stat_result, bits: int) -> None:
    """Owner and group as far as the system allows it, then those bits of the mode."""
    now = path.stat()
    if (now.st_uid, now.st_gid) != (like.st_uid, like.st_gid):
        for owner in (like.st_uid, -1):
            with contextlib.suppress(PermissionError):
                os.chown(path, owner, like.st_gid)
                break
    mode = stat.S_IMODE(like.st_mode) & bits
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)


def _flush(folder: Path) -> None:
    """All files below it that are its own, and all names, to the disk."""
    for place, _, names in os.walk(folder):
        for file in (Path(place, name) for name in names):
            if not file.is_symlink() and file.stat().st_nlink == 1:
                descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        sync_folder(Path(place))
