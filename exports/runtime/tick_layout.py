"""How a log of ticks lies on the disk, for those who write it and for those who read it.

All numbers are little-endian. The file begins with `MAGIC` (8 bytes), the length of the whole
header (uint32) and whether the log was closed (uint32: 1, or 0 while it is written and after a
crash). Then comes JSON, filled up with spaces to the header's length:

``version``
    1. A reader refuses another.
``capacity``
    How many rows there is room for; row n, counted from 1, lies at the place (n - 1) % capacity.
``row``
    The fields of a row in order: name, type in numpy's words, shape.
``rate``
    Nominal control rate in Hz.
``sources``, ``activations``
    Names of the values of ``source``, and of the bits of ``activations`` from the lowest on.
``elements``
    Field of an array → names of its elements; ``units`` likewise.
``scale``
    Range of each element of the command, by which differences are measured, or null.
``about``
    What was run: policy, robot, task.

A row ends with its number, which is written last: a row whose number is not that of its place was
never completed, or belongs to an earlier round.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ilrobot.actors import Source
from ilrobot.control.activation import Activation
from ilrobot.spec import Feature, Spec

MAGIC = b"ILTICKS1"
VERSION = 1
#: Magic, length of the header, whether the log was closed.
PREFIX = struct.Struct("<8sII")
#: Where the last of these is.
CLOSED_AT = 12
#: The header's length is a multiple of this, so that rows begin on a page.
PAGE = 4096

#: The plain numbers of a row, its number last; times in seconds.
SCALARS: tuple[tuple[str, str], ...] = (
    ("start", "<f8"),  # when the tick began, on the loop's clock
    ("episode", "<i4"),  # counted from 0
    ("activations", "<u4"),  # bits of what the guard did
    ("age", "<f4"),  # of the observation when it was read (NaN: nothing was)
    ("read_time", "<f4"),
    ("act_time", "<f4"),  # guards and policy, from observation to command
    ("write_time", "<f4"),
    ("source", "<u2"),  # who chose the command
    ("late", "<u2"),  # whether the tick began after its deadline
    ("tick", "<u8"),
)
#: The same for `struct`, which writes them in one call.
SCALAR_STRUCT = struct.Struct("<diIffffHHQ")

SOURCES = tuple(Source)
#: Who chose the command where nobody did and the guard's fallback acted.
FALLBACK_SOURCE = len(SOURCES)


@dataclass(frozen=True)
class Layout:
    """What a log holds.

    Attributes:
        rate: Nominal control rate in Hz.
        row: Type of a row: arrays first, then `SCALARS`.
        elements: Field of an array → names of its elements.
        units: Field of an array → units of its elements.
        scale: Range of each element of the command (None: actions are choices).
        about: What was run.
        sources: Names of the values of ``source``.
        activations: Names of the bits of ``activations``.
    """

    rate: float
    row: np.dtype[Any]
    elements: Mapping[str, Sequence[str]]
    units: Mapping[str, Sequence[str]]
    scale: Sequence[float] | None
    about: Mapping[str, str]
    sources: Sequence[str] = (*(str(source) for source in SOURCES), "fallback")
    activations: Sequence[str] = tuple((kind.name or "").lower() for kind in Activation)

    def header(self, capacity: int) -> bytes:
        """What a file begins with that has room for so many rows."""
        text = json.dumps(
            {
                "version": VERSION,
                "capacity": capacity,
                "row": [
                    [name, self.row[name].base.str, list(self.row[name].shape)]
                    for name in self.row.names or ()
                ],
                "rate": self.rate,
                "sources": list(self.sources),
                "activations": list(self.activations),
                "elements": {name: list(names) for name, names in self.elements.items()},
                "units": {name: list(units) for name, units in self.units.items()},
                "scale": None if self.scale is None else list(self.scale),
                "about": dict(self.about),
            }
        ).encode()
        length = -(-(PREFIX.size + len(text)) // PAGE) * PAGE
        return PREFIX.pack(MAGIC, length, 0) + text.ljust(length - PREFIX.size)


def layout(
    spec: Spec,
    rate: float,
    scale: Sequence[float] | None,
    about: Mapping[str, str],
    signals: Sequence[str] = (),
) -> Layout:
    """What is logged of a policy of this spec: every observation but pictures, and the commands.

    Beside them a number for each signal, see `ilrobot.control.signals`.
    """
    seen = [feature for feature in spec.observations if not feature.is_image]
    shape = spec.action.shape
    row = np.dtype(
        [
            *((feature.name, "<f4", feature.shape) for feature in seen),  # NaN: nothing was read
            ("command", "<f8", shape),  # what was sent (NaN: nothing was)
            ("wanted", "<f8", shape),  # what the policy wanted (NaN: it was not asked)
            *((name, "<f4") for name in signals),  # likewise
            *SCALARS,
        ]
    )
    named: dict[str, Feature] = {feature.name: feature for feature in seen}
    named |= {"command": spec.action, "wanted": spec.action}
    return Layout(
        rate=rate,
        row=row,
        elements={name: feature.element_names for name, feature in named.items()}
        | {name: (name,) for name in signals},
        units={name: feature.units or () for name, feature in named.items()},
        scale=scale,
        about=about,
    )
