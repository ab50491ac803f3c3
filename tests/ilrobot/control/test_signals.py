"""A policy that calls for help: what counts as a call, and what the guard makes of it."""

from dataclasses import replace

import numpy as np
import pytest

from ilrobot.control.activation import Activation
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.contract_guards import FallbackAfter
from ilrobot.control.drawing import Prediction, Single
from ilrobot.control.execution import Receding
from ilrobot.control.guard import Guard
from ilrobot.control.signals import calls_for_help, greatest_difference
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT

SEEN = {"observation.state": np.zeros(2, np.float32)}
CALLS = Activation.CALLS_FOR_HELP


@pytest.mark.parametrize(
    ("signals", "calls"),
    [
        ({"risk": [0.0, 0.5]}, False),
        ({"risk": [0.9, 0.6]}, True),
        ({"risk": [0.0, np.nan]}, True),
        ({}, True),
        ({"risk": [0.0, 0.5], "doubt": [9.0, 9.0]}, False),  # no threshold, no call
    ],
)
def test_above_a_threshold_it_calls_and_so_does_what_is_not_known(signals, calls):
    told = {name: np.float32(values) for name, values in signals.items()}
    assert calls_for_help(told, 1, {"risk": 0.5}) is calls


def test_what_rounding_does_is_no_difference():
    mine = {"risk": np.float32([0.5, 0.5]), "doubt": np.float32([0.5, 0.5])}
    assert greatest_difference({**mine, "risk": mine["risk"] + np.float32(5e-5)}, mine) == 0.0
    apart = {**mine, "doubt": mine["doubt"] + np.float32(5e-5)}
    assert greatest_difference(apart, mine) == pytest.approx(5e-5, rel=1e-2)
    assert np.isnan(greatest_difference({**mine, "risk": np.float32([np.nan, 0.5])}, mine))


def test_an_actor_says_of_each_action_of_a_chunk_whether_it_calls():
    told = {"risk": np.float32([0.1, 0.9, 0.2])}
    robot = ChunkActor(
        lambda *_: Prediction(np.zeros((3, 2), np.float32), told),
        ABSOLUTE,
        history=1,
        execution=Receding(3),
        draw=Single(None),
        thresholds={"risk": 0.5},
    )
    robot.reset(0)
    calls = [robot.act(SEEN, 0.1 * tick).calls_for_help for tick in range(5)]
    assert calls == [False, True, False, False, True]


def ticks(guard, calls):
    """Flags at each tick."""
    guard.reset(np.zeros(2))
    flags = []
    for calling in calls:
        assert guard.admit(SEEN, 0.0)
        assert guard.limit(np.full(2, 0.01), calling) is not None
        flags.append(guard.flags & (CALLS | Activation.FALLBACK))
    return flags


def test_a_call_is_a_warning_until_it_has_lasted():
    calls = [False, True, True, False, True, True, True, False]
    warned = [CALLS if call else Activation(0) for call in calls]
    assert ticks(Guard(ABSOLUTE_CONTRACT), calls) == warned
    late = replace(ABSOLUTE_CONTRACT, fallback_after=FallbackAfter(calling=0.3))  # 3 ticks
    guard = Guard(late)
    falls = [*warned[:6], CALLS | Activation.FALLBACK, warned[7]]
    assert ticks(guard, calls) == falls
    assert guard.counts["calls_for_help"] == 5
    assert ticks(guard, [True, True]) == [CALLS, CALLS]  # an episode begins without a call
