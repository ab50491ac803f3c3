"""``--options key=value``: keyword arguments for an environment, as typed on a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ilrobot.errors import UserError


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """``("engine=pybullet", "size=96")`` as keyword arguments.

    A value that reads as JSON (a number, true, false, null, a list, "quoted") is that; anything
    else is the text as it stands. Capitalised True, False and None count as their JSON forms, and
    so do inf and -inf.

    Raises:
        UserError: Something is not key=value, a key is given twice, or a number is none (NaN).
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        key = key.strip()
        if not separator or not key.isidentifier():
            raise UserError(f"--options takes key=value, not '{pair}'; e.g. engine=pybullet")
        if key in options:
            raise UserError(f"--options gives '{key}' twice; give it once")
        options[key] = _value(pair, text)
    return options


#: What Python writes otherwise than JSON.
_AS_JSON = {
    **{"True": "true", "False": "false", "None": "null"},
    **{"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"},
}


def _value(pair: str, text: str) -> Any:
    def constant(name: str) -> float:
        if name == "NaN":
            raise UserError(f"--options {pair}: nan is no number; give one, or leave it out")
        return float(name)

    try:
        return json.loads(_AS_JSON.get(text, text), parse_constant=constant)
    except ValueError:
        return text
