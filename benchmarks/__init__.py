"""Speed, measured as ratios within one run; ``ilrobot bench NAME`` runs ``benchmarks/NAME.py``.

Each of those has ``run() -> list[dict]``, one dict per row, best made by `row`. Files without are
programs for hours of work: ``python -m benchmarks.NAME --help``.
"""

from __future__ import annotations

from typing import Any


def row(
    what: str,
    value: float,
    unit: str,
    *,
    reference: float | None = None,
    at_most: float | None = None,
    at_least: float | None = None,
    of: str = "value",
) -> dict[str, Any]:
    """One row of a benchmark.

    Args:
        what: What was measured.
        value: The measurement.
        unit: Its unit.
        reference: The same by the other means, measured in this run; ``ratio`` is value over it.
        at_most: The goal, where less is better.
        at_least: The goal, where more is better.
        of: What the goal speaks of: ``value`` or ``ratio``.
    """
    ratio = value / reference if reference else None
    measured = value if of == "value" else ratio
    goal, met = "", None
    if measured is not None and at_most is not None:
        goal, met = f"{of} ≤ {at_most:g}", measured <= at_most
    if measured is not None and at_least is not None:
        goal, met = f"{of} ≥ {at_least:g}", measured >= at_least
    return {
        "what": what,
        "value": value,
        "unit": unit,
        "reference": reference,
        "ratio": ratio,
        "goal": goal,
        "met": met,
    }
