"""The scenarios that twins of the guard are held to say something: every kind of activation."""

import numpy as np

from ilrobot.control.activation import NOTHING, Activation
from tests.exports.guard_scenarios import replay, scenarios


def test_every_kind_of_activation_happens_and_the_inputs_are_always_the_same():
    seen = NOTHING
    for scenario, again in zip(scenarios(), scenarios(), strict=True):
        outcomes = replay(scenario)
        for ours, theirs in zip(outcomes, replay(again), strict=True):
            assert ours.flags == theirs.flags
            np.testing.assert_array_equal(ours.command, theirs.command)
            seen |= Activation(ours.flags)
    # Only the loop knows that a plan has run out or an episode is over, a policy that it calls.
    of_others = Activation.PLAN_RUN_OUT | Activation.CALLS_FOR_HELP | Activation.COMING_TO_REST
    assert ~seen == of_others


def test_after_the_emergency_stop_everything_is_held():
    for scenario in scenarios():
        pressed = [i for i, tick in enumerate(scenario.ticks) if tick.press]
        if pressed:
            outcomes = replay(scenario)[pressed[0] :]
            flag = Activation.EMERGENCY_STOP | Activation.FALLBACK
            assert all(Activation(outcome.flags) & flag == flag for outcome in outcomes)
