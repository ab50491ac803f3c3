"""Numbers within their ranges, and the line that refuses one, as its option of the command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ilrobot.errors import UserError


@dataclass(frozen=True)
class Range:
    """What a number may be; it is finite in any case.

    Attributes:
        least: Lower end.
        most: Upper end.
        above: Whether the lower end itself is refused.
        below: Whether the upper end itself is refused.
    """

    least: float
    most: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        return (
            self.least <= value <= self.most
            and value < math.inf
            and not (self.above and value == self.least)
            and not (self.below and value == self.most)
        )

    def wanted(self, value: float) -> str:
        """What to give in place of a number that is refused: ``at least 1``."""
        low = f"{'above' if self.above else 'at least'} {self.least}"
        high = f"{'less than' if self.below else 'at most'} {self.most}"
        if self.most == math.inf:
            low = "positive" if self.above and self.least == 0 else low
            return low if abs(value) < math.inf else f"finite and {low}"
        if self.above or self.below:
            return f"{low} and {high}"
        return high if value > self.most else low


AT_LEAST_1 = Range(1)
POSITIVE = Range(0, above=True)
NOT_NEGATIVE = Range(0)
#: A share that may be none, and is never all.
SHARE = Range(0, 1, below=True)
#: A factor by which what lies ahead counts less, or not.
DISCOUNT = Range(0, 1, above=True)


def check_ranges(
    settings: object, ranges: Mapping[str, Range], options: Mapping[str, str] | None = None
) -> None:
    """Refuse what is out of range.

    Args:
        settings: Has an attribute of each name; of a tuple each number counts, None is none.
        ranges: Name to what it may be.
        options: Those that are called otherwise on the command line, without their dashes.

    Raises:
        UserError: The first number found.
    """
    for name, allowed in ranges.items():
        given = getattr(settings, name)
        for value in given if isinstance(given, tuple) else (given,):
            if value is not None and value not in allowed:
                option = (options or {}).get(name, name).replace("_", "-")
                raise UserError(f"--{option} must be {allowed.wanted(value)}, not {value}")
