"""The gate that calls by the benefit of help, and its thresholds."""

import math

import numpy as np
import pytest

from ilrobot.errors import UserError
from ilrobot.gates.benefit import LEAST, BenefitGate, BenefitThresholds, patience
from ilrobot.gates.gate import GateContext

NOW = BenefitThresholds(call=0.5, handback=0.2)


def acts(gate: BenefitGate, ticks: int) -> list[bool]:
    """Who acts at each tick of an episode, the expert being there at once."""
    gate.reset(0)
    taken = [False]
    for tick in range(ticks):
        seen = {"tick": np.array(tick)}
        taken.append(gate.decide(GateContext(seen, 0.1 * tick, taken[-1], np.zeros(1), None)))
    return taken[1:]


def foretold(values: list[float], ticks: int = 1) -> BenefitGate:
    return BenefitGate(lambda observation, action: values[int(observation["tick"])], NOW, ticks)


def test_it_calls_where_help_is_worth_much_and_hands_back_where_it_is_worth_little() -> None:
    values = [0.0, 0.4, 0.6, 0.4, 0.3, 0.2, 0.4, -0.3]
    assert acts(foretold(values), len(values)) == [False, False, True, True, True] + [False] * 3


def test_a_novice_may_come_through_by_itself_first() -> None:
    values = [0.6, 0.6, 0.4, 0.6, 0.6, 0.6, 0.6, 0.1, 0.6]
    gate = foretold(values, ticks=3)
    assert acts(gate, len(values)) == [False] * 5 + [True] * 2 + [False] * 2
    assert acts(gate, 1) == [False]  # the last episode's ticks do not count
    assert [patience(rate) for rate in (0.1, 1.0, 20.0)] == [1, 1, 20]


def test_nobody_is_called_where_no_help_helps() -> None:
    assert not any(acts(foretold([0.0] * 5), 5))
    # Nor kept: what was lost under the expert's hand is handed back.
    assert acts(foretold([0.9, 0.6, 0.0, 0.0]), 4) == [True, True, False, False]


def test_a_novice_that_does_not_answer_is_helped() -> None:
    assert foretold([0.0]).decide(GateContext({}, 0.0, False, None, None))


@pytest.mark.parametrize("value", [1.5, math.nan])
def test_a_benefit_that_cannot_be_is_told(value: float) -> None:
    with pytest.raises(UserError, match="must be within -1 and 1") as caught:
        acts(foretold([value]), 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ticks", [1, 20])
@pytest.mark.parametrize("budget", [0.1, 0.3, 0.5, 0.99])
def test_at_most_the_share_of_the_attempts_calls_however_long_they_are(
    budget: float, ticks: int
) -> None:
    random = np.random.default_rng(0)
    for count in (1, 2, 10, 25):
        lengths = random.integers(ticks, 300, count)
        attempt = np.repeat(np.arange(count), lengths)
        benefit = random.uniform(LEAST, 1.0, len(attempt))
        now = BenefitThresholds.fit(benefit, attempt, budget, ticks)
        called = [
            any(acts(BenefitGate(lambda seen, _, own=own: own[int(seen["tick"])], now, ticks), n))
            for n, own in ((n, benefit[attempt == one]) for one, n in enumerate(lengths))
        ]
        assert sum(called) == int(budget * count)
        assert now.handback <= now.call


def test_an_attempt_that_is_shorter_than_the_patience_has_the_least_of_its_values() -> None:
    assert BenefitThresholds.fit([0.5, 0.8], [0, 0], 0.5, 20).call == 0.5


def test_nobody_is_called_for_what_hardly_changes_the_outcome() -> None:
    assert BenefitThresholds.fit([0.01, 0.02, 0.03], [0, 1, 2], 0.9, 1).call == LEAST
