"""What every page's messages have in common: a JSON object, read with suspicion."""

from __future__ import annotations

import json
from typing import Any, Never


class BadMessage(ValueError):
    """It is none that a page of ours sends; the words say why."""


def json_object(text: str) -> dict[str, Any]:
    """A message as an object.

    Raises:
        BadMessage: It is no JSON, or JSON of something else.
    """
    try:
        fields = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadMessage("it is not JSON") from error
    if not isinstance(fields, dict):
        raise BadMessage("it is no JSON object")
    return fields


def count(value: Any, what: str) -> int:
    """A whole number that JavaScript can count to.

    Raises:
        BadMessage: It is none; `what` names it.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise BadMessage(f"{what} is no count")
    return value


def _no_number(text: str) -> Never:
    raise ValueError(f"{text} is no number")
