"""A log of ticks read back, also one whose process was killed while it wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.runtime.tick_layout import MAGIC, PREFIX, VERSION, Layout
from ilrobot.errors import UserError


@dataclass(frozen=True)
class Ticks:
    """What a log holds.

    Attributes:
        layout: What the fields are.
        rows: The ticks in order, see `exports.runtime.tick_layout`.
        overwritten: How many came before them and had to make room.
        closed: Whether the log was closed; else its process was killed, or is writing still.
    """

    layout: Layout
    rows: NDArray[Any]
    overwritten: int
    closed: bool

    def had(self, activation: str) -> NDArray[np.bool_]:
        """At which ticks the guard did this, by its name in lower case."""
        bit = list(self.layout.activations).index(activation)
        had: NDArray[np.bool_] = (self.rows["activations"] >> bit & 1).astype(np.bool_)
        return had


def read_ticks(path: Path | str) -> Ticks:
    """Read a log that `TickLog` wrote.

    Of one that was not closed every completed tick is read; one that may have been half overwritten
    is left out.

    Raises:
        UserError: It is missing, no such log, damaged, or of another version.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) < PREFIX.size or not content.startswith(MAGIC):
        raise UserError(f"{path} is no log of ticks; ilrobot deploy --log writes one")
    _, length, closed = PREFIX.unpack_from(content)
    try:
        header = json.loads(content[PREFIX.size : length])
        if header["version"] != VERSION:
            raise UserError(
                f"{path}: the log has version {header['version']}, but this version of ilrobot "
                f"reads {VERSION}; read it with the ilrobot that wrote it"
            )
        found = Layout(
            rate=float(header["rate"]),
            row=np.dtype([(name, kind, tuple(shape)) for name, kind, shape in header["row"]]),
            elements=header["elements"],
            units=header["units"],
            scale=header["scale"],
            about=header["about"],
            sources=header["sources"],
            activations=header["activations"],
        )
        capacity = int(header["capacity"])
        count = min(max(len(content) - length, 0) // found.row.itemsize, capacity)
        rows = np.frombuffer(content, found.row, count, length if count else 0)
        ticks = rows["tick"].astype(np.int64)
    # Of a type's name numpy makes Python, which may be none.
    except (ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise UserError(f"{path}: the log is damaged ({error})") from error
    newest = int(ticks.max(initial=0))
    oldest = max(newest - capacity + 1, 1)
    if not closed and newest >= capacity:
        oldest += 1  # its place was the next to be written to
    places = np.arange(count)
    whole = (ticks >= oldest) & ((ticks - 1) % capacity == places)
    ordered = rows[whole][np.argsort(ticks[whole])]
    first = int(ordered["tick"][0]) if len(ordered) else 1
    return Ticks(found, ordered, first - 1, bool(closed))
