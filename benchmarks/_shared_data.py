"""Where the data for benchmarks and tests lies."""

from __future__ import annotations

import os
from pathlib import Path

from ilrobot.errors import UserError


def find(name: str) -> Path:
    """A file or folder below $ILROBOT_DATA, or in a folder ``shared/data`` beside the checkout.

    Args:
        name: Its path there.

    Raises:
        UserError: It is in neither.
    """
    folders = [Path(__file__).resolve().parents[2] / "shared" / "data"]
    if os.environ.get("ILROBOT_DATA"):
        folders.insert(0, Path(os.environ["ILROBOT_DATA"]))
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    raise UserError(f"there is no {name}; set ILROBOT_DATA to the folder that holds it")
