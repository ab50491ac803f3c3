"""``--options key=value``: keyword arguments for an environment, as typed on a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ilrobot.errors import UserError


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """``("engine=pybullet", "size=96")`` as keyword arguments.

    A value that reads as JSON (a number, true, false, null, a list, "quoted") is that; anything
    else is the text as it stands. Capitalised True, False and None count as their JSON forms.

    Raises:
        UserError: Something is not key=value, or a key is given twice.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        key = key.strip()
        if not separator or not key.isidentifier():
            raise UserError(f"--options takes key=value, not '{pair}'; e.g. engine=pybullet")
        if key in options:
            raise UserError(f"--options gives '{key}' twice; give it once")
        options[key] = _value(text)
    return options


def _value(text: str) -> Any:
    try:
        return json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))
    except ValueError:
        return text
