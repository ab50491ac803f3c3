"""The folder of a round that holds what its gate decides by.

It is there whole or not at all: a run that is cut off goes on as if it had not been.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ilrobot.atomic import PART, make_folder, sync_folder, write_json
from ilrobot.errors import UserError, explained
from ilrobot.learners.interactive.gate_material import Material

VALUES, CRITIC, CLASSIFIER = "gate.json", "critic.pt", "classifier.pt"

#: What is read back from the folder of a round.
Values = dict[str, Any]

#: Fits what one gate needs, writes what is no plain JSON into the folder, gives back the rest.
GateFit = Callable[[Material, Path], Values]


def prepare_gate(folder: Path, material: Material, fit: GateFit) -> None:
    """Fit and write what a gate needs, unless it is there.

    Raises:
        UserError: There is nothing to fit to.
        WorkFailed: The disk is full.
    """
    if folder.exists():
        return
    part = folder.with_name(folder.name + PART)
    with explained(folder, "all that was recorded is safe", "go on with --resume"):
        shutil.rmtree(part, ignore_errors=True)
        make_folder(part)
        write_json(part / VALUES, fit(material, part))
        part.rename(folder)
        sync_folder(folder.parent)


def read_values(folder: Path) -> Values:
    """What `prepare_gate` wrote.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        values = json.loads((folder / VALUES).read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder / VALUES} cannot be read ({error}); delete {folder} to have it made again"
        ) from error
    if not isinstance(values, dict):
        raise UserError(
            f"{folder / VALUES} is no JSON object; delete {folder} to have it made again"
        )
    return _Read(values, folder)


class _Read(Values):
    """Values of a file, which may be of another version."""

    def __init__(self, values: Values, folder: Path) -> None:
        super().__init__(values)
        self._folder = folder

    def __missing__(self, name: str) -> Any:
        raise UserError(
            f"{self._folder / VALUES} does not say '{name}'; delete {self._folder} to have it made "
            "again"
        )
