"""HDF5 files of others, opened and read with one clear line where they are damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.errors import UserError

_MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Whether a file begins like HDF5."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def root_names(path: Path) -> set[str]:
    """What stands at the root; nothing where it is no HDF5 file or cannot be read."""
    if not is_hdf5(path):
        return set()
    import h5py

    try:
        with h5py.File(path) as file:
            return set(file)
    except OSError:
        return set()


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file, to be read.

    Raises:
        UserError: It is no HDF5 file, or damaged where it is read.
    """
    import h5py

    if not path.is_file():
        raise UserError(f"{path}: is not an HDF5 file; check the path")
    try:
        with h5py.File(path) as file:
            yield file
    except (OSError, KeyError) as error:
        raise UserError(f"{path}: cannot be read as HDF5 ({error}); copy it again") from error


def load(path: Path, group: Any, name: str) -> NDArray[Any]:
    """An array below a group.

    Raises:
        UserError: It is a group, or holds nothing.
    """
    import h5py

    found = group[name]
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        place = f"{group.name}/{name}".lstrip("/")
        raise UserError(f"{path}: {place} is no array of numbers; save it as one")
    return np.asarray(found)
