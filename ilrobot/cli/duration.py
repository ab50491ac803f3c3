"""A time as a person types it."""

from __future__ import annotations

import re

from ilrobot.errors import UserError

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def time_budget(budget: str | None, steps: int | None) -> float | None:
    """``--time-budget`` in seconds, of a verb that takes ``--steps`` as well.

    Raises:
        UserError: It is no time, or both are given.
    """
    if budget is None:
        return None
    if steps is not None:
        raise UserError("--steps and --time-budget both say how long; give one of them")
    return seconds(budget, "--time-budget")


def seconds(text: str, option: str) -> float:
    """``90s``, ``10m`` or ``1.5h`` in seconds.

    Args:
        text: What was typed.
        option: Named in the message.

    Raises:
        UserError: It is no such time, or not above 0.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip(), re.ASCII)
    if found is None or float(found[1]) == 0:
        raise UserError(f"{option} takes a time such as 90s, 10m or 1h, not '{text}'")
    return float(found[1]) * _SECONDS[found[2]]
