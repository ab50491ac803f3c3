"""Demonstrations in other formats, read as episodes of ours.

Each format is a module with ``detect(path)`` and ``read(path, rate)``; none writes anything.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ilrobot.data.episode import Episode
from ilrobot.errors import UserError
from ilrobot.spec import Spec

#: Format → module in this package.
FORMATS = {
    "zarr": "replay_zarr",
    "d4rl": "d4rl",
    "minari": "minari",
    "robomimic": "robomimic",  # of HDF5 files what is nothing else
    "lerobot": "lerobot",
    "npz": "npz",
}


@dataclass(frozen=True)
class Source:
    """Demonstrations found somewhere.

    Attributes:
        format: One of `FORMATS`.
        spec: Their observations, action and rate.
        episodes: They are read one by one.
        total: How many there are.
        remarks: What a person should know, e.g. what was left out; one line each.
    """

    format: str
    spec: Spec
    episodes: Iterable[Episode]
    total: int
    remarks: tuple[str, ...] = ()


def open_source(path: Path | str, format: str | None = None, rate: float | None = None) -> Source:
    """Open demonstrations in any of `FORMATS`.

    Args:
        path: A file or folder, or a folder that holds nothing else that can be read.
        format: Which format it is (None: found by itself).
        rate: Control rate in Hz, for a source that does not state it.

    Raises:
        UserError: There is nothing, in no known format, or it is damaged or incomplete. Damage
            within an episode shows when `Source.episodes` reaches it.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: does not exist; check the path")
    if path.is_dir() and not any(path.iterdir()):
        raise UserError(f"{path}: is an empty folder; check the path")
    if rate is not None and not 0 < rate < math.inf:
        raise UserError(f"--rate must be a positive number of Hz, not {rate}")
    if format is None:
        path, format = _find(path)
    elif format not in FORMATS:
        raise UserError(f"unknown format '{format}'; choose one of {', '.join(FORMATS)}")
    source: Source = _module(format).read(path, rate)
    return source


def _find(path: Path) -> tuple[Path, str]:
    """Where the demonstrations are and their format: the path itself, or the one thing in it."""
    if (format := _format(path)) is not None:
        return path, format
    inside = sorted(path.iterdir()) if path.is_dir() else []
    found = [(inner, format) for inner in inside if (format := _format(inner)) is not None]
    if len(found) > 1:
        names = ", ".join(inner.name for inner, _ in found)
        raise UserError(f"{path}: holds more than one source ({names}); import one at a time")
    if not found:
        raise UserError(
            f"{path}: in none of the formats that can be read ({', '.join(FORMATS)}); check the "
            "path, or force one with --format"
        )
    return found[0]


def _format(path: Path) -> str | None:
    return next((name for name in FORMATS if _module(name).detect(path)), None)


def _module(format: str) -> Any:
    return importlib.import_module(f"ilrobot.data.convert.{FORMATS[format]}")
