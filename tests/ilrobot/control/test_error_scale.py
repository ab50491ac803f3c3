"""What errors are shares of, whatever limits somebody states."""

from dataclasses import replace

import pytest

from ilrobot.control.contract_parts import Range
from tests.ilrobot.control.contracts import ABSOLUTE_CONTRACT, absolute_limits


@pytest.mark.parametrize(
    ("widest", "expected"),
    [
        (5.0, [10.0, 10.0]),  # limits
        (1e9, [20.0, 40.0]),  # ten times the demonstrated range, and the size
    ],
)
def test_limits_too_wide_to_bound_anything_are_no_measure(widest, expected):
    limits = replace(absolute_limits(), low=(-widest,) * 2, high=(widest,) * 2)
    ranges = {**ABSOLUTE_CONTRACT.training_range, "action": Range((-1.0, 3.0), (1.0, 4.0))}
    contract = replace(ABSOLUTE_CONTRACT, limits=limits, training_range=ranges)
    assert contract.scale.tolist() == expected


def test_an_element_that_was_always_zero_is_measured_by_its_limits():
    ranges = {**ABSOLUTE_CONTRACT.training_range, "action": Range((0.0, 0.0), (0.0, 0.5))}
    contract = replace(ABSOLUTE_CONTRACT, training_range=ranges)
    assert contract.scale.tolist() == [2.0, 2.0]
