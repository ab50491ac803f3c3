"""Numbers out of range are refused, each in the words of its own bound."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from ilrobot.errors import UserError
from ilrobot.ranges import AT_LEAST_1, DISCOUNT, NOT_NEGATIVE, POSITIVE, SHARE, Range, check_ranges


@pytest.mark.parametrize(
    ("allowed", "value", "said"),
    [
        (AT_LEAST_1, 0, "at least 1"),
        (AT_LEAST_1, math.nan, "finite and at least 1"),
        (POSITIVE, 0.0, "positive"),
        (POSITIVE, math.inf, "finite and positive"),
        (NOT_NEGATIVE, -1e-9, "at least 0"),
        (NOT_NEGATIVE, -math.inf, "finite and at least 0"),
        (SHARE, 1.0, "at least 0 and less than 1"),
        (SHARE, -0.1, "at least 0 and less than 1"),
        (DISCOUNT, 0.0, "above 0 and at most 1"),
        (DISCOUNT, math.nan, "above 0 and at most 1"),
        (Range(1, 100), 0, "at least 1"),
        (Range(1, 100), 10**400, "at most 100"),
    ],
)
def test_what_is_out_of_range_is_told_its_bound(allowed: Range, value: float, said: str) -> None:
    with pytest.raises(UserError) as caught:
        check_ranges(SimpleNamespace(some_size=value), {"some_size": allowed})
    assert str(caught.value) == f"--some-size must be {said}, not {value}"


@pytest.mark.parametrize(
    ("allowed", "value"),
    [
        (AT_LEAST_1, 10**400),
        (NOT_NEGATIVE, 0),
        (SHARE, 0.0),
        (DISCOUNT, 1.0),
        (Range(1, 100), 100),
        (POSITIVE, None),
        (AT_LEAST_1, (1, 2)),
    ],
)
def test_what_is_within_passes(allowed: Range, value: object) -> None:
    check_ranges(SimpleNamespace(size=value), {"size": allowed})


def test_each_number_of_a_tuple_counts_under_the_name_of_the_option() -> None:
    with pytest.raises(UserError, match=r"^--history must be at least 1, not 0$"):
        check_ranges(SimpleNamespace(n_obs=(3, 0)), {"n_obs": AT_LEAST_1}, {"n_obs": "history"})
