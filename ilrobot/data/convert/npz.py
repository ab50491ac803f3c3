"""One ``.npz`` file of long arrays.

``observation`` (N, D), ``action`` (N, A) or (N,) whole numbers, ``episode_ends`` (E,) exclusive
ends, and if wanted ``reward`` (N,) and ``rate`` (one number, Hz).
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.convert import Source, arrays
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
_READ = ("observation", "action", "reward", "episode_ends", "rate")


def detect(path: Path) -> bool:
    """Whether it is named so."""
    return path.is_file() and path.suffix == ".npz"


def read(path: Path, rate: float | None = None) -> Source:
    """Load it.

    Raises:
        UserError: It is no npz file, holds pickled objects, lacks an array, or the arrays disagree.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = set(file.files)
            for wanted in ("observation", "action", "episode_ends"):
                arrays.require(path, names, wanted)
            loaded = {name: _load(file, name, path) for name in _READ if name in names}
    except _UNREADABLE as error:
        raise UserError(f"{path}: cannot be read as npz ({error}); check the file") from error

    columns = {"observation.state": arrays.vector(path, "observation", loaded["observation"])}
    action = arrays.vector(path, "action", loaded["action"])
    discrete = action.dtype.kind in "iu" and action.shape[1] == 1
    choices = arrays.choices(path, action[:, 0]) if discrete else None
    columns["action"] = action[:, 0].astype(np.int64) if discrete else action
    if "reward" in loaded:
        columns["next.reward"] = arrays.scalar(path, "reward", loaded["reward"])
    ends = arrays.check_ends(path, loaded["episode_ends"], arrays.check_lengths(path, columns))
    rate, remarks = arrays.stated_rate(path, rate, _rate(path, loaded.get("rate")))
    spec = Spec(
        observations=(arrays.plain_feature("observation.state", columns["observation.state"]),),
        action=Feature("action", (), "int64")
        if discrete
        else arrays.plain_feature("action", columns["action"]),
        rate=rate,
        choices=choices,
        semantics="discrete" if discrete else "unknown",
    )
    left_out = sorted(names - set(_READ))
    if left_out:
        remarks += (f"left out: {', '.join(left_out)}",)
    remarks += arrays.float64_remark((*spec.observations, spec.action))
    info = EpisodeInfo(path.stem, rate, outcome=Outcome.UNKNOWN)
    return Source("npz", spec, arrays.cut(path, columns, ends, info), len(ends), remarks)


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
