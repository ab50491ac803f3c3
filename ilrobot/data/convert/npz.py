"""One ``.npz`` file of long arrays.

``observation`` (N, D), ``action`` (N, A) or (N,) whole numbers, ``episode_ends`` (E,) exclusive
ends, and if wanted ``reward`` (N,), ``rate`` (one number, Hz) and pictures ``images_<name>``
(N, H, W, 3) uint8, which become films.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.convert import Source, arrays, pictures
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec

_UNREADABLE = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    AttributeError,
    NotImplementedError,
    ValueError,
)
_OF_FRAMES = ("observation", "action", "reward")
_READ = (*_OF_FRAMES, "episode_ends", "rate")
_IMAGES = "images_"


def detect(path: Path) -> bool:
    """Whether it is named so."""
    return path.is_file() and path.suffix == ".npz"


def read(path: Path, rate: float | None = None) -> Source:
    """Load it, but for pictures.

    Raises:
        UserError: It is no npz file, holds pickled objects, lacks an array, or the arrays disagree.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = set(file.files)
            for wanted in ("observation", "action", "episode_ends"):
                arrays.require(path, names, wanted)
            loaded = {name: _load(file, name, path) for name in _READ if name in names}
            packed = [n for n in sorted(names) if f"{n}.npy" in file.zip.namelist()]
        shown = {n: _Stored(path, n) for n in packed if n.removeprefix(_IMAGES) not in (n, "")}
    except _UNREADABLE as error:
        raise UserError(f"{path}: cannot be read as npz ({error}); check the file") from error

    columns = {"observation.state": arrays.vector(path, "observation", loaded["observation"])}
    action = arrays.vector(path, "action", loaded["action"])
    discrete = action.dtype.kind in "iu" and action.shape[1] == 1
    choices = arrays.choices(path, action[:, 0]) if discrete else None
    columns["action"] = action[:, 0].astype(np.int64) if discrete else action
    if "reward" in loaded:
        columns["next.reward"] = arrays.scalar(path, "reward", loaded["reward"])
    cameras, unfilmed = pictures.filmable(
        {name: pictures.camera(name.removeprefix(_IMAGES), each) for name, each in shown.items()}
    )
    films = {camera.name: shown[name].ticks for name, camera in cameras.items()}
    arrays_of_frames = {name: loaded[name] for name in loaded if name in _OF_FRAMES}
    lengths = {**arrays_of_frames, **{name: shown[name] for name in cameras}}
    ends = arrays.check_ends(path, loaded["episode_ends"], arrays.check_lengths(path, lengths))
    rate, remarks = arrays.stated_rate(path, rate, _rate(path, loaded.get("rate")))
    spec = Spec(
        observations=(
            arrays.plain_feature("observation.state", columns["observation.state"]),
            *cameras.values(),
        ),
        action=Feature("action", (), "int64")
        if discrete
        else arrays.plain_feature("action", columns["action"]),
        rate=rate,
        choices=choices,
        semantics="discrete" if discrete else "unknown",
    )
    left_out = sorted(names - set(_READ) - set(shown))
    if left_out:
        remarks += (f"left out: {', '.join(left_out)}",)
    remarks += unfilmed
    remarks += arrays.float64_remark((*spec.observations, spec.action))
    info = EpisodeInfo(path.stem, rate, outcome=Outcome.UNKNOWN)
    return Source("npz", spec, arrays.cut(path, columns, ends, info, films), len(ends), remarks)


class _Stored:
    """An array of pictures in the file, of which one at a time is read.

    Attributes:
        shape: Of all of it.
        dtype: Of its elements.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._where = f"{path}: '{name}'"
        self._file = zipfile.ZipFile(path).open(f"{name}.npy")  # noqa: SIM115 (until it is read)
        read = np.lib.format.read_array_header_2_0
        if np.lib.format.read_magic(self._file) == (1, 0):
            read = np.lib.format.read_array_header_1_0
        self.shape, by_columns, self.dtype = read(self._file)
        self._start = self._file.tell()
        if by_columns and len(self.shape) > 1:
            raise UserError(f"{self._where} is in Fortran's order; save np.ascontiguousarray of it")

    def ticks(self, start: int, end: int) -> Iterator[NDArray[np.uint8]]:
        """The pictures `start` … `end` - 1; in order each is unpacked once, and checked at last."""
        size = int(np.prod(self.shape[1:]))
        for tick in range(start, end):
            place = self._start + tick * size
            try:
                if self._file.tell() != place:
                    self._file.seek(place)
                found = np.frombuffer(self._file.read(size), np.uint8).reshape(self.shape[1:])
            except _UNREADABLE as error:
                raise UserError(f"{self._where} is damaged ({error}); save it again") from error
            yield found


def _load(file: np.lib.npyio.NpzFile, name: str, path: Path) -> NDArray[np.generic]:
    try:
        return np.asarray(file[name])
    except ValueError as error:
        raise UserError(
            f"{path}: '{name}' holds Python objects, which could run code when loaded; save it "
            "as a plain array of numbers"
        ) from error


def _rate(path: Path, stated: NDArray[Any] | None) -> Any:
    """The one value, of whatever type."""
    if stated is None:
        return None
    values = np.unique(stated).tolist()
    if len(values) != 1:
        numbers = stated.dtype.kind in "fiu"
        listed = ", ".join(f"{value:g}" if numbers else str(value) for value in values) or "no"
        raise UserError(
            f"{path}: mixes control rates ({listed} Hz); keep each rate in a file of its own"
        )
    return values[0]
